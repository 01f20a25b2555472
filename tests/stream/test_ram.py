"""The scanner of the RAM section, on sections made by hand."""

import itertools
import struct
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vmstate.errors import StreamError
from vmstate.stream.ram import MAX_BLOCKS, MAX_PIECE, MAX_RUN, Awaited, RamScanner
from vmstate.stream.ram_records import (
    MappedRamHeader,
    RamBlock,
    RamEnd,
    RamHook,
    RamMapped,
    RamMultifdFlush,
    RamPages,
    RamSize,
)

PAGE = 4096
BASE = 0x1234  # where the payload begins in the stream
MIB = 1 << 20
GIB = 1 << 30

ZERO, MEM_SIZE, PAGE_FLAG, EOS, CONTINUE = 0x002, 0x004, 0x008, 0x010, 0x020
XBZRLE, HOOK, COMPRESSED, FLUSH = 0x040, 0x080, 0x100, 0x200

END = struct.pack(">Q", EOS)


def header(address, flags, block=None):
    """A record header: names its block, or continues the last one."""
    if block is None:
        return struct.pack(">Q", address | flags | CONTINUE)
    return struct.pack(">QB", address | flags, len(block)) + block


def page(address, block=None, fill=1, size=PAGE):
    return header(address, PAGE_FLAG, block) + bytes([fill]) * size


def zero(address, block=None, fill=0):
    return header(address, ZERO, block) + bytes([fill])


def xbzrle(address, block=None, data=b"diff", encoding=1):
    return header(address, XBZRLE, block) + struct.pack(">BH", encoding, len(data)) + data


def compressed(address, block=None, data=b"zlib"):
    return header(address, COMPRESSED, block) + struct.pack(">I", len(data)) + data


def entry(name, length, *more):
    return struct.pack(">B", len(name)) + name + struct.pack(f">Q{len(more)}Q", length, *more)


def block_list(*blocks):
    """The MEM_SIZE record and an entry for each (name, length)."""
    total = sum(length for _, length in blocks)
    return struct.pack(">Q", total | MEM_SIZE) + b"".join(entry(*block) for block in blocks)


RAM = block_list((b"pc.ram", 64 * MIB))
TWO = block_list((b"pc.ram", 64 * MIB), (b"vga.vram", 16 * MIB))


def scanner(page_size=PAGE, **capabilities):
    return RamScanner(page_size, **capabilities)


def events_of(section, ram_scanner=None, step=None, base=BASE):
    """All events, fed whole or `step` bytes more each time, in a window that slides along."""
    ram_scanner = ram_scanner or scanner()
    data = memoryview(section)
    events, pos, end = [], 0, len(data) if step is None else 0
    while pos < len(data):
        result = ram_scanner.next_event(data[pos:], 0, end - pos, base + pos)
        if result is None:
            if end == len(data):
                raise ram_scanner.at_end(base + end)
            end = min(end + step, len(data))
            continue
        event, consumed = result
        assert event.offset == base + pos
        assert event.raw == data[pos : pos + consumed]
        events.append(event)
        pos += consumed
    return events


def both(section, **capabilities):
    """The events, after seeing that they do not depend on how the bytes come in."""
    whole = events_of(section, scanner(**capabilities))
    for step in (1, 7, 4104):
        assert events_of(section, scanner(**capabilities), step) == whole
    assert b"".join(event.raw for event in whole) == section
    return whole


def refusal(section, **capabilities):
    """The error that the section meets, the same however its bytes come in."""
    with pytest.raises(StreamError) as whole:
        events_of(section, scanner(**capabilities))
    with pytest.raises(StreamError) as bytewise:
        events_of(section, scanner(**capabilities), 1)
    assert str(bytewise.value) == str(whole.value)
    assert whole.value.section == "ram"
    assert whole.value.offset is not None
    return whole.value


def shapes(events):
    return [(event.kind, event.block, event.address, event.count) for event in events if isinstance(event, RamPages)]


# The block list


