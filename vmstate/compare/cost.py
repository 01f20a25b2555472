"""What each device costs in a migration: bytes in the stream, and the times that QEMU's traces give.

    cost = cost_of("guest.mig", traces=["save.trace", "load.trace"])
    for section in cost.sections: print(section.name, section.bytes, section.save_us, section.load_us)

Times come from the trace events vmstate_downtime_save and vmstate_downtime_load (QEMU 8.2 and later), in microseconds:
`-trace vmstate_downtime_save,file=FILE` on the source, `..._load` on the destination. Facts from QEMU's
migration/trace-events and migration/savevm.c.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from vmstate.errors import StreamError, VMStateError
from vmstate.saved.loading import load
from vmstate.saved.opening import StreamLike, open_input
from vmstate.stream.stream import Section, Stream
from vmstate.vmsd.data import Data, Value

_LINE = re.compile(
    rb"vmstate_downtime_(save|load) .*?idstr=(.*?) instance_id=(\d{1,10}) downtime=(-?\d{1,18})\s*$", re.MULTILINE
)


class PartCost(Value):
    """A subsection: its path in the state, and its bytes, header and what is inside it included."""

    path: str
    bytes: int


class SectionCost(Value):
    """A section: its bytes, header and footer included, its subsections, its times (None: in no trace)."""

    name: str
    instance_id: int
    bytes: int
    parts: tuple[PartCost, ...]
    save_us: int | None = None
    load_us: int | None = None


class StreamCost(Data):
    """The cost of a stream: of its sections, and `framing`, the bytes of everything else, the vmdesc included.

    `unmatched` are the devices that a trace names and the stream does not have: (direction, idstr, instance_id, us).
    """

    name: str
    sections: list[SectionCost]
    framing: int
    unmatched: list[tuple[str, str, int, int]]

    @property
    def bytes(self) -> int:
        """The bytes of the whole stream."""
        return self.framing + sum(section.bytes for section in self.sections)

    def total_us(self, direction: str) -> int | None:
        """The sum of the times of a direction, "save" or "load"; None where no trace has it."""
        times = [getattr(section, f"{direction}_us") for section in self.sections]
        known = [time for time in times if time is not None]
        return sum(known) if known else None


class WhatIf(Value):
    """A network card with another number of queue pairs.

    `bytes` are those of its section then, `before` those it has. A time is between `at_least`, where it does not depend
    on the queues, and `at_most`, where it grows with their number: one trace does not say which. None without a trace.
    """

    name: str
    instance_id: int
    pairs_before: int
    pairs: int
    before: int
    bytes: int
    save_us: tuple[int, int] | None
    load_us: tuple[int, int] | None


def cost_of(source: StreamLike | Stream, *, traces: Iterable[StreamLike] = ()) -> StreamCost:
    """What each section of a stream costs; `traces` are files or bytes with QEMU's trace. Raises `VMStateError`."""
    if isinstance(source, Stream):
        return _cost(source, traces)
    with load(source) as stream:
        return _cost(stream, traces)


def _cost(stream: Stream, traces: Iterable[StreamLike]) -> StreamCost:
    times: dict[tuple[str, str, int], list[int]] = {}
    for trace in traces:
        for direction, name, instance_id, took in read_trace(trace):
            times.setdefault((direction, name, instance_id), []).append(took)
    sections: list[SectionCost] = []
    places: dict[tuple[str, int], list[int]] = {}
    for section in stream.sections:
        key = section.name, section.instance_id
        if section.kind in ("part", "end"):
            index = places[key][-1] if key in places else None
            if index is not None:
                sections[index] = sections[index].replace(bytes=sections[index].bytes + section.size)
                continue
        places.setdefault(key, []).append(len(sections))
        sections.append(SectionCost(*key, section.size, parts_of(section)))
    unmatched = []
    for (direction, name, instance_id), each in times.items():
        indices = places.get((name, instance_id), [])
        if not indices:
            unmatched.append((direction, name, instance_id, sum(each)))
        # Of several sections of one name each has its own time; what is sent in parts has many.
        shares = each if len(indices) == len(each) else [sum(each)]
        for index, share in zip(indices, shares, strict=False):
            sections[index] = sections[index].replace(**{f"{direction}_us": share})
    whole = sum(len(chunk) for chunk in stream.chunks())
    return StreamCost(str(stream.name), sections, whole - sum(section.bytes for section in sections), unmatched)


def parts_of(section: Section) -> tuple[PartCost, ...]:
    """The subsections of a section, also those of nested structs, in the order of the wire."""
    # A trace has no field for what a subsection is as a whole.
    return tuple(PartCost(path, entry.size) for path, entry in section.trace().items() if entry.field is None)


def read_trace(source: StreamLike) -> list[tuple[str, str, int, int]]:
    """The times in a trace: (direction, idstr, instance_id, microseconds). Raises `VMStateError`."""
    with open_input(source) as opened:
        times = [
            (direction.decode(), name.decode("utf-8", "surrogateescape"), int(instance_id), int(took))
            for direction, name, instance_id, took in _LINE.findall(bytes(opened.data))
        ]
        if not times:
            expected = "lines with vmstate_downtime_save or vmstate_downtime_load"
            raise StreamError("no trace of the downtime of devices", file=opened.name, expected=expected)
        return times


def what_if(stream: Stream, pairs: int, known: Sequence[SectionCost]) -> list[WhatIf]:
    """What the network cards of a stream would cost with another number of queue pairs.

    A device of the library takes part whose states have `queue_pairs` and `with_queue_pairs`. Raises `VMStateError`.
    """
    costs = {(device_cost.name, device_cost.instance_id): device_cost for device_cost in known}
    costs_then = []
    for section in stream.sections:
        make = getattr(section.state, "with_queue_pairs", None)
        if make is None or section.vmsd is None:
            continue
        now = int(section.state.queue_pairs)
        try:
            data = section.vmsd.encode(make(pairs), version_id=section.version_id, force=True)
        except VMStateError as error:
            raise error.within(section=section.name) from None
        cost = costs[section.name, section.instance_id]
        size = section.size - len(section.payload()) + len(data)
        costs_then.append(
            WhatIf(
                section.name,
                section.instance_id,
                now,
                pairs,
                section.size,
                size,
                _least_and_most(cost.save_us, now, pairs),
                _least_and_most(cost.load_us, now, pairs),
            )
        )
    return costs_then


def _least_and_most(took: int | None, now: int, pairs: int) -> tuple[int, int] | None:
    if took is None:
        return None
    grown = round(took * pairs / now)
    return min(took, grown), max(took, grown)
