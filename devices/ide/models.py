"""IDE controllers on QEMU's command line.

Names and ids from QEMU's hw/ide (-device help, query-pci).
"""

from __future__ import annotations

from vmstate.vmsd.model import Model

AHCI = (Model("ich9-ahci"),)
IDE = (Model("piix3-ide", (0x8086, 0x7010)), Model("piix4-ide", (0x8086, 0x7111)))
ISA_IDE = (Model("isa-ide"),)
