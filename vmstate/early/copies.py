"""Early copies: which sections of a machine can be sent to a stock QEMU in front of guest memory, and in what form.

    for choice in choose(stream.sections):
        choice.copy, choice.reason

QEMU's load loop takes a full section wherever it stands, and takes the same section twice. A device of which something
refers to guest memory (every virtio device) gets a copy in its provisional state (`vmstate.early.provisional`), and
its last section is always sent. Any other device gets a copy as it is where real QEMUs have stood that, which is data
beside the device (`early_copy=` of its record); where the early load has done all that the last one would, the last
section may be left out if its bytes are equal.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from fnmatch import fnmatchcase
from typing import Any

from vmstate.early.arrivals import BehindPages
from vmstate.early.provisional import by_library, has_provisional, negotiated, provisional
from vmstate.errors import EarlyError
from vmstate.stream.events import ConfigurationSection, Header
from vmstate.stream.memory_map import MemoryRange
from vmstate.stream.registry import last_part, virtio_id_of
from vmstate.stream.stream import Section, Stream
from vmstate.vmsd.data import Data
from vmstate.vmsd.early_copy import EarlyCopy
from vmstate.vmsd.record import record_of
from vmstate.vmsd.walk import described_states

NOT_TRIED = "nobody has tried an early copy of it in a real QEMU"
PROVISIONAL = "rings off; its last section is always sent"

Key = tuple[str, int]
"""A section's idstr and instance_id."""


class Choice(Data):
    """What is done about one section.

    `copy` is the section that is sent early, with header and footer; None where none is, for the `reason`. `payload`
    are the bytes of the section's state as they were, without header and footer. `may_skip`: the last section may be
    left out where its bytes are the same. `behind` is what a copy of the section as it is waits for, which then may be
    sent, and the last section be left out; None where there is no such copy.
    """

    key: Key
    header: bytes
    payload: bytes
    footer: bytes
    copy: bytes | None
    may_skip: bool
    reason: str
    behind: BehindPages | None = None

    @property
    def size(self) -> int:
        """The bytes of the section, with header and footer."""
        return len(self.header) + len(self.payload) + len(self.footer)

    def without_skip(self, reason: str) -> Choice:
        """The same, but that the last section must come."""
        return Choice(self.key, self.header, self.payload, self.footer, self.copy, False, reason, self.behind)

    def as_dict(self) -> dict[str, Any]:
        """The choice as JSON values, without the bytes."""
        name, instance_id = self.key
        return {
            "section": name,
            "instance_id": instance_id,
            "early_bytes": None if self.copy is None else len(self.copy),
            "may_skip": self.may_skip,
            "behind_memory": self.behind is not None,
            "reason": self.reason,
        }


def choose(
    sections: Iterable[Section],
    devices: str = "*",
    ranges: Sequence[MemoryRange] = (),
    features: Mapping[str, int] | None = None,
) -> Iterator[Choice]:
    """What is done about each full device section, in their order.

    `devices` is a pattern (`*`, `?`, `[...]`) of what an idstr, or its last part, must be like. A section that comes
    twice is chosen once, as it is at first. `ranges` say where the machine has its memory (`memory_ranges`); without
    them no copy waits for memory. `features` are those that the drivers of virtio devices have accepted, by what an
    idstr is like, for a machine on which no guest has run.
    """
    seen: set[Key] = set()
    for section in sections:
        key = (section.name, section.instance_id)
        if section.is_ram or section.kind != "full" or key in seen:
            continue
        seen.add(key)
        yield _choice(section, devices, tuple(ranges), features or {})


