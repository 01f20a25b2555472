"""The coherent processing system of MIPS' RISC-V processors: its registers and its power controller.

Facts from the descriptions of QEMU 11.1.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, device, uint64


@device("riscv-gcr")
@description("riscv-gcr")
class RiscvGcr(VMState):
    """Where the power controller is."""

    cpc_base: int = uint64()


@device("xmips-cpc")
@description("xmips-cpc")
class RiscvCpc(VMState):
    """Which harts run."""

    vps_running_mask: int = uint64()
