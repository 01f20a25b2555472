"""Serial and parallel ports on QEMU's command line.

Names and ids from QEMU's hw/char (-device help, query-pci).
"""

from __future__ import annotations

from vmstate.vmsd.model import Model, ModelAsk

PROG_IF = 0x09
USUAL_PROG_IF = 2
"""That of a 16550."""


def _prog_if(ask: ModelAsk) -> int | None:
    """The programming interface, where it is another than usual."""
    interface = ask.space.byte(PROG_IF)
    return None if interface == USUAL_PROG_IF else interface


PCI_SERIAL = (Model("pci-serial", None, {"prog_if": _prog_if}, "chardev"),)
SCLP_LINES = (Model("sclplmconsole", back_end="chardev"),)
PARALLEL = (Model("isa-parallel", back_end="chardev"),)
