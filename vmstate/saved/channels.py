"""Further channels of a migration, whose pages belong to the stream of the main one.

multifd: each channel begins with a hello of 64 bytes and is a row of packets, big-endian: u32 magic, version, flags,
pages allocated, normal pages, size of the data; u64 number; u32 zero pages, unused; 3 u64 unused; 256 bytes of the
block's name; then always as many u64 offsets as 512 KiB have pages, and the data. Flag 1 ends an epoch (the main stream
has a mark there), flags 0x3e say the compression, 0x40 is a device's own state
(`device_state`). Postcopy's preempt channel is a row of
RAM records without an end. What comes after a recovery is a stream that goes on where the first one broke off. Facts
from QEMU's migration/multifd.h, multifd-nocomp.c, multifd-zlib.c, multifd-zstd.c, ram.c and savevm.c.

That channels are of one migration: the hello has the machine's UUID and the channel's number, packets are counted over
all channels from 0 on (up to 8.2 the number of one that is followed by an end of an epoch is that of the end), and each
channel ends as many epochs as the main stream has marks.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any
from uuid import UUID

from vmstate.errors import StreamError, VMStateError
from vmstate.saved.compressed import PACKAGES
from vmstate.saved.device_state import DevicePacket, device_packet, findings_of_devices
from vmstate.saved.loading import closed_by_failure, load_what_is_whole
from vmstate.saved.opening import IN_MEMORY, Input, open_input, open_raw
from vmstate.stream.events import MAGIC, Command, CommandType
from vmstate.stream.finding import Finding
from vmstate.stream.further import FurtherScanner, GoingOnReader
from vmstate.stream.memory_pages import PLAIN, ZERO, Channel, SentPages
from vmstate.stream.ram_records import EOS, RamBlock, RamEnd, RamPages
from vmstate.stream.reader import page_size_of
from vmstate.stream.stream import Stream
from vmstate.vmsd.data import NamedTuple

HELLO = struct.Struct(">II16sB7x32x")
HEAD = struct.Struct(">6IQII24x256s")
DEVICE_HEAD = 276
"""Bytes of the smallest packet's head (`vmstate.saved.device_state`)."""
MULTIFD_MAGIC = 0x11223344
MULTIFD = MULTIFD_MAGIC.to_bytes(4, "big")
PACKET = 512 << 10
"""Bytes of the pages that a packet can have."""

SYNC = 1
COMPRESSION = 0x3E
DEVICE_STATE = 0x40
_NUMBER = 24
"""Where a hello has the number of its channel."""

_ZLIB, _ZSTD = 1 << 1, 2 << 1
_NAMES = {4 << 1: "QPL", 8 << 1: "UADK", 16 << 1: "QATzip"}
MOST_FILES = 1 << 10
"""Files of one migration, of which most are something else beside the channels."""
_NO_PAGES = EOS.to_bytes(8, "big")
"""All of a preempt channel of QEMU 7.2 on which nothing was asked for."""
_BACK = range(1, 9)
"""The types of what the destination says (`vmstate.stream.return_path`)."""
_POSTCOPY = (CommandType.POSTCOPY_LISTEN, CommandType.POSTCOPY_RUN)
_RECOVERY = (b"\x08\x00\x0a", b"\x08\x00\x09", b"\x08\x00\x02")
"""How a stream goes on after a recovery: with commands."""


class Packet(NamedTuple):
    """A packet with pages: when it belongs (epoch, number), where its offsets stand, and its pages' bytes begin."""

    epoch: int
    number: int
    block: str
    offsets_at: int
    normal: int
    zero: int
    source: int
    data_at: int


