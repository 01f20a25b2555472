"""Parts of Macintoshes: the chips that hold their slow devices.

Above each part stands the file of QEMU's that its facts are from.
"""

from __future__ import annotations

from vmstate.declare import (
    CONTENTS,
    REGISTERS,
    VMState,
    array,
    boolean,
    buffer,
    description,
    device,
    int32,
    int64,
    struct,
    subsection,
    timer,
    uint8,
    uint16,
    uint32,
    uint64,
    variant,
)
from vmstate.devices.pci.device import PCIDevice

# The versatile interface adapter of old Macintoshes, which the chips around it are made of (hw/misc/mos6522.c).


@description("mos6522_timer")
class Mos6522Timer(VMState):
    """One of its two timers."""

    latch: int = uint16()
    counter_value: int = uint16()
    load_time: int = int64()
    next_irq_time: int = int64()
    timer: int = timer()


@device("mos6522")
@description("mos6522", version_id=1, minimum_version_id=1)
class Mos6522(VMState):
    """Its registers and timers."""

    a: int = uint8()
    b: int = uint8()
    dira: int = uint8()
    dirb: int = uint8()
    sr: int = uint8()
    acr: int = uint8()
    pcr: int = uint8()
    ifr: int = uint8()
    ier: int = uint8()
    last_irq_levels: int = uint8()
    timers: list[Mos6522Timer] = array(Mos6522Timer, 2)


MOS6522_5_2 = variant(Mos6522, "mos6522", 0, last_irq_levels=None)
"""Up to 5.2 the levels were not sent."""


# The microcontroller of old Macintoshes for the desktop bus, the clock and power (hw/misc/macio/cuda.c).


@device("cuda", noise={"timer": ("tick_offset",)})
@description("cuda", version_id=6, minimum_version_id=6)
class CUDA(VMState):
    """The command and the answer that are under way."""

    parent_obj: Mos6522 = struct(Mos6522, name="mos6522_cuda.parent_obj")
    last_b: int = uint8()
    last_acr: int = uint8()
    data_in_size: int = int32()
    data_in_index: int = int32()
    data_out_index: int = int32()
    data_in: bytes = buffer(128, private=REGISTERS)
    data_out: bytes = buffer(16, private=REGISTERS)
    tick_offset: int = uint32()
    sr_delay_timer: int = timer()


CUDA_5_2 = variant(CUDA, parent_obj=struct(MOS6522_5_2, name="mos6522_cuda.parent_obj"))
"""Up to 5.2 the adapter did not send its levels."""


# The DMA controller of old Macintoshes (hw/misc/macio/mac_dbdma.c).


@description("dbdma_io")
class DBDMAIO(VMState):
    """The transfer of a command."""

    addr: int = uint64()
    len: int = int32()
    is_last: int = int32()
    is_dma_out: int = int32()
    processing: bool = boolean()


@description("dbdma_cmd")
class DBDMACommand(VMState):
    """A command, as the guest has it in memory."""

    req_count: int = uint16()
    command: int = uint16()
    phy_addr: int = uint32()
    cmd_dep: int = uint32()
    res_count: int = uint16()
    xfer_status: int = uint16()


@description("dbdma_channel", version_id=1, minimum_version_id=1)
class DBDMAChannel(VMState):
    """The registers of a channel, and what it is at."""

    regs: list[int] = array(uint32, 16)
    io: DBDMAIO = struct(DBDMAIO)
    current: DBDMACommand = struct(DBDMACommand)


@device("dbdma")
@description("dbdma", version_id=3, minimum_version_id=3)
class DBDMA(VMState):
    """The channels."""

    channels: list[DBDMAChannel] = array(DBDMAChannel, 32, version=1)


# The controller of old Macintoshes that their other devices hang on, and the pins of the later one
# (hw/misc/macio/macio.c and hw/misc/macio/gpio.c).


@device("macio-oldworld")
@description("macio-oldworld")
class MacIOOldworld(VMState):
    """The one of `g3beige`."""

    parent: PCIDevice = struct(PCIDevice, name="parent_obj.parent")


@device("macio-newworld")
@description("macio-newworld")
class MacIONewworld(VMState):
    """The one of `mac99`."""

    parent: PCIDevice = struct(PCIDevice, name="parent_obj.parent")


@device("macio_gpio")
@description("macio_gpio")
class MacIOGpio(VMState):
    """The levels of the pins, and their registers."""

    gpio_levels: list[int] = array(uint8, 8)
    gpio_regs: list[int] = array(uint8, 36)


# The power management unit of later Macintoshes (`mac99,via=pmu`) (hw/misc/macio/pmu.c).


@description("pmu/adb", version_id=1, minimum_version_id=1)
class PMUADB(VMState):
    """The answer of the desktop bus; sent where the unit has one."""

    adb_reply_size: int = uint8()
    adb_reply: bytes = buffer(16, private=CONTENTS)


@device("pmu", noise={"timer": ("tick_offset", "one_sec_target")})
@description("pmu", version_id=1, minimum_version_id=1)
class PMU(VMState):
    """The command and the answer that are under way, and the interrupts."""

    parent_obj: Mos6522 = struct(Mos6522, name="mos6522_pmu.parent_obj")
    last_b: int = uint8()
    cmd: int = uint8()
    cmdlen: int = uint32()
    rsplen: int = uint32()
    cmd_buf_pos: int = uint8()
    cmd_buf: bytes = buffer(128, private=REGISTERS)
    cmd_rsp_pos: int = uint8()
    cmd_rsp_sz: int = uint8()
    cmd_rsp: bytes = buffer(128, private=REGISTERS)
    intbits: int = uint8()
    intmask: int = uint8()
    tick_offset: int = uint32()
    one_sec_timer: int = timer()
    one_sec_target: int = int64()
    adb: PMUADB | None = subsection(PMUADB)
