"""The CAN controller FlexCAN of NXP's i.MX.

Facts from the streams and the descriptions of QEMU 11.1.
"""

from __future__ import annotations

from vmstate.declare import CONTENTS, VMState, array, description, device, int32, int64, uint32


@device("flexcan", noise={"timer": ("timer_start",)})
@description("flexcan", version_id=1, minimum_version_id=1)
class FlexCan(VMState):
    """When its timer began, the registers with the mailboxes, and the mailboxes that are locked or received into."""

    timer_start: int = int64()
    regs: list[int] = array(uint32, 1024, name="regs_raw", private=CONTENTS)
    locked_mbidx: int = int32()
    smb_target_mbidx: int = int32()
