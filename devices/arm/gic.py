"""The Arm generic interrupt controller, versions 1 and 2.

Facts from QEMU's hw/intc/arm_gic_common.c.
"""

from __future__ import annotations

from vmstate.declare import (
    REGISTERS,
    VMState,
    array,
    boolean,
    description,
    device,
    part,
    sub_array,
    subsection,
    uint8,
    uint16,
    uint32,
)


@part(noise={"interrupt": ("pending", "active", "level")})
@description("arm_gic_irq_state", version_id=1, minimum_version_id=1)
class GICIrqState(VMState):
    """An interrupt."""

    enabled: int = uint8()
    pending: int = uint8()
    active: int = uint8()
    level: int = uint8()
    model: bool = boolean()
    edge_trigger: bool = boolean()
    group: int = uint8()


@description("arm_gic_virt_state", version_id=1, minimum_version_id=1)
class GICVirtState(VMState):
    """The virtualization extension; sent where there is one."""

    h_hcr: list[int] = array(uint32, 8)
    h_misr: list[int] = array(uint32, 8)
    h_lr: list[list[int]] = array(uint32, 64, 8)
    h_apr: list[int] = array(uint32, 8)
    cpu_ctlr: list[int] = sub_array(uint32, 8, 8)
    priority_mask: list[int] = sub_array(uint16, 8, 8)
    running_priority: list[int] = sub_array(uint16, 8, 8)
    current_pending: list[int] = sub_array(uint16, 8, 8)
    bpr: list[int] = sub_array(uint8, 8, 8, private=REGISTERS)
    abpr: list[int] = sub_array(uint8, 8, 8, private=REGISTERS)


@device(
    "arm_gic",
    target_endian="little",
    noise={"interrupt": ("sgi_pending", "running_priority", "current_pending", "apr", "nsapr")},
)
@description("arm_gic", version_id=12, minimum_version_id=12)
class GIC(VMState):
    """The distributor and the processors' interfaces."""

    ctlr: int = uint32()
    cpu_ctlr: list[int] = sub_array(uint32, 0, 8)
    irq_state: list[GICIrqState] = array(GICIrqState, 1020, version=1)
    irq_target: list[int] = array(uint8, 1020, private=REGISTERS)
    priority1: list[list[int]] = array(uint8, 32, 8, private=REGISTERS)
    priority2: list[int] = array(uint8, 988, private=REGISTERS)
    sgi_pending: list[list[int]] = array(uint8, 16, 8, private=REGISTERS)
    priority_mask: list[int] = sub_array(uint16, 0, 8)
    running_priority: list[int] = sub_array(uint16, 0, 8)
    current_pending: list[int] = sub_array(uint16, 0, 8)
    bpr: list[int] = sub_array(uint8, 0, 8, private=REGISTERS)
    abpr: list[int] = sub_array(uint8, 0, 8, private=REGISTERS)
    apr: list[list[int]] = array(uint32, 4, 8)
    nsapr: list[list[int]] = array(uint32, 4, 8)
    virt_state: GICVirtState | None = subsection(GICVirtState)
