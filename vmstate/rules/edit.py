"""Values changed in a stream, and everything that follows from them.

    assign(stream, "virtio-net.mac=52:54:00:00:00:01", "virtio-net.vlan_ids+=77", "virtio-net.rx_modes+=promisc")

A change keeps the stream whole: counts that stand in fields of their own follow their lists, the vmdesc follows the
sections, and what QEMU would refuse is refused here, with the rule, unless it is forced.

    PATH=VALUE       the value
    PATH+=VALUE      one more element of a list or set, or flags that are set
    PATH-=VALUE      an element less, or flags that are cleared
    CARD.mac=ADDRESS the address of a network card, wherever its sections keep it (`vmstate.rules.station`)

A value is written as `vmstate show` shows it: numbers (0x for hexadecimal), true and false, names of flags joined by
`|`, bytes in hexadecimal with colons or without, an Ethernet address or a UUID, for an array of bytes too; text;
elements of a list joined by commas; a struct, or anything else, as JSON in the form of `vmstate decode`, and one that
holds a single value as that; `null` for a subsection that is not to be sent.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from enum import IntFlag
from typing import Any, Literal, get_type_hints

from vmstate.codec.records import Records
from vmstate.errors import EncodeError, PathError, VMStateError
from vmstate.query.pci import is_config
from vmstate.rules.check import finding_of
from vmstate.rules.evaluate import ENCODE, broken
from vmstate.rules.memory import memory_facts
from vmstate.rules.pci_config import Masks
from vmstate.rules.stream import ANY_RELEASE, possible_releases
from vmstate.schema.values import to_plain
from vmstate.schema.vmdesc import read_vmdesc
from vmstate.schema.write import json_text
from vmstate.stream.events import ConfigurationSection, Vmdescription
from vmstate.stream.finding import Finding
from vmstate.stream.from_text import elements_from_text, value_from_text
from vmstate.stream.registry import all_descriptions
from vmstate.stream.stream import Section, Stream
from vmstate.vmsd import types as t
from vmstate.vmsd.data import Data
from vmstate.vmsd.description import Field, Subsection, VMStateDescription
from vmstate.vmsd.expr import IDSTR, RELEASE, Const, Expr, Op, Own, Ref
from vmstate.vmsd.path import Steps, at_steps, format_path, member, resolve, value_or_none
from vmstate.vmsd.release import Release
from vmstate.vmsd.rule import Broken
from vmstate.vmsd.state import derived_of, facts_of, is_state, items_of
from vmstate.vmsd.walk import described_states

_PATTERN = re.compile(r'((?:[^"=]|"(?:[^"\\]|\\.)*")*?)([+-]?=)(.*)', re.DOTALL)


class RefusedError(EncodeError):
    """A change that QEMU would refuse at load. `findings` are the rules it breaks that were not broken before."""

    def __init__(self, message: str, findings: Sequence[Finding] = (), **where: Any) -> None:
        super().__init__(message, **where)
        self.findings = list(findings)


class Edit(Data):
    """A value that was changed: the idstr of its section ("configuration" for that), the full path, both values.

    `not_judged` are the rules that read what was changed in the section and that nobody can judge here: the stream does
    not hold the memory, or only a destination knows what they ask for. Of what `force` writes there are none.
    """

    section: str
    path: str
    before: Any
    after: Any
    not_judged: tuple[Finding, ...] = ()


def assign(stream: Stream, *assignments: str, force: bool = False) -> list[Edit]:
    """Edit values by text, PATH=VALUE each; see the module. All of them hold, or none.

    Raises `RefusedError` where QEMU would refuse the result, `EncodeError` where a value cannot be read, `PathError`.
    With `force` what QEMU would refuse is written all the same, even where only bytes put over the old ones can say it.
    """
    edits: list[_Assignment] = []
    whole: list[Edit] = []
    given: dict[int, bytes] = {}
    for path, symbol, text in map(_parsed, assignments):
        card = _card_named(stream, path, text) if symbol == "=" else None
        if card is None:
            edits.append(_Assignment(stream, path, symbol, text=text))
        else:
            whole.append(_addressed(stream, card, text, edits, given))
    return [*whole, *_change(stream, edits, force=force, given=given)]


def set_value(stream: Stream, path: str, value: Any, *, force: bool = False) -> Edit:
    """Set one value by its path to a value of Python's: what reading the path gives, or what that can be made of."""
    return _change(stream, [_Assignment(stream, path, "=", value=value)], force=force)[0]