def _choice(section: Section, devices: str, ranges: tuple[MemoryRange, ...], features: Mapping[str, int]) -> Choice:
    payload = section.payload()
    header = section.header.to_bytes()
    footer = section.footer.to_bytes()

    behind: BehindPages | None = None

    def chosen(copied: bytes | None, reason: str, *, may_skip: bool = False) -> Choice:
        copy = None if copied is None else header + copied + footer
        return Choice((section.name, section.instance_id), header, payload, footer, copy, may_skip, reason, behind)

    if not _is_like(section, devices):
        return chosen(None, "not asked for")
    state = section.state if section.described_by == "library" else None
    if state is None:
        state = by_library(section.name, payload, section.version_id)
    if state is None:
        return chosen(None, "nothing describes it")
    vmsd = type(state).vmsd
    behind = _behind(section, state, payload, ranges)
    if virtio_id_of(section.name) is not None and has_provisional(vmsd):
        for pattern, bits in features.items():
            if _is_like(section, pattern):
                state = negotiated(state, bits)
        early = vmsd.encode(provisional(state), version_id=section.version_id, force=True)
        return chosen(early, PROVISIONAL)
    record = record_of(vmsd)
    tried: EarlyCopy | None = None if record is None else record.part("early_copy")
    if tried is None:
        return chosen(None, NOT_TRIED)
    if not tried.twice:
        return chosen(None, tried.why if behind is None else f"{tried.why}; a copy is sent once it is")
    against = None if tried.unless is None else tried.unless(state)
    if against is not None:
        return chosen(None, against)
    if tried.provisional is not None:
        state = deepcopy(state)
        tried.provisional(state)
    for _, _, part in described_states(vmsd, state):
        for sub in type(part).vmsd.subsections:
            if getattr(part, sub.attribute) is not None and sub.vmsd.name not in tried.subsections:
                return chosen(
                    None, f"the last section may lack {sub.vmsd.name}, and QEMU would keep what this one says"
                )
    copied = payload
    if tried.provisional is not None:
        copied = vmsd.encode(state, version_id=section.version_id, force=True)
    return chosen(copied, tried.why or "as it is", may_skip=tried.alone)


def _is_like(section: Section, pattern: str) -> bool:
    """Whether an idstr, or its last part, is like a pattern."""
    return any(fnmatchcase(name, pattern) for name in (section.name, last_part(section.name)))


def _behind(section: Section, state: Any, payload: bytes, ranges: tuple[MemoryRange, ...]) -> BehindPages | None:
    """What a copy of a section as it is waits for; None where nobody has tried one."""
    record = record_of(type(state).vmsd)
    tried: EarlyCopy | None = None if record is None or not ranges else record.part("early_copy")
    if tried is None or tried.behind is None:
        return None
    # A state of its own: it is held against memory when the stream that the other came from may be gone.
    kept = by_library(section.name, payload, section.version_id)
    return None if kept is None else BehindPages(kept, ranges, tried.behind)


def insert(
    stream: Stream, early: Stream | None = None, devices: str = "*"
) -> tuple[Iterator[bytes | memoryview], list[Choice]]:
    """The bytes of a stream with early copies behind its configuration section, piece by piece; and what was chosen.

    `early` is a stream of an earlier moment of the machine, whose sections the copies are of; without one they are of
    the stream's own. Raises `EarlyError` where nothing is to be or can be inserted, or there are early copies already.
    """
    keys = [
        (section.name, section.instance_id)
        for section in stream.sections
        if section.kind == "full" and not section.is_ram
    ]
    count = Counter(keys)
    if len(count) < len(keys):
        raise EarlyError("a section comes twice already: there are early copies", section=count.most_common(1)[0][0][0])
    if stream.configuration is not None and stream.configuration.has_capability("mapped-ram"):
        raise EarlyError("nothing can be put in front of mapped-ram, whose pages stand at places of the file")
    source = stream if early is None else early
    if None not in (stream.machine, source.machine) and stream.machine != source.machine:
        raise EarlyError("the early state is of another machine", expected=stream.machine, found=source.machine)
    choices = [choice for choice in choose(source.sections, devices) if choice.key in count]
    copies = [choice.copy for choice in choices if choice.copy is not None]
    if not copies:
        reasons = sorted({choice.reason for choice in choices}) or ["no section is in both streams"]
        raise EarlyError("there is no section to send early", expected=f"one like {devices}", found="; ".join(reasons))
    return _with_copies(stream, copies), choices


def _with_copies(stream: Stream, copies: list[bytes]) -> Iterator[bytes | memoryview]:
    """The pieces of a stream, the copies in front of the first that is neither header nor configuration section."""
    pieces = stream.chunks()
    for part in stream.parts:
        if not isinstance(part, (Header, ConfigurationSection)):
            break
        yield next(pieces)
    yield from copies
    yield from pieces
