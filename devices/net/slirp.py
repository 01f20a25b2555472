"""User-mode networking: what libslirp saves of a `-netdev user`.

QEMU passes libslirp's bytes through (net/slirp.c); facts from libslirp's src/state.c. It knows versions 1 to 4, and
reads what a version has; the connections are described as version 4 has them.
"""

from __future__ import annotations

from vmstate.declare import (
    VMState,
    array,
    buffer,
    description,
    device,
    int16,
    int32,
    keyed_list,
    struct,
    this,
    uint8,
    uint16,
    uint32,
    vbuffer,
    with_tmp,
)

BOOTP_CLIENTS = 16
IPV4 = 2


@description("slirp_bootp_client")
class BootpClient(VMState):
    """An address that was given out by DHCP, and to whom."""

    allocated: int = uint16()
    macaddr: bytes = buffer(6)


@description("slirp-socket-addr/ss_family")
class AddressFamily(VMState):
    """The family of an address: 2 for IPv4, 10 for IPv6, of which nothing more is sent."""

    portable_family: int = uint16()


@description("slirp-socket-addr", version_id=4)
class SocketAddress(VMState):
    """One end of a connection, in the order of the network; its words as a number of the host that saved."""

    tmp: AddressFamily = with_tmp(AddressFamily)
    sin_addr: int | None = uint32(name="sin.sin_addr.s_addr", exists=this.tmp.portable_family == IPV4)
    sin_port: int | None = uint16(name="sin.sin_port", exists=this.tmp.portable_family == IPV4)


@description("slirp-sbuf-tmp")
class SocketBufferOffsets(VMState):
    """Where in the buffer is written and read."""

    woff: int = uint32()
    roff: int = uint32()


@description("slirp-sbuf")
class SocketBuffer(VMState):
    """Data on its way: bytes in the buffer, and all of the buffer."""

    sb_cc: int = uint32()
    sb_datalen: int = uint32()
    tmp: SocketBufferOffsets = with_tmp(SocketBufferOffsets)
    sb_data: bytes = vbuffer(this.sb_datalen)


@description("slirp-tcp")
class TCPControlBlock(VMState):
    """The state of TCP."""

    t_state: int = int16()
    t_timer: list[int] = array(int16, 4)
    t_rxtshift: int = int16()
    t_rxtcur: int = int16()
    t_dupacks: int = int16()
    t_maxseg: int = uint16()
    t_force: int = uint8()
    t_flags: int = uint16()
    snd_una: int = uint32()
    snd_nxt: int = uint32()
    snd_up: int = uint32()
    snd_wl1: int = uint32()
    snd_wl2: int = uint32()
    iss: int = uint32()
    snd_wnd: int = uint32()
    rcv_wnd: int = uint32()
    rcv_nxt: int = uint32()
    rcv_up: int = uint32()
    irs: int = uint32()
    rcv_adv: int = uint32()
    snd_max: int = uint32()
    snd_cwnd: int = uint32()
    snd_ssthresh: int = uint32()
    t_idle: int = int16()
    t_rtt: int = int16()
    t_rtseq: int = uint32()
    t_srtt: int = int16()
    t_rttvar: int = int16()
    t_rttmin: int = uint16()
    max_sndwnd: int = uint32()
    t_oobflags: int = uint8()
    t_iobc: int = uint8()
    t_softerror: int = int16()
    snd_scale: int = uint8()
    rcv_scale: int = uint8()
    request_r_scale: int = uint8()
    requested_s_scale: int = uint8()
    ts_recent: int = uint32()
    ts_recent_age: int = uint32()
    last_ack_sent: int = uint32()


@description("slirp-socket", version_id=4)
class Socket(VMState):
    """A connection of the guest to a `guestfwd`, behind a byte that says that there is one: libslirp writes 42."""

    follows: int = uint8()
    so_urgc: int = uint32()
    fhost: SocketAddress = struct(SocketAddress)
    lhost: SocketAddress = struct(SocketAddress)
    so_iptos: int = uint8()
    so_emu: int = uint8()
    so_type: int = uint8()
    so_state: int = int32()
    so_rcv: SocketBuffer = struct(SocketBuffer)
    so_snd: SocketBuffer = struct(SocketBuffer)
    so_tcpcb: TCPControlBlock = struct(TCPControlBlock)


@device("slirp", old_style=True, listed=False, noise={"counter": ("ip_id",)})
@description("slirp", version_id=4)
class Slirp(VMState):
    """Connections to a `guestfwd`, the counter of IP packets, and the addresses that were given out."""

    sockets: list[Socket] = keyed_list(Socket, key=uint8)
    ip_id: int = uint16(version=2)
    bootp_clients: list[BootpClient] = array(BootpClient, BOOTP_CLIENTS, version=3)
