"""QEMU's traces of what each device took: in the downtime, and to be loaded, rebuilds of the memory topology included.

A line of `vmstate_downtime_save` or `vmstate_downtime_load`, which QEMU has from 10.0 on:

    vmstate_downtime_load type=non-iterable idstr=0000:00:01.0/virtio-net instance_id=0 downtime=1239

in microseconds. From QEMU's migration/trace-events and migration/savevm.c.

What every release has are the beginnings of sections, and `flatview_new` for each view of an address space that is made
anew (system/trace-events, before 10.0 softmmu/trace-events). With `-msg timestamp=on` each line has its moment:

    27527@1796010087.764048:qemu_loadvm_state_section_startfull 40(0000:00:01.0/virtio-net) 0 11     up to 7.2
    2026-11-30T03:41:17.736497Z flatview_new 0x555590a11f00 (root 0x5555901b4fa0)                    later ones
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime

from vmstate.vmsd.data import Value
from vmstate.vmsd.release import Release

SINCE = Release(10, 0)
"""The first release that has the events."""

EVENTS = ("vmstate_downtime_save", "vmstate_downtime_load")

_LINE = re.compile(
    r"vmstate_downtime_(save|load) type=(\S+) idstr=(.*?) instance_id=(\d+) downtime=(\d+)\s*$", re.MULTILINE
)


class DeviceTime(Value):
    """What saving or loading a section took: which of the two, the section, and microseconds."""

    direction: str
    kind: str
    idstr: str
    instance_id: int
    microseconds: int


MOMENTS = ["-msg", "timestamp=on"]
"""The options that put its moment in front of each line of a trace."""


def trace_words(path: str) -> list[str]:
    """The options that make a QEMU write `EVENTS` and `CHECKPOINT` into a file, if `MOMENTS` are on."""
    return [word for event in (*EVENTS, CHECKPOINT) for word in ("-trace", f"{event},file={path}")]


def device_times(text: str) -> Iterator[DeviceTime]:
    """The times in a trace, in its order; lines of other events are passed by."""
    for direction, kind, idstr, instance, downtime in _LINE.findall(text):
        yield DeviceTime(direction, kind, idstr, int(instance), int(downtime))


CHECKPOINT = "vmstate_downtime_checkpoint"
"""The event of a point of the downtime, at the source and at the destination; in every release that has `EVENTS`."""

STOP_STEPS = {
    "stopped_us": ("src-downtime-start", "src-vm-stopped"),
    "memory_us": ("src-vm-stopped", "src-iterable-saved"),
    "saved_us": ("src-iterable-saved", "src-non-iterable-saved"),
    "loaded_us": ("src-non-iterable-saved", "dst-precopy-loadvm-completed"),
    "started_us": ("dst-precopy-loadvm-completed", "dst-precopy-bh-vm-started"),
    "stop_us": ("src-downtime-start", "src-downtime-end"),
    "guest_us": ("src-downtime-start", "dst-precopy-bh-vm-started"),
}
"""Times of the stop by the two points between which they lie: the guest's CPUs stop; the last of memory is sent;
devices are saved; what was left of them arrives and is loaded; the guest is started. `stop_us` is the downtime that the
source tells in whole milliseconds, `guest_us` that of the guest.
"""


def checkpoints(text: str) -> dict[str, float]:
    """The points of the downtime in a trace with `-msg timestamp=on`: the last time of each, seconds since 1970."""
    return {line["rest"].strip(): _moment_of(line) for line in _MOMENT.finditer(text) if line["event"] == CHECKPOINT}


def stop_times(points: Mapping[str, float]) -> dict[str, float]:
    """The times of `STOP_STEPS` of which both points are there, in microseconds."""
    return {
        name: round(1e6 * (points[end] - points[begin]), 1)
        for name, (begin, end) in STOP_STEPS.items()
        if begin in points and end in points
    }


LOAD_EVENTS = ("qemu_loadvm_state_section", "qemu_loadvm_state_section_startfull", "flatview_new")
"""What `section_loads` reads; every release has them."""

_MOMENT = re.compile(r"^(?:\d+@(?P<epoch>\d+\.\d+):|(?P<iso>\d{4}-\S+?)Z )(?P<event>\w+) (?P<rest>.*)$", re.MULTILINE)
_BEGINNING = re.compile(r"\d+\((.*)\) (\d+) \d+$")
_FULL = 4
_IN_PARTS = (1, 2, 3)
"""The marks of a section that comes in parts, which RAM does; a full one has 4 (migration/savevm.h)."""


class SectionLoad(Value):
    """One load of a device's section: the section, microseconds, and what of the memory topology was made anew.

    `views` counts the views of address spaces that were made, `updates` how often all of them were: each transaction
    of memory regions that ends makes every view anew. `is_early`: in front of the last of RAM.
    """

    idstr: str
    instance_id: int
    microseconds: float
    views: int
    updates: int
    is_early: bool


def load_trace_words(path: str) -> list[str]:
    """The options that make a QEMU write `LOAD_EVENTS` with their moments into a file."""
    return [*MOMENTS, *(word for event in LOAD_EVENTS for word in ("-trace", f"{event},file={path}"))]


def _moment_of(line: re.Match[str]) -> float:
    """The moment of a line of `_MOMENT`: seconds since 1970."""
    return float(line["epoch"]) if line["epoch"] else datetime.fromisoformat(f"{line['iso']}+00:00").timestamp()


def section_loads(text: str) -> list[SectionLoad]:
    """The loads of full sections in a trace, in its order. A section lasts until the next part of the stream begins."""
    loads: list[SectionLoad] = []
    last_of_ram = 0
    key: tuple[str, int] | None = None
    begun, mark = 0.0, 0
    roots: Counter[str] = Counter()
    for line in _MOMENT.finditer(text):
        event, rest = line["event"], line["rest"].rstrip()
        if event == "flatview_new":
            roots[rest.partition("(")[2]] += 1
            continue
        moment = _moment_of(line)
        if event == "qemu_loadvm_state_section_startfull":
            beginning = _BEGINNING.match(rest)
            if beginning is not None and mark == _FULL:
                key, begun = (beginning[1], int(beginning[2])), moment
                roots.clear()
        elif event == "qemu_loadvm_state_section":
            if key is not None:
                views, updates = roots.total(), max(roots.values(), default=0)
                loads.append(SectionLoad(*key, round(1e6 * (moment - begun), 1), views, updates, False))
                key = None
            mark = int(rest) if rest.isdecimal() else 0
            if mark in _IN_PARTS:
                last_of_ram = len(loads)
    return [load.replace(is_early=True) for load in loads[:last_of_ram]] + loads[last_of_ram:]
