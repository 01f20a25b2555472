"""Arm's Integrator board: core module, control registers and interrupt controller.

Facts from QEMU's hw/arm/integratorcp.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, device, uint32


@device("icp_control")
@description("icp_control", version_id=1, minimum_version_id=1)
class IcpControl(VMState):
    """Which interrupts of the board are up."""

    intreg_state: int = uint32()


@device("icp_pic")
@description("icp_pic", version_id=1, minimum_version_id=1)
class IcpPic(VMState):
    """Lines, and which are enabled."""

    level: int = uint32()
    irq_enabled: int = uint32()
    fiq_enabled: int = uint32()


@device("integratorcm")
@description("integratorcm", version_id=1, minimum_version_id=1)
class Integratorcm(VMState):
    """Registers of the core module."""

    cm_osc: int = uint32()
    cm_ctrl: int = uint32()
    cm_lock: int = uint32()
    cm_auxosc: int = uint32()
    cm_sdram: int = uint32()
    cm_init: int = uint32()
    cm_flags: int = uint32()
    cm_nvflags: int = uint32()
    int_level: int = uint32()
    irq_enabled: int = uint32()
    fiq_enabled: int = uint32()
