"""Reading plain, compressed and piped input; writing files whole or not at all."""

import bz2
import gzip
import hashlib
import io
import lzma
import mmap
import os
import random
import signal
import stat
import struct
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import lz4.frame
import pytest
import zstandard
from recorded import FIXTURES
from saved_files import small_stream

from vmstate.cli import main
from vmstate.errors import StreamError
from vmstate.files import write_atomic
from vmstate.lazy import imported
from vmstate.saved import compressed, opening
from vmstate.saved.opening import open_input
from vmstate.stream.reader import StreamReader

ROOT = Path(__file__).resolve().parents[2]
PLAIN = b"QEVM\0\0\0\3" + bytes(range(256)) * 40


def compress_zstd(data: bytes) -> bytes:
    return zstandard.ZstdCompressor(write_checksum=True).compress(data)


def compress_lz4(data: bytes) -> bytes:
    return lz4.frame.compress(data, content_checksum=True)


COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstd": compress_zstd,
    "lz4": compress_lz4,
}
FORMS = sorted(COMPRESS)


def content(source: object, **how: int) -> bytes:
    with open_input(source, **how) as opened:  # type: ignore[arg-type]
        assert opened.data.readonly
        assert opened.data.format == "B"
        return bytes(opened.data)


class Pipe:
    """A source that gives what it likes, as a raw pipe does, and has no descriptor."""

    def __init__(self, data: bytes, most: int = 1) -> None:
        self.file = io.BytesIO(data)
        self.most = most

    def read(self, size: int) -> bytes:
        return self.file.read(min(size, self.most))


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Little memory, so that small inputs go to disk."""
    for module in (opening, compressed):
        monkeypatch.setattr(module, "PIECE", 1000)
    monkeypatch.setattr(opening, "IN_MEMORY", 3000)


# Reading


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("size", [0, 1, 5000, 3 << 20])
def test_every_form_round_trips(form: str, size: int, tmp_path: Path) -> None:
    data = (PLAIN * (size // len(PLAIN) + 1))[:size]
    packed = COMPRESS[form](data)
    path = tmp_path / "any.name"
    path.write_bytes(packed)
    assert content(path) == content(str(path)) == data
    assert content(packed) == content(bytearray(packed)) == content(memoryview(packed)) == data
    assert content(io.BytesIO(packed)) == data
    assert content(Pipe(packed, most=7000)) == data


@pytest.mark.parametrize("form", FORMS)
def test_members_that_follow_each_other_and_padding(form: str) -> None:
    pack = COMPRESS[form]
    assert content(pack(PLAIN) + pack(b"") + pack(b"more")) == PLAIN + b"more"
    assert content(Pipe(pack(PLAIN) + pack(b"more"))) == PLAIN + b"more"
    assert content(pack(PLAIN) + bytes(4096)) == PLAIN


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("form", FORMS)
def test_large_data_goes_to_disk_unchanged(form: str) -> None:
    data = PLAIN + os.urandom(20000) + PLAIN
    with open_input(COMPRESS[form](data)) as opened:
        assert opened.data == data
        assert opened._mapping is not None


@pytest.mark.parametrize("form", FORMS)
def test_damage_is_one_clear_line(form: str, tmp_path: Path) -> None:
    # Not any bytes: of some a flipped bit makes data that ends too early, which is another error.
    packed = bytearray(COMPRESS[form](random.Random(7).randbytes(3000)))
    packed[len(packed) // 2] ^= 0x55
    path = tmp_path / "damaged"
    path.write_bytes(packed)
    with pytest.raises(StreamError) as caught:
        open_input(path)
    assert str(caught.value).startswith(f"{path}: the {form} data is damaged: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("form", FORMS)
def test_data_that_ends_early_is_said_to(form: str) -> None:
    packed = COMPRESS[form](PLAIN)
    for end in {len(packed) // 2, len(packed) - 1, len(packed) - 3}:
        with pytest.raises(StreamError, match=f"the {form} data ends too early"):
            open_input(packed[:end])


@pytest.mark.parametrize("form", FORMS)
def test_garbage_after_the_data_is_damage(form: str) -> None:
    with pytest.raises(StreamError, match=f"the {form} data is damaged|ends too early"):
        open_input(COMPRESS[form](PLAIN) + b"QEVM is not what follows")


@pytest.mark.parametrize("form", FORMS)
def test_only_a_magic_is_cut_data(form: str) -> None:
    with pytest.raises(StreamError, match=f"the {form} data ends too early"):
        open_input(COMPRESS[form](PLAIN)[:6])


def test_every_prefix_of_compressed_data_is_refused() -> None:
    for pack in COMPRESS.values():
        packed = pack(b"QEVM")
        for end in range(6, len(packed)):
            with pytest.raises(StreamError):
                open_input(packed[:end])


@pytest.mark.parametrize("data", [b"", b"Q", b"\x1f", b"BZ", b"\xfd7zXZ", PLAIN])
def test_plain_input(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "plain"
    path.write_bytes(data)
    assert content(path) == data
    assert content(data) == data
    assert content(io.BytesIO(data)) == data
    assert content(Pipe(data)) == data
    with path.open("rb") as file:
        assert content(file) == data
        assert not file.closed


def test_bytes_are_not_copied() -> None:
    source = bytearray(b"QEVM")
    with open_input(source) as opened:
        source[0] = 0x71
        assert opened.data == b"qEVM"


def test_other_shapes_of_bytes() -> None:
    assert content(memoryview(b"Q.E.V.M.")[::2]) == b"QEVM"
    assert content(memoryview(b"QEVM").cast("I")) == b"QEVM"
    assert content(memoryview(PLAIN).cast("B", (len(PLAIN) // 8, 8))) == PLAIN


@pytest.mark.parametrize("buffering", [0, -1])
def test_an_open_file_is_read_from_where_it_stands(buffering: int, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"header" + PLAIN)
    with path.open("rb", buffering=buffering) as file:
        file.read(6)
        assert content(file) == PLAIN
        file.seek(0, os.SEEK_END)
        assert content(file) == b""
    path.write_bytes(b"header" + lzma.compress(PLAIN))
    with path.open("rb", buffering=buffering) as file:
        file.read(6)
        assert content(file) == PLAIN


def test_a_decompressing_file_object_is_read_through(tmp_path: Path) -> None:
    """It has the descriptor of the compressed file: mapping that would give the wrong bytes."""
    path = tmp_path / "file.gz"
    path.write_bytes(gzip.compress(PLAIN))
    with gzip.open(path) as file:
        assert content(file) == PLAIN
    with gzip.open(path) as file, io.BufferedReader(file) as buffered:  # type: ignore[type-var]
        assert content(buffered) == PLAIN


def test_a_file_that_is_larger_than_it_says() -> None:
    path = Path("/proc/self/status")
    if not path.exists():
        pytest.skip("no /proc")
    assert content(path).startswith(b"Name:")


def test_a_named_pipe(tmp_path: Path) -> None:
    path = tmp_path / "fifo"
    os.mkfifo(path)
    feeder = subprocess.Popen(
        [sys.executable, "-c", "import sys; open(sys.argv[1], 'wb').write(b'QEVM' * 50000)", str(path)]
    )
    assert content(path) == b"QEVM" * 50000
    assert feeder.wait(10) == 0


@pytest.mark.parametrize("pack", [bytes, lzma.compress])
def test_standard_input(pack: Callable[[bytes], bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(pack(PLAIN))))
    with open_input("-") as opened:
        assert opened.data == PLAIN
        assert opened.name == "<stdin>"


@pytest.mark.parametrize("redirect", [True, False])
def test_standard_input_of_a_process(redirect: bool, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(PLAIN)
    code = (
        "import sys; from vmstate.saved.opening import open_input; "
        "i = open_input('-'); print(i._mapping is not None, len(i.data), bytes(i.data[:4]))"
    )
    with path.open("rb") as file:
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
            **({"stdin": file} if redirect else {"input": PLAIN.decode("latin-1")}),  # type: ignore[call-overload]
            encoding="latin-1",
        )
    assert done.stdout == f"{redirect} {len(PLAIN)} b'QEVM'\n"


@pytest.mark.parametrize("stdin", [None, io.StringIO("text")])
def test_no_standard_input(stdin: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", stdin)
    with pytest.raises(StreamError, match="no standard input"):
        open_input("-")


def test_a_dash_as_a_path_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("-").write_bytes(PLAIN)
    assert content(Path("./-")) == PLAIN


def test_errors_of_paths(tmp_path: Path) -> None:
    with pytest.raises(StreamError, match=r"^.*missing: no such file or directory$"):
        open_input(tmp_path / "missing")
    with pytest.raises(StreamError, match=r"is a directory; one file in it has to be the main stream"):
        open_input(tmp_path)
    with pytest.raises(StreamError, match="not a directory"):
        (tmp_path / "file").touch()
        open_input(tmp_path / "file" / "below")
    with pytest.raises(StreamError, match="null"):
        open_input("a\0b")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_no_permission_to_read(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.touch(mode=0)
    with pytest.raises(StreamError, match="permission denied"):
        open_input(path)


def test_errors_while_reading_name_the_source() -> None:
    class Failing:
        name = "socket"

        def read(self, size: int) -> bytes:
            raise ConnectionResetError(104, "Connection reset by peer")

    with pytest.raises(StreamError, match=r"^socket: connection reset by peer$"):
        open_input(Failing())

    class NotYet:
        def read(self, size: int) -> None:
            return None

    with pytest.raises(StreamError, match="non-blocking"):
        open_input(NotYet())


def test_what_is_no_source_at_all() -> None:
    with pytest.raises(TypeError):
        open_input(42)  # type: ignore[arg-type]


@pytest.mark.parametrize(("form", "package"), [("zstd", "zstandard"), ("lz4", "lz4")])
def test_a_missing_package_is_named(form: str, package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("zstandard", "compression", "lz4", "lz4.frame"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(StreamError, match=rf"with {form}.*pip install {package}$"):
        open_input(COMPRESS[form](PLAIN))


def test_a_file_that_is_cut_short_afterwards(tmp_path: Path) -> None:
    """What was opened is there, whatever becomes of the file: a map of it would end the process."""
    path = tmp_path / "stream"
    path.write_bytes(PLAIN * 20)
    with open_input(path) as opened:
        os.truncate(path, 0)
        assert bytes(opened.data) == PLAIN * 20


@pytest.fixture
def mapped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that is mapped although it is small."""
    if sys.platform != "linux":
        pytest.skip("maps are guarded on Linux alone")
    monkeypatch.setattr(opening, "READ", 0)
    path = tmp_path / "mapped"
    path.write_bytes(PLAIN * 4)
    return path


