"""The NE2000 network card.

Facts from QEMU's hw/net/ne2000.c, ne2000-isa.c and ne2000-pci.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, buffer, description, device, struct, uint8, uint16, uint32, unused
from vmstate.devices.pci.device import PCIDevice


@description("ne2000", version_id=2)
class NE2000(VMState):
    """Registers and memory."""

    rxcr: int = uint8(version=2)
    cmd: int = uint8()
    start: int = uint32()
    stop: int = uint32()
    boundary: int = uint8()
    tsr: int = uint8()
    tpsr: int = uint8()
    tcnt: int = uint16()
    rcnt: int = uint16()
    rsar: int = uint32()
    rsr: int = uint8()
    isr: int = uint8()
    dcfg: int = uint8()
    imr: int = uint8()
    phys: bytes = buffer(6)
    curpag: int = uint8()
    mult: bytes = buffer(8)
    unused_0: None = unused(4)
    mem: bytes = buffer(49152)


@device("ne2000", models="vmstate.devices.net.models:NE2000_PCI")
@description("ne2000", version_id=3, minimum_version_id=3)
class PCINE2000(VMState):
    """The PCI function and the card in it."""

    dev: PCIDevice = struct(PCIDevice)
    ne2000: NE2000 = struct(NE2000)


@device("ne2000", models="vmstate.devices.net.models:NE2000_ISA", order=1)
@description("ne2000", version_id=2)
class ISANE2000(VMState):
    """The card on the ISA bus."""

    ne2000: NE2000 = struct(NE2000)
