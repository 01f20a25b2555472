"""What a large state is written in, piece by piece, is what it would be at once."""

from __future__ import annotations

import pytest
from recorded import BARE, FIXTURES

from vmstate import load
from vmstate.codec.pieces import LARGE, Pieces


@pytest.mark.parametrize("large", [1, 3, 16])
@pytest.mark.parametrize("name", [BARE, "qemu-7.2-q35-default-devices.mig.xz"])
def test_the_same_bytes(name: str, large: int) -> None:
    with load(FIXTURES / name) as stream:
        for section in stream.sections:
            if section.vmsd is None or section.is_ram:
                continue
            codec, version, at_once = section.vmsd.codec, section.version_id, section.payload()
            pieces = Pieces(large)
            codec.encode(section.state, version_id=version, force=True, out=pieces)
            assert b"".join(pieces.all()) == at_once and len(pieces) == len(at_once)


def test_what_was_written_can_be_written_over() -> None:
    for large in (1, 4, 100):
        pieces, plain = Pieces(large), bytearray()
        for more in (b"ab", b"cdefgh", b"i", b"jklmn", b"o"):
            pieces += more
            plain += more
        assert pieces[-1:] == b"o" and pieces[3:9] == plain[3:9] and len(pieces) == len(plain)
        pieces[14:] = plain[14:] = b"OP"
        pieces[1:4] = plain[1:4] = b"BCD"
        pieces += b"xyz" * large
        plain += b"xyz" * large
        assert b"".join(pieces.all()) == plain


def test_a_large_value_is_not_copied() -> None:
    value = bytes(LARGE)
    pieces = Pieces()
    pieces += b"x"
    pieces += value
    assert pieces.all()[1] is value
