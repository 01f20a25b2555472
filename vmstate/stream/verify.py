"""Whether a stream is understood: it decodes, is written back the same, and agrees with its own vmdesc."""

from __future__ import annotations

import json
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any

from vmstate.errors import VMStateError
from vmstate.schema.vmdesc import LARGE, Dialect, hides, hides_something
from vmstate.schema.write import describe_device
from vmstate.stream.events import Trailing
from vmstate.stream.finding import Finding
from vmstate.stream.registry import shipped_descriptions
from vmstate.stream.stream import Section, Stream
from vmstate.vmsd.collector import collector_paused
from vmstate.vmsd.expr import IDSTR
from vmstate.vmsd.path import Steps, format_path
from vmstate.vmsd.state import meta_of, residue_of
from vmstate.vmsd.walk import states_in

RULES = {
    "rewrite": "what is written back is not what was read",
    "vmdesc": "the vmdesc does not describe a section, or otherwise than the library",
    "library": "the library reads a section otherwise than the stream's vmdesc describes it",
    "no-vmdesc": "the stream carries no vmdesc",
    "opaque": "bytes that nothing describes are kept as they are",
    "residue": "bytes that no field holds, and subsections in an order that QEMU does not write",
    "cut": "the stream is cut off",
    "behind": "bytes behind the end, of which QEMU reads nothing",
}
"""What each of its findings is about."""


def verify(stream: Stream, data: bytes | memoryview) -> list[Finding]:
    """What is wrong or odd about a stream that was loaded from `data`."""
    data = memoryview(data)
    with collector_paused():
        findings = [*rewritten(stream, data[: stream.whole]), *_opaque(stream), *_residue(stream)]
        if stream.vmdesc_text is not None:
            findings += vmdesc_findings(stream, stream.vmdesc_text, _described)
        else:
            findings.append(Finding("no-vmdesc", "note", None, None, None, "the stream carries no vmdesc"))
    return [*findings, *end_findings(stream)]


def end_findings(stream: Stream) -> Iterator[Finding]:
    """How a stream ends: what stands behind its end, and where it is cut off."""
    if isinstance(stream.parts[-1], Trailing):
        from vmstate.stream.behind import what_is_behind

        behind = what_is_behind(stream.parts[-1])
        yield Finding("behind", "note", None, None, behind.offset, f"behind the end stand {behind.text}")
    if stream.cut is not None:
        cut = stream.cut
        message = f"cut off: {cut.message}; that and all that follows is missing"
        yield Finding("cut", "error", cut.section, cut.path, cut.offset, message)


def rewritten(stream: Stream, data: memoryview, known: Collection[int] = ()) -> Iterator[Finding]:
    """The first place where what a stream writes is not what it was loaded from, if there is one.

    `known` are the ids of sections whose states need not be written.
    """
    pos = 0
    for chunk in _to_compare(stream, data, known):
        if isinstance(chunk, int):
            pos += chunk
            continue
        size = len(chunk)
        if data[pos : pos + size] != chunk:
            at = pos + next(
                (
                    index
                    for index, (written, read) in enumerate(zip(chunk, data[pos:], strict=False))
                    if written != read
                ),
                min(size, len(data) - pos),
            )
            section = stream.section_at(at)
            name = section.name if section is not None else None
            yield Finding("rewrite", "error", name, None, at, "what is written back is not what was read")
            return
        pos += size
    if pos != len(data):
        yield Finding("rewrite", "error", None, None, pos, "less is written back than was read")


def _to_compare(stream: Stream, data: memoryview, known: Collection[int]) -> Iterator[bytes | memoryview | int]:
    """What a stream writes; of memory that is written from the very bytes that were read its size.

    So of the sections that are known, by their ids.
    """
    source, pos = stream.source, 0
    is_input = source is not None and source.obj is data.obj
    for part in stream.parts:
        if isinstance(part, Section) and id(part) in known and part.offset == pos:
            pos += part.size
            yield part.size
            continue
        if isinstance(part, Section) and part.is_ram and part.state.raw is None and is_input:
            head, summary = part.header.to_bytes(), part.state
            if summary.offset == pos + len(head):
                pieces: tuple[bytes | memoryview | int, ...] = (head, summary.size, part.footer.to_bytes())
                pos += sum(piece if isinstance(piece, int) else len(piece) for piece in pieces)
                yield from pieces
                continue
        if isinstance(part, Trailing) and is_input and part.offset == pos:
            # A view of the bytes themselves.
            pos += len(part.raw)
            yield len(part.raw)
            continue
        for chunk in stream.chunks_of(part):
            pos += len(chunk)
            yield chunk


