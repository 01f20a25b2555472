"""The watchdog of the ICH9 (TCO).

Facts from QEMU's hw/acpi/ich9_tco.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, int64, part, timer, uint8, uint16


@part(noise={"timer": ("expire_time",)})
@description("tco io device status", version_id=1, minimum_version_id=1)
class TCOIORegs(VMState):
    """Registers of the watchdog."""

    tco_rld: int = uint16(name="tco.rld")
    tco_din: int = uint8(name="tco.din")
    tco_dout: int = uint8(name="tco.dout")
    tco_sts1: int = uint16(name="tco.sts1")
    tco_sts2: int = uint16(name="tco.sts2")
    tco_cnt1: int = uint16(name="tco.cnt1")
    tco_cnt2: int = uint16(name="tco.cnt2")
    tco_msg1: int = uint8(name="tco.msg1")
    tco_msg2: int = uint8(name="tco.msg2")
    tco_wdcnt: int = uint8(name="tco.wdcnt")
    tco_tmr: int = uint16(name="tco.tmr")
    sw_irq_gen: int = uint8()
    tco_timer: int = timer()
    expire_time: int = int64()
    timeouts_no: int = uint8()
