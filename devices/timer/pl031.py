"""The PrimeCell real-time clock PL031.

Facts from QEMU's hw/rtc/pl031.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, device, part, subsection, uint32


@part(noise={"timer": ("tick_offset",)})
@description("pl031/tick-offset", version_id=1, minimum_version_id=1)
class TickOffset(VMState):
    """The offset of the clock; sent by machines from 4.0 on."""

    tick_offset: int = uint32()


@device("pl031", noise={"timer": ("tick_offset_vmstate",)})
@description("pl031", version_id=1, minimum_version_id=1)
class PL031(VMState):
    """Registers."""

    tick_offset_vmstate: int = uint32()
    mr: int = uint32()
    lr: int = uint32()
    cr: int = uint32()
    im: int = uint32()
    is_: int = uint32(name="is")
    tick_offset: TickOffset | None = subsection(TickOffset)