class Multifd(Channel):
    """All multifd channels of a migration."""

    kind = "multifd"

    def __init__(self, inputs: Sequence[Input], page_size: int, *, uuid: bytes | None, is_whole: bool) -> None:
        """`uuid` is the machine's, where the main stream has it; `is_whole` whether that has all marks.

        Raises `StreamError` for what is no channel, and for channels of more than one migration.
        """
        self.count = len(inputs)
        self._is_whole = is_whole
        self._uuid = uuid
        self._marks = self._noted = 0
        self._syncs: list[int] = []
        self._methods: set[int] = set()
        self._numbers: dict[int, str] = {}
        self._sent = 0
        self.inputs = inputs
        self._page_size = page_size
        self._plain: list[memoryview] = []
        self._first = 0
        self._packets: list[Packet] = []
        self.device_packets: list[DevicePacket] = []
        self._same_migration()
        for opened in inputs:
            try:
                self._read(opened)
            except StreamError as error:
                raise error.within(file=opened.name) from None
        self._packets.sort(key=lambda packet: packet[:2])
        self.lacks = self._lacking()
        self._numbers.clear()

    def _same_migration(self) -> None:
        """Raise `StreamError` where a hello says that its channel is of another machine, or is given twice."""
        names: dict[int, str] = {}
        for opened in self.inputs:
            if len(opened.data) < HELLO.size or HELLO.unpack_from(opened.data)[:2] != (MULTIFD_MAGIC, 1):
                raise StreamError("no multifd channel", file=opened.name, offset=0, expected="a hello of version 1")
            uuid, number = HELLO.unpack_from(opened.data)[2:]
            self._uuid = uuid if self._uuid is None else self._uuid
            if uuid != self._uuid:
                raise StreamError(
                    "a multifd channel of another machine",
                    file=opened.name,
                    expected=f"the UUID {UUID(bytes=self._uuid)}",
                    found=str(UUID(bytes=uuid)),
                )
            if number in names:
                raise StreamError(
                    f"is multifd channel {number}, as {names[number]} is: one is of another migration, or given twice",
                    file=opened.name,
                )
            names[number] = opened.name
        self._ids = sorted(names)

    def _lacking(self) -> str:
        """What of the migration is in none of the channels, by what their numbers say; "" where nothing is."""
        told = []
        gaps = sorted(set(range(self._ids[-1])) - set(self._ids))
        if gaps:
            told.append(f"channel {', '.join(map(str, gaps[:8]))}")
        packets = max(self._numbers, default=-1) + 1 - self._sent
        if packets > 0:
            told.append(f"{packets} of {packets + self._sent} packets")
        return f"{' and '.join(told)} of multifd in none of the files" if told else ""

    def _read(self, opened: Input) -> None:
        number = len(self._plain)
        self._plain.append(opened.data)
        packets: list[tuple[Packet, int, int]] = []
        syncs = 0
        for packet, flags, size in _packets(opened.data, self._page_size, number, self.device_packets):
            syncs += flags & SYNC
            self._sent += 1
            other = self._numbers.setdefault(packet.number, opened.name)
            if other != opened.name:
                raise StreamError(
                    f"packet {packet.number} of multifd is in {other}, too: one of both is of another migration"
                )
            if packet.normal or packet.zero:
                packets.append((packet, flags, size))
        self._syncs.append(syncs)
        if syncs != self._syncs[0]:
            raise StreamError(
                "a multifd channel of another migration, or one that breaks off",
                expected=f"{self._syncs[0]} ends of epochs, as in {self.inputs[0].name}",
                found=str(syncs),
            )
        methods = {flags & COMPRESSION for packet, flags, _ in packets if packet.normal}
        self._methods |= methods
        if len(self._methods) > 1:
            raise StreamError("a multifd channel of another migration: its pages are compressed in another way")
        method = max(methods, default=0)
        if method:
            # The bytes of the pages stand elsewhere then, one behind the other.
            self._plain[number] = _decompressed(
                opened.data, [(p, size) for p, _, size in packets], method, self._page_size
            )
        passed = 0
        for packet, _, _ in packets:
            if method:
                packet = packet._replace(data_at=passed)
                passed += packet.normal * self._page_size
            self._packets.append(packet)

    def fill(self, epoch: int | None, blocks: Mapping[str, SentPages], sources: list[memoryview]) -> None:
        """Note the pages of an epoch; None: of all that are left. Raises `StreamError` where the channels are those of
        another main stream.
        """
        if epoch == 0:
            # Whoever asks for memory anew begins again.
            self._marks = self._noted = 0
        if epoch is None and self._is_whole and self._marks != self._syncs[0]:
            raise StreamError(
                "the multifd channels are of another migration than the main stream",
                file=self.inputs[0].name,
                expected=f"{self._marks} ends of epochs",
                found=str(self._syncs[0]),
            )
        if not self._marks:
            if len(sources) + len(self._plain) > 1 << 10:
                raise StreamError("too many channels", expected="at most a thousand")
            self._first = len(sources)
            sources.extend(self._plain)
        self._marks += 1
        while self._noted < len(self._packets):
            packet = self._packets[self._noted]
            if epoch is not None and packet.epoch > epoch:
                return
            self._note(packet, blocks)
            self._noted += 1
        if epoch is None:
            self._marks = self._noted = 0

    def _note(self, packet: Packet, blocks: Mapping[str, SentPages]) -> None:
        pages = blocks.get(packet.block)
        opened = self.inputs[packet.source]
        if pages is None:
            raise StreamError("a packet of a RAM block that was not listed", file=opened.name, found=repr(packet.block))
        count = packet.normal + packet.zero
        offsets = struct.unpack_from(f">{count}Q", opened.data, packet.offsets_at)
        if any(offset >= pages.size for offset in offsets):
            raise StreamError(f"a page outside RAM block {packet.block!r}", file=opened.name, offset=packet.offsets_at)
        normal, zero = offsets[: packet.normal], offsets[packet.normal :]
        if normal:
            pages.note(normal, packet.data_at, self._page_size, PLAIN, self._first + packet.source)
        if zero:
            pages.note(zero, 0, 0, ZERO, 0)


