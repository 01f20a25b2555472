"""What a page says of a stream, gathered: the machine, its sections as trees, memory, PCI, queues, features, findings.

Everything comes from what answers the same question elsewhere: `cost_of`, `query-pci`, `x-query-virtio-status`,
`x-query-virtio-queue-status`, `check`. The contents of memory are never part of it.
"""

from __future__ import annotations

import base64
import shlex
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from vmstate.compare.cost import SectionCost, StreamCost, cost_of
from vmstate.errors import VMStateError, one_line
from vmstate.query.ask import ask
from vmstate.query.find import NEWEST
from vmstate.report.layouts import MEMORY, Layout, Layouts, of_class
from vmstate.report.text import text_of
from vmstate.report.tree import MOST_FIELDS, Row, field_count, rows_of
from vmstate.rules.check import check
from vmstate.saved.opening import StreamLike
from vmstate.stream.configuration import Configuration
from vmstate.stream.events import ConfigurationSection
from vmstate.stream.finding import Finding
from vmstate.stream.stream import Section, Stream
from vmstate.vmsd.data import Data, NamedTuple
from vmstate.vmsd.description import TraceEntry

if TYPE_CHECKING:
    from vmstate.compare.source_sections import SourceDescriptions

Trace = Mapping[str, TraceEntry]

MOST_SECTIONS = 3_000
"""Sections that are shown; of those behind them only the number is told."""

MOST_ROWS = 25_000
"""Rows of all sections together: what a browser still searches while somebody types."""

MOST_BYTES = 1 << 20
"""Bytes of all sections together that the page holds, to be looked at."""

LARGEST = 192 << 10
"""Bytes of a section that the page holds."""

MOST_QUEUES = 64
"""Queues of a device that are drawn."""


class _Frame(NamedTuple):
    """What is known of a section before it is opened: its place in bytes, and what describes it."""

    name: str
    kind: str
    version: int | None
    offset: int
    size: int
    layout: int


class DeviceFacts(Data):
    """A section, or the configuration: its number on the page, its place in bytes, what describes it, its rows.

    `layout` is a number of `StreamFacts.layouts`, which holds for every row that has none of its own; `content` are its
    bytes from `offset` on in base64, `cut` says in words what is not shown.
    """

    number: int
    name: str
    kind: str
    version: int | None
    offset: int
    size: int
    layout: int
    rows: list[Row]
    content: str
    cut: str | None


class QueueFacts(Data):
    """A queue that the driver has set up: its number, its size, and its indices as far as they are in the stream."""

    number: int
    size: int
    last_avail_idx: int | None
    used_idx: int | None
    inuse: int | None
    desc: int


class VirtIOFacts(Data):
    """A virtio device: what the driver accepted, which bits have no name, its status, its queues."""

    section: str
    name: str
    accepted: list[str]
    offered: list[str]
    unknown: int
    status: list[str]
    queues: list[QueueFacts]
    idle: int


class PciFacts(Data):
    """A PCI device: how deep below the root, its address, its ids in hexadecimal, its section, its regions."""

    depth: int
    address: str
    ids: str
    section: str | None
    regions: list[str]


class BlockFacts(Data):
    """A RAM block: its idstr, what it is, its size in bytes, its guest physical address where the stream has it."""

    idstr: str
    kind: str
    size: int
    gpa: int | None


class StreamFacts(Data):
    """All that a page says of one stream."""

    name: str
    version: int
    machine: str | None
    capabilities: list[str]
    vmdesc: int | None
    cut: str | None
    command_line: str | None
    qemu: str | None
    cost: StreamCost
    devices: list[DeviceFacts]
    layouts: list[Layout]
    not_shown: int
    blocks: list[BlockFacts]
    pages: dict[str, int]
    ram_total: int | None
    pci: list[PciFacts]
    virtio: list[VirtIOFacts]
    findings: list[Finding]


