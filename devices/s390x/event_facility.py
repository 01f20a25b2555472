"""The event facility of the service-call logical processor (SCLP), which its consoles and signals use.

Facts from QEMU's hw/s390x/event-facility.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, device, subsection, this, uint16, uint32


@description("vmstate-event-facility/mask64", needed=this.receive_mask_lower != 0)
class EventFacilityMask64(VMState):
    """The lower half of the receive mask; sent where it is not zero."""

    receive_mask_lower: int = uint32(name="receive_mask_pieces[0]")


@description("vmstate-event-facility/mask_length")
class EventFacilityMaskLength(VMState):
    """Bytes of the mask that the guest uses."""

    mask_length: int = uint16()


@device("vmstate-event-facility")
@description("vmstate-event-facility")
class EventFacility(VMState):
    """The events that the guest wants to receive."""

    receive_mask_upper: int = uint32(name="receive_mask_pieces[1]")
    mask64: EventFacilityMask64 | None = subsection(EventFacilityMask64)
    mask_length: EventFacilityMaskLength | None = subsection(EventFacilityMaskLength)
