"""The Intel 8259 interrupt controller; a PC has two.

Facts from QEMU's hw/intc/i8259_common.c.
"""

from __future__ import annotations

from vmstate.declare import Release, VMState, description, device, known_since, subsection, this, uint8


@description(
    "i8259/ltim", version_id=1, minimum_version_id=1, needed=this.ltim != 0, rules=(known_since(Release(8, 0)),)
)
class PICLtim(VMState):
    """Level-triggered mode for all inputs; sent where it is on."""

    ltim: int = uint8()


@device(
    "i8259",
    legacy_instances=(0x20, 0xA0),
    noise={"interrupt": ("last_irr", "irr", "isr")},
    early_copy="vmstate.devices.early_copies:STANDS",
)
@description("i8259", version_id=1, minimum_version_id=1)
class PIC(VMState):
    """Registers of one controller."""

    last_irr: int = uint8()
    irr: int = uint8()
    imr: int = uint8()
    isr: int = uint8()
    priority_add: int = uint8()
    irq_base: int = uint8()
    read_reg_select: int = uint8()
    poll: int = uint8()
    special_mask: int = uint8()
    init_state: int = uint8()
    auto_eoi: int = uint8()
    rotate_on_auto_eoi: int = uint8()
    special_fully_nested_mode: int = uint8()
    init4: int = uint8()
    single_mode: int = uint8()
    elcr: int = uint8()
    ltim: PICLtim | None = subsection(PICLtim)
