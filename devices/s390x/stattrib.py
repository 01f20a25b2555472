"""The storage attributes of an s390 guest (CMMA): which pages it does not need, sent while it runs.

Facts from QEMU's hw/s390x/s390-stattrib.c.
"""

from __future__ import annotations

from vmstate.declare import REGISTERS, VMState, description, device, keyed_list, this, uint64, vbuffer

END = 1
MORE = 2
"""In the low bits of an address: attributes follow. 8 there, and nothing behind it: all have been sent."""


@description("s390-storage_attributes/range")
class AttributeRange(VMState):
    """The attributes of a range of memory: a byte for each of its pages. Its address has flags in its low bits."""

    address: int = uint64()
    pages: int | None = uint64(exists=(this.address & 0xFFF) == MORE)
    attributes: bytes | None = vbuffer(this.pages, exists=(this.address & 0xFFF) == MORE, private=REGISTERS)


@device("s390-storage_attributes", old_style=True, listed=False)
@description("s390-storage_attributes")
class StorageAttributes(VMState):
    """What this part of the stream brings; nothing where the guest has none."""

    ranges: list[AttributeRange] = keyed_list(AttributeRange, key=uint64, end=END)
