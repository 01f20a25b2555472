"""User-mode networking: what libslirp saves of a `-netdev user`.

QEMU passes libslirp's bytes through (net/slirp.c); facts from libslirp's src/state.c. It knows versions 1 to 4, and
reads what a version has; what stands in front of it, the connections to a `guestfwd`, is not described here.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, buffer, description, device, this, uint8, uint16, validate

BOOTP_CLIENTS = 16


@description("slirp_bootp_client")
class BootpClient(VMState):
    """An address that was given out by DHCP, and to whom."""

    allocated: int = uint16()
    macaddr: bytes = buffer(6)


# The noise is ip_id, where no connection to a guestfwd stands in front of it.
@device("slirp", old_style=True, listed=False, noise={"counter": (("", (1, 3)),)})
@description("slirp", version_id=4)
class Slirp(VMState):
    """The counter of IP packets, and the addresses that were given out."""

    connection_follows: int = uint8()
    without_guestfwd: None = validate(this.connection_follows == 0, name="no connection to a guestfwd")
    ip_id: int = uint16(version=2)
    bootp_clients: list[BootpClient] = array(BootpClient, BOOTP_CLIENTS, version=3)
