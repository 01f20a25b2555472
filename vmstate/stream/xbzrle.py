"""XBZRLE: what became of a page since it was sent, as bytes that stay and bytes that are new in turn.

Facts from QEMU's migration/xbzrle.c.
"""

from __future__ import annotations

from vmstate.errors import StreamError


def patched(page: bytes, difference: bytes) -> bytes:
    """A page with an XBZRLE difference applied: in turn bytes that stay and bytes that are new, each behind a length.

    A length is LEB128.
    """
    new = bytearray(page)
    at = place = 0
    stays = True
    while at < len(difference):
        length = shift = 0
        while at < len(difference):
            byte = difference[at]
            length |= (byte & 0x7F) << shift
            at, shift = at + 1, shift + 7
            if not byte & 0x80 or shift > 14:
                break
        if place + length > len(new):
            raise StreamError("an XBZRLE difference is longer than the page", section="ram")
        if not stays:
            if at + length > len(difference):
                raise StreamError("an XBZRLE difference ends too early", section="ram")
            new[place : place + length] = difference[at : at + length]
            at += length
        place += length
        stays = not stays
    return bytes(new[: len(page)])


def is_difference(difference: bytes | memoryview, size: int) -> bool:
    """Whether QEMU takes an XBZRLE difference to a page of so many bytes (xbzrle_decode_buffer)."""
    at = place = 0
    while at < len(difference):
        first = at == 0
        for stays in (True, False):
            length, read = _short_length(difference[at:])
            if not read or len(difference) - at < 2 or (length == 0 and not (stays and first)):
                return False
            at, place = at + read, place + length
            if place > size:
                return False
            if not stays:
                at += length
        if at > len(difference):
            return False
    return True


def _short_length(data: bytes | memoryview) -> tuple[int, int]:
    """(length, bytes that it takes) of a LEB128 number of at most two bytes; no bytes for one that is longer."""
    if data and not data[0] & 0x80:
        return data[0], 1
    if len(data) > 1 and not data[1] & 0x80:
        return data[0] & 0x7F | data[1] << 7, 2
    return 0, 0