def _packets(
    data: memoryview, page_size: int, source: int, devices: list[DevicePacket]
) -> Iterator[tuple[Packet, int, int]]:
    """The packets of a channel but those of devices, each with its flags and the size of its data; `devices` gets
    those.
    """
    most = PACKET // page_size
    at, epoch = HELLO.size, 0
    while at < len(data):
        if at + DEVICE_HEAD > len(data):
            raise StreamError("a multifd channel ends inside a packet", offset=at)
        magic, version, flags = struct.unpack_from(">3I", data, at)
        if magic != MULTIFD_MAGIC or version != 1:
            raise StreamError("no packet of a multifd channel begins so", offset=at, found=f"{magic:#x}, {version}")
        if flags & DEVICE_STATE:
            packet, at = device_packet(data, at, data[_NUMBER], epoch)
            devices.append(packet)
            continue
        offsets_at = at + HEAD.size
        data_at = offsets_at + 8 * most
        if data_at > len(data):
            raise StreamError("a multifd channel ends inside a packet", offset=at)
        _, _, _, _, normal, size, number, zero, _, name = HEAD.unpack_from(data, at)
        if normal + zero > most:
            raise StreamError(
                "a packet of too many pages", offset=at, expected=f"at most {most}", found=str(normal + zero)
            )
        # QEMU 7.2 leaves the size of the last packet in those that have no data.
        size = size if normal else 0
        if not flags & COMPRESSION and size != normal * page_size:
            raise StreamError("a packet of another size than its pages", offset=at, found=str(size))
        if data_at + size > len(data):
            raise StreamError("a multifd channel ends inside a packet", offset=at, expected=f"{size} bytes of pages")
        block = name.partition(b"\0")[0].decode(errors="backslashreplace")
        yield Packet(epoch, number, block, offsets_at, normal, zero, source, data_at), flags, size
        if flags & SYNC:
            epoch += 1
        at = data_at + size


