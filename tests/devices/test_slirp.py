"""User-mode networking: what libslirp saves, which a vmdesc has the size of alone."""

from __future__ import annotations

import pytest
from recorded import MICROVM, TWO_SLIRPS, opened, plain

from vmstate import load
from vmstate.devices.net.slirp import Slirp, Socket, SocketAddress, SocketBuffer


@pytest.mark.parametrize("file", [MICROVM, TWO_SLIRPS])
def test_every_recording_of_user_networking_is_described(file: str) -> None:
    stream = opened(file)
    sections = [section for section in stream.sections if section.name == "slirp"]
    assert len(sections) == (2 if file == TWO_SLIRPS else 1)
    for section in sections:
        assert section.described_by == "library"
        assert section.state.sockets == []
        assert len(section.state.bootp_clients) == 16
    assert stream.to_bytes() == plain(file)
    assert stream.write_vmdesc() == stream.vmdesc_text


def test_without_the_library_it_is_bytes() -> None:
    section = next(section for section in load(plain(MICROVM), library=False).sections if section.name == "slirp")
    assert section.described_by == "none"
    assert len(section.state) == 131


def test_a_connection_to_a_guestfwd() -> None:
    """As libslirp writes it: 42, the socket, and a 0 that ends them; the address of IPv6 is not sent."""
    four, six = SocketAddress(sin_addr=0x6402000A, sin_port=0xC819), SocketAddress(sin_addr=None, sin_port=None)
    four.tmp.portable_family, six.tmp.portable_family = 2, 10
    receiving, sending = SocketBuffer(sb_datalen=4, sb_data=b"abcd"), SocketBuffer(sb_datalen=0, sb_data=b"")
    socket = Socket(follows=42, fhost=four, lhost=six, so_rcv=receiving, so_snd=sending)
    state = Slirp(sockets=[socket], ip_id=7)
    data = Slirp.vmsd.encode(state)
    tcp = 2 + 4 * 2 + 3 * 2 + 2 + 1 + 2 + 15 * 4 + 2 * 2 + 4 + 3 * 2 + 4 + 2 + 2 + 4 + 3 * 4
    assert len(data) == 1 + 4 + (2 + 4 + 2) + 2 + 3 + 4 + (16 + 4) + 16 + tcp + 1 + 2 + 16 * 8
    assert data[0] == 42
    assert Slirp.vmsd.decode(data) == state


@pytest.mark.parametrize(("version", "size"), [(1, 1), (2, 3), (3, 131), (4, 131)])
def test_each_version(version: int, size: int) -> None:
    data = bytes(size)
    assert Slirp.vmsd.encode(Slirp.vmsd.decode(data, version_id=version), version_id=version) == data
