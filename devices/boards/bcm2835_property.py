"""The firmware's answers to what a guest asks by mailbox, of Broadcom's BCM2835.

Facts from QEMU's hw/misc/bcm2835_property.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, boolean, buffer, description, device, uint32


@device("bcm2835-property")
@description("bcm2835-property", version_id=1, minimum_version_id=1)
class Bcm2835Property(VMState):
    """The MAC address, and the question under way."""

    macaddr: bytes = buffer(6)
    addr: int = uint32()
    pending: bool = boolean()
