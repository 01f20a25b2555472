"""Streams, vmdesc texts and odd JSON made by hand."""

from __future__ import annotations

import json
import struct
from typing import Any

from hypothesis import strategies as st


def device_text(fields: str, *, version: int = 1, more: str = "") -> str:
    return f'{{"name": "dev", "instance_id": 0, "vmsd_name": "dev", "version": {version}, "fields": [{fields}]{more}}}'


def vmdesc_text(fields: str, *, version: int = 1, more: str = "", configuration: bool = False) -> bytes:
    front = '"configuration": {"vmsd_name": "configuration", "version": 1, "fields": []}, ' if configuration else ""
    return f'{{{front}"page_size": 4096, "devices": [{device_text(fields, version=version, more=more)}]}}'.encode()


def stream_with(text: bytes, body: bytes, *, version: int = 1, configuration: bool = False) -> bytes:
    """A stream of one device section."""
    front = b"\x07\0\0\0\1x" if configuration else b""
    section = struct.pack(">BIB3sII", 4, 9, 3, b"dev", 0, version) + body + struct.pack(">BI", 0x7E, 9)
    return b"QEVM\0\0\0\3" + front + section + b"\0" + struct.pack(">BI", 6, len(text)) + text


def scalar(name: str, size: int = 1, more: str = "") -> str:
    return f'{{"name": "{name}", {more}"type": "uint{size * 8}", "size": {size}}}'


def structure(name: str, fields: list[str], size: int, more: str = "") -> str:
    inner = f'{{"vmsd_name": "el", "version": 1, "fields": [{", ".join(fields)}]}}'
    return f'{{"name": "{name}", {more}"type": "struct", "struct": {inner}, "size": {size}}}'


# Odd JSON: objects are lists of pairs, so that keys can repeat.

ODD = st.one_of(
    st.sampled_from([None, True, False, 0, -1, 1, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**64, 1.5, float("inf")]),
    st.sampled_from(["", "a", "struct", "vstruct", "qtailq", "gtree", "nullptr", "bitmap", "buffer", "uint64"]),
    st.sampled_from([(), [], [()], [[("name", "a"), ("type", "uint8"), ("size", 1)]], "\ud800", "dev/sub"]),
    st.integers(),
    st.text(max_size=3),
)


def places(node: Any, at: tuple[int, ...] = ()) -> Any:
    """The steps to every value in JSON whose objects are lists of pairs."""
    if at:
        yield at
    if isinstance(node, list):
        for index, item in enumerate(node):
            if isinstance(item, tuple) and len(item) == 2:
                yield from places(item[1], (*at, index, 1))
            else:
                yield from places(item, (*at, index))


def changed(node: Any, at: tuple[int, ...], change: str, value: Any) -> Any:
    """The same JSON with one value replaced, left out, or there twice."""
    if isinstance(node, tuple):
        return (node[0], changed(node[1], at[1:], change, value)) if len(at) > 1 else (node[0], value)
    index, rest = at[0], at[1:]
    if rest and (change == "replace" or len(rest) > 1):
        return [*node[:index], changed(node[index], rest, change, value), *node[index + 1 :]]
    if change == "replace":
        return [*node[:index], value, *node[index + 1 :]]
    return [*node[:index], *([node[index]] * (2 if change == "double" else 0)), *node[index + 1 :]]


def as_text(value: Any) -> bytes:
    """JSON of lists of pairs, for values of any kind."""
    if isinstance(value, (list, tuple)):
        if value == () or (value and all(isinstance(item, tuple) and len(item) == 2 for item in value)):
            return b"{" + b", ".join(json.dumps(key).encode() + b": " + as_text(item) for key, item in value) + b"}"
        return b"[" + b", ".join(as_text(item) for item in value) + b"]"
    return json.dumps(value).encode()
