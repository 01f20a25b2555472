"""Graphics cards on QEMU's command line.

Names and ids from QEMU's hw/display (-device help, query-pci).
"""

from __future__ import annotations

from vmstate.vmsd.model import Model, ModelAsk, Property, value

MIB = 1 << 20
REVISION = 0x08


def _extended_registers(ask: ModelAsk) -> bool | None:
    """Off where the function has no revision: with the registers it is 2."""
    return None if ask.space.byte(REVISION) else False


def _global_vmstate(ask: ModelAsk) -> bool | None:
    """On where the video memory is called as if there were one graphics card alone."""
    return True if ask.block_size("vga.vram") is None and ask.machine_block_size("vga.vram") is not None else None


def _vga_memory(ask: ModelAsk) -> int | None:
    """The video memory in MiB, under either of its names."""
    size = ask.block_size("vga.vram") or ask.machine_block_size("vga.vram")
    return None if size is None else size // MIB


_VGA: dict[str, Property] = {"vgamem_mb": _vga_memory, "global-vmstate": _global_vmstate}
_MEMORY: dict[str, Property] = {"vgamem_mb": _vga_memory}

_EXTENDED: dict[str, Property] = {"qemu-extended-regs": _extended_registers}

VGA = (
    Model("VGA", (0x1234, 0x1111), {**_VGA, **_EXTENDED}, class_id=0x0300),
    Model("secondary-vga", (0x1234, 0x1111), {**_MEMORY, **_EXTENDED}, class_id=0x0380),
)
CIRRUS = (
    Model("cirrus-vga", None, _VGA, when=lambda ask: ask.is_pci),
    Model("isa-cirrus-vga", None, _MEMORY),
)
VGA_ISA = (Model("isa-vga", None, _MEMORY, when=lambda ask: not ask.is_pci),)
VMWARE = (Model("vmware-svga", None, _VGA),)


def _revision(ask: ModelAsk) -> int:
    """The revision of the card, in that of the function."""
    return ask.space.byte(REVISION)


def _megabytes(block: str) -> Property:
    def of(ask: ModelAsk) -> int | None:
        size = ask.block_size(block)
        return None if size is None else size // MIB

    return of


_QXL: dict[str, Property] = {
    "revision": _revision,
    "vram_size_mb": _megabytes("qxl.vram"),
    "surfaces": value("num_surfaces"),
}
QXL = (
    Model("qxl", None, {**_QXL, "ram_size_mb": _megabytes("qxl.vgavram")}, class_id=0x0380),
    Model("qxl-vga", None, {**_QXL, "ram_size_mb": _vga_memory, "global-vmstate": _global_vmstate}, class_id=0x0300),
)
RAMFB = (Model("ramfb"),)
BOCHS = (
    Model(
        "bochs-display",
        None,
        {"vgamem": lambda ask: None if (size := ask.block_size("bochs-display-vram")) is None else size},
    ),
)
