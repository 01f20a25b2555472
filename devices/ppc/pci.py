"""A PCI host bridge of a `pseries` machine.

Facts from QEMU's hw/ppc/spapr_pci.c.
"""

from __future__ import annotations

from vmstate.declare import (
    VMState,
    array,
    description,
    device,
    int32,
    this,
    uint32,
    uint32_equal,
    uint64,
    uint64_equal,
    varray,
)
from vmstate.devices.ppc.age import BEFORE_2_8


@description("spapr_pci/lsi", version_id=1, minimum_version_id=1)
class LevelInterrupt(VMState):
    """The number of the interrupt of a pin."""

    irq: int = uint32_equal()


@description("spapr_pci/msi", version_id=1, minimum_version_id=1)
class MessageInterrupts(VMState):
    """The interrupts that a device was given for its messages; `key` is where the device is."""

    key: int = uint32()
    first_irq: int = uint32(name="value.first_irq")
    num: int = uint32(name="value.num")


@device("spapr_pci")
@description("spapr_pci", version_id=2, minimum_version_id=2)
class PCIHostBridge(VMState):
    """The interrupts of the bridge: of its four pins, and of the devices behind it."""

    buid: int = uint64_equal()
    liobn: int | None = uint32(name="mig_liobn", exists=BEFORE_2_8)
    mem_win_addr: int | None = uint64(name="mig_mem_win_addr", exists=BEFORE_2_8)
    mem_win_size: int | None = uint64(name="mig_mem_win_size", exists=BEFORE_2_8)
    io_win_addr: int | None = uint64(name="mig_io_win_addr", exists=BEFORE_2_8)
    io_win_size: int | None = uint64(name="mig_io_win_size", exists=BEFORE_2_8)
    lsi_table: list[LevelInterrupt] = array(LevelInterrupt, 4)
    msi_devs_num: int = int32()
    msi_devs: list[MessageInterrupts] = varray(MessageInterrupts, count=this.msi_devs_num)
