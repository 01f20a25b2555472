"""The VGA core, as the ISA and PCI adapters carry it.

Facts from QEMU's hw/display/vga.c and vga-isa.c.
"""

from __future__ import annotations

from vmstate.declare import (
    REGISTERS,
    Release,
    VMState,
    array,
    boolean,
    buffer,
    description,
    device,
    int32,
    struct,
    subsection,
    uint8,
    uint8_equal,
    uint16,
    uint32,
)
from vmstate.vmsd.destination import Comparison, WrongObject

# isa-vga registers the description of VGACommonState over its own ISAVGAState; vmware-svga over what it is of.
_MEBIBYTE = 1 << 20
_VBE_REGISTERS = slice(1105, 1119)
"""Where the payload has registers of the Bochs extensions, and 5.2 and 10.0 save pieces of pointers."""


def _does_no_harm(payload: bytes) -> bool:
    """Whether a section was written by 7.2 or 8.2, which save numbers: their size of video memory first (be32)."""
    size = int.from_bytes(payload[:4], "big")
    return size % _MEBIBYTE == 0 and _MEBIBYTE <= size <= 512 * _MEBIBYTE and not any(payload[_VBE_REGISTERS])


_WRONG_OBJECT = WrongObject(
    {
        Release(5, 2): "Assertion `offset + size <= s->vram_size' failed.",
        Release(7, 2): None,
        Release(8, 2): None,
        Release(10, 0): None,
    },
    frozenset((Release(5, 2), Release(7, 2), Release(8, 2), Release(10, 0), Release(11, 1))),
    "use another display adapter than isa-vga, or QEMU 11.1 on both sides",
    rightly=frozenset(("vmware_vga",)),
    harmless=_does_no_harm,
)


@description("vga.endian", version_id=1, minimum_version_id=1)
class VGAEndian(VMState):
    """Byte order of the frame buffer; sent where it is not the default."""

    big_endian_fb: bool = boolean()


@device(
    "vga",
    order=1,
    listed=False,
    models="vmstate.devices.display.models:VGA_ISA",
    compares=Comparison(wrong_object=_WRONG_OBJECT),
)
@description("vga", version_id=2, minimum_version_id=2)
class VGACommon(VMState):
    """The registers of a VGA, with the Bochs extensions."""

    latch: int = uint32()
    sr_index: int = uint8()
    sr: bytes = buffer(8, private=REGISTERS)
    gr_index: int = uint8()
    gr: bytes = buffer(16, private=REGISTERS)
    ar_index: int = uint8()
    ar: bytes = buffer(21, private=REGISTERS)
    ar_flip_flop: int = int32()
    cr_index: int = uint8()
    cr: bytes = buffer(256, private=REGISTERS)
    msr: int = uint8()
    fcr: int = uint8()
    st00: int = uint8()
    st01: int = uint8()
    dac_state: int = uint8()
    dac_sub_index: int = uint8()
    dac_read_index: int = uint8()
    dac_write_index: int = uint8()
    dac_cache: bytes = buffer(3)
    palette: bytes = buffer(768)
    bank_offset: int = int32()
    is_vbe_vmstate: int = uint8_equal()
    vbe_index: int = uint16()
    vbe_regs: list[int] = array(uint16, 10)
    vbe_start_addr: int = uint32()
    vbe_line_offset: int = uint32()
    vbe_bank_mask: int = uint32()
    endian: VGAEndian | None = subsection(VGAEndian)


@device("vga-isa", models="vmstate.devices.display.models:VGA_ISA")
@description("vga-isa", version_id=1, minimum_version_id=0)
class VGAISA(VMState):
    """The VGA on the ISA bus, of releases after 10.2."""

    state: VGACommon = struct(VGACommon)