def facts_of(
    stream: Stream,
    name: str,
    *,
    traces: Iterable[StreamLike] = (),
    provenance: dict[str, Any] | None = None,
    tree: SourceDescriptions | None = None,
) -> StreamFacts:
    """What the page says of a stream; `name` is what it is called, `traces` are QEMU's, as `cost_of` takes them.

    `tree` is the source tree by which sections were described that nothing else describes. Raises `VMStateError`.
    """
    configuration = stream.configuration
    layouts = Layouts(stream, tree)
    made = _devices(stream, layouts)
    known = provenance or {}
    argv = known.get("argv")
    ram = stream.ram
    vmdesc = stream.vmdesc_text
    return StreamFacts(
        name=one_line(name),
        version=stream.version,
        machine=configuration.machine if configuration is not None else None,
        capabilities=list(configuration.capability_names) if configuration is not None else [],
        vmdesc=len(vmdesc) if vmdesc is not None else None,
        cut=None if stream.cut is None else one_line(str(stream.cut)),
        command_line=None if not argv else shlex.join(argv),
        qemu=known.get("qemu_version"),
        cost=cost_of(stream, traces=traces),
        devices=made.devices,
        layouts=list(layouts.numbers),
        not_shown=made.not_shown,
        blocks=[
            BlockFacts(one_line(block.idstr), kind_of_block(block.idstr), block.used_length, block.gpa)
            for block in ram.blocks
        ],
        pages=dict(Counter(ram.pages)),
        ram_total=ram.total,
        pci=list(_pci(stream)),
        virtio=list(_virtio(stream)),
        findings=check(stream),
    )


def kind_of_block(idstr: str) -> str:
    """What a RAM block is by its idstr, as QEMU's boards and devices name them."""
    last = idstr.rpartition("/")[2]
    if last.endswith((".rom", ".bios", ".flash0", ".flash1")) or "rom@" in idstr:
        return "ROM"
    if last.endswith("vram") or last.startswith("vga"):
        return "video"
    return "RAM"


class _Devices:
    """Makes the devices of a page, and sees to it that they are not more than a page can hold."""

    def __init__(self, layouts: Layouts) -> None:
        self.layouts = layouts
        self.devices: list[DeviceFacts] = []
        self.not_shown = 0
        self._rows_left = MOST_ROWS
        self._bytes_left = MOST_BYTES

    def configuration(self, part: ConfigurationSection) -> None:
        """The configuration section; it has no footer, and a header of one byte."""
        whole, start = part.to_bytes(), part.offset + 1
        trace = {
            path: entry._replace(offset=entry.offset + start)
            for path, entry in Configuration.vmsd.trace(whole[1:]).items()  # type: ignore[attr-defined]
        }
        layout = of_class(Configuration)
        frame = _Frame("configuration", "section", None, part.offset, part.size, self.layouts.number(layout))
        self._add(frame, whole, *self._rows(frame, part.state, trace, whole, layout))

    def section(self, section: Section, whole: bytes) -> None:
        """A section of a device, `whole` with header and footer: what QEMU minds can be there, too."""
        layout = self.layouts.of_section(section)
        frame = self._frame(section, layout)
        if section.vmsd is not None:
            self._add(frame, whole, *self._rows(frame, section.state, section.trace(), whole, layout))
            return
        payload = section.payload()
        row = Row("", "not described", section.payload_offset, len(payload), "bytes")
        row.value = one_line(text_of(payload) + (f": {section.problem}" if section.problem else ""))
        self._add(frame, whole, [row], None)

    def memory(self, section: Section) -> None:
        """The section of RAM, of which a page never holds more than that it is there."""
        self._add(self._frame(section, MEMORY), b"", [], "the contents of memory are not part of a page")

    def _frame(self, section: Section, layout: Layout) -> _Frame:
        name = one_line(section.name + (f"#{section.instance_id}" if section.instance_id else ""))
        number = self.layouts.number(layout)
        return _Frame(name, section.kind, section.version_id, section.offset, section.size, number)

    def _rows(
        self, frame: _Frame, state: Any, trace: Trace, whole: bytes, layout: Layout
    ) -> tuple[list[Row], str | None]:
        start = frame.offset
        fields = field_count(state)
        if fields > MOST_FIELDS:
            return [], f"{fields:,} fields, more than a page holds: vmstate show FILE {frame.name}"
        rows = rows_of(state, trace, lambda at, size: whole[at - start : at - start + size])
        count = sum(1 for top in rows for _ in top.walk())
        if count > self._rows_left:
            return [], f"{count:,} fields, more than a page holds: vmstate show FILE {frame.name}"
        self._rows_left -= count
        self.layouts.mark(rows, state, layout)
        return rows, None

    def _add(self, frame: _Frame, whole: bytes, rows: list[Row], cut: str | None) -> None:
        held = whole[: min(LARGEST, self._bytes_left)]
        self._bytes_left -= len(held)
        if len(held) < len(whole) and cut is None:
            cut = f"the bytes from {frame.offset + len(held):#x} on are not part of the page"
        content = base64.b64encode(held).decode()
        self.devices.append(DeviceFacts(len(self.devices), *frame, rows, content, cut))