def test_block_list():
    size, first, second, end = both(TWO + END)
    assert size == RamSize(BASE, TWO[:8], 80 * MIB)
    assert first == RamBlock(BASE + 8, TWO[8:23], "pc.ram", 64 * MIB, None, None, None)
    assert second == RamBlock(BASE + 23, TWO[23:], "vga.vram", 16 * MIB, None, None, None)
    assert end == RamEnd(BASE + len(TWO), END)


def test_a_machine_without_memory_has_no_list():
    assert [type(event) for event in both(block_list() + END)] == [RamSize, RamEnd]


def test_guest_physical_address_with_ignore_shared():
    section = struct.pack(">Q", MIB | MEM_SIZE) + entry(b"bios", MIB, 0xFFF00000) + END
    assert both(section, ignore_shared=True)[1].gpa == 0xFFF00000


@pytest.mark.parametrize("huge_first", [True, False])
@pytest.mark.parametrize("follows", [END, page(0x200000, b"huge") + END, struct.pack(">Q", FLUSH)])
def test_page_size_with_postcopy_is_told_from_what_follows(huge_first, follows):
    entries = [entry(b"huge", 4 * MIB, 2 * MIB), entry(b"pc.bios", MIB)]
    if not huge_first:
        entries.reverse()
    section = struct.pack(">Q", 5 * MIB | MEM_SIZE) + b"".join(entries) + follows
    blocks = [event for event in both(section, postcopy=True) if isinstance(event, RamBlock)]
    assert {block.idstr: block.page_size for block in blocks} == {"huge": 2 * MIB, "pc.bios": None}


def test_page_size_of_a_host_with_smaller_pages_than_the_target():
    section = struct.pack(">Q", MIB | MEM_SIZE) + entry(b"ram", MIB, 4096) + END
    assert both(section, postcopy=True, page_size=8192)[1].page_size == 4096


def test_postcopy_list_with_something_else_behind_an_entry():
    section = struct.pack(">Q", 2 * MIB | MEM_SIZE) + entry(b"ram", MIB, 0x3000) + END
    assert "without a name" in refusal(section, postcopy=True).message


@pytest.mark.parametrize("capability", ["mapped_ram", "ignore_shared"])
def test_postcopy_excludes(capability):
    with pytest.raises(StreamError, match="exclude each other"):
        scanner(postcopy=True, **{capability: True})


def pages_apart(size, count=6, kind=ZERO, name=b"pc.ram"):
    """`count` pages of a size that follow each other, the first of which names the block."""
    body = b"\0" if kind == ZERO else bytes(size)
    first = struct.pack(">QB", kind, len(name)) + name + body
    return first + b"".join(struct.pack(">Q", number * size | kind | CONTINUE) + body for number in range(1, count))


@pytest.mark.parametrize("kind", [ZERO, PAGE_FLAG])
@pytest.mark.parametrize("size", [256, 1024, 2048, 4096, 8192, 16384, 65536])
def test_page_size_that_nobody_tells(size, kind):
    """Without vmdesc nothing says it of a target with the smallest pages that it can have."""
    # The start part holds the list alone: nothing is known behind it yet.
    section = RAM + END + pages_apart(size, kind=kind) + END
    ram_scanner = RamScanner(None)
    events = events_of(section, ram_scanner)
    assert ram_scanner.page_size == size
    assert events == events_of(section, RamScanner(size))
    for step in (1, 7, 4104):
        assert events_of(section, RamScanner(None), step) == events


def test_blocks_of_one_page_say_nothing_of_its_size():
    single_pages = b"".join(struct.pack(">QB", ZERO, len(name)) + name + b"\0" for name in (b"a", b"b"))
    blocks = block_list((b"pc.ram", MIB), (b"a", PAGE), (b"b", PAGE))
    for behind in (pages_apart(PAGE, kind=PAGE_FLAG), b""):
        ram_scanner = RamScanner(None)
        assert len(events_of(blocks + single_pages + behind + END, ram_scanner)) > 6
        assert ram_scanner.page_size == PAGE


