"""What the hypervisor of pseries gives its guest beside processors and interrupts.

Above each part stands the file of QEMU's that its facts are from.
"""

from __future__ import annotations

from vmstate.declare import (
    CONTENTS,
    VMState,
    array,
    array_of_pointer,
    boolean,
    buffer,
    description,
    device,
    int32,
    int64,
    keyed_list,
    struct,
    subsection,
    this,
    timer,
    uint8,
    uint32,
    uint32_equal,
    uint64,
    uint64_equal,
    varray,
    vbuffer,
)
from vmstate.devices.ppc.age import BEFORE_2_8

# A connector of a `pseries` machine, at which a device can be plugged and unplugged (hw/ppc/spapr_drc.c).


@description("spapr_drc/unplug_requested", version_id=1, minimum_version_id=1, needed=this.unplug_requested)
class UnplugRequested(VMState):
    """Whether the guest was asked to let the device go; sent where it was."""

    unplug_requested: bool = boolean()


@device("spapr_drc", listed=False)
@description("spapr_drc", version_id=1, minimum_version_id=1)
class Connector(VMState):
    """What stands at the connector; sent where that is not what it would be after a reset."""

    state: int = uint32()
    unplug_requested: UnplugRequested | None = subsection(UnplugRequested)


# The hash page table of a `pseries` guest, sent while it runs (hw/ppc/spapr.c (htab_save_setup, htab_save_chunk,
# htab_load)).

ENTRY = 16
"""Bytes of an entry of the table."""


@description("spapr/htab/chunk")
class HashTableChunk(VMState):
    """Entries one behind the other: `head` is the first's number << 32 | those valid << 16 | those invalid behind."""

    head: int = uint64()
    entries: bytes = vbuffer((this.head >> 16) & 0xFFFF, multiply=ENTRY, private=CONTENTS)


@device("spapr/htab", old_style=True, listed=False)
@description("spapr/htab", version_id=1, minimum_version_id=1)
class HashTable(VMState):
    """A part of the stream of the table.

    `shift` comes first: the binary logarithm of its bytes; -1 where the guest has none (radix); 0 in the parts behind.
    """

    shift: int = int32()
    chunks: list[HashTableChunk] | None = keyed_list(HashTableChunk, key=uint64, exists=this.shift == 0)


# The translation tables of a `pseries` machine's devices (hw/ppc/spapr_iommu.c).


@description("spapr_iommu_ex", version_id=1, minimum_version_id=1)
class TableEx(VMState):
    """Where its window begins and how large its pages are; sent where these are not as usual."""

    bus_offset: int = uint64()
    page_shift: int = uint32()


@device("spapr_iommu", listed=False)
@description("spapr_iommu", version_id=3, minimum_version_id=2)
class Table(VMState):
    """A table: `liobn` is its number, and the instance_id of its section."""

    liobn: int = uint32_equal()
    mig_nb_table: int = uint32()
    bypass: bool = boolean()
    mig_table: list[int] = varray(uint64, count=this.mig_nb_table)
    def_win: bool | None = boolean(version=3)
    ex: TableEx | None = subsection(TableEx)


# What every device on the virtual I/O bus of a `pseries` machine has (hw/ppc/spapr_vio.c).


@description("spapr_vio", version_id=1, minimum_version_id=1)
class VIODevice(VMState):
    """Its unit address, interrupt and signals, and the queue of commands and responses (CRQ) in guest memory."""

    reg: int = uint32_equal()
    irq: int = uint32_equal()
    signal_state: int = uint64()
    crq_qladdr: int = uint64(name="crq.qladdr")
    crq_qsize: int = uint32(name="crq.qsize")
    crq_qnext: int = uint32(name="crq.qnext")


# The virtual network card of a `pseries` machine (hw/net/spapr_llan.c).


@description("spapr_llan/rx_buffer_pool", version_id=1, minimum_version_id=1)
class RxBufferPool(VMState):
    """Buffers of one size that the guest gave for what is received."""

    bufsize: int = int32()
    count: int = int32()
    bds: list[int] = array(uint64, 4096)


@description("spapr_llan/rx_pools", version_id=1, minimum_version_id=1)
class RxPools(VMState):
    """The buffers by their sizes; sent where the card uses them (`use-rx-buffer-pools`)."""

    rx_pool: list[RxBufferPool | None] = array_of_pointer(RxBufferPool, 5, version=1)


@device("spapr_llan")
@description("spapr_llan", version_id=1, minimum_version_id=1)
class LogicalLAN(VMState):
    """Whether the guest has opened it, and where in its memory the lists of buffers are."""

    sdev: VIODevice = struct(VIODevice)
    isopen: bool = boolean()
    buf_list: int = uint64()
    add_buf_ptr: int = uint32()
    use_buf_ptr: int = uint32()
    rx_bufs: int = uint32()
    rxq_ptr: int = uint64()
    rx_pools: RxPools | None = subsection(RxPools)


# The NVRAM of a `pseries` machine (hw/nvram/spapr_nvram.c).


@device("spapr_nvram")
@description("spapr_nvram", version_id=1, minimum_version_id=1)
class NVRAM(VMState):
    """All of its bytes."""

    size: int = uint32()
    buf: bytes = vbuffer(this.size, version=1, private=CONTENTS)


# A PCI host bridge of a `pseries` machine (hw/ppc/spapr_pci.c).


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


# The clock of a `pseries` machine (hw/ppc/spapr_rtc.c).


@device("spapr/rtc", listed=False)
@description("spapr/rtc", version_id=1, minimum_version_id=1)
class RTC(VMState):
    """Nanoseconds by which the guest's clock is ahead of the host's."""

    ns_offset: int = int64()


# The virtual SCSI adapter of a `pseries` machine. The requests that are under way go with the disks
# (hw/scsi/spapr_vscsi.c).


@device("spapr_vscsi")
@description("spapr_vscsi", version_id=1, minimum_version_id=1)
class VirtualSCSI(VMState):
    """Its queue."""

    vdev: VIODevice = struct(VIODevice)


# The virtual terminal of a `pseries` machine (hw/char/spapr_vty.c).


@device("spapr_vty")
@description("spapr_vty", version_id=1, minimum_version_id=1)
class VirtualTerminal(VMState):
    """What was typed and not read: a ring of 16 bytes, of which `in` and `out` count what went in and came out."""

    sdev: VIODevice = struct(VIODevice)
    in_: int = uint32(name="in")
    out: int = uint32()
    buf: bytes = buffer(16, private=CONTENTS)


# The watchdogs of a `pseries` machine (hw/watchdog/spapr_watchdog.c).


@device("spapr_watchdog")
@description("spapr_watchdog", version_id=1, minimum_version_id=1)
class Watchdog(VMState):
    """When it ends its patience, what it does then, and whether the others go on."""

    timer: int = timer()
    action: int = uint8()
    leave_others: int = uint8()
