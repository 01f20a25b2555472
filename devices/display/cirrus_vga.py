"""The Cirrus Logic GD5446, and its ISA relative.

Facts from QEMU's hw/display/cirrus_vga.c.
"""

from __future__ import annotations

from vmstate.declare import REGISTERS, Release, VMState, buffer, description, device, int32, struct, uint8, uint32
from vmstate.devices.pci.device import PCIDevice
from vmstate.vmsd.destination import Comparison, WrongObject

# isa-cirrus-vga registers the description of CirrusVGAState over its own ISACirrusVGAState.
_ASSERTION = "Assertion `mr->alias' failed."
_WRONG_OBJECT = WrongObject(
    {Release(5, 2): _ASSERTION, Release(7, 2): _ASSERTION, Release(8, 2): _ASSERTION},
    frozenset((Release(10, 0), Release(11, 1))),
    "use another display adapter than isa-cirrus-vga, or QEMU 10.0 or later at the destination",
)


@device(
    "cirrus_vga",
    models="vmstate.devices.display.models:CIRRUS",
    order=1,
    compares=Comparison(wrong_object=_WRONG_OBJECT),
)
@description("cirrus_vga", version_id=2, minimum_version_id=1)
class CirrusVGA(VMState):
    """The registers of the adapter."""

    latch: int = uint32(name="vga.latch")
    sr_index: int = uint8(name="vga.sr_index")
    sr: bytes = buffer(256, name="vga.sr", private=REGISTERS)
    gr_index: int = uint8(name="vga.gr_index")
    cirrus_shadow_gr0: int = uint8()
    cirrus_shadow_gr1: int = uint8()
    gr: bytes = buffer(254, name="vga.gr", private=REGISTERS)
    ar_index: int = uint8(name="vga.ar_index")
    ar: bytes = buffer(21, name="vga.ar", private=REGISTERS)
    ar_flip_flop: int = int32(name="vga.ar_flip_flop")
    cr_index: int = uint8(name="vga.cr_index")
    cr: bytes = buffer(256, name="vga.cr", private=REGISTERS)
    msr: int = uint8(name="vga.msr")
    fcr: int = uint8(name="vga.fcr")
    st00: int = uint8(name="vga.st00")
    st01: int = uint8(name="vga.st01")
    dac_state: int = uint8(name="vga.dac_state")
    dac_sub_index: int = uint8(name="vga.dac_sub_index")
    dac_read_index: int = uint8(name="vga.dac_read_index")
    dac_write_index: int = uint8(name="vga.dac_write_index")
    dac_cache: bytes = buffer(3, name="vga.dac_cache")
    palette: bytes = buffer(768, name="vga.palette")
    bank_offset: int = int32(name="vga.bank_offset")
    cirrus_hidden_dac_lockindex: int = uint8()
    cirrus_hidden_dac_data: int = uint8()
    hw_cursor_x: int = uint32(name="vga.hw_cursor_x")
    hw_cursor_y: int = uint32(name="vga.hw_cursor_y")


@device("cirrus_vga")
@description("cirrus_vga", version_id=2, minimum_version_id=2)
class PCICirrusVGA(VMState):
    """The PCI function and the adapter in it."""

    dev: PCIDevice = struct(PCIDevice)
    cirrus_vga: CirrusVGA = struct(CirrusVGA)