def test_pages_with_gaps_between_them_are_of_the_usual_size():
    def sparse(*numbers):
        names = struct.pack(">QB6sx", ZERO, 6, b"pc.ram")
        return RAM + names + b"".join(struct.pack(">Qx", at * 4096 | ZERO | CONTINUE) for at in numbers) + END

    for section in (sparse(2, 3), sparse(2, 4, 6, 7), sparse(2), sparse(), RAM + END):
        ram_scanner = RamScanner(None)
        events_of(section, ram_scanner)
        assert ram_scanner.page_size in {4096, None}


@pytest.mark.parametrize("page_size", [0, -4096, 128, 5000, 1 << 17])
def test_impossible_page_size(page_size):
    with pytest.raises(StreamError, match="page size"):
        scanner(page_size)


def test_list_overruns_the_total():
    error = refusal(struct.pack(">Q", MIB | MEM_SIZE) + entry(b"pc.ram", 2 * MIB) + END)
    assert (error.expected, error.found) == (f"at most {MIB} bytes", f"{2 * MIB} bytes")
    assert error.offset == BASE + 8


def test_second_entry_overruns_the_total():
    blocks = entry(b"a", MIB) + entry(b"b", MIB)
    error = refusal(struct.pack(">Q", MIB + PAGE | MEM_SIZE) + blocks + END)
    assert error.offset == BASE + 8 + 10


@pytest.mark.parametrize("name", [b"\xe9t\xe9", b"ram\xff"])
def test_name_is_not_utf_8(name):
    assert "UTF-8" in refusal(block_list((name, MIB)) + END).message


def test_name_in_utf_8():
    assert both(block_list(("mémoire".encode(), MIB)) + END)[1].idstr == "mémoire"


def test_block_without_a_name():
    assert "without a name" in refusal(block_list((b"", MIB)) + END).message


def test_block_listed_twice():
    assert "twice" in refusal(block_list((b"a", MIB), (b"a", MIB)) + END).message


def test_absurd_total():
    assert "impossible size" in refusal(struct.pack(">Q", (1 << 63) | MEM_SIZE)).message


def test_absurd_length():
    section = struct.pack(">Q", MIB | MEM_SIZE) + entry(b"a", (1 << 64) - 1)
    assert "overruns" in refusal(section).message


def test_endless_list_of_empty_blocks():
    entries = b"".join(entry(b"%d" % number, 0) for number in range(MAX_BLOCKS + 1))
    with pytest.raises(StreamError, match=f"at most {MAX_BLOCKS}"):
        events_of(struct.pack(">Q", MIB | MEM_SIZE) + entries)


def test_second_list_replaces_the_first():
    section = TWO + END + RAM + page(0, b"vga.vram") + END
    assert "not listed" in refusal(section).message


# Page records


def test_run_of_pages():
    pages = page(0, b"pc.ram", 1) + page(0x1000, fill=2) + page(0x7000, fill=3)
    run = both(RAM + pages + END)[2]
    assert run == RamPages(BASE + len(RAM), pages, "page", "pc.ram", 0, 3)
    assert list(run.addresses()) == [0, 0x1000, 0x7000]
    assert [bytes(run.page(index)) for index in range(3)] == [bytes([fill]) * PAGE for fill in (1, 2, 3)]


def test_run_that_continues_another():
    section = RAM + zero(0, b"pc.ram") + page(0x1000, fill=5) + page(0x3000, fill=6) + END
    run = both(section)[3]
    assert (run.address, run.count, list(run.addresses())) == (0x1000, 2, [0x1000, 0x3000])
    assert bytes(run.page(1)) == b"\6" * PAGE


def test_pages_of_a_run_by_index():
    run = events_of(RAM + page(0, b"pc.ram") + zero(0x1000) + END)
    with pytest.raises(IndexError):
        run[2].page(1)
    with pytest.raises(IndexError):
        run[2].page(-1)
    with pytest.raises(ValueError, match="zero"):
        run[3].page(0)


