"""The PHY in SMSC's LAN9118, which NXP's i.MX use as well.

Facts from QEMU's hw/net/lan9118_phy.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, boolean, description, device, uint16


@device("lan9118-phy")
@description("lan9118-phy", version_id=1, minimum_version_id=1)
class Lan9118Phy(VMState):
    """Registers, and whether the link is down."""

    status: int = uint16()
    control: int = uint16()
    advertise: int = uint16()
    ints: int = uint16()
    int_mask: int = uint16()
    link_down: bool = boolean()
