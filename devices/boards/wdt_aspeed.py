"""The watchdog of Aspeed's SoCs, which QEMU names after its description.

Facts from QEMU's hw/watchdog/wdt_aspeed.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, timer, uint32, variant


@device("vmstate_aspeed_wdt", noise={"timer": ("timer",)})
@description("vmstate_aspeed_wdt")
class VmstateAspeedWdt(VMState):
    """The timer, and registers."""

    timer_: int = timer(name="timer")
    regs: list[int] = array(uint32, 32)


VMSTATE_ASPEED_WDT_7_2 = variant(VmstateAspeedWdt, regs=array(uint32, 8))
"""Up to 7.2 at least."""