@pytest.mark.parametrize("record", [page, zero, xbzrle, compressed])
def test_run_ends_after_256_records(record):
    records = b"".join(record(n * PAGE, b"pc.ram" if n == 0 else None) for n in range(600))
    runs = [event for event in events_of(RAM + records + END) if isinstance(event, RamPages)]
    assert [run.count for run in runs] == [MAX_RUN, MAX_RUN, 88]
    addresses = [address for run in runs for address in run.addresses()]
    assert addresses == [n * PAGE for n in range(600)]
    assert events_of(RAM + records + END, step=1000)[2:-1] == runs


@pytest.mark.parametrize("count", [1, 2, 4, 5, 6, 35, 36, 37, 255, 256, 257])
@pytest.mark.parametrize("follows", [END, xbzrle(0), zero(0, b"pc.ram"), zero(0, b"vga.vram")])
def test_run_ends_where_the_next_record_differs(count, follows):
    records = b"".join(zero(n * PAGE, b"pc.ram" if n == 0 else None) for n in range(count))
    runs = shapes(both(TWO + records + follows + END))
    assert sum(run[3] for run in runs[: -1 if follows != END else None]) == count
    if follows != END:
        assert runs[-1][3] == 1


def test_run_waits_for_the_next_header():
    section = memoryview(RAM + zero(0, b"pc.ram") + zero(0x1000) + END)
    ram_scanner = scanner()
    for pos in (0, 8):
        assert ram_scanner.next_event(section, pos, len(section), 0)
    assert ram_scanner.next_event(section, len(RAM), len(section) - 1, 0) is None
    assert ram_scanner.awaited == Awaited("the header of a RAM record", len(section) - 8, 8)
    run, pos = ram_scanner.next_event(section, len(RAM), len(section), 0)
    assert (run.count, pos) == (2, len(section) - 8)


def test_page_that_goes_on_is_awaited_whole():
    section = RAM + page(0, b"pc.ram") + page(0x1000)
    with pytest.raises(StreamError) as caught:
        events_of(section[:-100])
    assert caught.value.expected == "the bytes of a page (4096 bytes)"
    assert caught.value.found == "3996 bytes"
    assert caught.value.offset == BASE + len(section) - PAGE


def test_blocks_and_kinds():
    section = (
        TWO
        + zero(0, b"pc.ram")
        + zero(0x2000)
        + page(0x1000)
        + page(0, b"vga.vram")
        + page(0x3000, b"pc.ram")
        + xbzrle(0x3000)
        + xbzrle(0x4000, data=b"")
        + compressed(0x5000)
        + zero(0x6000)
        + END
    )
    assert shapes(both(section)) == [
        ("zero", "pc.ram", 0, 2),
        ("page", "pc.ram", 0x1000, 1),
        ("page", "vga.vram", 0, 1),
        ("page", "pc.ram", 0x3000, 1),
        ("xbzrle", "pc.ram", 0x3000, 2),
        ("compressed", "pc.ram", 0x5000, 1),
        ("zero", "pc.ram", 0x6000, 1),
    ]


def test_addresses_of_records_of_varying_size():
    data = [b"", b"x" * 300, b"y" * 4096, b"z"]
    for record in (xbzrle, compressed):
        records = record(0x9000, b"pc.ram", b"first")
        records += b"".join(record(n * PAGE, data=more) for n, more in enumerate(data))
        run = both(RAM + records + END)[2]
        assert list(run.addresses()) == [0x9000, 0, 0x1000, 0x2000, 0x3000]


def test_the_last_block_holds_across_section_parts():
    section = RAM + page(0, b"pc.ram") + END + page(0x1000) + END
    assert shapes(both(section)) == [("page", "pc.ram", 0, 1), ("page", "pc.ram", 0x1000, 1)]


