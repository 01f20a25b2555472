"""ACPI's devices on QEMU's command line.

Names and ids from QEMU's hw/acpi (-device help, query-pci).
"""

from __future__ import annotations

from vmstate.vmsd.model import Model

VMGENID = (Model("vmgenid"),)
VMCLOCK = (Model("vmclock"),)
ERST = (Model("acpi-erst", back_end="memdev"),)