@pytest.mark.parametrize("left", [0, 100, mmap.PAGESIZE, len(PLAIN) * 4 - 1])
def test_a_mapped_file_that_is_cut_short(left: int, mapped: Path) -> None:
    """What is gone is zeros, which nobody takes for an answer; also when the file has grown again."""
    with (
        pytest.raises(StreamError, match="mapped: the file was cut short while it was read"),
        open_input(mapped) as opened,
    ):
        opened.check()
        os.truncate(mapped, left)
        assert bytes(opened.data).rstrip(b"\0") == (PLAIN * 4)[:left].rstrip(b"\0")
        # Without the lock of the interpreter, too.
        assert len(hashlib.sha256(opened.data).digest()) == 32
        with pytest.raises(StreamError, match="cut short"):
            opened.release(0, 0)


def test_a_mapped_file_that_was_cut_short_and_written_again(mapped: Path) -> None:
    first = open_input(mapped)
    mapped.write_bytes(b"")
    assert first.data[-1] == 0
    mapped.write_bytes(PLAIN * 4)
    with pytest.raises(StreamError, match="cut short"):
        first.check()
    first.close()
    assert content(mapped) == PLAIN * 4


def test_an_error_in_what_was_cut_short_is_that_it_was(mapped: Path) -> None:
    with pytest.raises(StreamError, match="cut short"), open_input(mapped) as opened:
        os.truncate(mapped, 0)
        raise StreamError("no stream", offset=opened.data[0])


