"""A machine's state put into a copy of a qcow2 image: in place of a snapshot's, or as a snapshot of its own.

Clusters that only the snapshot has are written over; whatever else the state needs is put behind the end of the file:
clusters, L2 tables, a longer L1 table, refcount blocks, a longer refcount table. What is shared with the disk or with
another snapshot is left as it is, and counted once less. `qemu-img check` finds nothing to mend. Facts from QEMU's
docs/interop/qcow2.rst, block/qcow2-refcount.c and block/qcow2-snapshot.c.
"""

from __future__ import annotations

import struct
import sys
from array import array
from collections.abc import Callable, Iterator

from vmstate.errors import StreamError
from vmstate.files import PIECE
from vmstate.saved.qcow2 import (
    COMPRESSED,
    CORRUPT,
    DIRTY,
    EXTENDED_L2,
    LARGEST_L1,
    LARGEST_TABLE,
    MOST_SNAPSHOTS,
    OFFSET_MASK,
    SECTOR,
    SUBCLUSTERS,
    ZERO,
    Qcow2Header,
    Qcow2Image,
    Snapshot,
    inside_image,
    state_start,
)
from vmstate.vmsd.data import Value

COPIED = 1 << 63
"""Of an entry of the active tables: nothing else has what it names."""

LARGEST_REFCOUNT_TABLE = 8 << 20
"""Bytes of the refcount table."""

BEHIND = 64 << 20
"""Bytes behind the end of the file of which clusters may be in use: the last one that was taken is written later."""

BITMAPS_CONSISTENT = 1
"""The one autoclear feature whose meaning is kept: the dirty bitmaps are of the disk, which stays as it is."""

_AUTOCLEAR_AT = 88
_REPAIR = "an image that `qemu-img check -r all` has mended"


class NewSnapshot(Value):
    """What the entry of a new snapshot says: its name, when it was made (seconds, nanoseconds) and the guest's clock in
    nanoseconds.
    """

    name: str
    seconds: int
    nanoseconds: int
    clock: int


def with_state_replaced(
    data: memoryview, image: Qcow2Image, snapshot: Snapshot, state: memoryview
) -> Iterator[bytes | memoryview]:
    """A copy of an image in which a snapshot has another state, of any size. Raises `StreamError`."""
    edit = _Edit(data, image)
    table = edit.l1_of(snapshot)
    length = len(table)
    edit.place_state(table, state_start(image.header, snapshot), state)
    changed = {"l1_offset": snapshot.l1_offset, "l1_size": length}
    if len(table) > length:
        changed = {"l1_offset": edit.store_l1(table), "l1_size": len(table)}
        edit.drop_bytes(snapshot.l1_offset, 8 * length)
    else:
        edit.patch(snapshot.l1_offset, _words(table))
    entry = _entry_with(bytes(data[snapshot.offset : snapshot.end]), len(state), **changed)
    if len(entry) == snapshot.end - snapshot.offset:
        edit.patch(snapshot.offset, entry)
    else:
        edit.store_snapshots([entry if each is snapshot else edit.entry_of(each) for each in image.snapshots])
    return edit.finished()


