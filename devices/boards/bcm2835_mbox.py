"""The mailboxes between the processor and the GPU of Broadcom's BCM2835.

Facts from QEMU's hw/misc/bcm2835_mbox.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, boolean, description, device, uint32


@description("bcm2835-mbox_box", version_id=1, minimum_version_id=1)
class Bcm2835MboxBox(VMState):
    """A mailbox: its messages, how many, status and configuration."""

    reg: list[int] = array(uint32, 32)
    count: int = uint32()
    status: int = uint32()
    config: int = uint32()


@device("bcm2835-mbox")
@description("bcm2835-mbox", version_id=1, minimum_version_id=1)
class Bcm2835Mbox(VMState):
    """The mailboxes, and which channels have an answer."""

    available: list[bool] = array(boolean, 9)
    mbox: list[Bcm2835MboxBox] = array(Bcm2835MboxBox, 2, version=1)