def test_what_is_written_from_a_file_that_is_cut_short(mapped: Path, tmp_path: Path) -> None:
    """It is the system that reads then, and says that there is nothing at that address."""
    opened = open_input(mapped)
    os.truncate(mapped, 0)
    with pytest.raises(StreamError, match="out: what is written here was cut short while it was read"):
        write_atomic(tmp_path / "out", [opened.data])
    assert names(tmp_path) == ["mapped"]


def test_a_fault_of_somebody_else_goes_to_whoever_handles_it(tmp_path: Path) -> None:
    """Nobody does here: it ends the process."""
    code = (
        "import mmap, os, sys; from vmstate.saved import opening; opening.READ = 0\n"
        "path = sys.argv[1]; opened = opening.open_input(path); file = open(path, 'rb')\n"
        "mine = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)\n"
        "os.truncate(path, 0); print(opened.data[0], flush=True); mine[0]"
    )
    path = tmp_path / "file"
    path.write_bytes(PLAIN)
    done = subprocess.run([sys.executable, "-c", code, str(path)], check=False, capture_output=True, timeout=60)
    assert (done.returncode, done.stdout) == (-signal.SIGBUS, b"0\n")


@pytest.mark.parametrize(
    "verb", ["info", "show", "verify", "decode", "thin", "set", "query", "explain", "diff", "find"]
)
def test_verbs_say_that_a_file_was_cut_short(
    verb: str, mapped: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stream = lzma.decompress((ROOT / "fixtures" / "qemu-7.2-q35-virtio-net-filters.mig.xz").read_bytes())
    mapped.write_bytes(stream)
    over = StreamReader.over

    def cut(*arguments: Any, **how: Any) -> StreamReader:
        os.truncate(mapped, mmap.PAGESIZE)
        return over(*arguments, **how)

    monkeypatch.setattr(StreamReader, "over", cut)
    out = str(mapped.with_name("out"))
    more = {"decode": ["-o", out], "thin": ["-o", out], "set": ["timer.cpu_ticks_offset=1", "-o", out]}
    more |= {"query": ["query-status"], "explain": ["--against", str(mapped)], "diff": [str(mapped)], "find": ["timer"]}
    assert main([verb, str(mapped), *more.get(verb, [])]) == 2
    error = capsys.readouterr().err
    assert (error.count("\n"), "the file was cut short while it was read" in error) == (1, True), error
    assert not mapped.with_name("out").exists()


def test_a_file_that_is_cut_short_while_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "stream"
    path.write_bytes(PLAIN)
    pread = os.pread
    monkeypatch.setattr(os, "pread", lambda descriptor, size, start: pread(descriptor, size, start)[:100])
    with pytest.raises(StreamError, match="cut short while it was read"):
        open_input(path)


# Bounds


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("form", FORMS)
def test_the_limit(form: str) -> None:
    packed = COMPRESS[form](bytes(50000))
    assert content(packed, limit=50000) == bytes(50000)
    with pytest.raises(StreamError, match="holds more than the 49999 bytes that are accepted"):
        open_input(packed, limit=49999)
    with pytest.raises(StreamError, match="more than"):
        open_input(Pipe(bytes(50000), most=999), limit=49999)


def test_a_plain_file_has_no_limit(tmp_path: Path) -> None:
    path = tmp_path / "plain"
    path.write_bytes(PLAIN)
    assert content(path, limit=1) == content(PLAIN, limit=1) == PLAIN


class Counted:
    """A decompressor that counts the bytes that it gave, and the most that it gave at once."""

    given = most = 0

    def __init__(self, decompressor: Any) -> None:
        self._decompressor = decompressor

    def decompress(self, data: bytes, max_length: int) -> bytes:
        plain: bytes = self._decompressor.decompress(data, max_length)
        Counted.given += len(plain)
        Counted.most = max(Counted.most, len(plain))
        return plain

    def __getattr__(self, name: str) -> Any:
        return getattr(self._decompressor, name)


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> type[Counted]:
    """What is decompressed from here on."""

    def counting(place: str) -> Callable[[], Counted]:
        return lambda: Counted(imported(place)())

    monkeypatch.setattr(compressed, "imported", counting)
    Counted.given = Counted.most = 0
    return Counted


def refused(source: object, message: str, **how: int) -> int:
    """Opening is refused; returns the most memory that it took."""
    tracemalloc.start()
    try:
        with pytest.raises(StreamError, match=message):
            open_input(source, **how)  # type: ignore[arg-type]
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "form", [pytest.param(form, marks=[pytest.mark.slow] if form in ("xz", "bzip2") else []) for form in FORMS]
)
@pytest.mark.slow
def test_what_is_inside_is_looked_at_first(form: str, counted: type[Counted], tmp_path: Path) -> None:
    """200 MiB of zeros are no stream, which shows in the first of them."""
    packed = COMPRESS[form](bytes(200 << 20))
    path = tmp_path / "bomb"
    path.write_bytes(packed)
    assert refused(packed, "not a migration stream: it begins with [0-9]+ zero bytes") < 24 << 20
    assert 0 < counted.given < 24 << 20
    assert refused(path, "not a migration stream") < 24 << 20
    assert refused(Pipe(packed, most=1 << 16), "not a migration stream") < 24 << 20
    assert counted.given < 72 << 20