def _opaque(stream: Stream) -> Iterator[Finding]:
    """What nothing describes: sections of one name and reason together, since an iterable device has hundreds."""
    groups: dict[tuple[str, str], list[Section]] = {}
    for section in stream.sections:
        if section.described_by == "none":
            groups.setdefault((section.name, section.problem or "no description"), []).append(section)
    for (name, why), sections in groups.items():
        size = sum(len(section.state) for section in sections)
        many = f" in {len(sections)} sections" if len(sections) > 1 else ""
        yield Finding(
            "opaque", "note", name, None, sections[0].offset, f"{why}: {size} bytes{many} are kept as they are"
        )
    for section in stream.sections:
        for path in opaque_paths(section):
            why = section.problem or "QEMU does not say what is inside"
            yield Finding("opaque", "note", section.name, path, section.offset, why)


def opaque_paths(section: Section) -> list[str]:
    """The fields of a section that its vmdesc does not open, and that no library has opened."""
    if section.vmsd is None or section.described_by != "vmdesc" or not hides_something(section.vmsd):
        return []
    return [path for path, entry in section.trace().items() if entry.field is not None and hides(entry.field.type)]


def _residue(stream: Stream) -> Iterator[Finding]:
    for section in stream.sections:
        if section.vmsd is None:
            continue
        states = [(steps, state) for steps, state in states_in(section.state) if meta_of(state) is not None]
        residue = list(_residues(states))
        places = section.trace() if residue else {}
        for path, raw in residue:
            offset = places[path].offset if path in places else section.offset
            message = f"QEMU accepts {raw.hex()} here and would write something else"
            yield Finding("residue", "note", section.name, path, offset, message)
        for path, message in _odd_subsections(states):
            yield Finding("residue", "note", section.name, path, section.offset, message)


def residues(value: Any) -> Iterator[tuple[str, bytes]]:
    """(path, bytes) of everything in a state that QEMU accepts and would have written otherwise."""
    yield from _residues(states_in(value))


def _residues(states: Iterable[tuple[Steps, Any]]) -> Iterator[tuple[str, bytes]]:
    for steps, state in states:
        for name, raw in residue_of(state).items():
            yield format_path((*steps, name)), raw


def odd_subsections(value: Any) -> Iterator[tuple[str, str]]:
    """(path, what is odd) of the subsections in a state that QEMU reads and would have written otherwise."""
    yield from _odd_subsections(states_in(value))


def _odd_subsections(states: Iterable[tuple[Steps, Any]]) -> Iterator[tuple[str, str]]:
    for steps, state in states:
        meta = meta_of(state)
        latest = -1
        for sent in (meta.subsections or ()) if meta is not None else ():
            path = format_path((*steps, sent.attribute))
            if sent.earlier is not None:
                yield path, "the subsection comes again later, and QEMU takes that"
            elif sent.number < latest:
                yield path, "the subsection comes behind one that QEMU would write after it"
            elif any(sent.header[-4:-1]) or b"\0" in sent.header[2:-4]:
                yield path, f"QEMU accepts the header {sent.header.hex()} and would write another"
            latest = max(latest, sent.number)


Described = Callable[[Section, bytes, int, Dialect], Iterable[Finding]]
"""What is found where a section is held against an entry of a vmdesc: its text, and the number of the entry."""


def vmdesc_findings(stream: Stream, text: bytes, described: Described) -> Iterator[Finding]:
    """What is found where a stream is held against the text of its vmdesc, and each section against its entry.

    A vmdesc that was sent before the devices were, as that of a checkpoint of COLO, need not fit: that is no error.
    """
    findings = _held_against_vmdesc(stream, text, described)
    if not getattr(stream.container, "has_older_vmdesc", False):
        yield from findings
        return
    for finding in findings:
        yield finding.replace(severity="note", message=f"{finding.message}; it is of an earlier moment")


