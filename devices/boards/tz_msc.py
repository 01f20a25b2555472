"""The master security controller of Arm's TrustZone.

Facts from QEMU's hw/misc/tz-msc.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, boolean, description, device


@device("tz-msc")
@description("tz-msc", version_id=1, minimum_version_id=1)
class TzMsc(VMState):
    """How it is configured, and its interrupt."""

    cfg_nonsec: bool = boolean()
    cfg_sec_resp: bool = boolean()
    irq_clear: bool = boolean()
    irq_status: bool = boolean()