def test_marks():
    marks = struct.pack(">3Q", HOOK, FLUSH, EOS)
    hook, flush, end = both(RAM + marks)[2:]
    assert hook == RamHook(BASE + len(RAM), marks[:8])
    assert flush == RamMultifdFlush(BASE + len(RAM) + 8, marks[8:16])
    assert end == RamEnd(BASE + len(RAM) + 16, marks[16:])


def test_marks_that_carry_a_continue_flag_and_an_address():
    # QEMU looks at neither.
    marks = struct.pack(">2Q", 0x5000 | HOOK | CONTINUE, 0x7000 | EOS | CONTINUE)
    assert [type(event) for event in both(RAM + marks)[2:]] == [RamHook, RamEnd]


@pytest.mark.parametrize("page_size", [1024, 8192, 65536])
def test_other_target_page_sizes(page_size):
    # Addresses in every bit above the page size: none of them may be taken for a flag.
    addresses = [page_size * n for n in (0, 1, 2, 3, 63, 64, 65)]
    records = page(0, b"pc.ram", size=page_size)
    records += b"".join(page(address, size=page_size) for address in addresses[1:])
    records += b"".join(zero(address) for address in addresses)
    section = RAM + records + struct.pack(">2Q", FLUSH, EOS)
    pages, zeros = (event for event in both(section, page_size=page_size)[2:4])
    assert list(pages.addresses()) == list(zeros.addresses()) == addresses
    assert len(pages.page(6)) == page_size


@pytest.mark.parametrize("flags", [0, 1, 3, 0x0A, 0x18, 0x48, 0x06, 0x202, 0x400, 0x800, 0x20])
def test_unknown_flags(flags):
    error = refusal(RAM + struct.pack(">Q", flags))
    assert error.found == f"{flags:#x}"
    assert error.offset == BASE + len(RAM)


@pytest.mark.parametrize("flags", [0x029, 0x02A, 0x068, 0x228, 0x428, 0x828])
def test_unknown_flags_after_pages(flags):
    bad = struct.pack(">Q", 0x5000 | flags) + bytes(PAGE)
    section = RAM + page(0, b"pc.ram") + page(0x1000) + bad + page(0x2000) + END
    assert refusal(section).found == f"{flags:#x}"


def test_continues_before_any_block():
    assert "before any block" in refusal(RAM + page(0) + END).message


@pytest.mark.parametrize("name", [b"pc.rom", b"", b"\xff\xfe"])
def test_page_of_an_unknown_block(name):
    error = refusal(RAM + page(0, b"pc.ram") + page(0x1000, name) + END)
    assert "not listed" in error.message
    assert error.offset == BASE + len(RAM) + 15 + PAGE


def test_page_before_any_list():
    assert "not listed" in refusal(page(0, b"pc.ram") + END).message


BLOCK_END = 64 * MIB


@pytest.mark.parametrize("record", [page, zero, xbzrle, compressed])
@pytest.mark.parametrize("address", [BLOCK_END, 1 << 40, (1 << 64) - PAGE])
@pytest.mark.parametrize("where", [0, 1, 3, 4, 20, 36, 200, 255, 256])
def test_address_outside_the_block(record, address, where):
    records = [record(n * PAGE, b"pc.ram" if n == 0 else None) for n in range(300)]
    records[where] = record(address, None if where else b"pc.ram")
    records[260] = record(1 << 50)  # a second one behind must not be the one that is named
    section = RAM + b"".join(records) + END
    with pytest.raises(StreamError) as caught:
        events_of(section)
    assert caught.value.offset == BASE + len(RAM) + len(b"".join(records[:where]))
    assert caught.value.found == f"{address:#x}"
    with pytest.raises(StreamError) as piecewise:
        events_of(section, step=999)
    assert str(piecewise.value) == str(caught.value)


def test_last_address_of_the_block():
    last = BLOCK_END - PAGE
    assert list(both(RAM + zero(0, b"pc.ram") + zero(last) + END)[2].addresses()) == [0, last]


