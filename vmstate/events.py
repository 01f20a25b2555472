"""What a `StreamReader` gives and a `StreamWriter` takes: the parts of a stream, one after the other.

Each event has `offset`, the absolute offset of its first byte, and `to_bytes()`, the bytes that it stands for. Those of
all events of a stream, in order, are the stream. The order is: `Header`; `ConfigurationSection` where the machine type
writes one; then for each section a `SectionHeader`, its content and a `SectionFooter`; among them `Command`s;
`EndOfStream`; `Vmdescription` where there is one; `Trailing` for bytes that come behind.

The content is one `DeviceState`, or for RAM a row of `RamEvent`s: `RamSize` and `RamBlock`s at the start, then
`RamPages` and others, and `RamEnd` at the end of each section. `Stream.events` gives the bytes of RAM that it does not
look into as `RamBytes`. `DONE` and `NEED_DATA` are no events: they are what `next_event` says where there is none.
"""

from __future__ import annotations

from vmstate.stream.configuration import Configuration
from vmstate.stream.ends import find_vmdesc
from vmstate.stream.events import (
    DONE,
    NEED_DATA,
    Command,
    CommandType,
    ConfigurationSection,
    DeviceState,
    Done,
    EndOfStream,
    Event,
    Header,
    NeedData,
    SectionFooter,
    SectionHeader,
    Trailing,
    Vmdescription,
)
from vmstate.stream.ram_records import (
    RamBlock,
    RamBytes,
    RamEnd,
    RamEvent,
    RamHook,
    RamMapped,
    RamMultifdFlush,
    RamPages,
    RamSize,
)

__all__ = [
    "DONE",
    "NEED_DATA",
    "Command",
    "CommandType",
    "Configuration",
    "ConfigurationSection",
    "DeviceState",
    "Done",
    "EndOfStream",
    "Event",
    "Header",
    "NeedData",
    "RamBlock",
    "RamBytes",
    "RamEnd",
    "RamEvent",
    "RamHook",
    "RamMapped",
    "RamMultifdFlush",
    "RamPages",
    "RamSize",
    "SectionFooter",
    "SectionHeader",
    "Trailing",
    "Vmdescription",
    "find_vmdesc",
]
