"""Watchdogs of PCs: the Intel 6300ESB and the iBASE 700.

Facts from QEMU's hw/watchdog/wdt_i6300esb.c and hw/watchdog/wdt_ib700.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, device, int32, struct, timer, uint32
from vmstate.devices.pci.device import PCIDevice


@device("i6300esb_wdt", models="vmstate.devices.misc.models:I6300ESB")
@description("i6300esb_wdt", version_id=10000, minimum_version_id=1)
class I6300ESB(VMState):
    """Settings and the timer."""

    dev: PCIDevice = struct(PCIDevice)
    reboot_enabled: int = int32()
    clock_scale: int = int32()
    int_type: int = int32()
    free_run: int = int32()
    locked: int = int32()
    enabled: int = int32()
    timer_: int = timer(name="timer")
    timer1_preload: int = uint32()
    timer2_preload: int = uint32()
    stage: int = int32()
    unlock_state: int = int32()
    previous_reboot_flag: int = int32()


@device("ib700_wdt", models="vmstate.devices.misc.models:IB700")
@description("ib700_wdt")
class IB700(VMState):
    """The timer."""

    timer_: int = timer(name="timer")
