"""What every device on the virtual I/O bus of a `pseries` machine has.

Facts from QEMU's hw/ppc/spapr_vio.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, uint32, uint32_equal, uint64


@description("spapr_vio", version_id=1, minimum_version_id=1)
class VIODevice(VMState):
    """Its unit address, interrupt and signals, and the queue of commands and responses (CRQ) in guest memory."""

    reg: int = uint32_equal()
    irq: int = uint32_equal()
    signal_state: int = uint64()
    crq_qladdr: int = uint64(name="crq.qladdr")
    crq_qsize: int = uint32(name="crq.qsize")
    crq_qnext: int = uint32(name="crq.qnext")
