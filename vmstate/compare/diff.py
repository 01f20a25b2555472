"""What differs between two streams: `vmstate.diff(a, b)`.

Sections are compared byte by byte first. Only where the bytes differ are the two states compared, by one description:
a section that one side's vmdesc and the other side's library describe is read once more. Changes have paths in the one
grammar of paths (vmstate.vmsd.path), `[0..7]` standing for elements that changed alike.

Noise (vmstate.compare.noise) is told apart, not dropped: `Difference.ignored` has it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import ExitStack, suppress
from typing import Any

from vmstate.codec.records import Records
from vmstate.compare.noise import KINDS, noise_of, noise_of_bytes
from vmstate.errors import VMStateError
from vmstate.saved.loading import load
from vmstate.saved.opening import Input, StreamLike, open_input
from vmstate.schema.vmdesc import NOT_SAID
from vmstate.stream.configuration import Configuration
from vmstate.stream.events import Command
from vmstate.stream.ram_records import RamBlock
from vmstate.stream.registry import all_descriptions, last_part
from vmstate.stream.stream import RamSummary, Section, Stream
from vmstate.stream.verify import first_difference, odd_subsections, residues
from vmstate.vmsd.data import Data, Value
from vmstate.vmsd.description import VMStateDescription
from vmstate.vmsd.expr import IDSTR
from vmstate.vmsd.path import Steps, at_steps, format_path, member
from vmstate.vmsd.state import is_state, items_of

NOWHERE = "stream"
"""What stands in place of an idstr for what is in no section: the version, the order, commands."""

Read = tuple[VMStateDescription, Any, VMStateDescription, Any]


class Change(Value):
    """Something that differs.

    `section` is an idstr, or "stream", "configuration" or "vmdesc"; `path` is inside it, None for the whole of it.
    `kind`: "changed", "added" (not in the first), "removed" (not in the second), "version" (another version_id in the
    section's header), "order", "bytes" (the same values, written otherwise), or "vmdesc" (the same bytes, described
    otherwise; the path is one of the vmdesc's JSON). `before` and `after` are values, lists of
    them where `count` elements are folded into one path. `noise` is the kind of noise it is, None if it is none.
    """

    section: str
    instance_id: int
    path: str | None
    kind: str
    before: Any
    after: Any
    count: int = 1
    noise: str | None = None


class Difference(Data):
    """What differs between two streams: the changes that count, and those that are noise.

    `a` and `b` are the names of the two; `identical` says that not one byte differs.
    """

    a: str
    b: str
    changes: list[Change]
    ignored: list[Change]
    identical: bool

    @property
    def equal(self) -> bool:
        """Whether nothing but noise differs."""
        return not self.changes

    def __bool__(self) -> bool:
        raise TypeError("ask a Difference for `equal`, `changes` or `identical`")


def diff(
    a: StreamLike | Stream,
    b: StreamLike | Stream,
    *,
    noise: Collection[str] = frozenset(KINDS),
    ignore: Iterable[str] = (),
    only: Iterable[str] = (),
    library: bool = True,
) -> Difference:
    """What differs between two streams, each a `Stream` or whatever `load` takes.

    `noise` names the kinds of noise that do not count (all of `vmstate.compare.noise.KINDS`; an empty set for none);
    the guest's memory is read only where "memory" is not among them. `ignore` are paths, SECTION[.PATH], at and below
    which nothing counts; `*` in one stands for any text, and they need not be in either stream. `only` are paths of the
    same kind, where there are any: what is neither at one nor below is left out. Raises `VMStateError`.
    """
    unknown = sorted(set(noise) - set(KINDS))
    if unknown:
        raise VMStateError(f"there is no kind of noise {unknown[0]!r}", expected=f"one of {', '.join(KINDS)}")
    if a == b == "-":
        raise VMStateError("standard input is one stream, not two")
    with ExitStack() as stack:
        first, second = (side if isinstance(side, Stream) else stack.enter_context(open_input(side)) for side in (a, b))
        if isinstance(first, Input) and isinstance(second, Input) and _same_bytes(first, second):
            # That both are no stream at all must still be said.
            _loaded(first, stack, library)
            return Difference(first.name, second.name, [], [], True)
        old, new = _loaded(first, stack, library), _loaded(second, stack, library)
        patterns = [_ignore_pattern(text) for text in ignore]
        options = DiffOptions("memory" not in noise, library)
        changes = [change for change in _changes(old, new, options) if not _is_below(change, patterns)]
        wanted = [_ignore_pattern(text) for text in only]
        if wanted:
            changes = [change for change in changes if _is_below(change, wanted)]
    counted = [change for change in changes if change[0].noise not in noise]
    ignored = [change for change in changes if change[0].noise in noise]
    return Difference(str(old.name), str(new.name), _folded(counted), _folded(ignored), False)


def _same_bytes(before: Input, after: Input) -> bool:
    size = len(before.data)
    return size == len(after.data) and all(
        old is new or bytes(old) == bytes(new)  # holes are the same
        for old, new in zip(before.pieces(0, size), after.pieces(0, size), strict=True)
    )


def _loaded(given: Stream | Input, stack: ExitStack, library: bool) -> Stream:
    return given if isinstance(given, Stream) else stack.enter_context(load(given, library=library))


LocatedChange = tuple[Change, Steps]
"""A change, and the steps of its path."""


def _whole_section(
    section: str, kind: str, before: Any = None, after: Any = None, instance_id: int = 0
) -> LocatedChange:
    return Change(section, instance_id, None, kind, before, after), ()


class DiffOptions(Value):
    """How to compare: whether guest memory is read, and whether the device library is asked."""

    memory: bool
    by_library: bool


def _changes(old: Stream, new: Stream, options: DiffOptions) -> Iterator[LocatedChange]:
    if old.version != new.version:
        yield Change(NOWHERE, 0, "version", "changed", old.version, new.version), ("version",)
    yield from _configuration(old.configuration, new.configuration)
    commands = _commands(old), _commands(new)
    if commands[0] != commands[1]:
        yield Change(NOWHERE, 0, "commands", "changed", commands[0], commands[1]), ("commands",)
    units = _by_section(old.sections), _by_section(new.sections)
    changed: set[tuple[str, int]] = set()
    for key in dict.fromkeys([*units[0], *units[1]]):
        before, after = units[0].get(key, []), units[1].get(key, [])
        # Of a section that comes more than once the last counts: what one side has more of stands in front.
        more = len(before) - len(after)
        pairs = zip([*([None] * -more), *before], [*([None] * more), *after], strict=True)
        for left, right in pairs:
            if left is None or right is None:
                yield _whole_section(key[0], "removed" if right is None else "added", instance_id=key[1])
                changed.add(key)
                continue
            if left[0].is_ram or right[0].is_ram:
                inner_changes = list(_ram(old, new, left, right, options))
            else:
                inner_changes = list(_section(left, right, options))
            if inner_changes:
                changed.add(key)
            yield from inner_changes
    yield from _order_changes(units)
    yield from _vmdesc(old, new, changed)


def _configuration(old: Configuration | None, new: Configuration | None) -> Iterator[LocatedChange]:
    if old is None or new is None:
        if old is not new:
            yield _whole_section("configuration", "added" if old is None else "removed", old, new)
        return
    vmsd: VMStateDescription = Configuration.vmsd  # type: ignore[attr-defined]
    if vmsd.encode(old) != vmsd.encode(new):
        yield from _state_changes("configuration", 0, (vmsd, old, vmsd, new))


def _commands(stream: Stream) -> list[str]:
    return [f"{part.name} {part.data.hex()}".strip() for part in stream.parts if isinstance(part, Command)]


Units = dict[tuple[str, int], list[list[Section]]]
"""Idstr and instance_id -> the sections that have them, in their order; the parts of an iterable one together."""


def _by_section(sections: Sequence[Section]) -> Units:
    units: Units = {}
    begun: dict[int, list[Section]] = {}
    for section in sections:
        if section.kind in ("part", "end") and section.section_id in begun:
            begun[section.section_id].append(section)
            continue
        unit = [section]
        if section.kind == "start":
            begun[section.section_id] = unit
        units.setdefault((section.name, section.instance_id), []).append(unit)
    return units


def _section(left: list[Section], right: list[Section], options: DiffOptions) -> Iterator[LocatedChange]:
    old, new = left[0], right[0]
    if old.version_id != new.version_id:
        change = Change(old.name, old.instance_id, None, "version", old.version_id, new.version_id)
        yield change, ()
    before, after = (b"".join(section.payload() for section in unit) for unit in (left, right))
    if before == after:
        return
    read = _read_alike(old, new, options) if len(left) == len(right) == 1 else None
    if read is None:
        noise = noise_of_bytes(old.name, before, after)
        yield Change(old.name, old.instance_id, None, "changed", before, after, noise=noise), ()
        return
    changes = list(_state_changes(old.name, old.instance_id, read))
    yield from changes
    if not changes:
        # QEMU reads the same values from both: what differs is what it accepts and writes otherwise, or a version.
        odd = [
            [
                *(f"{path}: {raw.hex()}" for path, raw in residues(state)),
                *(f"{path}: {message}" for path, message in odd_subsections(state)),
            ]
            for state in (read[1], read[3])
        ]
        yield _whole_section(old.name, "bytes", odd[0] or before, odd[1] or after, old.instance_id)


def _read_alike(old: Section, new: Section, options: DiffOptions) -> Read | None:
    """Both states by descriptions whose names are the same, or None where nothing describes both."""
    if old.vmsd is not None and new.vmsd is not None and old.described_by == new.described_by:
        return old.vmsd, old.state, new.vmsd, new.state
    library = [(_by_library, _by_library)] if options.by_library else []
    for ways in (*library, (_as_it_is, _by_vmsd_of(old)), (_by_vmsd_of(new), _as_it_is)):
        before = ways[0](old)
        after = ways[1](new) if before is not None else None
        if before is not None and after is not None:
            return *before, *after
    return None


def _as_it_is(section: Section) -> tuple[VMStateDescription, Any] | None:
    return None if section.vmsd is None else (section.vmsd, section.state)


def _by_library(section: Section) -> tuple[VMStateDescription, Any] | None:
    if section.described_by == "library":
        return _as_it_is(section)
    return _decoded(section, all_descriptions(section.name))


def _by_vmsd_of(describing: Section) -> Callable[[Section], tuple[VMStateDescription, Any] | None]:
    return lambda section: None if describing.vmsd is None else _decoded(section, (describing.vmsd,))


def _decoded(section: Section, vmsds: Iterable[VMStateDescription]) -> tuple[VMStateDescription, Any] | None:
    payload = section.payload()
    for vmsd in vmsds:
        with suppress(VMStateError):
            state = vmsd.decode(payload, version_id=section.version_id, facts={IDSTR.name: section.name})
            return vmsd, state
    return None


def _state_changes(name: str, instance_id: int, read: Read) -> Iterator[LocatedChange]:
    vmsd, old, new_vmsd, new = read
    narrowed = _narrowed(old, new)
    if narrowed is None:
        return
    from deepdiff import DeepDiff

    tree = DeepDiff(*narrowed, view="tree", threshold_to_diff_deeper=0)
    differing = [tuple(item.path(output_format="list")) for group in tree.values() for item in group]
    for steps in sorted(differing, key=_by_place(narrowed)):
        before, after = at_steps(old, steps), at_steps(new, steps)
        kind = "added" if before is None else "removed" if after is None else "changed"
        noise = noise_of(vmsd, steps, before, after) or (
            None if new_vmsd is vmsd else noise_of(new_vmsd, steps, before, after)
        )
        yield Change(name, instance_id, format_path(steps), kind, before, after, noise=noise), steps


def _narrowed(before: Any, after: Any) -> tuple[Any, Any] | None:
    """What differs of two values, plain: structs and arrays of one length as mappings of the members that differ.

    deepdiff is slow, and most of a section whose bytes differ is equal.
    """
    if is_state(before) and is_state(after):
        pairs = dict(items_of(before)), dict(items_of(after))
        return _members((name, *(side.get(name, NOTHING) for side in pairs)) for name in pairs[0] | pairs[1])
    if isinstance(before, LISTS) and isinstance(after, LISTS) and len(before) == len(after):
        return _members((index, *pair) for index, pair in enumerate(zip(before, after, strict=True)))
    return None if before == after else (_without_classes(before), _without_classes(after))


LISTS = (list, tuple, Records)


NOTHING: Any = object()
"""In place of a member that one of two structs does not have."""


def _members(members: Iterable[tuple[Any, ...]]) -> tuple[Any, Any] | None:
    before: dict[str | int, Any] = {}
    after: dict[str | int, Any] = {}
    for name, old, new in members:
        if old is NOTHING or new is NOTHING:
            side, value = (after, new) if old is NOTHING else (before, old)
            side[name] = _without_classes(value)
        elif old is not new and old != new:
            inner = _narrowed(old, new)
            if inner is not None:
                before[name], after[name] = inner
    return (before, after) if before or after else None


def _without_classes(value: Any) -> Any:
    """A value as deepdiff takes it: no classes, and nothing that looks like an enumeration."""
    if is_state(value):
        return {name: _without_classes(inner) for name, inner in items_of(value)}
    if isinstance(value, LISTS):
        return [_without_classes(inner) for inner in value]
    if isinstance(value, int):
        return int(value)
    return bytes(value) if isinstance(value, bytes) else value


def _by_place(narrowed: tuple[Any, Any]) -> Callable[[Steps], list[int]]:
    """The order of paths on the wire."""

    numbers: dict[int, dict[str, int]] = {}

    def number_of(name: str, sides: tuple[Any, ...]) -> int:
        """The number of a name among those of both sides."""
        before = 0
        for side in sides:
            if not isinstance(side, dict):
                continue
            if id(side) not in numbers:
                numbers[id(side)] = {inner: number for number, inner in enumerate(side)}
            if name in side:
                return before + numbers[id(side)][name]
            before += len(side)
        return before

    def place(steps: Steps) -> list[int]:
        sides: tuple[Any, ...] = narrowed
        places: list[int] = []
        for step in steps:
            places.append(step if isinstance(step, int) else number_of(step, sides))
            sides = tuple(member(side, step) for side in sides)
        return places

    return place


def _ram(
    old: Stream, new: Stream, left: list[Section], right: list[Section], options: DiffOptions
) -> Iterator[LocatedChange]:
    """The list of blocks and, where memory is read, whether the pages are the same."""
    sides = [[section.state for section in unit if isinstance(section.state, RamSummary)] for unit in (left, right)]
    lists = [{block.idstr: _block_values(block) for state in states for block in state.blocks} for states in sides]
    name, instance_id = left[0].name, left[0].instance_id
    for idstr in dict.fromkeys([*lists[0], *lists[1]]):
        blocks = [side.get(idstr) for side in lists]
        if blocks[0] != blocks[1]:
            kind = "added" if blocks[0] is None else "removed" if blocks[1] is None else "changed"
            steps: Steps = ("blocks", idstr)
            yield Change(name, instance_id, format_path(steps), kind, blocks[0], blocks[1]), steps
    if list(lists[0]) != list(lists[1]) and lists[0].keys() == lists[1].keys():
        yield Change(name, instance_id, "blocks", "order", list(lists[0]), list(lists[1])), ("blocks",)
    if options.memory:
        digests = [
            _sha256_of(chunk for state in states for chunk in stream.ram_bytes(state))
            for stream, states in zip((old, new), sides, strict=True)
        ]
        if digests[0] != digests[1]:
            pages = [_page_counts(states) for states in sides]
            yield Change(name, instance_id, "pages", "changed", pages[0], pages[1], noise="memory"), ("pages",)


def _block_values(block: RamBlock) -> dict[str, Any]:
    return {"used_length": block.used_length, "page_size": block.page_size, "gpa": block.gpa}


def _sha256_of(chunks: Iterable[memoryview]) -> bytes:
    digest = hashlib.sha256()
    for chunk in chunks:
        digest.update(chunk)
    return digest.digest()


def _page_counts(states: Iterable[RamSummary]) -> dict[str, int]:
    total: dict[str, int] = {}
    for state in states:
        for kind, count in state.pages.items():
            total[kind] = total.get(kind, 0) + count
    return total


def _order_changes(units: tuple[Units, Units]) -> Iterator[LocatedChange]:
    common = [[key for key in side if key in opposite] for side, opposite in (units, units[::-1])]
    if common[0] != common[1]:
        names = [[f"{name}#{instance_id}" for name, instance_id in side] for side in common]
        yield Change(NOWHERE, 0, "sections", "order", names[0], names[1]), ("sections",)


def _vmdesc(old: Stream, new: Stream, changed: set[tuple[str, int]]) -> Iterator[LocatedChange]:
    """What the vmdescs say differently of sections that are not different themselves."""
    texts = old.vmdesc_text, new.vmdesc_text
    if texts[0] == texts[1]:
        return
    if texts[0] is None or texts[1] is None:
        yield _whole_section("vmdesc", "added" if texts[0] is None else "removed")
        return
    sides = [stream.vmdesc for stream in (old, new)]
    assert sides[0] is not None and sides[1] is not None
    said = [side.dialect for side in sides if side is not None]
    dialects = [dialect.name for dialect in said]
    may_be_same = NOT_SAID in said and said[0].configuration == said[1].configuration
    if dialects[0] != dialects[1] and not may_be_same:
        yield Change("vmdesc", 0, "dialect", "changed", dialects[0], dialects[1]), ("dialect",)
        return
    tops = [dict(json.loads(text, object_pairs_hook=_pairs)) for text in texts if text is not None]
    if tops[0].get("page_size") != tops[1].get("page_size"):
        sizes = [top.get("page_size") for top in tops]
        yield Change("vmdesc", 0, "page_size", "changed", sizes[0], sizes[1]), ("page_size",)
    entries = [_vmdesc_entries_by_section(top["devices"]) for top in tops]
    for key in entries[0]:
        pairs = entries[0][key], entries[1].get(key)
        if key in changed or pairs[1] is None:
            continue
        difference = first_difference(*pairs)
        if difference is not None:
            path, old_text, new_text = difference
            yield Change(key[0], key[1], path or None, "vmdesc", old_text, new_text), ()


def _pairs(pairs: list[tuple[str, Any]]) -> list[tuple[str, Any]]:
    return pairs


def _vmdesc_entries_by_section(devices: list[Any]) -> dict[tuple[str, int], list[Any]]:
    entries: dict[tuple[str, int], list[Any]] = {}
    for entry in devices:
        keys = dict(entry)
        entries.setdefault((keys["name"], keys["instance_id"]), []).append(entry)
    return entries


def _ignore_pattern(text: str) -> re.Pattern[str]:
    """What a path to be ignored matches; `*` stands for any text."""
    return re.compile(".*".join(map(re.escape, text.split("*"))), re.DOTALL)


def _is_below(located: LocatedChange, ignored: Sequence[re.Pattern[str]]) -> bool:
    """Whether a change is at or below one of the paths that are to be ignored."""
    if not ignored:
        return False
    change, _ = located
    names = {change.section, last_part(change.section)}
    labels = names | {f"{name}#{change.instance_id}" for name in names}
    places = {""}
    for path in {_INDEX.sub("", change.path), change.path} if change.path else ():
        places |= {f".{path}"[: end.start()] for end in _ENDS.finditer(f".{path}")}
    return any(pattern.fullmatch(label + place) for pattern in ignored for label in labels for place in places)


_ENDS = re.compile(r"[.\[]|$")
_INDEX = re.compile(r"\[\d+\]")


# Elements that changed alike are one change.


class _FoldedChanges:
    """Changes that are folded into one: the first of them, and the path with ranges in it."""

    __slots__ = ("after", "before", "change", "count", "steps")

    def __init__(self, change: Change, steps: Steps) -> None:
        self.change = change
        self.steps: list[str | range] = [range(step, step + 1) if isinstance(step, int) else step for step in steps]
        self.before = change.before
        self.after = change.after
        self.count = 1

    def key(self, place: int) -> tuple[Any, ...]:
        """What must be equal for two runs to be neighbours at a place of the path."""
        rest = tuple(step for index, step in enumerate(self.steps) if index != place)
        change = self.change
        return change.section, change.instance_id, change.kind, change.noise, len(self.steps), rest

    def take(self, following: _FoldedChanges, place: int) -> None:
        """Take in the run that follows."""
        mine, theirs = self.steps[place], following.steps[place]
        assert isinstance(mine, range) and isinstance(theirs, range)
        if len(mine) == 1:
            self.before, self.after = [self.before], [self.after]
        self.before, self.after = [*self.before, following.before], [*self.after, following.after]
        self.steps[place] = range(mine.start, theirs.stop)
        self.count += following.count

    def folded(self) -> Change:
        """The change that all are."""
        if self.count == 1:
            return self.change
        steps = [step[0] if isinstance(step, range) and len(step) == 1 else step for step in self.steps]
        return self.change.replace(path=format_path(steps), before=self.before, after=self.after, count=self.count)


def _folded(located: Iterable[LocatedChange]) -> list[Change]:
    runs = [_FoldedChanges(change, steps) for change, steps in located]
    for place in reversed(range(max((len(run.steps) for run in runs), default=0))):
        last: dict[tuple[Any, ...], _FoldedChanges] = {}
        kept = []
        for run in runs:
            here = run.steps[place] if place < len(run.steps) else None
            if isinstance(here, range):
                key = run.key(place)
                before = last.get(key)
                span = before.steps[place] if before is not None else None
                if before is not None and isinstance(span, range) and span.stop == here.start and len(here) == 1:
                    before.take(run, place)
                    continue
                last[key] = run
            kept.append(run)
        runs = kept
    return [run.folded() for run in runs]