@pytest.mark.parametrize("where", [0, 1, 4, 5, 36, 37, 255])
@pytest.mark.parametrize("fill", [1, 0xFF])
def test_zero_page_that_is_not(where, fill):
    records = [zero(n * PAGE, b"pc.ram" if n == 0 else None) for n in range(256)]
    records[where] = records[where][:-1] + bytes([fill])
    error = refusal(RAM + b"".join(records) + END)
    assert (error.expected, error.found) == ("0", str(fill))
    assert error.offset == BASE + len(RAM) + len(b"".join(records[: where + 1])) - 1


def test_first_of_two_faults_is_named():
    good = zero(0, b"pc.ram") + b"".join(zero(n * PAGE) for n in range(1, 60))
    fill, outside = zero(0, fill=7), zero(1 << 40)
    assert "fill byte" in refusal(RAM + good + fill + zero(0) + outside + END).message
    assert "outside" in refusal(RAM + good + outside + zero(0) + fill + END).message


def test_xbzrle_encoding():
    error = refusal(RAM + xbzrle(0, b"pc.ram", encoding=2) + END)
    assert (error.expected, error.found) == ("1", "2")


def test_xbzrle_length():
    both(RAM + xbzrle(0, b"pc.ram", bytes(PAGE)) + END)
    assert "too long" in refusal(RAM + xbzrle(0, b"pc.ram", bytes(PAGE + 1)) + END).message


def test_compressed_length():
    bound = 4096 + 1 + 13  # zlib's
    both(RAM + compressed(0, b"pc.ram", bytes(bound)) + END)
    assert "too long" in refusal(RAM + compressed(0, b"pc.ram", bytes(bound + 1)) + END).message
    huge = RAM + header(0, COMPRESSED, b"pc.ram") + b"\xff" * 4
    assert "too long" in refusal(huge).message


# mapped-ram


def mapped_header(bitmap, pages, version=1, page_size=PAGE):
    return struct.pack(">IQQQ", version, page_size, bitmap, pages)