def _decompressed(data: memoryview, packets: Sequence[tuple[Packet, int]], method: int, page_size: int) -> memoryview:
    """The pages of a compressed channel, which is one compressed stream for its whole life."""
    decompress = _decompressor(method)

    def pieces() -> Iterator[bytes]:
        for packet, size in packets:
            wanted = packet.normal * page_size
            try:
                plain = decompress(bytes(data[packet.data_at : packet.data_at + size]), wanted) if wanted else b""
            except Exception as error:  # each package has its own kinds
                raise StreamError(f"the pages of a packet are damaged: {error}", offset=packet.data_at) from None
            if len(plain) != wanted:
                raise StreamError(
                    "a packet of another size than its pages",
                    offset=packet.data_at,
                    expected=str(wanted),
                    found=str(len(plain)),
                )
            yield plain

    memory = bytearray()
    rest = pieces()
    for piece in rest:
        memory += piece
        if len(memory) > IN_MEMORY:
            from vmstate.saved.mapped import put_on_disk

            return memoryview(put_on_disk(memory, rest, "pages"))
    return memoryview(bytes(memory))


def _decompressor(method: int) -> Callable[[bytes, int], bytes]:
    if method == _ZLIB:
        inflate = zlib.decompressobj()
        return lambda packed, size: inflate.decompress(packed, size + 1)
    if method == _ZSTD:
        try:
            import zstandard
        except ImportError:
            raise StreamError(f"zstd needs a package: pip install {PACKAGES['zstd']}") from None
        frame = zstandard.ZstdDecompressor(max_window_size=128 << 20).decompressobj()
        return lambda packed, _: frame.decompress(packed)
    raise StreamError("the pages are compressed in a way that is not known here", found=_NAMES.get(method, hex(method)))