@pytest.mark.parametrize(
    "form", [pytest.param(name, marks=[] if name == "zstd" else pytest.mark.slow) for name in FORMS]
)
@pytest.mark.parametrize("head", [b"QEVM\0\0\0\3", b'{"kind": "document", "pad": "'], ids=["stream", "text"])
@pytest.mark.slow
def test_a_bomb_with_a_good_head(form: str, head: bytes, counted: type[Counted]) -> None:
    packed = COMPRESS[form](head + bytes(200 << 20))
    assert refused(packed, f"the {form} data is out of proportion") < 64 << 20
    assert counted.given < 40 << 20


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.slow
def test_what_a_stream_compresses_to_is_in_proportion(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The records of pages of zeros are what gives most."""
    monkeypatch.setattr(compressed, "SUSPICIOUS", 1 << 16)
    records = b"".join(struct.pack(">QB", page << 12 | 0x22, 0) for page in range(60_000))
    assert len(content(COMPRESS[form](b"QEVM" + records))) == len(records) + 4 > 4 * compressed.SUSPICIOUS


@pytest.mark.slow
@pytest.mark.parametrize("form", ["gzip", "xz"])
def test_a_stream_with_holes_may_be_mostly_zeros(form: str) -> None:
    """The memory of mapped-ram lies at fixed places; on disk, too, holes take nothing."""
    size = 80 << 20
    packed = COMPRESS[form](b"QEVM\0\0\0\3\7\0\0\0\0" + b"mapped-ram" + bytes(size) + b"end" + bytes(2 << 20))
    with open_input(packed) as opened:
        assert len(opened.data) == 13 + 10 + size + 3 + (2 << 20)
        assert bytes(opened.data[23 + size : 26 + size]) == b"end"
        assert opened._mapping is not None


@pytest.mark.parametrize(
    ("form", "head", "nothing"),
    [("zstd", b"\x28\xb5\x2f\xfd\0\0", b"\0\0\0"), ("gzip", b"\x1f\x8b\x08\0\0\0\0\0\0\xff", b"\0\0\0\xff\xff")],
)
def test_a_member_of_blocks_of_nothing(form: str, head: bytes, nothing: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """A terabyte of hole behind the head of a zstd frame is one: nothing comes out that could be held against it."""
    monkeypatch.setattr(compressed, "SUSPICIOUS", 1 << 20)
    assert refused(head + nothing * (1 << 20), f"1048576 bytes of {form} data stand for nothing") < 24 << 20


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMS)
def test_many_members_of_nothing(form: str, counted: type[Counted]) -> None:
    """Each costs a decompressor, and nothing that comes out bounds their number."""
    start = time.process_time()
    nothing = COMPRESS[form](b"")
    for packed in (nothing * 50_000, COMPRESS[form](PLAIN) + nothing * 50_000, COMPRESS[form](b"Q") * 50_000):
        assert refused(packed, f"the {form} data is of .* members that hold hardly anything") < 24 << 20
    assert time.process_time() - start < 10
    many = COMPRESS[form](bytes(range(256)) * 8) * 3000
    assert len(content(COMPRESS[form](PLAIN) + many)) == len(PLAIN) + 3000 * 2048


@pytest.mark.parametrize("form", FORMS)
def test_padding_without_end(form: str) -> None:
    packed = COMPRESS[form](PLAIN)

    def endless() -> Iterator[bytes]:
        yield packed
        while True:
            yield bytes(1 << 20)

    class Endless:
        pieces = endless()

        def read(self, size: int) -> bytes:
            return next(self.pieces)

    assert refused(Endless(), "too much padding") < 16 << 20
    assert content(COMPRESS[form](PLAIN) + bytes(1 << 20)) == PLAIN


class Forever:
    """A source without end."""

    def __init__(self, head: bytes, rest: bytes) -> None:
        self.head, self.rest, self.read_bytes = head, rest, 0

    def read(self, size: int) -> bytes:
        piece = (self.head + self.rest * (size // len(self.rest) + 1))[:size]
        self.head = b""
        self.read_bytes += len(piece)
        return piece


@pytest.mark.parametrize("rest", [b"\0", b"y\n", b"\xff", b" "])
def test_a_pipe_without_end_that_is_no_stream(rest: bytes) -> None:
    source = Forever(b"", rest)
    assert refused(source, "not a migration stream") < 16 << 20
    assert source.read_bytes < 4 << 20


def test_a_text_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "TEXT", 8 << 20)
    source = Forever(b"[", b"1,")
    assert refused(source, "holds more than the 8388608 bytes that are accepted") < 32 << 20
    assert source.read_bytes < 12 << 20


@pytest.mark.skipif(not os.path.exists("/dev/zero"), reason="no /dev/zero")
@pytest.mark.parametrize("verb", ["info", "show", "verify", "decode", "encode", "thin", "query", "explain", "diff"])
def test_verbs_take_no_device_without_end(verb: str, tmp_path: Path) -> None:
    more = {"encode": ["-o", str(tmp_path / "out")], "thin": ["-o", str(tmp_path / "out")], "query": ["query-status"]}
    more |= {"explain": ["--against", "/dev/zero"], "diff": ["/dev/zero"]}
    command = [sys.executable, "-m", "vmstate", verb, "/dev/zero", *more.get(verb, [])]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "not a migration stream" in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("head", [b"", b"QEVM\0\0\0\3", b"QEVM\0\0\0\3\4\0\0\0\1\1x" + bytes(7) + b"\1"])
def test_a_sparse_file_of_a_tebibyte(head: bytes, tmp_path: Path) -> None:
    path = tmp_path / "sparse"
    path.write_bytes(head)
    os.truncate(path, 1 << 40)
    code = (
        "import sys; from vmstate.cli import main\n"
        "code = main(sys.argv[1:])\n"
        # What getrusage says is at least what the process that started this one had.
        "most = next(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM'))\n"
        "print(code, most)"
    )
    for verb in ("info", "verify", "show"):
        command = [sys.executable, "-c", code, verb, str(path)]
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
        _, most = done.stdout.splitlines()[-1].split()
        assert done.stderr.count("\n") <= 1
        assert "internal" not in done.stderr
        assert int(most) < 256 << 10


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no /proc")
@pytest.mark.parametrize(
    "words", [["explain", "--against", str(FIXTURES / "qemu-7.2-q35-virtio-net.mig.xz")], ["unpack"], ["ram", "--hash"]]
)
def test_what_is_passed_of_a_large_stream_is_let_go_of(words: list[str], tmp_path: Path) -> None:
    """Memory is that of the program, whatever that of the guest."""
    size = 256 << 20
    path = tmp_path / "large"
    start = struct.pack(">BIB3sIIQB6sQQ", 1, 2, 3, b"ram", 0, 4, size | 4, 6, b"pc.ram", size, 0x10)
    page, footer = bytes(range(256)) * 16, b"\x7e\0\0\0\2"
    with path.open("wb") as file:
        file.write(b"QEVM\0\0\0\3" + start + footer + b"\2\0\0\0\2" + struct.pack(">QB", 8, 6) + b"pc.ram" + page)
        for at in range(4096, size, 4096):
            file.write(struct.pack(">Q", at | 0x28) + page)
        file.write(struct.pack(">Q", 0x10) + footer + b"\3\0\0\0\2" + struct.pack(">Q", 0x10) + footer + b"\0")
    code = (
        "import sys; from vmstate.cli import main\n"
        "code = main(sys.argv[1:])\n"
        "most = next(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM'))\n"
        "print(most, file=sys.stderr)"
    )
    verb, *more = words
    last = {"unpack": ["-o", "/dev/null"], "ram": ["map"]}.get(verb, [])
    command = [sys.executable, "-c", code, verb, str(path), *more, *last]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
    assert int(done.stderr.splitlines()[-1]) < 96 << 10


@pytest.mark.usefixtures("small")
def test_no_room_on_disk_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    if not os.access("/dev/full", os.W_OK):
        pytest.skip("no /dev/full")
    with (
        Path("/dev/full").open("wb") as full,
        pytest.raises(StreamError, match="temporary file: no space left on device"),
    ):
        monkeypatch.setattr("tempfile.TemporaryFile", lambda dir: full)
        open_input(lzma.compress(bytes(5000)))


# Memory of mapped input


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * mmap.PAGESIZE


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="no /proc")
def test_release_gives_memory_back(tmp_path: Path) -> None:
    size = 64 << 20
    path = tmp_path / "large"
    path.write_bytes(bytes(size))
    with open_input(path) as opened:
        assert sum(opened.data[:: mmap.PAGESIZE]) == 0
        before = resident()
        opened.release(0, size)
        assert before - resident() > size // 2
        assert opened.data[-1] == 0


@pytest.mark.parametrize("skipped", [0, 6])
def test_release_changes_no_byte(skipped: int, tmp_path: Path) -> None:
    data = os.urandom(5 * mmap.PAGESIZE + 7)
    path = tmp_path / "file"
    path.write_bytes(data)
    with path.open("rb") as file:
        file.seek(skipped)
        with open_input(file) as opened:
            page = mmap.PAGESIZE
            for start, end in [(0, 0), (-9, 1 << 60), (1, page), (page, 3 * page), (9, 5), (1 << 60, 1 << 61)]:
                opened.release(start, end)
                assert opened.data == data[skipped:]


def test_release_of_bytes_does_nothing() -> None:
    with open_input(PLAIN) as opened:
        opened.release(0, len(PLAIN))
        assert opened.data == PLAIN


def test_a_view_outlives_the_input(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(PLAIN)
    with open_input(path) as opened:
        view = opened.data[:4]
    assert view == b"QEVM"
    opened.close()


# Writing


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def test_a_new_file_has_the_mode_of_the_umask(tmp_path: Path) -> None:
    path = tmp_path / "new"
    before = os.umask(0o027)
    try:
        write_atomic(path, [b"QE", bytearray(b"V"), memoryview(b"M")])
    finally:
        os.umask(before)
    assert path.read_bytes() == b"QEVM"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert names(tmp_path) == ["new"]


@pytest.mark.parametrize("mode", [0o600, 0o666, 0o755])
def test_an_old_file_keeps_its_mode(mode: int, tmp_path: Path) -> None:
    path = tmp_path / "old"
    path.write_bytes(b"old")
    path.chmod(mode)
    write_atomic(str(path), [b"new"])
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == mode


def test_no_chunks_make_an_empty_file(tmp_path: Path) -> None:
    write_atomic(tmp_path / "empty", [])
    assert (tmp_path / "empty").read_bytes() == b""


@pytest.mark.parametrize("error", [RuntimeError("x"), KeyboardInterrupt(), OSError(5, "x"), ValueError("x")])
@pytest.mark.parametrize("old", [b"old", None])
def test_a_failure_leaves_what_was_there(error: BaseException, old: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "file"
    if old is not None:
        path.write_bytes(old)
    before = names(tmp_path)

    def chunks() -> Iterator[bytes]:
        yield b"new" * 100000
        raise error

    with pytest.raises(type(error)) as caught:
        write_atomic(path, chunks())
    assert caught.value is error
    assert names(tmp_path) == before
    assert old is None or path.read_bytes() == old


@pytest.mark.parametrize("call", ["fsync", "replace", "fchmod"])
def test_a_failing_system_call_leaves_what_was_there(
    call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    path = tmp_path / "file"
    path.write_bytes(b"old")
    monkeypatch.setattr(os, call, fail)
    with pytest.raises(StreamError, match=r"file: no space left on device$"):
        write_atomic(path, [b"new"])
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["file"]


def test_views_of_the_file_that_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(PLAIN)
    with open_input(path) as opened:
        write_atomic(path, [opened.data[4:], opened.data[:4]])
        assert opened.data == PLAIN
    assert path.read_bytes() == PLAIN[4:] + b"QEVM"


def test_a_link_keeps_pointing(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    target = tmp_path / "below" / "target"
    link = tmp_path / "link"
    link.symlink_to(target)
    for data in (b"first", b"second"):
        write_atomic(link, [data])
        assert link.is_symlink()
        assert target.read_bytes() == data
    assert names(tmp_path / "below") == ["target"]


def test_targets_that_cannot_be(tmp_path: Path) -> None:
    with pytest.raises(StreamError, match=r"is a directory$"):
        write_atomic(tmp_path, [b"x"])
    with pytest.raises(StreamError, match="no such file or directory"):
        write_atomic(tmp_path / "missing" / "file", [b"x"])
    with pytest.raises(StreamError, match="null"):
        write_atomic("a\0b", [b"x"])
    assert names(tmp_path) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everything")
def test_a_protected_file_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    path.chmod(0o444)
    with pytest.raises(StreamError, match="permission denied"):
        write_atomic(path, [b"new"])
    assert path.read_bytes() == b"old"


def test_a_device_is_written_into_and_stays() -> None:
    write_atomic("/dev/null", [b"x"])
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


def test_a_full_device_is_an_error() -> None:
    if not os.access("/dev/full", os.W_OK):
        pytest.skip("no /dev/full")
    with pytest.raises(StreamError, match="no space left on device"):
        write_atomic("/dev/full", [b"x" * 100000])


def test_a_stream_behind_something_unknown_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # The header stands across the end of what is searched at a time.
    for at in (5, (1 << 20) - 3):
        path = tmp_path / "guest.bin"
        path.write_bytes(b"#" * at + small_stream())
        assert main(["info", str(path)]) == 2
        message = capsys.readouterr().err
        assert f"but a file in which one begins at {at:#x} (expected FILE@{at:#x} or --offset {at:#x})" in message
        assert main(["verify", f"{path}@{at:#x}"]) == 0
        capsys.readouterr()
    path.write_bytes(b"#" * 5 + b"QEVM\0\0\0\x03 in a text")
    assert main(["info", str(path)]) == 2
    assert "not a migration stream, but text at offset 0x0" in capsys.readouterr().err


def test_what_is_compressed_is_named_and_searched_as_what_is_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of what begins like nothing that is known 1 MiB is taken."""
    path = tmp_path / "file.gz"
    tail = small_stream() + bytes(1 << 20)
    for head, what in (
        (b"\x7fELF\2\1\1".ljust(16, b"\0") + b"\4\0\x3e", "an ELF file, as"),
        (b"\x7fELF\2\2\1".ljust(16, b"\0") + b"\0\4\0", "an ELF file, as"),
        (b"\x7fELF\2\1\1".ljust(16, b"\0") + b"\3\0\x3e", "an ELF file that is no core"),
        (b"LinuxGuestRecord", "a saved Xen domain (xend)"),
        (b"\x14\x20\x28\x01", "a saved state of Hyper-V"),
        (b"WAKE", "a hibernation file of Windows, which has woken up"),
        (bytes(257) + b"ustar", "a tar archive"),
        (bytes(0x8001) + b"CD001", "an ISO 9660 file system"),
        (bytes(1 << 17), "begins with 131072 zero bytes"),
        (b"nothing that is known", "not a migration stream"),
    ):
        path.write_bytes(gzip.compress(head.ljust(1 << 18, b"\0") + bytes(1 << 20), 1))
        assert main(["info", str(path)]) == 2
        assert what in capsys.readouterr().err
    path.write_bytes(gzip.compress(bytes(4096) + tail, 1))
    assert main(["info", str(path)]) == 0
    assert "0x1000 of the file" in capsys.readouterr().out
    path.write_bytes(gzip.compress(b"x" * 5000 + tail, 1))
    assert main(["info", str(path)]) == 2
    assert "one begins at 0x1388 (expected FILE@0x1388" in capsys.readouterr().err
    assert main(["info", f"{path}@0x1388"]) == 0