def mapped_section(length, gap=0, align=MIB, tail=END, origin=0):
    """One block "ram", as QEMU lays it out: header, bitmap, pages at the next multiple of `align`."""
    start = BASE + 8 + 12 + 28
    bitmap = start + gap
    bits = -(-length // PAGE // 64) * 8
    pages = -(-(bitmap + bits + origin) // align) * align - origin
    front = struct.pack(">Q", length | MEM_SIZE) + entry(b"ram", length)
    front += mapped_header(bitmap + origin, pages + origin)
    body = b"\xaa" * (pages - start) + b"\x55" * length
    return front + body + tail, bitmap, pages


def parts(events):
    return [
        (event.part, event.offset, len(event.raw), event.address) for event in events if isinstance(event, RamMapped)
    ]


def test_mapped_ram():
    section, bitmap, pages = mapped_section(2 * MIB + PAGE)
    events = events_of(section, scanner(mapped_ram=True))
    assert events[1].mapped == MappedRamHeader(1, PAGE, bitmap, pages)
    assert events[1].raw == section[8:48]
    assert parts(events) == [
        ("bitmap", bitmap, 72, None),
        ("padding", bitmap + 72, MIB - bitmap - 72, None),
        ("pages", MIB, MIB, 0),
        ("pages", 2 * MIB, MIB, MIB),
        ("pages", 3 * MIB, PAGE, 2 * MIB),
    ]
    assert {event.block for event in events if isinstance(event, RamMapped)} == {"ram"}
    assert isinstance(events[-1], RamEnd)
    assert b"".join(event.raw for event in events) == section
    assert events_of(section, scanner(mapped_ram=True), 100_000) == events


def test_mapped_ram_bytewise():
    section, _, _ = mapped_section(2 * PAGE, gap=3, align=PAGE)
    events = both(section, mapped_ram=True)
    assert [part for part, *_ in parts(events)] == ["padding", "bitmap", "padding", "pages"]


def test_mapped_ram_pieces_are_small():
    section, bitmap, _ = mapped_section(PAGE, align=4 * MIB)
    sizes = [size for _, _, size, _ in parts(events_of(section, scanner(mapped_ram=True)))]
    assert sizes == [8, *[MAX_PIECE] * 3, MAX_PIECE - bitmap - 8, PAGE]


def test_mapped_ram_in_a_file_with_something_in_front():
    section, bitmap, pages = mapped_section(PAGE, align=PAGE, origin=0x3000)
    events = both(section, mapped_ram=True, origin=0x3000)
    assert events[1].mapped == MappedRamHeader(1, PAGE, bitmap + 0x3000, pages + 0x3000)
    assert parts(events)[-1] == ("pages", pages, PAGE, 0)


def test_mapped_ram_block_that_is_left_out():
    front = struct.pack(">Q", MIB | MEM_SIZE) + entry(b"ram", MIB, 0x1000) + mapped_header(0, 0)
    events = both(front + END, mapped_ram=True, ignore_shared=True)
    assert [type(event) for event in events] == [RamSize, RamBlock, RamEnd]
    assert events[1].gpa == 0x1000


def test_mapped_ram_version_0_is_accepted():
    section, bitmap, pages = mapped_section(PAGE, align=PAGE)
    old = section[:20] + mapped_header(bitmap, pages, version=0) + section[48:]
    assert both(old, mapped_ram=True)[1].mapped.version == 0


AFTER = BASE + 48


@pytest.mark.parametrize(
    ("head", "message"),
    [
        (mapped_header(AFTER, MIB, version=2), "version"),
        (mapped_header(AFTER, MIB, page_size=8192), "page size"),
        (mapped_header(AFTER, MIB, page_size=0), "page size"),
        (mapped_header(AFTER, MIB + 1), "not aligned"),
        (mapped_header(0, 0), "in order"),
        (mapped_header(AFTER, 0), "in order"),
        (mapped_header(AFTER, 0x1000), "in order"),
        (mapped_header(AFTER - 1, MIB), "in order"),
        (mapped_header(0, MIB), "in order"),
        (mapped_header(MIB, MIB), "in order"),
        (mapped_header(MIB + 8, MIB), "in order"),
        (mapped_header(AFTER, (1 << 63) - PAGE), "in order"),
        (mapped_header(AFTER, (1 << 64) - PAGE), "in order"),
        (mapped_header((1 << 64) - 1, (1 << 64) - PAGE), "in order"),
    ],
)
def test_mapped_ram_headers_that_cannot_be(head, message):
    front = struct.pack(">Q", MIB | MEM_SIZE) + entry(b"ram", MIB)
    error = refusal(front + head + bytes(100), mapped_ram=True)
    assert message in error.message
    assert error.offset == BASE + 20


@pytest.mark.parametrize("flags", [ZERO, PAGE_FLAG, XBZRLE, COMPRESSED, HOOK, FLUSH])
def test_records_that_mapped_ram_excludes(flags):
    section, _, _ = mapped_section(PAGE, align=PAGE, tail=struct.pack(">Q", flags))
    assert "unknown combination" in refusal(section, mapped_ram=True).message


# The end of the input


def test_every_truncation_is_told():
    section = RAM + page(0, b"pc.ram") + zero(0x1000) + xbzrle(0x2000) + END
    for size in itertools.chain(range(1, 80), range(len(section) - 40, len(section))):
        with pytest.raises(StreamError, match="ends inside") as caught:
            # A cut between two events leaves nothing to scan: the reader knows that it is inside.
            events_of(section[:size])
            ram_scanner = scanner()
            raise ram_scanner.at_end(BASE + size)
        assert BASE <= caught.value.offset <= BASE + size
        assert caught.value.expected.endswith(" bytes)")


def test_awaited_is_forgotten_after_an_event():
    ram_scanner = scanner()
    data = memoryview(RAM)
    assert ram_scanner.next_event(data, 0, 3, BASE) is None
    assert ram_scanner.awaited == Awaited("the header of a RAM record", BASE, 8)
    assert ram_scanner.next_event(data, 0, 8, BASE) == (RamSize(BASE, RAM[:8], 64 * MIB), 8)
    assert ram_scanner.awaited is None
    assert ram_scanner.at_end(BASE + 8).found == "0 bytes"


# Any sequence of records, against a plain record-by-record reading

SMALL = 1024
NAMES = (b"pc.ram", b"r", b"x" * 255)


@st.composite
def sections(draw):
    """(payload, expected runs and marks): runs are (kind, block, addresses)."""
    payload = block_list(*((name, GIB) for name in NAMES))
    expected, current = [], None
    for _ in range(draw(st.integers(0, 12))):
        kind = draw(st.sampled_from(["page", "zero", "xbzrle", "compressed", "hook", "flush"]))
        if kind in ("hook", "flush"):
            payload += struct.pack(">Q", HOOK if kind == "hook" else FLUSH)
            expected.append(kind)
            continue
        name = draw(st.sampled_from([*NAMES, None])) if current else draw(st.sampled_from(NAMES))
        current = name or current
        count = draw(st.sampled_from([1, 1, 2, 3, 5, 9, 40, 256, 258]))
        pages = draw(st.lists(st.integers(0, GIB // SMALL - 1), min_size=count, max_size=count))
        addresses = [number * SMALL for number in pages]
        goes_on = name is None and expected and expected[-1][:2] == (kind, current)
        if not goes_on:
            expected.append((kind, current, []))
        for index, address in enumerate(addresses):
            payload += record_of(kind, address, name if index == 0 else None)
            if len(expected[-1][2]) == MAX_RUN:
                expected.append((kind, current, []))
            expected[-1][2].append(address)
    return payload + END, expected


def record_of(kind, address, name):
    if kind == "page":
        return page(address, name, address >> 10 & 0xFF, SMALL)
    if kind == "zero":
        return zero(address, name)
    data = bytes(address >> 10 & 0x1FF)
    return xbzrle(address, name, data) if kind == "xbzrle" else compressed(address, name, data)


def summary(events):
    for event in events:
        if isinstance(event, RamPages):
            addresses = list(event.addresses())
            assert (event.address, event.count) == (addresses[0], len(addresses))
            yield event.kind, event.block.encode(), addresses
        elif isinstance(event, RamHook | RamMultifdFlush):
            yield "hook" if isinstance(event, RamHook) else "flush"


@pytest.mark.slow
@settings(deadline=None)
@given(sections(), st.integers(1, 5000))
def test_any_records_in_any_pieces(section, step):
    payload, expected = section
    whole = events_of(payload, scanner(SMALL))
    assert list(summary(whole)) == expected
    assert b"".join(event.raw for event in whole) == payload
    assert events_of(payload, scanner(SMALL), step) == whole


@pytest.mark.slow
@settings(deadline=None)
@given(
    sections(),
    st.lists(st.tuples(st.integers(0, 1 << 20), st.integers(0, 255)), max_size=4),
    st.integers(1, 5000),
    st.sampled_from([{}, {"mapped_ram": True}, {"postcopy": True}, {"ignore_shared": True}]),
)
def test_damage_is_refused_or_read_but_never_more(section, damage, step, capabilities):
    payload = bytearray(section[0])
    for position, value in damage:
        payload[position % len(payload)] = value

    def outcome(step):
        try:
            return events_of(bytes(payload), scanner(SMALL, **capabilities), step)
        except StreamError as error:
            return str(error)

    assert outcome(step) == outcome(None)


def test_memory_does_not_grow_with_the_guest():
    def peak(pages):
        records = b"".join(zero(n * PAGE) for n in range(256)) * (pages // 256)
        section = memoryview(RAM + zero(0, b"pc.ram") + records + END)
        ram_scanner, pos = scanner(), 0
        tracemalloc.start()
        while pos < len(section):
            _, pos = ram_scanner.next_event(section, pos, len(section), BASE)
        highest = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return highest

    assert peak(100 * 256) < peak(256) + 10_000
