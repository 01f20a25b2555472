"""The AHCI controller of the ICH9.

Facts from QEMU's hw/ide/ich.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, device, rule, struct, this, variant
from vmstate.devices.core.mapping import can_be_mapped, is_master
from vmstate.devices.ide.ahci import AHCI, AHCI_9_0, buffers
from vmstate.devices.pci.device import PCIDevice


def _buffers(parent: PCIDevice, ahci: AHCI) -> tuple[list[tuple[int, int]], bool]:
    return [piece for port in ahci.dev for piece in buffers(port)], is_master(parent)


_MAPPED = (
    rule(
        "ahci-mapped",
        can_be_mapped(_buffers, this.parent_obj, this.ahci),
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
