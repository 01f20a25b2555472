"""Floppy controllers on QEMU's command line.

Names and ids from QEMU's hw/block (-device help, query-pci).
"""

from __future__ import annotations

from vmstate.vmsd.model import Model

FDC = (Model("isa-fdc"),)
