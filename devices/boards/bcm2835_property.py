"""A controller of Broadcom's BCM2835 to BCM2838: bcm2835-property.

Facts from QEMU's hw/misc/bcm2835_property.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, boolean, buffer, description, device, uint32


@device("bcm2835-property")
@description("bcm2835-property", version_id=1, minimum_version_id=1)
class Bcm2835Property(VMState):
    """A controller of Broadcom's BCM2835 to BCM2838."""

    macaddr: bytes = buffer(6)
    addr: int = uint32()
    pending: bool = boolean()