def _parsed(text: str) -> tuple[str, str, str]:
    parts = _PATTERN.fullmatch(text)
    if parts is None or not parts[1]:
        raise EncodeError("no assignment", expected="PATH=VALUE, PATH+=VALUE or PATH-=VALUE", found=repr(text))
    return parts[1], parts[2], parts[3]


def _card_named(stream: Stream, path: str, text: str) -> Section | None:
    """The network card whose address a path means, SECTION.mac; None where the path leads to a value of that name."""
    name, _, last = path.rpartition(".")
    if last != "mac" or not name:
        return None
    from vmstate.rules.station import holds_an_address, is_address

    try:
        # e1000e and igb call their registers so.
        if not isinstance(stream.find(path)[2], (list, Records)) or not is_address(text):
            return None
    except PathError:
        pass
    try:
        section = stream.find(name)[0]
    except PathError:
        return None
    return section if isinstance(section, Section) and holds_an_address(section) else None


def _addressed(stream: Stream, card: Section, text: str, edits: list[_Assignment], given: dict[int, bytes]) -> Edit:
    """The address of a card as a change; what changes for it is added to `edits`.

    `given` are the sections as a destination that is given the address has them: section's id -> payload.
    """
    from vmstate.rules.station import address_from_text, address_of, with_address

    address = address_from_text(text)
    before = address_of(stream, card)
    for number, payload in with_address(stream, card, address).items():
        section = stream.sections[number]
        assert section.vmsd is not None
        after = section.vmsd.decode(
            payload, version_id=section.version_id, facts={**facts_of(section.state), IDSTR.name: section.name}
        )
        given[id(section)] = payload
        for path in _changed_paths(section.state, after):
            steps, value = resolve(after, path)
            full = f"{section.name}#{section.instance_id}.{format_path(steps)}"
            edits.append(_Assignment(stream, full, "=", value=value))
    return Edit(card.name, "mac", before, address.hex(":"))


