"""The AHCI controller of the ICH9.

Facts from QEMU's hw/ide/ich.c.
"""

from __future__ import annotations

from vmstate.declare import MEMORY, RELEASE, Release, VMState, asks, description, device, rule, struct, this, variant
from vmstate.devices.ide.ahci import AHCI, AHCI_9_0, Memory, is_mapped
from vmstate.devices.pci.device import PCIDevice

COMMAND, MASTER = 4, 2
"""The low byte of a PCI function's command register, and the bit by which it is a bus master."""


def _is_mapped(parent: PCIDevice, ahci: AHCI, memory: Memory) -> bool:
    return is_mapped(ahci.dev, bool(parent.config[COMMAND] >> MASTER & 1), memory)


_MAPPED = (
    rule(
        "ahci-mapped",
        (Release(9, 2) <= RELEASE) | asks(_is_mapped, this.parent_obj, this.ahci, MEMORY),
        "the command list and the receive buffer of a port that is started are in memory",
    ),
)


@device("ich9_ahci", models="vmstate.devices.ide.models:AHCI", early_copy="vmstate.devices.early_copies:AHCI")
@description("ich9_ahci", version_id=1)
class ICH9AHCI(VMState):
    """The PCI function and the controller in it."""

    parent_obj: PCIDevice = struct(PCIDevice)
    ahci: AHCI = struct(AHCI, rules=_MAPPED)


ICH9_AHCI_9_0 = variant(ICH9AHCI, ahci=struct(AHCI_9_0, rules=_MAPPED))
"""With the AHCI controller of 9.0."""
