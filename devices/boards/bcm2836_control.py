"""The interrupt controller and mailboxes of each core, of Broadcom's BCM2836.

Facts from QEMU's hw/intc/bcm2836_control.c.
"""

from __future__ import annotations

from vmstate.declare import CONTENTS, VMState, array, description, device, timer, uint8, uint32


@device("bcm2836-control", noise={"timer": ("timer",)})
@description("bcm2836-control", version_id=2, minimum_version_id=1)
class Bcm2836Control(VMState):
    """Mailboxes, routes, and the local timer."""

    mailboxes: list[int] = array(uint32, 16, private=CONTENTS)
    route_gpu_irq: int = uint8()
    route_gpu_fiq: int = uint8()
    timercontrol: list[int] = array(uint32, 4)
    mailboxcontrol: list[int] = array(uint32, 4)
    timer_: int = timer(name="timer", version=2)
    local_timer_control: int = uint32(version=2)
    route_localtimer: int = uint8(version=2)