def with_snapshot_added(
    data: memoryview, image: Qcow2Image, base: Snapshot | None, new: NewSnapshot, state: memoryview
) -> Iterator[bytes | memoryview]:
    """A copy of an image with one snapshot more: its disk is that of the snapshot `base`, or what the disk is now.

    Raises `StreamError`: a name that there is already, and what an image cannot have.
    """
    names = [snapshot.name for snapshot in image.snapshots]
    if new.name in names:
        raise StreamError(
            "the image has a snapshot of that name", file=image.file, expected="another name", found=new.name
        )
    if len(names) >= MOST_SNAPSHOTS:
        raise StreamError("the image has as many snapshots as there can be", file=image.file, found=str(len(names)))
    edit = _Edit(data, image)
    header = image.header
    disk_size = header.size if base is None or base.disk_size is None else base.disk_size
    start = -(-disk_size // (header.cluster_size * header.entries))
    table = (edit.active_l1() if base is None else edit.l1_of(base))[:start]
    edit.share(table)
    table.extend([0] * (start - len(table)))
    edit.place_state(table, start, state)
    number = max((int(each.id) for each in image.snapshots if each.id.isdecimal() and len(each.id) < 20), default=0) + 1
    entry = _new_entry(new, str(number), edit.store_l1(table), len(table), len(state), disk_size)
    edit.store_snapshots([*map(edit.entry_of, image.snapshots), entry])
    edit.active_is_shared = True
    return edit.finished()


def _new_entry(new: NewSnapshot, number: str, l1_at: int, l1_size: int, state_size: int, disk_size: int) -> bytes:
    name, text = new.name.encode(), number.encode()
    if not 0 < len(name) < 256:
        raise StreamError("a snapshot's name has 1 to 255 bytes", found=repr(new.name[:80]))
    head = struct.pack(">QIHHII", l1_at, l1_size, len(text), len(name), new.seconds, new.nanoseconds)
    # With the large size of the state that of 32 bits means nothing, and QEMU writes 0 where it does not fit.
    small = state_size if state_size <= 0xFFFF_FFFF else 0
    extra = struct.pack(">QQQ", state_size, disk_size, (1 << 64) - 1)
    return head + struct.pack(">QII", new.clock, small, len(extra)) + extra + text + name


def _entry_with(entry: bytes, state_size: int, *, l1_offset: int, l1_size: int) -> bytes:
    """An entry of the snapshot table with another L1 table and size of the state; longer where that does not fit."""
    (extra_size,) = struct.unpack_from(">I", entry, 36)
    extra, names = entry[40 : 40 + extra_size], entry[40 + extra_size :]
    if extra_size >= 8:
        extra = state_size.to_bytes(8, "big") + extra[8:]
    elif state_size > 0xFFFF_FFFF:
        extra = state_size.to_bytes(8, "big")
    small = state_size if state_size <= 0xFFFF_FFFF else 0
    head = struct.pack(">QI", l1_offset, l1_size) + entry[12:32] + struct.pack(">II", small, len(extra))
    return head + extra + names


def _words(words: list[int]) -> bytes:
    packed = array("Q", words)
    if sys.byteorder == "little":
        packed.byteswap()
    return packed.tobytes()


def _unpacked_words(data: memoryview) -> list[int]:
    words = array("Q", bytes(data))
    if sys.byteorder == "little":
        words.byteswap()
    return words.tolist()


class _Edit:
    """A copy of an image in the making: what of it is other bytes, and what comes behind its end."""

    def __init__(self, data: memoryview, image: Qcow2Image) -> None:
        self.data = data
        self.image = image
        self.header = image.header
        self.cluster_size = image.header.cluster_size
        if self.header.incompatible & (DIRTY | CORRUPT):
            raise StreamError("the image was not closed properly", file=image.file, expected=_REPAIR)
        self._patches: list[tuple[int, bytes | memoryview]] = []
        self._snapshots: tuple[int, int] | None = None
        self._refcounts = _Refcounts(data, self.header, self.take)
        self._end = self._behind = self._refcounts.first_unused() * self.cluster_size
        self.active_is_shared = False
        """Whether the flags in the active tables are to be set anew: what they name has got another count."""

    def patch(self, offset: int, content: bytes | memoryview) -> None:
        """Have other bytes from an offset on."""
        self._patches.append((offset, content))

    def take(self, count: int) -> int:
        """The offset of so many clusters behind the end; they are not counted yet."""
        start = self._end
        self._end += count * self.cluster_size
        return start

    def allocate(self, count: int) -> int:
        """The offset of so many new clusters."""
        start = self.take(count)
        self._refcounts.fill(start // self.cluster_size, count, 1)
        return start

    def drop_bytes(self, offset: int, size: int) -> None:
        """What stands there is not needed any more."""
        for cluster in range(offset // self.cluster_size, -(-(offset + size) // self.cluster_size)):
            self.drop(cluster)

    def drop(self, cluster: int) -> None:
        """One of those that have a cluster has it no more."""
        if self._refcounts.add(cluster, -1) == 1:
            self.active_is_shared = True

    # Tables.

    def active_l1(self) -> list[int]:
        """The L1 table of the disk as it is now."""
        return self._l1(self.header.l1_offset, self.header.l1_size)

    def l1_of(self, snapshot: Snapshot) -> list[int]:
        """The L1 table of a snapshot."""
        return self._l1(snapshot.l1_offset, snapshot.l1_size)

    def _l1(self, offset: int, size: int) -> list[int]:
        if 8 * size > LARGEST_L1:
            raise StreamError("an L1 table is too long", offset=offset, found=str(size))
        inside_image(self.data, offset, 8 * size, "an L1 table")
        return _unpacked_words(self.data[offset : offset + 8 * size])

    def store_l1(self, table: list[int]) -> int:
        """Put an L1 table behind the end; its offset."""
        if 8 * len(table) > LARGEST_L1:
            raise StreamError("the state is too large for an L1 table", found=str(len(table)))
        offset = self.allocate(-(-8 * max(len(table), 1) // self.cluster_size))
        self.patch(offset, _words(table))
        return offset

    def _l2(self, offset: int) -> list[int]:
        if offset % self.cluster_size:
            raise StreamError("an L2 table that is not at a cluster", offset=offset)
        inside_image(self.data, offset, self.cluster_size, "an L2 table")
        return _unpacked_words(self.data[offset : offset + self.cluster_size])

    def _hosts(self, word: int) -> range:
        """The numbers of the clusters that an L2 entry names."""
        if word & COMPRESSED:
            shift = 62 - (self.header.cluster_bits - 8)
            host = word & (1 << shift) - 1
            last = (host // SECTOR + ((word & COMPRESSED - 1) >> shift)) * SECTOR
            return range(host // self.cluster_size, last // self.cluster_size + 1)
        host = word & OFFSET_MASK
        return range(host // self.cluster_size, host // self.cluster_size + bool(host))

    def share(self, table: list[int]) -> None:
        """Count all that an L1 table leads to once more, and take the mark from it that nothing else has it."""
        step = 2 if self.header.incompatible & EXTENDED_L2 else 1
        seen: set[int] = set()
        for number, word in enumerate(table):
            offset = word & OFFSET_MASK
            if not offset:
                continue
            if offset in seen:
                raise StreamError("an L1 table names an L2 table twice", offset=offset, expected=_REPAIR)
            seen.add(offset)
            entries = self._l2(offset)
            self._refcounts.add(offset // self.cluster_size, 1)
            for entry in entries[::step]:
                if entry & (OFFSET_MASK | COMPRESSED):
                    for cluster in self._hosts(entry):
                        self._refcounts.add(cluster, 1)
            table[number] = word & ~COPIED

    # The state.

    def place_state(self, table: list[int], start: int, state: memoryview) -> None:
        """Put a state where an L1 table has it from the entry `start` on; the table is changed, and grows."""
        count = -(-len(state) // self.cluster_size)
        entries = self.header.entries
        tables = -(-count // entries)
        if 8 * (start + tables) > LARGEST_L1:
            raise StreamError("the state is too large for the image's clusters", found=f"{len(state)} bytes")
        table.extend([0] * (start + tables - len(table)))
        for number in range(tables):
            first = number * entries
            table[start + number] = self._place_in_l2(
                table[start + number] & OFFSET_MASK, state, first, min(entries, count - first)
            )

    def _place_in_l2(self, offset: int, state: memoryview, first: int, count: int) -> int:
        """Put clusters of the state where an L2 table has them (0: there is none yet); the entry of the L1 table."""
        size = self.cluster_size
        step = 2 if self.header.incompatible & EXTENDED_L2 else 1
        words = self._l2(offset) if offset else [0] * (size // 8)
        if not offset or self._refcounts.get(offset // size) != 1:
            new_offset = self.allocate(1)
            if offset:
                self.drop(offset // size)
            offset = new_offset
        missing = []
        for number in range(count):
            word = words[number * step]
            host = word & OFFSET_MASK
            if word & COMPRESSED or not host or self._refcounts.get(host // size) != 1:
                missing.append(number)
                for cluster in self._hosts(word) if word & (OFFSET_MASK | COMPRESSED) else ():
                    self.drop(cluster)
                continue
            if host % size:
                raise StreamError("a cluster of the state is not where one can be", offset=host)
            words[number * step] = word & ~ZERO
            self._put(host, state, first + number, 1)
        if missing:
            host = self.allocate(len(missing))
            begin = 0
            for index, number in enumerate(missing):
                words[number * step] = host + index * size | COPIED
                if index + 1 == len(missing) or missing[index + 1] != number + 1:
                    self._put(host + begin * size, state, first + missing[begin], index + 1 - begin)
                    begin = index + 1
        new = set(missing)
        if step == 2:
            part = size // SUBCLUSTERS
            for number in range(count):
                left = len(state) - (first + number) * size
                bits = (1 << min(SUBCLUSTERS, -(-left // part))) - 1
                before = 0 if number in new else words[2 * number + 1]
                words[2 * number + 1] = (before | bits) & ~(bits << SUBCLUSTERS)
        self.patch(offset, _words(words))
        return offset | COPIED

    def _put(self, host: int, state: memoryview, first: int, count: int) -> None:
        self.patch(host, state[first * self.cluster_size : (first + count) * self.cluster_size])

    # The snapshot table.

    def entry_of(self, snapshot: Snapshot) -> bytes:
        """An entry as it is."""
        return bytes(self.data[snapshot.offset : snapshot.end])

    def store_snapshots(self, entries: list[bytes]) -> None:
        """Put the snapshot table behind the end."""
        content = b"".join(entry + bytes(-len(entry) % 8) for entry in entries)
        if len(content) > LARGEST_TABLE:
            raise StreamError("the snapshot table would be too long", found=f"{len(content)} bytes")
        offset = self.allocate(-(-len(content) // self.cluster_size))
        self.patch(offset, content)
        self._snapshots = offset, len(entries)
        if self.image.snapshots:
            begin = self.header.snapshots_offset
            self.drop_bytes(begin, self.image.snapshots[-1].end - begin)

    # All of it.

    def _mark_active(self) -> None:
        """Set the flags of the active tables by the counts of what they name."""
        step = 2 if self.header.incompatible & EXTENDED_L2 else 1
        table = self.active_l1()
        marked_table = list(table)
        seen: set[int] = set()
        for number, word in enumerate(table):
            offset = word & OFFSET_MASK
            if not offset:
                continue
            if offset in seen:
                raise StreamError("an L1 table names an L2 table twice", offset=offset, expected=_REPAIR)
            seen.add(offset)
            marked_table[number] = self._marked(word, offset)
            words = self._l2(offset)
            marked = [
                self._marked(entry, entry & OFFSET_MASK)
                if not at % step and entry & OFFSET_MASK and not entry & COMPRESSED
                else entry
                for at, entry in enumerate(words)
            ]
            if marked != words:
                self.patch(offset, _words(marked))
        if marked_table != table:
            self.patch(self.header.l1_offset, _words(marked_table))

    def _marked(self, word: int, offset: int) -> int:
        is_alone = self._refcounts.get(offset // self.cluster_size) == 1
        return word | COPIED if is_alone else word & ~COPIED

    def finished(self) -> Iterator[bytes | memoryview]:
        """The bytes of the copy."""
        if self.active_is_shared:
            self._mark_active()
        head = bytearray(self.data[: _AUTOCLEAR_AT + 8 if self.header.version == 3 else 72])
        if self._snapshots is not None:
            struct.pack_into(">IQ", head, 60, self._snapshots[1], self._snapshots[0])
        if self.header.version == 3:
            (autoclear,) = struct.unpack_from(">Q", head, _AUTOCLEAR_AT)
            struct.pack_into(">Q", head, _AUTOCLEAR_AT, autoclear & BITMAPS_CONSISTENT)
        offset, clusters = self._refcounts.store(self.patch)
        struct.pack_into(">QI", head, 48, offset, clusters)
        self.patch(0, bytes(head))
        self._patches.sort(key=lambda patch: patch[0])
        at = 0
        for offset, content in self._patches:
            if offset < at:
                raise StreamError(
                    "clusters of the image overlap", file=self.image.file, offset=offset, expected=_REPAIR
                )
            at = offset + len(content)
        return self._pieces()

    def _pieces(self) -> Iterator[bytes | memoryview]:
        at = 0
        for offset, content in self._patches:
            yield from _slices(self.data, at, offset)
            yield content
            at = offset + len(content)
        is_longer = self._end > self._behind
        yield from _slices(self.data, at, self._end if is_longer else len(self.data))


def _slices(data: memoryview, start: int, end: int) -> Iterator[bytes | memoryview]:
    """The bytes from `start` to `end`; behind the end of what there is zeros."""
    for at in range(start, min(end, len(data)), PIECE):
        yield data[at : min(at + PIECE, end)]
    for at in range(max(start, len(data)), end, PIECE):
        yield bytes(min(PIECE, end - at))


class _Refcounts:
    """How often each cluster of an image is in use, changed on top of what the file says."""

    def __init__(self, data: memoryview, header: Qcow2Header, take: Callable[[int], int]) -> None:
        self._data = data
        self._header = header
        self._take = take
        self._bits = 1 << header.refcount_order
        self._most = (1 << self._bits) - 1
        self._per_block = 8 * header.cluster_size // self._bits
        size = header.refcount_clusters * header.cluster_size
        if size > LARGEST_REFCOUNT_TABLE:
            raise StreamError("the refcount table is too long", offset=56, found=str(header.refcount_clusters))
        inside_image(data, header.refcount_offset, size, "the refcount table")
        self._table = _unpacked_words(data[header.refcount_offset : header.refcount_offset + size])
        self._blocks: dict[int, bytearray] = {}

    def first_unused(self) -> int:
        """The number of the first cluster behind the end of the file, and behind all that are in use."""
        size = self._header.cluster_size
        first = -(-len(self._data) // size)
        seen: set[int] = set()
        for number in reversed(range(len(self._table))):
            if not self._table[number] or self._table[number] in seen:
                continue
            seen.add(self._table[number])
            block = self._stored(number).rstrip(b"\0")
            if block:
                last = number * self._per_block - (-8 * len(block) // self._bits)
                if last * size > len(self._data) + BEHIND:
                    raise StreamError(
                        "clusters far behind the end of the image are in use",
                        offset=self._table[number],
                        expected=_REPAIR,
                    )
                return max(first, last)
        return first

    def _stored(self, number: int) -> bytes:
        at, size = self._table[number], self._header.cluster_size
        if at % size:
            raise StreamError("a refcount block that is not at a cluster", offset=at)
        inside_image(self._data, at, size, "a refcount block")
        return bytes(self._data[at : at + size])

    def _block(self, number: int) -> bytearray:
        """A block that is going to be changed."""
        block = self._blocks.get(number)
        if block is None:
            if number < len(self._table) and self._table[number]:
                block = self._blocks[number] = bytearray(self._stored(number))
            else:
                self._table.extend([0] * (number + 1 - len(self._table)))
                block = self._blocks[number] = bytearray(self._header.cluster_size)
                self._table[number] = self._take(1)
                self.fill(self._table[number] // self._header.cluster_size, 1, 1)
        return block

    def get(self, cluster: int) -> int:
        """How often a cluster is in use."""
        number, index = divmod(cluster, self._per_block)
        if number in self._blocks:
            return self._value(self._blocks[number], index)
        if number >= len(self._table) or not self._table[number]:
            return 0
        at = self._table[number]
        inside_image(self._data, at, self._header.cluster_size, "a refcount block")
        return self._value(self._data[at : at + self._header.cluster_size], index)

    def _value(self, block: bytearray | memoryview, index: int) -> int:
        if self._bits >= 8:
            width = self._bits // 8
            return int.from_bytes(block[index * width : (index + 1) * width], "big")
        per_byte = 8 // self._bits
        return block[index // per_byte] >> index % per_byte * self._bits & self._most

    def add(self, cluster: int, step: int) -> int:
        """Count a cluster once more or less; how often it is in use then."""
        value = self.get(cluster) + step
        if value < 0 or (step > 0 and value == step):
            raise StreamError(
                "a cluster is in use and not counted", offset=cluster * self._header.cluster_size, expected=_REPAIR
            )
        if value > self._most:
            raise StreamError(
                f"refcounts of {self._bits} bits cannot say that a cluster is shared once more",
                offset=cluster * self._header.cluster_size,
                expected="an image with larger ones (qemu-img amend -o refcount_bits=16)",
            )
        self.fill(cluster, 1, value)
        return value

    def fill(self, cluster: int, count: int, value: int) -> None:
        """Say of `count` clusters how often they are in use."""
        while count:
            number, index = divmod(cluster, self._per_block)
            block = self._block(number)
            here = min(count, self._per_block - index)
            if self._bits >= 8:
                width = self._bits // 8
                block[index * width : (index + here) * width] = value.to_bytes(width, "big") * here
            else:
                per_byte = 8 // self._bits
                for at in range(index, index + here):
                    shift = at % per_byte * self._bits
                    block[at // per_byte] = block[at // per_byte] & ~(self._most << shift) & 0xFF | value << shift
            cluster += here
            count -= here

    def store(self, patch: Callable[[int, bytes], None]) -> tuple[int, int]:
        """Put the blocks and the table into the copy; where the table stands then, and in how many clusters."""
        size, header = self._header.cluster_size, self._header
        offset, clusters = header.refcount_offset, header.refcount_clusters
        if 8 * len(self._table) > clusters * size:
            # The blocks that count the table's own clusters have to fit, too.
            wanted = -(-8 * len(self._table) // size) + 1
            wanted += -(-8 * (wanted // self._per_block + 2) // size)
            for cluster in range(offset // size, offset // size + clusters):
                self.fill(cluster, 1, 0)
            offset, clusters = self._take(wanted), wanted
            self.fill(offset // size, wanted, 1)
        if clusters * size > LARGEST_REFCOUNT_TABLE or 8 * len(self._table) > clusters * size:
            raise StreamError("the image is too large for its refcount table", found=f"{len(self._table)} blocks")
        for number, block in self._blocks.items():
            patch(self._table[number], bytes(block))
        table = _words(self._table)
        patch(offset, table)
        return offset, clusters
