"""The interrupt controller OpenPIC (MPIC), of e500 boards and later Macintoshes.

Facts from QEMU's hw/intc/openpic.c and include/hw/ppc/openpic.h.
"""

from __future__ import annotations

from vmstate.declare import (
    VMState,
    array,
    bitmap,
    description,
    device,
    int32,
    struct,
    this,
    uint32,
    uint32_equal,
    varray,
)

QUEUE_BITS = 320


@description("openpic_irqsource")
class IRQSource(VMState):
    """A source."""

    ivpr: int = uint32()
    idr: int = uint32()
    destmask: int = uint32()
    last_cpu: int = int32()
    pending: int = int32()


@description("openpic_irq_queue")
class IRQQueue(VMState):
    """Interrupts that wait, a bit for each; the next, and its priority."""

    queue: int = bitmap(QUEUE_BITS)
    next: int = int32()
    priority: int = int32()


@description("openpic_irqdest")
class IRQDestination(VMState):
    """What a processor is at."""

    ctpr: int = int32()
    raised: IRQQueue = struct(IRQQueue)
    servicing: IRQQueue = struct(IRQQueue)
    outputs_active: list[int] = array(uint32, 5)


@description("openpic_timer")
class OpenPICTimer(VMState):
    """A timer."""

    tccr: int = uint32()
    tbcr: int = uint32()


@description("openpic_msi")
class OpenPICMSI(VMState):
    """A register that messages are written to."""

    msir: int = uint32()


@device("openpic")
@description("openpic", version_id=3, minimum_version_id=3)
class OpenPIC(VMState):
    """The controller."""

    gcr: int = uint32()
    vir: int = uint32()
    pir: int = uint32()
    spve: int = uint32()
    tfrr: int = uint32()
    max_irq: int = uint32()
    src: list[IRQSource] = varray(IRQSource, count=this.max_irq)
    nb_cpus: int = uint32_equal()
    dst: list[IRQDestination] = varray(IRQDestination, count=this.nb_cpus)
    timers: list[OpenPICTimer] = array(OpenPICTimer, 4)
    msi: list[OpenPICMSI] = array(OpenPICMSI, 8)
    irq_ipi0: int = uint32()
    irq_tim0: int = uint32()
    irq_msi: int = uint32()
