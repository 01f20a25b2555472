"""The system timer of Broadcom's BCM2835.

Facts from QEMU's hw/timer/bcm2835_systmr.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, uint32


@device("bcm2835_sys_timer")
@description("bcm2835_sys_timer", version_id=1, minimum_version_id=1)
class Bcm2835SysTimer(VMState):
    """Status, and what is compared with."""

    reg_ctrl_status: int = uint32(name="reg.ctrl_status")
    reg_compare: list[int] = array(uint32, 4, name="reg.compare")
