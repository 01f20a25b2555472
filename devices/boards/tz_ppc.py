"""The peripheral protection controller of Arm's TrustZone.

Facts from QEMU's hw/misc/tz-ppc.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, boolean, description, device


@device("tz-ppc")
@description("tz-ppc", version_id=1, minimum_version_id=1)
class TzPpc(VMState):
    """Who may reach which peripheral, and its interrupt."""

    cfg_nonsec: list[bool] = array(boolean, 16)
    cfg_ap: list[bool] = array(boolean, 16)
    cfg_sec_resp: bool = boolean()
    irq_enable: bool = boolean()
    irq_clear: bool = boolean()
    irq_status: bool = boolean()