class _Assignment:
    """One assignment, and the place in the stream that it is for."""

    def __init__(self, stream: Stream, path: str, symbol: str, text: str | None = None, value: Any = None) -> None:
        self.symbol = symbol
        self.text = text
        self.value = value
        self.stream = stream
        self.asked = path

    def locate(self) -> None:
        """Find the place; what earlier assignments made is there by now."""
        holder, steps, self.before = self.stream.find(self.asked)
        if isinstance(holder, Section) and holder.vmsd is None:
            what = "guest memory" if holder.is_ram else f"of {len(holder.state)} bytes that nothing describes"
            raise PathError(f"the section is {what}: there is no value to change in it", section=holder.name)
        if not steps:
            raise PathError("a section has no value of its own: name one in it", section=self.asked)
        self.holder = holder
        self.steps = steps
        self.vmsd: VMStateDescription = holder.vmsd if isinstance(holder, Section) else type(holder.state).vmsd  # type: ignore[assignment, attr-defined]
        self.field = _field_at(self.vmsd, holder.state, steps)

    @property
    def section(self) -> str:
        return self.holder.name if isinstance(self.holder, Section) else "configuration"

    @property
    def path(self) -> str:
        return format_path(self.steps)

    def apply(self) -> Edit:
        """Put the value in place, and the counts that follow from it."""
        self.locate()
        self.shown_before = _snapshot(self.before)
        try:
            value = self.value if self.text is None else self._new_value(self.text)
            put(self.holder.state, self.steps, value)
            _follow(self.vmsd, self.holder.state, self.steps)
        except VMStateError as error:
            error.path = error.path or self.path
            raise error.within(section=self.section) from None
        except (TypeError, ValueError) as error:
            raise EncodeError(
                f"the value cannot be: {error}",
                section=self.section,
                path=self.path,
                found=repr(self.text or self.value)[:60],
            ) from None
        self.after = _snapshot(value)
        return Edit(self.section, self.path, self.shown_before, self.after)

    def _new_value(self, text: str) -> Any:
        before, field = self.before, self.field
        if self.symbol == "=":
            return value_from_text(text, before, field, self._hint())
        add = self.symbol == "+="
        if isinstance(before, (set, frozenset)):
            some = set(elements_from_text(text, before, field, self._hint()))
            return type(before)(before | some if add else before - some)
        if isinstance(before, (list, Records)):
            changed = list(before)
            for element in elements_from_text(text, before, field, self._hint()):
                if add:
                    changed.append(element)
                elif element in changed:
                    changed.remove(element)
                else:
                    raise EncodeError("there is no such element to take out", found=str(element))
            return changed
        if isinstance(before, IntFlag):
            some_flags = value_from_text(text, before, field, None)
            return type(before)(before | some_flags if add else before & ~some_flags)
        raise EncodeError(
            f"{self.symbol} is for lists, sets and flags", expected="PATH=VALUE", found=type(before).__name__
        )

    def _hint(self) -> Any:
        """What the class of the state says of a derived value's type."""
        owner = at_steps(self.holder.state, self.steps[:-1])
        made = getattr(type(owner), str(self.steps[-1]), None) if is_state(owner) else None
        if not isinstance(made, property) or made.fget is None:
            return None
        try:
            return get_type_hints(made.fget).get("return")
        except NameError:
            # A type that is imported for the type checker only.
            return None

    shown_before: Any = None

    @property
    def info(self) -> str | None:
        """QEMU's name for the type of the field."""
        return self.field.type.info if isinstance(self.field, Field) else None


def _snapshot(value: Any) -> Any:
    """A value as it is now, for telling it later."""
    if isinstance(value, (list, Records)) or is_state(value):
        return to_plain(value)
    return value


# Where a value is, and putting another in its place.


def put(state: Any, steps: Steps, value: Any) -> None:
    """Set the value at steps from a state on. What a class derives is made anew each time: it is put back changed."""
    step, rest = steps[0], steps[1:]
    if rest:
        inner = member(state, step)
        derived = isinstance(step, str) and not isinstance(state, dict) and step in derived_of(state)
        if isinstance(inner, bytes):
            # They are put back changed, as what a class derives is.
            derived = True
            inner = type(inner)(_with_byte(inner, rest, value))
        else:
            if derived and isinstance(inner, tuple):
                inner = list(inner)
            put(inner, rest, value)
        if not derived:
            return
        value = inner
    if isinstance(step, int):
        try:
            state[step] = value
        except TypeError:
            raise EncodeError("elements of this cannot be set one by one", found=type(state).__name__) from None
    elif isinstance(state, dict):
        state[step] = value
    else:
        try:
            setattr(state, step, value)
        except AttributeError:
            raise EncodeError("this is made from other values and cannot be set itself") from None


def _with_byte(data: bytes, steps: Steps, value: Any) -> bytes:
    """Bytes with one of them changed."""
    (index,) = steps
    changed = bytearray(data)
    changed[int(index)] = value
    return bytes(changed)


def _inner_vmsd(state: Any, kind: t.WireType | None) -> VMStateDescription | None:
    """The description of a state: its class's, or that of the field it is in."""
    if not isinstance(state, dict):
        vmsd: VMStateDescription = type(state).vmsd
        return vmsd
    children = kind.children() if kind is not None else ()
    return children[0] if children else None


