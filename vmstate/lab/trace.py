"""QEMU's trace of how long each device took in the downtime.

A line of `vmstate_downtime_save` or `vmstate_downtime_load`, which QEMU has from 10.0 on:

    vmstate_downtime_load type=non-iterable idstr=0000:00:01.0/virtio-net instance_id=0 downtime=1239

in microseconds. From QEMU's migration/trace-events and migration/savevm.c.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

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


def trace_words(path: str) -> list[str]:
    """The options that make a QEMU write both events into a file."""
    return [word for event in EVENTS for word in ("-trace", f"{event},file={path}")]


def device_times(text: str) -> Iterator[DeviceTime]:
    """The times in a trace, in its order; lines of other events are passed by."""
    for direction, kind, idstr, instance, downtime in _LINE.findall(text):
        yield DeviceTime(direction, kind, idstr, int(instance), int(downtime))
