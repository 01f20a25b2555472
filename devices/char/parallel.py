"""The ISA parallel port.

Facts from QEMU's hw/char/parallel.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, device, int32, uint8


@device("parallel_isa", models="vmstate.devices.char.models:PARALLEL")
@description("parallel_isa", version_id=1, minimum_version_id=1)
class ISAParallel(VMState):
    """Registers of the port."""

    dataw: int = uint8(name="state.dataw")
    datar: int = uint8(name="state.datar")
    status: int = uint8(name="state.status")
    control: int = uint8(name="state.control")
    irq_pending: int = int32(name="state.irq_pending")
    epp_timeout: int = int32(name="state.epp_timeout")
