"""A network card: lan9118-phy.

Facts from QEMU's hw/net/lan9118_phy.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, boolean, description, device, uint16


@device("lan9118-phy")
@description("lan9118-phy", version_id=1, minimum_version_id=1)
class Lan9118Phy(VMState):
    """A network card."""

    status: int = uint16()
    control: int = uint16()
    advertise: int = uint16()
    ints: int = uint16()
    int_mask: int = uint16()
    link_down: bool = boolean()
