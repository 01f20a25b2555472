"""The AHCI controller of boards, without PCI.

Facts from QEMU's hw/ide/ahci.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, device, struct, variant
from vmstate.devices.ide.ahci import AHCI, AHCI_9_0


@device("sysbus-ahci")
@description("sysbus-ahci")
class SysbusAHCI(VMState):
    """The controller."""

    ahci: AHCI = struct(AHCI)


SYSBUS_AHCI_9_0 = variant(SysbusAHCI, ahci=struct(AHCI_9_0))
"""The number of ports was signed up to 9.0."""