def _field_at(vmsd: VMStateDescription | None, state: Any, steps: Steps) -> Field | Subsection | None:
    """The field (or subsection) that steps lead to or into; None for what a class derives."""
    member: Field | Subsection | None = None
    for step in steps:
        if is_state(state):
            if not isinstance(state, dict):
                vmsd = type(state).vmsd
            member = _member(vmsd, str(step)) if vmsd is not None else None
        state = at_steps(state, (step,))
        if is_state(state):
            vmsd = (
                member.vmsd if isinstance(member, Subsection) else _inner_vmsd(state, member.type if member else None)
            )
    return member


def _member(vmsd: VMStateDescription, name: str) -> Field | Subsection | None:
    fields = [field for field in vmsd.fields if field.in_state and field.attribute == name]
    if fields:
        return fields[0]
    return next((sub for sub in vmsd.subsections if sub.attribute == name), None)


def _follow(vmsd: VMStateDescription, state: Any, steps: Steps) -> None:
    """Set the count, in a field of its own, of a list or of bytes whose length has changed."""
    for end in range(len(steps), 0, -1):
        owner = at_steps(state, steps[: end - 1])
        value = at_steps(owner, steps[end - 1 : end])
        if not is_state(owner) or not isinstance(value, (list, Records, bytes, str)):
            continue
        field = _field_at(vmsd, state, steps[:end])
        if not isinstance(field, Field):
            continue
        size = field.count if field.count is not None else getattr(field.type, "size", None)
        length = len(value.encode("utf-8", "surrogateescape")) if isinstance(value, str) else len(value)
        counted = _counted_by(size, length)
        if counted is not None and at_steps(owner, (counted[0],)) is not None:
            put(owner, (counted[0],), counted[1])


