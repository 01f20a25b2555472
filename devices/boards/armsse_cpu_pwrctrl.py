"""The power control of a processor in Arm's SSE-300.

Facts from QEMU's hw/misc/armsse-cpu-pwrctrl.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, device, uint32


@device("armsse-cpu-pwrctrl")
@description("armsse-cpu-pwrctrl", version_id=1, minimum_version_id=1)
class ArmsseCpuPwrctrl(VMState):
    """Its register."""

    cpupwrcfg: int = uint32()
