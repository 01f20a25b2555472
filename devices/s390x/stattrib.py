"""The storage attributes of an s390 guest (CMMA): which pages it does not need, sent while it runs.

Facts from QEMU's hw/s390x/s390-stattrib.c.
"""

from __future__ import annotations

from vmstate.declare import REGISTERS, VMState, description, device, keyed_list, rule, this, uint64, vbuffer

FLAGS = 0xFFF
"""The bits of an address that are not of it: QEMU looks at no others where the list ends."""

END = 1
MORE = 2
"""In the low bits of an address: attributes follow."""
DONE = 8
"""In the low bits of an address: all have been sent, and nothing is behind it."""


_FLAGS = this.address & FLAGS

KNOWN_FLAGS = rule(
    "s390-storage-attributes",
    (_FLAGS == END) | (_FLAGS == MORE) | (_FLAGS == DONE),
    "the low bits of an address say that attributes follow, that all are sent, or that the part ends",
    qemu_error="Unexpected storage attribute flag data",
)


@description("s390-storage_attributes/range", rules=(KNOWN_FLAGS,))
class AttributeRange(VMState):
    """The attributes of a range of memory: a byte for each of its pages. Its address has flags in its low bits."""

    address: int = uint64()
    pages: int | None = uint64(exists=_FLAGS == MORE)
    attributes: bytes | None = vbuffer(this.pages, exists=_FLAGS == MORE, private=REGISTERS)


@device("s390-storage_attributes", old_style=True, listed=False)
@description("s390-storage_attributes")
class StorageAttributes(VMState):
    """What this part of the stream brings; nothing where the guest has none."""

    ranges: list[AttributeRange] = keyed_list(AttributeRange, key=uint64, end=END, mask=FLAGS)
