"""What e500 boards have: the PCI host bridge, the I2C controller and the pins.

Facts from QEMU's hw/pci-host/ppce500.c, hw/i2c/mpc_i2c.c and hw/gpio/mpc8xxx.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, uint8, uint32


@description("pci_outbound")
class Outbound(VMState):
    """A window to the bus."""

    potar: int = uint32()
    potear: int = uint32()
    powbar: int = uint32()
    powar: int = uint32()


@description("pci_inbound")
class Inbound(VMState):
    """A window from the bus."""

    pitar: int = uint32()
    piwbar: int = uint32()
    piwbear: int = uint32()
    piwar: int = uint32()


@device("ppce500_pci")
@description("ppce500_pci", version_id=1, minimum_version_id=1)
class PPCE500PCI(VMState):
    """The windows."""

    pob: list[Outbound] = array(Outbound, 5, version=1)
    pib: list[Inbound] = array(Inbound, 3, version=1)
    gasket_time: int = uint32()


@device("mpc-i2c")
@description("mpc-i2c", version_id=1, minimum_version_id=1)
class MPCI2C(VMState):
    """Its registers."""

    address: int = uint8()
    adr: int = uint8()
    fdr: int = uint8()
    cr: int = uint8()
    sr: int = uint8()
    dr: int = uint8()
    dfsrr: int = uint8()


@device("mpc8xxx_gpio")
@description("mpc8xxx_gpio", version_id=1, minimum_version_id=1)
class MPC8XXXGpio(VMState):
    """Their registers."""

    dir: int = uint32()
    odr: int = uint32()
    dat: int = uint32()
    ier: int = uint32()
    imr: int = uint32()
    icr: int = uint32()