def _counted_by(size: int | Expr | None, length: int) -> tuple[str, int] | None:
    """The field of the same struct that holds a length, and its value: for `this.n`, and `this.n * 6`."""
    if isinstance(size, Op) and size.symbol == "*" and isinstance(size.arguments[1], Const):
        unit = size.arguments[1].constant
        return _counted_by(size.arguments[0], length // unit) if unit and length % unit == 0 else None
    if isinstance(size, Ref) and size.base_ == "this" and len(size.names_) == 1:
        return size.names_[0], length
    return None


# What follows from a change.


class _Before(Data):
    """A section as it was before any change."""

    section: Section
    payload: bytes
    likeness: Likeness
    described: Any
    vmsd: Any
    described_by: str


class Likeness:
    """A destination that is like the source: what it has of a section is what the stream had before any change."""

    def __init__(
        self,
        section: Section,
        payload: bytes,
        releases: tuple[Release, Release] = ANY_RELEASE,
        facts: Mapping[str, Any] | None = None,
    ) -> None:
        self.section = section
        self.releases = releases
        self.unread: VMStateError | None = None
        self.readings = [(vmsd, own, {**known, **(facts or {})}) for vmsd, own, known in _readings(section, payload)]
        self.broken_before = {
            (result.rule.id, result.path)
            for vmsd, own, known in self.readings
            for result in self._broken(vmsd, own, own, known)
            if result.is_judged
        }

    def results(self) -> Iterator[Broken]:
        """The rules that the section breaks by now and did not before; not judged, those that read what was changed.

        Behind the last, `unread` says why a description of the library that read the section does not any more: counts
        and sizes of a vmdesc are those of the section as it was.
        """
        section = self.section
        for vmsd, own, facts in self.readings:
            state = section.state
            if vmsd is not section.vmsd:
                try:
                    payload = section.payload()
                    state = vmsd.decode(payload, version_id=section.version_id, facts={**facts_of(own), **facts})
                except VMStateError as error:
                    self.unread = error
                    continue
            for result in self._broken(vmsd, state, own, facts):
                if result.is_judged:
                    if (result.rule.id, result.path) not in self.broken_before:
                        yield result
                elif any(_reads(result, path) for path in _changed_paths(own, state)):
                    yield result

    def _broken(self, vmsd: VMStateDescription, state: Any, beside: Any, facts: Mapping[str, Any]) -> Iterator[Broken]:
        """The rules that are broken, or not judged: where the release is wanted, by all that can have written it."""
        version = self.section.version_id

        def judged(facts: Mapping[str, Any]) -> list[Broken]:
            results = broken(vmsd, state, version=version, own=beside, facts=facts)
            return [result for result in results if not (result.is_judged and result.rule.mended)]

        results = judged(facts)
        if any(result.missing == (RELEASE.name,) for result in results):
            in_all = [
                {(result.rule.id, result.path): result for result in judged({**facts, RELEASE.name: release})}
                for release in self.releases
            ]
            for number, result in enumerate(results):
                answers = [answer.get((result.rule.id, result.path)) for answer in in_all]
                if answers[0] is not None and all(answer is not None and answer.is_judged for answer in answers):
                    results[number] = answers[0]
        yield from results


def _readings(section: Section, payload: bytes) -> Iterator[tuple[VMStateDescription, Any, dict[str, Any]]]:
    """(description, state, facts) of a section: as the stream describes it, and as the device library does."""
    assert section.vmsd is not None
    ways = [(section.vmsd, {**facts_of(section.state), IDSTR.name: section.name})]
    if section.described_by != "library":
        ways += [(vmsd, {IDSTR.name: section.name}) for vmsd in all_descriptions(section.name)]
    for place, (vmsd, facts) in enumerate(ways):
        try:
            own = vmsd.decode(payload, version_id=section.version_id, facts=facts)
        except VMStateError:
            continue
        yield vmsd, own, {**facts, **facts_of_config(vmsd, own)}
        if place > 0:
            return


def facts_of_config(vmsd: VMStateDescription, own: Any) -> dict[str, Any]:
    """What a PCI device compares of its configuration space, where it has one space."""
    spaces = [
        bytes(value)
        for _, part, state in described_states(vmsd, own)
        for field in part.fields
        if is_config(field) and isinstance(value := member(state, field.attribute), (bytes, bytearray))
    ]
    if len(spaces) != 1:
        return {}
    return {"pci_config": spaces[0], "pci_config_compared": Masks(spaces[0]).compared}


def _change(
    stream: Stream, edits: list[_Assignment], *, force: bool, given: Mapping[int, bytes] | None = None
) -> list[Edit]:
    before: dict[int, _Before] = {}
    vmdesc = stream.vmdesc
    releases, memory = possible_releases(stream), memory_facts(stream)
    changes: list[Edit] = []
    configuration = _configuration_bytes(stream)
    patches: dict[int, list[tuple[Steps, Any]]] = {}
    try:
        for edit in edits:
            edit.locate()
            holder = edit.holder
            if isinstance(holder, Section) and id(holder) not in before:
                assert holder.vmsd is not None
                payload = holder.payload()
                before[id(holder)] = _Before(
                    holder,
                    payload,
                    Likeness(holder, (given or {}).get(id(holder), payload), releases, memory),
                    holder.describe(vmdesc.dialect) if vmdesc is not None else None,
                    holder.vmsd,
                    holder.described_by,
                )
            old = edit.before
            changes.append(edit.apply())
            if force and isinstance(holder, Section) and not _can_be_written(holder):
                # The layout does not allow it: the bytes of the value alone are put over the old ones.
                put(holder.state, edit.steps, old)
                patches.setdefault(id(holder), []).append((edit.steps, edit.after))
        for known in before.values():
            if not force:
                paths = {edit.path for edit in edits if edit.holder is known.section}
                open_rules = _refuse_what_qemu_would(known, paths)
                not_judged = tuple(
                    finding_of(result, known.section.name, known.section.offset) for result in open_rules
                )
                for number, edit in enumerate(edits):
                    if edit.holder is known.section:
                        changes[number] = Edit(**{**vars(changes[number]), "not_judged": not_judged})
        for known in before.values():
            _patch(known.section, patches.get(id(known.section), []))
        if vmdesc is not None:
            _rewrite_vmdesc(stream, before, vmdesc.dialect)
        _configuration_bytes(stream)
    except BaseException:
        _restore(stream, before, configuration)
        raise
    return changes


def _changed_paths(before: Any, after: Any, steps: Steps = ()) -> Iterator[str]:
    """The paths of what differs between two states of a description; what has another number of parts is one."""
    if is_state(before) and is_state(after):
        parts = dict(items_of(before))
        for name, value in items_of(after):
            yield from _changed_paths(parts.get(name), value, (*steps, name))
    elif _is_row(before) and _is_row(after) and len(before) == len(after):
        for number, (value, changed) in enumerate(zip(before, after, strict=True)):
            yield from _changed_paths(value, changed, (*steps, number))
    elif before != after:
        yield format_path(steps)


def _is_row(value: Any) -> bool:
    return isinstance(value, (list, Records))


def _reads(result: Broken, path: str) -> bool:
    """Whether a rule reads what stands at a path, or asks of it. One that looks outside of its struct is taken to."""
    place = result.path or ""
    # The rule of a struct has that's path, the rule of a field that of the field in it.
    structs = {place, place.rpartition(".")[0]}
    refs = [part for part in result.rule.holds.walk() if isinstance(part, (Ref, Own))]
    for ref in refs:
        if isinstance(ref, Ref) and ref.base_ != "this":
            return True
        for struct in structs:
            read = f"{struct}.{format_path(ref.names_)}" if struct else format_path(ref.names_)
            if _is_inside(path, read) or _is_inside(read, path):
                return True
    # Such a rule asks whether what it hangs on is sent at all.
    return not refs and (not place or _is_inside(path, place) or _is_inside(place, path))


def _is_inside(path: str, outer: str) -> bool:
    """Whether a path leads to what stands at another, or into it."""
    return path.startswith(outer) and path[len(outer) : len(outer) + 1] in ("", ".", "[")


def _can_be_written(section: Section) -> bool:
    try:
        section.payload()
    except VMStateError:
        return False
    return True


def _configuration_bytes(stream: Stream) -> tuple[ConfigurationSection, bytes] | None:
    part = next((part for part in stream.parts if isinstance(part, ConfigurationSection)), None)
    return None if part is None else (part, part.to_bytes()[1:])


def _restore(
    stream: Stream, before: dict[int, _Before], configuration: tuple[ConfigurationSection, bytes] | None
) -> None:
    for known in before.values():
        section = known.section
        state = section.state if section.vmsd is not None else None
        facts = facts_of(state) if state is not None else {}
        section.vmsd, section.described_by = known.vmsd, known.described_by
        section.state = known.vmsd.decode(
            known.payload, version_id=section.version_id, facts={**facts, IDSTR.name: section.name}
        )
    if configuration is not None:
        part, raw = configuration
        place = stream.parts.index(part)
        vmsd: VMStateDescription = type(part.state).vmsd  # type: ignore[attr-defined]
        stream.parts[place] = part.replace(state=vmsd.decode(raw))


def _refuse_what_qemu_would(known: _Before, paths: set[str]) -> list[Broken]:
    """Raise where QEMU would not load the section as it is by now; the rules that are not judged."""
    section = known.section
    results = list(known.likeness.results())
    new = [finding_of(result, section.name, section.offset) for result in results if result.is_judged]
    if new:
        impossible = next((finding for finding in new if finding.rule == ENCODE and finding.path in paths), None)
        if impossible is not None:
            # No stream holds such a value, so QEMU is not asked.
            raise EncodeError(impossible.message, section=section.name, path=impossible.path)
        first = new[0]
        reason = _why_not(new)
        raise RefusedError(reason, new, section=section.name, path=first.path)
    payload = section.payload()
    assert section.vmsd is not None
    try:
        # A value that decides about the layout of others can be wrong with no rule broken.
        again = section.vmsd.decode(
            payload, version_id=section.version_id, facts={**facts_of(section.state), IDSTR.name: section.name}
        )
    except VMStateError as error:
        raise _would_not_be_read(error, section) from None
    if known.likeness.unread is not None:
        raise _would_not_be_read(known.likeness.unread, section)
    if again != section.state:
        for path in sorted(paths):
            read = value_or_none(again, path)
            if read != value_or_none(section.state, path):
                raise RefusedError(
                    f"QEMU would read {'nothing' if read is None else repr(read)} where this is written",
                    section=section.name,
                    path=path,
                )
        raise RefusedError("QEMU would read what is written so as something else", section=section.name)
    return [result for result in results if not result.is_judged]


def _would_not_be_read(error: VMStateError, section: Section) -> RefusedError:
    return RefusedError(f"QEMU would not read what is written so: {error}", section=section.name)


def _why_not(findings: list[Finding]) -> str:
    """The first rule that is broken, and what becomes of the section where its parts no longer fit together."""
    first = findings[0]
    reason = first.message if first.rule == ENCODE else f"{first.message} [{first.rule}]"
    if any(finding.rule == ENCODE for finding in findings):
        reason += ": what stands behind would be read from another place, and the section would not end at its footer"
    return reason


def _patch(section: Section, patches: list[tuple[Steps, Any]]) -> None:
    """Put numbers over the old ones where the layout that they would make is none: the section is mere bytes then."""
    if not patches:
        return
    places = section.trace()
    raw = bytearray(section.payload())
    for steps, value in patches:
        entry = places.get(format_path(steps))
        if entry is None and isinstance(steps[-1], int) and isinstance(value, int) and value in range(256):
            whole = places.get(format_path(steps[:-1]))
            if whole is not None and whole.field is not None and isinstance(whole.field.type, t.Buffer):
                raw[whole.offset - section.payload_offset + steps[-1]] = value
                continue
        kind = None if entry is None or entry.field is None else entry.field.type
        if entry is None or not isinstance(kind, t.Scalar) or not isinstance(value, int):
            raise EncodeError("only a number can be put over another", section=section.name, path=format_path(steps))
        start = entry.offset - section.payload_offset
        order: Literal["little", "big"] = "little" if kind.order == "<" else "big"
        raw[start : start + entry.size] = (value % (1 << 8 * entry.size)).to_bytes(entry.size, order)
    section.state, section.vmsd, section.described_by = bytes(raw), None, "none"


def _rewrite_vmdesc(stream: Stream, before: dict[int, _Before], dialect: Any) -> None:
    """The entries of sections whose size or fields have changed; the rest of the text stays as it is."""
    place = next(index for index, part in enumerate(stream.parts) if isinstance(part, Vmdescription))
    text = stream.vmdesc_text
    assert text is not None
    changed = {
        id(known.section): known.section.describe(dialect)
        for known in before.values()
        if known.section.vmsd is not None and known.section.describe(dialect) != known.described
    }
    if not changed:
        return
    top: list[tuple[str, Any]] = json.loads(text, object_pairs_hook=lambda pairs: pairs or ())
    devices = dict(top)["devices"]
    order: dict[tuple[Any, Any], list[int]] = {}
    for number, entry in enumerate(devices):
        head = dict(entry[:2])
        order.setdefault((head.get("name"), head.get("instance_id")), []).append(number)
    for section in stream.sections:
        numbers = order.get((section.name, section.instance_id))
        if section.kind != "full" or not numbers:
            continue
        number = numbers.pop(0)
        if id(section) in changed:
            devices[number] = changed[id(section)]
    written = json_text(top, spaced=dialect.spaced).encode("utf-8", "surrogateescape")
    read_vmdesc(written)
    stream.parts[place] = Vmdescription(written, stream.parts[place].offset)