def _devices(stream: Stream, layouts: Layouts) -> _Devices:
    made = _Devices(layouts)
    data = stream.source
    assert data is not None
    for part in stream.parts:
        if isinstance(part, ConfigurationSection):
            made.configuration(part)
        elif not isinstance(part, Section) or (part.is_ram and part.kind != "start"):
            continue
        elif len(made.devices) >= MOST_SECTIONS:
            made.not_shown += 1
        elif part.is_ram:
            made.memory(part)
        else:
            made.section(part, bytes(data[part.offset : part.offset + part.size]))
    return made


def _pci(stream: Stream) -> Iterator[PciFacts]:
    try:
        answer = ask(stream, "query-pci", {})
    except VMStateError:
        return

    def devices(on_bus: list[dict[str, Any]], depth: int, at: str) -> Iterator[PciFacts]:
        for number, device in enumerate(on_bus):
            where = f"{at}.devices[{number}]"
            ids = device.get("id", {})
            regions = [
                f"BAR {region['bar']} {region['type']} at {region['address']:#x}"
                for region in device.get("regions", [])
                if region.get("address", -1) >= 0
            ]
            yield PciFacts(
                depth,
                f"{device['bus']:02x}:{device['slot']:02x}.{device['function']}",
                f"{ids.get('vendor', 0):04x}:{ids.get('device', 0):04x}, class {device['class_info']['class']:04x}",
                _section_of(answer.sources, where),
                regions,
            )
            below = device.get("pci_bridge", {}).get("devices", [])
            yield from devices(below, depth + 1, f"{where}.pci_bridge")

    for number, bus in enumerate(answer.value):
        yield from devices(bus["devices"], 0, f"[{number}]")


def _section_of(sources: dict[str, Any], where: str) -> str | None:
    return next((one_line(source.section) for source in sources.get(f"{where}.slot", ()) if source.section), None)


def _virtio(stream: Stream) -> Iterator[VirtIOFacts]:
    try:
        devices = ask(stream, "x-query-virtio", {}).value
    except VMStateError:
        return
    for device in devices:
        try:
            status = ask(stream, "x-query-virtio-status", {"path": device["path"]}, release=NEWEST).value
        except VMStateError:
            continue
        accepted = status.get("guest-features", {})
        offered = status.get("host-features", {})
        queues, idle = _queues(stream, device["path"], status.get("num-vqs", 0))
        yield VirtIOFacts(
            one_line(device["path"]),
            device["name"],
            _names(accepted),
            [name for name in _names(offered) if name not in _names(accepted)],
            accepted.get("unknown-dev-features", 0),
            [text.partition(":")[0] for text in status.get("status", {}).get("statuses", [])],
            queues,
            idle,
        )


def _names(features: dict[str, Any]) -> list[str]:
    return [text.partition(":")[0] for names in features.values() if isinstance(names, list) for text in names]


def _queues(stream: Stream, path: str, count: int) -> tuple[list[QueueFacts], int]:
    queues: list[QueueFacts] = []
    idle = 0
    for number in range(min(count, MOST_QUEUES)):
        try:
            queue = ask(stream, "x-query-virtio-queue-status", {"path": path, "queue": number}).value
        except VMStateError:
            break
        if not queue.get("vring-desc"):
            idle += 1
            continue
        queues.append(
            QueueFacts(
                number,
                queue["vring-num"],
                queue.get("last-avail-idx"),
                queue.get("used-idx"),
                queue.get("inuse"),
                queue["vring-desc"],
            )
        )
    return queues, idle + max(count - MOST_QUEUES, 0)


def places_of_cost(cost: StreamCost) -> list[tuple[SectionCost, int, int | None]]:
    """Sections with their bytes and the time they took to load, in microseconds; the largest first, RAM left out."""
    return sorted(
        ((section, section.bytes, section.load_us) for section in cost.sections if section.name != "ram"),
        key=lambda entry: -entry[1],
    )
