"""Graphics cards on QEMU's command line.

Names and ids from QEMU's hw/display (-device help, query-pci).
"""

from __future__ import annotations

from vmstate.vmsd.model import Model, ModelAsk, Property

MIB = 1 << 20


def vram(block: str) -> Property:
    """The video memory in MiB, which is a RAM block of the device."""

    def of(ask: ModelAsk) -> int | None:
        size = ask.block_size(block)
        return None if size is None else size // MIB

    return of


_VGA = {"vgamem_mb": vram("vga.vram")}

VGA = (
    Model("VGA", (0x1234, 0x1111), _VGA, class_id=0x0300),
    Model("secondary-vga", (0x1234, 0x1111), _VGA, class_id=0x0380),
)
CIRRUS = (
    Model("cirrus-vga", None, {"vgamem_mb": vram("vga.vram")}, when=lambda ask: ask.is_pci),
    Model("isa-cirrus-vga"),
)
VGA_ISA = (Model("isa-vga", when=lambda ask: not ask.is_pci),)
VMWARE = (Model("vmware-svga", None, {"vgamem_mb": vram("vga.vram")}),)
BOCHS = (
    Model(
        "bochs-display",
        None,
        {"vgamem": lambda ask: None if (size := ask.block_size("bochs-display-vram")) is None else size},
    ),
)