def _held_against_vmdesc(stream: Stream, text: bytes, described: Described) -> Iterator[Finding]:
    vmdesc = stream.vmdesc
    assert vmdesc is not None
    # Several sections can have one idstr and instance_id: they match by order.
    waiting: dict[tuple[str, int], deque[int]] = {}
    for number, device in enumerate(vmdesc.devices):
        waiting.setdefault((device.name, device.instance_id), deque()).append(number)
    coming = Counter((section.name, section.instance_id) for section in stream.sections if section.kind == "full")
    for section in stream.sections:
        if section.kind != "full":
            continue
        numbers = waiting.get((section.name, section.instance_id))
        if numbers is None:
            yield Finding("vmdesc", "note", section.name, None, section.offset, "the vmdesc does not name it")
            continue
        coming[section.name, section.instance_id] -= 1
        if coming[section.name, section.instance_id] >= len(numbers):
            message = "it is there more often than described: QEMU loads each, and the last counts"
            yield Finding("vmdesc", "note", section.name, None, section.offset, message)
            continue
        yield from described(section, text, numbers.popleft(), vmdesc.dialect)
    for name, _ in (key for key, numbers in waiting.items() for _ in numbers):
        yield Finding("vmdesc", "error", name, None, None, "the vmdesc describes a section that is not there")


def _described(section: Section, text: bytes, number: int, dialect: Dialect) -> Iterator[Finding]:
    entry = vmdesc_entries(text)[number]
    yield from entry_findings(section, entry, dialect)
    if section.described_by == "vmdesc":
        yield from _library(section, entry, dialect)


@lru_cache(maxsize=4)
def vmdesc_entries(text: bytes) -> Sequence[Any]:
    """What a vmdesc says of each device, its objects as lists of pairs; nothing of it may be changed."""
    if len(text) > LARGE:
        from vmstate.schema.large import Entries

        return Entries(text, _pairs)
    return list(dict(json.loads(text, object_pairs_hook=_pairs))["devices"])


def _pairs(pairs: list[tuple[str, Any]]) -> list[tuple[str, Any]]:
    return pairs


def entry_findings(section: Section, entry: Any, dialect: Dialect) -> Iterator[Finding]:
    """Where a section is not what its entry of a vmdesc says."""
    try:
        built = section.describe(dialect)
    except VMStateError as error:
        yield Finding("vmdesc", "error", section.name, error.path, section.offset, error.message)
        return
    difference = first_difference(built, entry)
    if difference is not None:
        path, ours, theirs = difference
        message = f"the vmdesc says {theirs}, the {section.described_by} description {ours}"
        yield Finding("vmdesc", "error", section.name, path, section.offset, message)


def first_difference(ours: Any, theirs: Any, path: str = "") -> tuple[str, str, str] | None:
    """Where two JSON values, objects as lists of pairs, begin to differ: the path, and a few words of each."""
    if ours == theirs or (ours == () and theirs == []):
        return None
    if isinstance(ours, (list, tuple)) and isinstance(theirs, (list, tuple)):
        for index, (our, their) in enumerate(zip(ours, theirs, strict=False)):
            if isinstance(our, tuple) and isinstance(their, tuple) and len(our) == len(their) == 2:
                if our[0] != their[0]:
                    return f"{path}.{their[0]}", repr(our[0]), repr(their[0])
                inner = first_difference(our[1], their[1], f"{path}.{our[0]}" if path else str(our[0]))
            else:
                inner = first_difference(our, their, f"{path}[{index}]")
            if inner is not None:
                return inner
        if len(ours) == len(theirs):
            return None
        return path, f"{len(ours)} entries", f"{len(theirs)} entries"
    return path, repr(ours)[:60], repr(theirs)[:60]


def _library(section: Section, entry: Any, dialect: Dialect) -> Iterator[Finding]:
    """Where the library knows the device and none of its layouts is what the stream itself says."""
    nearest: tuple[str, str] | None = None
    told = {dict(field).get("name") for field in dict(entry).get("fields", ())}
    for vmsd in shipped_descriptions(section.name):
        if 2 * len(told.intersection(field.name for field in vmsd.fields)) < len(told):
            # Of another device that has the same idstr, such as the `cpu` of another architecture.
            continue
        try:
            state = vmsd.decode(section.payload(), version_id=section.version_id, facts={IDSTR.name: section.name})
            built = describe_device(section.name, section.instance_id, vmsd, state, dialect, section.version_id)
        except VMStateError as error:
            nearest = nearest or (error.path or "", error.message)
            continue
        difference = first_difference(built, entry)
        if difference is None:
            return
        path, ours, theirs = difference
        nearest = nearest or (path, f"it says {ours}, the vmdesc {theirs}")
    if nearest is not None:
        path, why = nearest
        message = f"the layout is not one that the library knows: {why}"
        yield Finding("library", "note", section.name, path or None, section.offset, message)
