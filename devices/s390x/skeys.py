"""The storage keys of an s390 guest: a byte for each page, once the guest has used them.

Facts from QEMU's hw/s390x/s390-skeys.c.
"""

from __future__ import annotations

from vmstate.declare import CONTENTS, VMState, description, device, keyed_list, rule, this, uint64, vbuffer

FLAGS = 0xFFF
"""The bits of an address that are not of it: QEMU looks at no others where the list ends."""

END = 1
"""What stands in the place of an address at the end. 4 there says that the source could not read its keys."""


KEYS = 2
"""In the low bits of an address: keys follow."""

_FLAGS = this.address & FLAGS

KNOWN_FLAGS = rule(
    "s390-storage-keys",
    (_FLAGS == END) | (_FLAGS == KEYS),
    "the low bits of an address say that keys follow, or that they end; a source that cannot read its keys says 4",
    qemu_error="torage key",
)


@description("s390-skeys/range", rules=(KNOWN_FLAGS,))
class KeyRange(VMState):
    """The keys of a range of memory: its address, in whose low bits is a 2, and a byte for each of its pages."""

    address: int = uint64()
    pages: int = uint64()
    keys: bytes = vbuffer(this.pages, private=CONTENTS)


@device("s390-skeys", old_style=True, listed=False)
@description("s390-skeys", version_id=1)
class StorageKeys(VMState):
    """The ranges of memory with their keys; none where the guest has not used keys."""

    ranges: list[KeyRange] = keyed_list(KeyRange, key=uint64, end=END, mask=FLAGS)
