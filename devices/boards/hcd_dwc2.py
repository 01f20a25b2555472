"""The USB controller of DesignWare (DWC2), of Broadcom's BCM2835.

Facts from QEMU's hw/usb/hcd-dwc2.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, boolean, description, device, int32, int64, timer, uint8, uint16, uint32


@description("dwc2/packet", version_id=1, minimum_version_id=1)
class Dwc2Packet(VMState):
    """A packet under way: of which device and endpoint, and how far."""

    devadr: int = uint32()
    epnum: int = uint32()
    epdir: int = uint32()
    mps: int = uint32()
    pid: int = uint32()
    index: int = uint32()
    pcnt: int = uint32()
    len: int = uint32()
    async_: int = int32(name="async")
    small: bool = boolean()
    needs_service: bool = boolean()


@device(
    "dwc2",
    noise={
        "timer": (
            "eof_timer",
            "frame_timer",
            "sof_time",
            "frame_number",
        )
    },
)
@description("dwc2", version_id=1, minimum_version_id=1)
class Dwc2(VMState):
    """Registers, the frame, and the packets of the channels."""

    glbreg: list[int] = array(uint32, 28)
    fszreg: list[int] = array(uint32, 1)
    hreg0: list[int] = array(uint32, 17)
    hreg1: list[int] = array(uint32, 64)
    pcgreg: list[int] = array(uint32, 2)
    eof_timer: int = timer()
    frame_timer: int = timer()
    sof_time: int = int64()
    usb_frame_time: int = int64()
    usb_bit_time: int = int64()
    usb_version: int = uint32()
    frame_number: int = uint16()
    fi: int = uint16()
    next_chan: int = uint16()
    working: bool = boolean()
    packet: list[Dwc2Packet] = array(Dwc2Packet, 8, version=1)
    usb_buf: list[int] = array(uint8, 524288)
