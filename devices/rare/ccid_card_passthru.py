"""A smart card of another host, in the reader usb-ccid.

Facts from QEMU's hw/usb/ccid-card-passthru.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, buffer, description, device, uint8, uint32


@device("ccid-card-passthru")
@description("ccid-card-passthru", version_id=1, minimum_version_id=1)
class CCIDCardPassthru(VMState):
    """What was received of the other host, and the card's answer to a reset."""

    vscard_in_data: bytes = buffer(65536)
    vscard_in_pos: int = uint32()
    vscard_in_hdr: int = uint32()
    atr: bytes = buffer(40)
    atr_length: int = uint8()
