"""Serial and parallel ports on QEMU's command line.

Names and ids from QEMU's hw/char (-device help, query-pci).
"""

from __future__ import annotations

from vmstate.vmsd.model import Model, ModelAsk

PROG_IF = 0x09
USUAL_PROG_IF = 2
"""That of a 16550."""

RED_HAT = 0x1B36
SERIAL_OF = {2: 0x0003, 4: 0x0004}
"""Ports -> the device id of a card with so many."""


def _prog_if(ask: ModelAsk) -> int | None:
    """The programming interface, where it is another than usual."""
    interface = ask.space.byte(PROG_IF)
    return None if interface == USUAL_PROG_IF else interface


PCI_SERIAL = (Model("pci-serial", None, {"prog_if": _prog_if}, "chardev"),)


def _chardev(ask: ModelAsk) -> str:
    return ask.object("chardev")


def _several(ports: int) -> Model:
    chardevs = {f"chardev{number}": _chardev for number in range(1, ports + 1)}
    return Model(f"pci-serial-{ports}x", (RED_HAT, SERIAL_OF[ports]), chardevs)


PCI_SERIAL_MULTI = (_several(2), _several(4))
SCLP_LINES = (Model("sclplmconsole", back_end="chardev"),)
PARALLEL = (Model("isa-parallel", back_end="chardev"),)
