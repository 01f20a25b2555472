"""Arm's DMA controller PL330.

Facts from QEMU's hw/dma/pl330.c.
"""

from __future__ import annotations

from vmstate.declare import (
    REGISTERS,
    VMState,
    array,
    boolean,
    description,
    device,
    fact,
    struct,
    timer,
    uint8,
    uint32,
    varray,
    vbuffer,
)

CHANNELS = fact("pl330_channels", (8, 4))
"""Channels of the controller: 8 on every board of QEMU's."""

FIFO_SIZE = fact("pl330_fifo", (256, 1024, 4096))
"""Bytes that the FIFO takes: lines of it, times the width of the bus, as the boards set them."""

QUEUE_SIZE = fact("pl330_queue", (8, 16))
"""Entries of the queues of reads and of writes."""


@description("pl330_chan", version_id=1, minimum_version_id=1)
class Chan(VMState):
    """A thread: where it reads, writes and executes, and what it waits for."""

    src: int = uint32()
    dst: int = uint32()
    pc: int = uint32()
    control: int = uint32()
    status: int = uint32()
    lc: list[int] = array(uint32, 2)
    fault_type: int = uint32()
    watchdog_timer: int = uint32()
    ns: bool = boolean()
    request_flag: int = uint8()
    wakeup: int = uint8()
    wfp_sbp: int = uint8()
    state: int = uint8()
    stall: int = uint8()


@description("pl330_chan", version_id=1, minimum_version_id=1)
class Fifo(VMState):
    """The bytes on their way, and the thread of each; QEMU gives it the name of a thread."""

    buf: bytes = vbuffer(FIFO_SIZE, version=1)
    tag: bytes = vbuffer(FIFO_SIZE, version=1, private=REGISTERS)
    head: int = uint32()
    num: int = uint32()
    buf_size: int = uint32()


@description("pl330_queue_entry", version_id=1, minimum_version_id=1)
class QueueEntry(VMState):
    """A read or a write that waits."""

    addr: int = uint32()
    len: int = uint32()
    n: int = uint8()
    inc: bool = boolean()
    z: bool = boolean()
    tag: int = uint8()
    seqn: int = uint8()


@description("pl330_queue", version_id=2, minimum_version_id=2)
class Queue(VMState):
    """What waits."""

    queue: list[QueueEntry] = varray(QueueEntry, count=QUEUE_SIZE)


@device("pl330", noise={"timer": ("timer",)})
@description("pl330", version_id=2, minimum_version_id=2)
class PL330(VMState):
    """The threads, what they move, and the registers."""

    manager: Chan = struct(Chan)
    chan: list[Chan] = varray(Chan, count=CHANNELS)
    lo_seqn: bytes = vbuffer(CHANNELS, private=REGISTERS)
    hi_seqn: bytes = vbuffer(CHANNELS, private=REGISTERS)
    fifo: Fifo = struct(Fifo)
    read_queue: Queue = struct(Queue)
    write_queue: Queue = struct(Queue)
    timer_: int = timer(name="timer")
    inten: int = uint32()
    int_status: int = uint32()
    ev_status: int = uint32()
    dbg: list[int] = array(uint32, 2)
    debug_status: int = uint8()
    num_faulting: int = uint8()
    periph_busy: list[int] = array(uint8, 32)
