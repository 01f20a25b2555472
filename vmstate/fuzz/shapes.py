"""Streams whose vmdesc is made at random, and what can be wrong with a vmdesc's text.

What a real QEMU describes is well-behaved. Whoever sends a stream writes its vmdesc as well: arrays of pointers with
NULLs among them in the dialects of 10.0 and 11.1, arrays of arrays of nothing, names that come again and again, lists,
subsections, structs in structs. The text is spoilt as JSON, value by value and member by member, so that it mostly
stays JSON and says something else.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

from vmstate.fuzz.source import ChoiceSource
from vmstate.schema.write import Pairs, json_text
from vmstate.stream.events import FOOTER, MAGIC, VERSION, Mark, SectionHeader, Vmdescription
from vmstate.vmsd.data import NamedTuple

NAME = "shape"
"""The idstr of a section that is made here."""

NAMES = ("a", "b", "c", "a.b", "unused")
DEEPEST = 3
MOST = 4
"""Fields of a struct, elements of an array."""

LARGEST = 4096
"""Bytes of a stream that is made here: thousands of cases are made of it."""

Writer = Callable[[], bytes]


class Layout(NamedTuple):
    """Fields of a vmdesc, and what writes bytes that fit them."""

    fields: list[Pairs]
    write: Writer


def shaped(source: ChoiceSource) -> bytes:
    """A stream of one or two sections and their vmdesc, of `LARGEST` bytes at most; whether it can be read is open.

    Names that come again can make one array of what were two.
    """
    while len(made := _stream(source)) > LARGEST:
        pass
    return made


def _stream(source: ChoiceSource) -> bytes:
    body = MAGIC + VERSION.to_bytes(4, "big")
    devices: list[Pairs] = []
    for number in range(source.integer(1, 2)):
        layout = _struct(source, 0)
        device: Pairs = [("name", NAME), ("instance_id", number), ("vmsd_name", NAME), ("version", 1)]
        device.append(("fields", layout.fields))
        payload = layout.write()
        subsections, sent = _subsections(source)
        if subsections:
            device.append(("subsections", subsections))
        devices.append(device)
        header = SectionHeader("full", number, NAME, number, 1, 0)
        body += header.to_bytes() + payload + sent + bytes((FOOTER,)) + number.to_bytes(4, "big")
    top: Pairs = [("page_size", 4096), ("devices", devices)]
    return body + bytes((Mark.EOF,)) + Vmdescription(json_text(top).encode()).to_bytes()


def _subsections(source: ChoiceSource) -> tuple[list[Pairs], bytes]:
    listed: list[Pairs] = []
    sent = b""
    for number in range(source.choice((0, 0, 1, 2, 3))):
        layout = _struct(source, DEEPEST - 1)
        name = f"{NAME}/{number}"
        listed.append([("vmsd_name", name), ("version", 1), ("fields", layout.fields)])
        sent += bytes((Mark.SUBSECTION, len(name))) + name.encode() + b"\0\0\0\1" + layout.write()
    return listed, sent


def _struct(source: ChoiceSource, depth: int) -> Layout:
    made = [_field(source, depth) for _ in range(source.integer(0, MOST))]
    fields = [pairs for layout in made for pairs in layout.fields]
    return Layout(fields, lambda: b"".join(layout.write() for layout in made))


def _field(source: ChoiceSource, depth: int) -> Layout:
    name = source.choice(NAMES)
    kinds = (_scalar, _scalar, _buffer, _row)
    return source.choice(kinds if depth >= DEEPEST else (*kinds, _nested, _array, _array, _pointers, _marked, _list))(
        source, name, depth
    )


def _scalar(source: ChoiceSource, name: str, depth: int) -> Layout:
    bits = source.choice((8, 16, 32, 64))
    kind = source.choice(("bool", f"uint{bits}", f"int{bits}", f"uint{bits} equal", "timer"))
    size = {"bool": 1, "timer": 8}.get(kind, bits // 8)
    odd = source.chance(8)
    return Layout(
        [[("name", name), ("type", kind), ("size", size)]],
        lambda: bytes((source.integer(0, 2 if odd else 1),)) if kind == "bool" else source.data(size),
    )


def _buffer(source: ChoiceSource, name: str, depth: int) -> Layout:
    size = source.choice((0, 1, 3, 8))
    kind = source.choice(("buffer", "unused_buffer", "something else"))
    return Layout([[("name", name), ("type", kind), ("size", size)]], lambda: source.data(size))


def _row(source: ChoiceSource, name: str, depth: int) -> Layout:
    count = source.choice((0, 1, 2, MOST))
    size = source.choice((1, 2, 4))
    pairs = [("name", name), ("array_len", count), ("type", f"uint{8 * size}"), ("size", size)]
    return Layout([pairs], lambda: source.data(size * count))


def _nested(source: ChoiceSource, name: str, depth: int) -> Layout:
    inner = _struct(source, depth + 1)
    return Layout([[("name", name), *_type(inner)]], inner.write)


def _array(source: ChoiceSource, name: str, depth: int) -> Layout:
    """One element describes all: of arrays of nothing, of arrays of arrays of nothing, too."""
    inner = _struct(source, depth + 1)
    count = source.choice((0, 1, 2, MOST))
    return Layout(
        [[("name", name), ("array_len", count), *_type(inner)]],
        lambda: b"".join(inner.write() for _ in range(count)),
    )


def _pointers(source: ChoiceSource, name: str, depth: int) -> Layout:
    """Pointers, some of them NULL, in runs of the same kind: 10.0."""
    inner = _struct(source, depth + 1)
    runs = [(source.chance(2), source.integer(1, 3)) for _ in range(source.integer(1, 3))]
    fields: list[Pairs] = []
    for is_null, count in runs:
        length = [("array_len", count)] if count > 1 else []
        what = [("type", "nullptr"), ("size", 1)] if is_null else _type(inner)
        fields.append([("name", name), *length, *what])
    return Layout(
        fields,
        lambda: b"".join(b"0" * count if is_null else _each(inner, count) for is_null, count in runs),
    )


def _marked(source: ChoiceSource, name: str, depth: int) -> Layout:
    """Pointers with a marker in front of each: 11.1."""
    inner = _struct(source, depth + 1)
    marker: Pairs = [("name", name), ("type", "ptr-marker"), ("size", 1)]
    nulls = [source.chance(2) for _ in range(source.integer(1, MOST))]
    target: Pairs = [("name", name), *_type(inner)]
    fields = [pairs for is_null in nulls for pairs in ([marker] if is_null else [marker, target])]
    return Layout(fields, lambda: b"".join(b"0" if is_null else b"1" + inner.write() for is_null in nulls))


def _list(source: ChoiceSource, name: str, depth: int) -> Layout:
    """A list: its nodes stand in one object, under keys that come again and again."""
    inner = _struct(source, depth + 1)
    count = source.integer(1, 3)
    node: Pairs = [("vmsd_name", "el"), ("version", 1), ("fields", inner.fields)]
    pairs: Pairs = [("name", name), ("type", "qtailq"), ("size", 1), *node * count]
    return Layout([pairs], lambda: b"".join(b"\1" + inner.write() for _ in range(count)) + b"\0")


def _each(layout: Layout, count: int) -> bytes:
    return b"".join(layout.write() for _ in range(count))


def _type(inner: Layout) -> Pairs:
    struct_: Pairs = [("vmsd_name", "el"), ("version", 1), ("fields", inner.fields)]
    return [("type", "struct"), ("struct", struct_), ("size", 1)]


# What is wrong with a text

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[-+.0-9a-zA-Z]+|[{}\[\],:]')

ODD_NUMBERS = ("0", "1", "2", "-1", "255", "1024", "65536", "2147483647", "2147483648", "4294967296", "1.5", "1e999")
ODD_VALUES = ("null", "true", "[]", "{}", '""', '"struct"', '"nullptr"', '"ptr-marker"', '"qtailq"', '"uint64"', '"a"')


class Span(NamedTuple):
    """A value or a member in a text: where it begins and where it ends."""

    start: int
    stop: int


class Spans:
    """The values of a JSON text, and the members of its objects and arrays."""

    def __init__(self, text: str) -> None:
        self.numbers: list[Span] = []
        self.texts: list[Span] = []
        self.members: list[Span] = []
        # Where each open object or array has the member that is being read, or None in front of its first.
        opened: list[int | None] = []
        before, last = "", 0
        for token in _TOKEN.finditer(text):
            word, start, stop = token[0], token.start(), token.end()
            if word in "}],":
                if opened and opened[-1] is not None:
                    self.members.append(Span(opened[-1], last))
                if opened:
                    opened[-1] = None
            if word in "}]":
                opened.pop()
            elif word not in ",:":
                if opened and opened[-1] is None:
                    opened[-1] = start
                if word in "{[":
                    opened.append(None)
                elif word[0] == '"' and before == ":":
                    self.texts.append(Span(start, stop))
                elif word[0] != '"':
                    self.numbers.append(Span(start, stop))
            before, last = word, stop


@lru_cache(maxsize=8)
def _spans_of(text: str) -> Spans:
    """The text of a seed is spoilt again and again, and that of a large machine takes long to look through."""
    return Spans(text)


def spoilt_text(text: str, source: ChoiceSource) -> tuple[str, str] | None:
    """A text with a few values or members of it changed, and what was done in words; None where there is nothing."""
    words = []
    for _ in range(source.choice((1, 1, 1, 2, 3)) if len(text) <= 4 * LARGEST else 1):
        change = _change(text, source)
        if change is None:
            break
        text, what = change
        words.append(what)
    return (text, "; ".join(words)) if words else None


def _change(text: str, source: ChoiceSource) -> tuple[str, str] | None:
    spans = _spans_of(text)
    kind = source.choice(("number", "number", "text", "value", "left out", "twice", "exchanged"))
    values = {"number": spans.numbers, "text": spans.texts, "value": spans.numbers + spans.texts}.get(
        kind, spans.members
    )
    if not values:
        return None
    span = source.choice(values)
    old = text[span.start : span.stop]
    elsewhere = source.choice(values)
    if kind == "left out":
        stop = _behind_comma(text, span.stop)
        return text[: span.start] + text[stop:], f"{_shown(old)} left out"
    if kind == "twice":
        return f"{text[: span.stop]}, {old}{text[span.stop :]}", f"{_shown(old)} twice"
    if kind == "number":
        new = source.choice(ODD_NUMBERS)
    elif kind == "value" and source.chance(2):
        new = source.choice(ODD_VALUES)
    else:
        new = text[elsewhere.start : elsewhere.stop]
    return text[: span.start] + new + text[span.stop :], f"{_shown(old)} -> {_shown(new)}"


def _behind_comma(text: str, stop: int) -> int:
    return stop + len(text[stop:]) - len(text[stop:].lstrip(", ")) if text[stop : stop + 1] == "," else stop


def _shown(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:37]}..."
