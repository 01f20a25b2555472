"""What proposed series put into a stream of the network back ends, from patches: no QEMU that sends them was seen.

`filter-netpass` (27 Jan 2026) sends packets that came while the guest stood still, in the phase NETPASS. `net-tap` (the
local migration of live TAP devices, version 9) passes the descriptors of a tap, one for each queue pair, inside
`virtio-net-device` behind `vlans`; later versions of the series were not seen, so it is in no layout of virtio-net.
"""

from __future__ import annotations

from vmstate.declare import (
    SavePhase,
    VMState,
    boolean,
    description,
    device,
    fd,
    this,
    uint32,
    vbuffer,
)

PROPOSED = "from patches, not seen"
"""The mark of what no release of QEMU has."""


@device("filter-netpass", noise={})
@description("filter-netpass", version_id=1, minimum_version_id=1, phase=SavePhase.NETPASS)
class FilterNetpass(VMState):
    """Packets for a guest that has moved: in `buf` for each be32 length, be32 vnet_hdr_len, the packet.

    From patches, not seen. Its idstr is filter-netpass/NETDEV.
    """

    qlength: int = uint32()
    qcapacity: int = uint32()
    buf: bytes = vbuffer(this.qcapacity)

    def packets(self) -> list[tuple[int, bytes]]:
        """(vnet_hdr_len, packet) of each packet; what is cut off at the end is left out."""
        packets, place = [], 0
        while place + 8 <= len(self.buf):
            length, header = (int.from_bytes(self.buf[place + at : place + at + 4], "big") for at in (0, 4))
            if place + 8 + length > len(self.buf):
                break
            packets.append((header, bytes(self.buf[place + 8 : place + 8 + length])))
            place += 8 + length
        return packets


@description("net-tap")
class NetTap(VMState):
    """A queue pair's tap device, passed on with its descriptor. From patches (version 9), not seen."""

    fd: int = fd()
    using_vnet_hdr: bool = boolean()
    has_ufo: bool = boolean()
    has_uso: bool = boolean()
    has_tunnel: bool = boolean()
    enabled: bool = boolean()
    host_vnet_hdr_len: int = uint32()