class Preempt(Channel):
    """Postcopy's channel for pages that the destination asked for: RAM records, and no end."""

    kind = "postcopy-preempt"

    def __init__(self, opened: Input, blocks: Sequence[RamBlock], page_size: int, *, is_recovered: bool) -> None:
        """`is_recovered`: the migration was, so that what was lost on one channel can have come on the other."""
        self._is_recovered = is_recovered
        self.inputs = (opened,)
        self._opened = opened
        self._scanner = FurtherScanner(page_size)
        self._scanner.know(blocks)

    def fill(self, epoch: int | None, blocks: Mapping[str, SentPages], sources: list[memoryview]) -> None:
        """Note the pages, which all come when the rest has."""
        if epoch is not None:
            return
        data, at = self._opened.data, 0
        sources.append(data)
        try:
            while at < len(data):
                event_and_end = self._scanner.next_event(data, at, len(data), 0)
                if event_and_end is None:
                    # It ends where the last record does, or is cut off; a run that is not full is told all the same.
                    event_and_end = self._scanner.last_run(data)
                    if event_and_end is None:
                        raise self._scanner.at_end(len(data))
                event, at = event_and_end
                if isinstance(event, RamEnd):
                    break
                if isinstance(event, RamPages) and event.block in blocks:
                    if not self._is_recovered:
                        self._refuse_sent(event, blocks[event.block])
                    blocks[event.block].take(event, len(sources) - 1)
        except StreamError as error:
            raise error.within(file=self._opened.name) from None

    @staticmethod
    def _refuse_sent(run: RamPages, pages: SentPages) -> None:
        """Raise `StreamError` for a page that the main stream has: what was asked for is not sent a second time."""
        for address in run.addresses():
            if pages.place(address // pages.page_size) is not None:
                raise StreamError(
                    "a preempt channel of another migration: the main stream has the page itself",
                    offset=run.offset,
                    found=f"{address:#x} of {run.block}",
                )


class Recovered(Channel):
    """What came after a recovery: parts of RAM behind the commands that put both sides in step again."""

    kind = "recovery"

    def __init__(self, opened: Input, stream: Stream, page_size: int) -> None:
        self.inputs = (opened,)
        self._opened = opened
        self._stream = stream
        self._page_size = page_size

    def fill(self, epoch: int | None, blocks: Mapping[str, SentPages], sources: list[memoryview]) -> None:
        """Note the pages, which all come when the rest has."""
        if epoch is not None:
            return
        sources.append(self._opened.data)
        started = [section.header for section in self._stream.sections if section.kind == "start"]
        reader = GoingOnReader.going_on(self._opened.data, started, self._stream.ram.blocks, self._page_size)
        try:
            for event in reader.events():
                if isinstance(event, RamPages) and event.block in blocks:
                    blocks[event.block].take(event, len(sources) - 1)
        except StreamError as error:
            raise error.within(file=self._opened.name) from None


def open_folder(folder: str, limit: int) -> Input:
    """The main stream in a folder of recorded channels, with the other files in it. Raises `StreamError`."""
    opened = open_input(str(_main_of(folder)), limit=limit)
    opened.further = (folder,)
    return opened


def load_channels(
    opened: Input, channels: Iterable[str | os.PathLike[str]], read: Callable[..., Stream], **how: Any
) -> Stream:
    """The machine of a main stream and of what else was recorded of its migration: multifd's channels, postcopy's
    preempt channel, what came after a recovery; told by their first bytes, in any order.

    `channels`, and `opened.further`, are files that have to be such channels, and folders, in which a file may be
    anything. What came back from the destination is passed over. `read` reads the main stream, with `how`. Raises
    `VMStateError`.
    """
    with closed_by_failure(opened):
        inputs = list(opened_channels(opened, channels))
    opened.further = ()
    goes_on = any(bytes(each.data[:3]) in _RECOVERY for each, _ in inputs)
    stream = load_what_is_whole(opened) if goes_on else read(opened, **how)
    try:
        stream.channels = tuple(_known(stream, inputs))
    except VMStateError as error:
        stream.close()
        raise error from None
    return stream


def opened_channels(opened: Input, channels: Iterable[str | os.PathLike[str]] = ()) -> Iterator[tuple[Input, bool]]:
    """The files that are given with a main stream, `opened.further` and `channels`, opened, each with whether it has to
    be a channel: of a folder a file may be anything. Raises `VMStateError`.
    """
    for name in (*opened.further, *channels):
        is_folder = os.path.isdir(name)
        files = [path for path in _files_of(Path(name)) if not is_folder or str(path) != opened.name]
        for path in files:
            # What else lies in a folder may be damaged.
            with suppress(VMStateError) if is_folder else nullcontext():
                yield open_raw(str(path)), not is_folder


def _known(stream: Stream, inputs: Sequence[tuple[Input, bool]]) -> Iterator[Channel]:
    """What the inputs are, those of which that is known; with each whether it has to be."""
    vmdesc = stream.vmdesc
    page_size = (None if vmdesc is None else vmdesc.page_size) or page_size_of(stream.configuration)
    blocks = stream.ram.blocks
    names = {block.idstr.encode() for block in blocks}
    begins = (part.offset for part in stream.parts if isinstance(part, Command) and part.command in _POSTCOPY)
    postcopy = next(begins, None)
    multifd = [each for each, _ in inputs if bytes(each.data[:4]) == MULTIFD]
    if any(block.mapped is not None for block in blocks) and any(has_to_be for _, has_to_be in inputs):
        raise StreamError("a mapped-ram file has all pages itself: it has no further channels", file=stream.name)
    first_page = stream.ram.firsts.get("page")
    if multifd and first_page is not None and (postcopy is None or first_page[0] < postcopy):
        raise StreamError(
            "a multifd channel of another migration: the main stream has its pages itself", file=multifd[0].name
        )
    if multifd:
        told = None if stream.configuration is None else stream.configuration.uuid
        is_whole = stream.cut is None and ("multifd flush" in stream.ram.firsts or postcopy is None)
        yield Multifd(multifd, page_size, uuid=None if told is None else bytes(told.data), is_whole=is_whole)
    # Each connection of a migration that was recovered has such a channel.
    recoveries = sum(bytes(each.data[:3]) in _RECOVERY for each, _ in inputs)
    preempts = 1 + recoveries
    for each, has_to_be in inputs:
        head = bytes(each.data[:264])
        if head[:4] == MULTIFD:
            continue
        if head in (b"", _NO_PAGES):
            if has_to_be and postcopy is None:
                raise StreamError("is empty, and no channel of this migration", file=each.name)
            continue
        if head[:3] in _RECOVERY:
            yield Recovered(each, stream, page_size)
        elif head[9 : 9 + head[8]] in names if len(head) > 9 else False:
            preempts -= 1
            if postcopy is None:
                raise StreamError("a preempt channel, and the main stream is of no postcopy", file=each.name)
            if preempts < 0:
                raise StreamError(
                    "one preempt channel too many", file=each.name, expected="one for each connection of the migration"
                )
            yield Preempt(each, blocks, page_size, is_recovered=recoveries > 0)
        elif head[:4] == MAGIC:
            raise StreamError("is a main stream, as the one before", file=each.name, expected="a further channel")
        elif has_to_be and int.from_bytes(head[:2], "big") not in _BACK:
            raise StreamError(
                "is no channel of a migration",
                file=each.name,
                expected="multifd, preempt, recovery",
                found=head[:4].hex(),
            )


def _files_of(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    files = sorted(each for each in path.iterdir() if each.is_file())
    if len(files) > MOST_FILES:
        raise StreamError("too many files for the channels of one migration", file=str(path), found=str(len(files)))
    return files


def _main_of(folder: str) -> Path:
    """The one of several files that begins as a stream."""
    paths = _files_of(Path(folder))
    mains = [path for path in paths if _begins_a_stream(path)]
    if len(mains) != 1:
        found = ", ".join(path.name for path in mains[:4]) or "none"
        raise StreamError(
            "is a directory; one file in it has to be the main stream of a migration", file=folder, found=found
        )
    return mains[0]


def _begins_a_stream(path: Path) -> bool:
    with suppress(VMStateError), open_raw(str(path)) as opened:
        return bytes(opened.data[:4]) == MAGIC
    return False


def findings_of(stream: Stream) -> Iterator[Finding]:
    """What is wrong with the further channels of a stream. Raises `VMStateError` for those that cannot be read."""
    memory = stream.memory()
    for channel in stream.channels:
        if channel.lacks:
            yield Finding("missing", "error", None, None, None, f"{channel.lacks}: pages can be older ones")
    yield from findings_of_devices(stream)
    gone = list(memory.missing())
    if gone:
        count = sum(size for _, size in gone) // memory.page_size
        message = f"{count} pages of memory are in none of the channels, the first at {gone[0][0]:#x}"
        yield Finding("missing", "error", None, None, None, message)


def lacking(stream: Stream) -> str | None:
    """What of memory a stream does not hold that was given alone; None where it holds all, or where that is said
    otherwise: of x-ignore-shared, and of multifd from 9.0 on.
    """
    if "multifd flush" in stream.ram.firsts or any(block.gpa is not None for block in stream.ram.blocks):
        return None
    try:
        memory = stream.memory()
        gone = list(memory.missing())
    except VMStateError:
        return None
    if not gone:
        return None
    count = sum(size for _, size in gone) // memory.page_size
    whose = "postcopy's preempt channel or a recovery" if stream.is_postcopy else "a further channel of the migration"
    pages = f"{count} page{'s are' if count > 1 else ' is'} not in it, the first at {gone[0][0]:#x}"
    return f"{pages}: in {whose} (--channel, or a folder), or nowhere"


def is_completed(stream: Stream) -> bool:
    """Whether a stream that breaks off goes on in one of its channels."""
    return any(isinstance(channel, Recovered) for channel in stream.channels)
