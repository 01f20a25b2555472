"""What `vmstate info` says of a file that holds a stream and more, and of several files in a table."""

from __future__ import annotations

import json
from typing import Any

from rich.table import Table
from rich.text import Text

from vmstate.cli.console import print_rendered
from vmstate.cli.words import counted, tell_where_cut, where_cut
from vmstate.errors import VMStateError, one_line
from vmstate.files import size_text
from vmstate.saved.containers import Container, UndecidedError
from vmstate.saved.device_state import device_states
from vmstate.saved.opening import Input
from vmstate.stream.events import Trailing
from vmstate.stream.stream import Stream


def container_of(stream: Stream) -> dict[str, Any]:
    """What a stream was taken out of, as JSON values."""
    facts: dict[str, Any] = stream.container.facts()
    if facts["kind"] != "qcow2":
        return facts
    from vmstate.query.disks import disks_of

    return {**facts, "disks": [disk.as_dict() for disk in disks_of(stream)]}


def print_container(stream: Stream) -> None:
    """What a stream was taken out of."""
    container: Container = stream.container
    rows = container.lines()
    if container.facts()["kind"] == "qcow2":
        rows.append(("disks", disks_text(stream)))
    print(f"{one_line(container.file)}: holds a QEMU migration stream")
    for label, text in rows:
        print(f"  {label:<12}  {one_line(text)}")


def disks_text(stream: Stream) -> str:
    """The disks of a machine of which a snapshot was made: one of all that it can write to, each in its own image."""
    from vmstate.query.disks import controllers_of, disks_of

    disks, controllers = disks_of(stream), controllers_of(stream)
    if not disks:
        where = f" (what is plugged into {', '.join(controllers)} is not in it)" if controllers else ""
        return f"none that the machine's devices name{where}"
    named = ", ".join(disk.text for disk in disks)
    return f"{named}; the snapshot is in the image of each that can be written to, its state in this one"


def channels_of(stream: Stream) -> dict[str, Any]:
    """In which further channels memory is, as JSON values, and as `text`."""
    kinds = [channel.kind for channel in stream.channels]
    count = sum(channel.count for channel in stream.channels)
    lacking = [channel.lacks for channel in stream.channels if channel.lacks]
    text = "; ".join((f"in {counted(count, 'further channel')}: {', '.join(kinds)}", *map(one_line, lacking)))
    if "multifd" not in kinds and "multifd flush" in stream.ram.firsts:
        text = "in further channels (multifd), which were not given (--channel, or a folder)"
    devices = device_states(stream)
    text = "; ".join((text, *(one_line(device.text) for device in devices)))
    listed = {"devices": [device.as_dict() for device in devices]} if devices else {}
    return {"count": count, "kinds": kinds, **listed, "text": text}


def add_lacking(stream: Stream, facts: dict[str, Any]) -> None:
    """What a stream that was given alone lacks, as in `channels_of`."""
    from vmstate.saved.channels import lacking

    text = lacking(stream)
    if text is not None:
        facts["channels"] = {"count": 0, "kinds": [], "text": text}


def behind_of(stream: Stream) -> dict[str, Any]:
    """What stands behind the end of a stream, as JSON values, and as `text`."""
    from vmstate.stream.behind import what_is_behind

    part = stream.parts[-1]
    assert isinstance(part, Trailing)
    behind = what_is_behind(part)
    facts = {**behind.as_dict(), "text": behind.text}
    if behind.kind == "colo" and isinstance(stream.input, Input):
        from vmstate.saved.colo import checkpoints_of

        count, cut = checkpoints_of(stream.input)
        ways = f"{one_line(str(stream.name))}@colo:1 to colo:{count}" if count else "none is whole"
        text = f"{counted(count, 'checkpoint')} of COLO: {ways}" + (f"; then {one_line(cut)}" if cut else "")
        facts |= {"checkpoints": count, "cut": cut}
        facts["text"] = f"{behind.size} bytes from {behind.offset:#x} on: {text}"
    return facts


def add_facts(stream: Stream, facts: dict[str, Any], *, tells_container: bool) -> None:
    """What there is to say of a file besides the stream in it; `tells_container` prints what it was taken out of."""
    if stream.container is not None:
        facts["container"] = container_of(stream)
        if tells_container:
            print_container(stream)
    if stream.cut is not None:
        facts["cut"] = where_cut(stream)
        tell_where_cut(stream)
    if stream.channels or "multifd flush" in stream.ram.firsts:
        facts["channels"] = channels_of(stream)
    elif stream.may_lack_pages:
        add_lacking(stream, facts)
    if isinstance(stream.parts[-1], Trailing):
        facts["behind"] = behind_of(stream)


def tell_choices(error: VMStateError, form: str) -> int:
    """What a file is of whose streams none was named, or which has none; returns the exit code."""
    container: Container = error.container  # type: ignore[attr-defined]
    if form == "json":
        print(json.dumps({"file": container.file, "container": container.facts()}))
        return 0
    print(f"{one_line(container.file)}: {one_line(error.message)}")
    for label, text in container.lines():
        print(f"  {label:<12}  {one_line(text)}")
    way = "of one of them" if isinstance(error, UndecidedError) else "the machine is in"
    print(f"  {way}: {one_line(str(error.expected))}")
    return 0


def print_table(files: list[dict[str, Any]]) -> None:
    """A row for each of several files."""
    table = Table("file", "machine", "memory", "sections", "without a description", box=None, pad_edge=False)
    for facts in files:
        sections = facts["sections"]
        unknown = {section["name"] for section in sections if section["described_by"] == "none"}
        row = (
            str(facts["file"]),
            facts["machine"] or "not said",
            size_text(facts["ram"]["total"] or 0),
            str(len(sections)),
            ", ".join(sorted(unknown)) or "none",
        )
        table.add_row(*map(Text, map(one_line, row)))
    print_rendered(table)
