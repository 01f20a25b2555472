"""Serial and parallel ports on QEMU's command line.

Names and ids from QEMU's hw/char (-device help, query-pci).
"""

from __future__ import annotations

from vmstate.vmsd.model import Model

PCI_SERIAL = (Model("pci-serial", back_end="chardev"),)
PARALLEL = (Model("isa-parallel", back_end="chardev"),)
