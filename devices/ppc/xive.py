"""The interrupt controller XIVE of POWER9 and later, as `pseries` has it.

Facts from QEMU's hw/intc/xive.c, hw/intc/spapr_xive.c and hw/ppc/spapr_irq.c.
"""

from __future__ import annotations

from vmstate.declare import (
    REGISTERS,
    VMState,
    buffer,
    description,
    device,
    fact,
    this,
    uint32,
    uint32_equal,
    uint64,
    varray,
    vbuffer,
)

PRIORITIES = 8
LIKELY = (*range(1, 33), 48, 64, 96, 128, 160, 192, 224, 240, 255, 256, 288, 384, 512, 1024, 2048)
SERVERS = fact(
    "spapr_servers", LIKELY, advice="give the destination the cpus, maxcpus and threads of the source's -smp"
)
"""The numbers that processors of the machine can have, of which each has an event queue for each priority."""


@device("xive-source")
@description("xive-source", version_id=1, minimum_version_id=1)
class XiveSource(VMState):
    """The state bits of each source: pending, queued, asserted."""

    nr_irqs: int = uint32_equal()
    status: bytes = vbuffer(this.nr_irqs, version=1, private=REGISTERS)


@description("spapr-xive/eas", version_id=1, minimum_version_id=1)
class EventAssignment(VMState):
    """Where the events of a source go."""

    w: int = uint64()


@description("spapr-xive/end", version_id=1, minimum_version_id=1)
class EventQueue(VMState):
    """A queue of events in guest memory, and whom it tells."""

    w0: int = uint32()
    w1: int = uint32()
    w2: int = uint32()
    w3: int = uint32()
    w4: int = uint32()
    w5: int = uint32()
    w6: int = uint32()
    w7: int = uint32()


@device("spapr-xive")
@description("spapr-xive", version_id=1, minimum_version_id=1)
class SpaprXive(VMState):
    """Where events go, and the queues they go to."""

    nr_irqs: int = uint32_equal()
    eat: list[EventAssignment] = varray(EventAssignment, count=this.nr_irqs)
    endt: list[EventQueue] = varray(EventQueue, count=SERVERS * PRIORITIES)


@device("xive-tctx", per_cpu=True)
@description("xive-tctx", version_id=1, minimum_version_id=1)
class ThreadContext(VMState):
    """What a processor is presented with, in four rings of registers."""

    regs: bytes = buffer(64, private=REGISTERS)
