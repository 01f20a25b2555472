"""The interrupt controller XICS: its sources, and what presents interrupts to each processor.

Facts from QEMU's hw/intc/xics.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, device, this, uint8, uint32, uint32_equal, varray


@description("ics/irq", version_id=2, minimum_version_id=1)
class InterruptSource(VMState):
    """A source: the processor and priority it goes to, and whether it waits."""

    server: int = uint32()
    priority: int = uint8()
    saved_priority: int = uint8()
    status: int = uint8()
    flags: int = uint8()


@device("ics")
@description("ics", version_id=1, minimum_version_id=1)
class InterruptSources(VMState):
    """All sources."""

    nr_irqs: int = uint32_equal()
    irqs: list[InterruptSource] = varray(InterruptSource, count=this.nr_irqs)


@device("icp/server", listed=False, per_cpu=True, noise={"interrupt": ("xirr", "pending_priority")})
@description("icp/server", version_id=1, minimum_version_id=1)
class InterruptPresenter(VMState):
    """What a processor is presented with: the interrupt that it is in, the one that waits, the request of another."""

    xirr: int = uint32()
    pending_priority: int = uint8()
    mfrr: int = uint8()
