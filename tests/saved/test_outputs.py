"""Outputs of any kind, two files that belong together, and states that go elsewhere."""

from __future__ import annotations

import copy
import hashlib
import json
import os
import pickle
import socket
import struct
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from recorded import BARE, FIXTURES, MICROVM, NONE, opened, plain

from vmstate import files, load
from vmstate.cli import decode as decoding
from vmstate.cli import main
from vmstate.errors import SchemaError, StreamError
from vmstate.qemu.provenance import identity, write_provenance
from vmstate.saved.document import document_text, read_document, to_document


@pytest.fixture
def guest(tmp_path: Path) -> Path:
    """A stream with memory and a provenance."""
    path = tmp_path / "guest.mig"
    path.write_bytes(plain(BARE))
    write_provenance(path, {"kind": "provenance", "vmstate": 1, "argv": ["qemu-system-x86_64"], **identity(path)})
    return path


LARGE = "qemu-7.2-q35-default-devices.mig.xz"
"""One whose document is larger than a pipe."""

LEFT_OUT = "memory is left out: -o JSON puts it beside the document, --memory inside"

VERBS: dict[str, list[str]] = {"set": ["ioapic#0.id=1"], "thin": [], "decode": []}


@pytest.mark.parametrize("verb", VERBS)
def test_a_pipe_takes_the_output_and_nothing_stands_beside_it(verb: str, guest: Path, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    received: list[bytes] = []
    reader = threading.Thread(target=lambda: received.append(pipe.read_bytes()), daemon=True)
    reader.start()
    command = [sys.executable, "-m", "vmstate", verb, str(guest), *VERBS[verb], "-o", str(pipe)]
    done = subprocess.run(command, check=False, capture_output=True, timeout=60)
    reader.join(10)
    assert done.returncode == 0
    assert received
    assert len(received[0]) > 1000
    assert {path.name for path in tmp_path.iterdir()} == {"guest.mig", "guest.mig.provenance.json", "pipe"}


@pytest.mark.parametrize("name", ["new/", "new/.", "new//"])
@pytest.mark.parametrize("verb", [*VERBS, "unpack", "report"])
def test_the_name_of_a_folder_that_is_not_there_is_none_for_a_file(
    verb: str, name: str, guest: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = set(guest.parent.iterdir())
    assert main([verb, str(guest), *VERBS.get(verb, []), "-o", f"{guest.parent}/{name}"]) == 2
    assert "directory" in capsys.readouterr().err
    assert set(guest.parent.iterdir()) == before


def test_a_pipe_that_nobody_reads_is_not_waited_for_without_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader that starts a little later is; then writing waits for it, as for every pipe."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    monkeypatch.setattr(files, "READER_LIMIT", 0.1)
    with pytest.raises(StreamError, match=r"pipe: nobody reads it \(expected a reader of this FIFO within 0.1 s\)"):
        files.write_atomic(pipe, [b"a"])
    monkeypatch.setattr(files, "READER_LIMIT", 20.0)
    received: list[bytes] = []
    reader = threading.Timer(0.2, lambda: received.append(pipe.read_bytes()))
    reader.start()
    files.write_atomic(pipe, [bytes(1 << 20)])
    reader.join(20)
    assert received == [bytes(1 << 20)]


def test_a_socket_is_no_pipe_to_be_waited_for(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
        with pytest.raises(StreamError, match=r"socket: no such device or address$"):
            files.write_atomic(tmp_path / "socket", [b"a"])


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("output", ["/dev/null", "/dev/stdout"])
def test_a_device_takes_the_output(verb: str, output: str, guest: Path, tmp_path: Path) -> None:
    devices = {path.name for path in Path("/dev").iterdir()}
    command = [sys.executable, "-m", "vmstate", verb, str(guest), *VERBS[verb], "-o", output]
    done = subprocess.run(command, check=False, capture_output=True, timeout=60)
    assert done.returncode == 0
    told = "ioapic: id: 0 -> 1\n" if verb == "set" and output == "/dev/stdout" else ""
    assert done.stderr.decode() == (f"vmstate: {guest}: {LEFT_OUT}\n" if verb == "decode" else told)
    assert {path.name for path in tmp_path.iterdir()} == {"guest.mig", "guest.mig.provenance.json"}
    more = {path.name for path in Path("/dev").iterdir()} - devices
    assert not [name for name in more if name.startswith(("null", "stdout"))]


@pytest.mark.parametrize("name", ["-", "/dev/stdout"])
@pytest.mark.parametrize(
    "words",
    [["set", "ioapic#0.id=1"], ["repair", "--against", str(FIXTURES / BARE)], ["unpack"]],
    ids=lambda words: words[0],
)
def test_nothing_but_the_stream_is_in_standard_output(words: list[str], name: str, guest: Path) -> None:
    """What is told besides goes to standard error, whatever the name of standard output is."""
    verb, *more = words
    command = [sys.executable, "-m", "vmstate", verb, str(guest), *more, "-o", name]
    done = subprocess.run(command, check=False, capture_output=True, timeout=60)
    assert done.returncode == 0
    assert load(done.stdout).to_bytes() == done.stdout
    assert len(done.stdout) == len(plain(BARE))
    assert bool(done.stderr) is (verb != "unpack")


@pytest.mark.parametrize("verb", VERBS)
def test_no_name_is_no_output(verb: str, guest: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([verb, str(guest), *VERBS[verb], "-o", ""]) == 2
    assert "needs a name" in capsys.readouterr().err


def test_a_document_and_its_stream_are_two_files(
    guest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    document = tmp_path / "d.json"
    assert main(["decode", str(guest), "-o", str(document)]) == 0
    link = tmp_path / "link"
    link.symlink_to(guest)
    for words in (
        ["decode", str(guest), "-o", str(guest)],
        ["decode", str(guest), "-o", str(link)],
        ["encode", str(document), "-o", str(document)],
    ):
        assert main(words) == 2
        assert "this is what is read" in capsys.readouterr().err
    assert guest.read_bytes() == plain(BARE)
    assert json.loads(document.read_text())["kind"] == "document"


def test_memory_has_its_digest_in_its_name(guest: Path, tmp_path: Path) -> None:
    """So a second document under one name takes nothing from the first."""
    document = tmp_path / "d.json"
    assert main(["decode", str(guest), "-o", str(document)]) == 0
    first = document.read_bytes()
    (ram,) = tmp_path.glob("d.json.*.ram")
    assert hashlib.sha256(ram.read_bytes()).hexdigest()[:16] in ram.name
    other = tmp_path / "other.mig"
    other.write_bytes(plain(MICROVM))
    assert main(["decode", str(other), "-o", str(document)]) == 0
    assert ram.exists()
    document.write_bytes(first)
    assert main(["encode", str(document), "-o", str(tmp_path / "again.mig")]) == 0
    assert (tmp_path / "again.mig").read_bytes() == plain(BARE)


def test_a_file_of_the_user_keeps_its_name(guest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    document = tmp_path / "d.json"
    assert main(["decode", str(guest), "-o", str(document)]) == 0
    (ram,) = tmp_path.glob("d.json.*.ram")
    document.unlink()
    ram.write_bytes(b"mine")
    assert main(["decode", str(guest), "-o", str(document)]) == 2
    ram.unlink()
    ram.symlink_to(guest)
    assert main(["decode", str(guest), "-o", str(document)]) == 2
    assert capsys.readouterr().err.count("another file stands where the memory") == 2
    assert not document.exists()
    assert guest.read_bytes() == plain(BARE)


def test_both_files_or_none(guest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = decoding.write_atomic

    def failing(path: Any, chunks: Any) -> None:
        if str(path).endswith(".json"):
            raise StreamError("no space left on device", file=str(path))
        write(path, chunks)

    monkeypatch.setattr(decoding, "write_atomic", failing)
    before = {path.name for path in tmp_path.iterdir()}
    assert main(["decode", str(guest), "-o", str(tmp_path / "d.json")]) == 2
    assert {path.name for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize("kind", ["link", "pipe", "folder"])
def test_encode_takes_memory_from_plain_files_alone(
    kind: str, guest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    document = tmp_path / "d.json"
    assert main(["decode", str(guest), "-o", str(document)]) == 0
    (ram,) = tmp_path.glob("d.json.*.ram")
    elsewhere = tmp_path / "elsewhere"
    ram.rename(elsewhere)
    if kind == "link":
        ram.symlink_to(elsewhere)
    elif kind == "pipe":
        os.mkfifo(ram)
    else:
        ram.mkdir()
    assert main(["encode", str(document), "-o", str(tmp_path / "again.mig")]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert not (tmp_path / "again.mig").exists()


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.slow
def test_decode_goes_out_whole(unbuffered: str) -> None:
    """Python without a buffer writes as much as a pipe takes, and says nothing of the rest."""
    command = f"{sys.executable} -m vmstate decode --memory {FIXTURES / LARGE} | (sleep 1; wc -c)"
    environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    done = subprocess.run(["bash", "-c", command], check=True, capture_output=True, text=True, env=environment)
    assert int(done.stdout) > 1 << 20
    assert done.stderr == ""


@pytest.mark.parametrize("file", [BARE, NONE, MICROVM])
def test_a_document_comes_piece_by_piece_as_it_would_whole(file: str) -> None:
    with load(plain(file)) as stream:
        for name, memory in ((None, True), ("x.ram", False), ("x.ram", True)):
            text = "".join(document_text(stream, name, memory=memory))
            assert text == json.dumps(to_document(stream, name), indent=1)
        left_out = "".join(document_text(stream, None, memory=False))
    assert ('"left_out": true' in left_out) == (file != NONE)
    if file != NONE:
        with pytest.raises(SchemaError, match="the document has no memory"):
            read_document(left_out.encode(), "", "x")


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")
@pytest.mark.parametrize("words", [[], ["--memory"]], ids=["left out", "inside"])
def test_decode_takes_no_memory_for_memory(words: list[str], tmp_path: Path) -> None:
    """96 MiB of pages."""
    path = tmp_path / "large.mig"
    path.write_bytes(with_pages(24 << 10))
    code = (
        "import sys; from vmstate.cli import main; code = main(sys.argv[1:])\n"
        "most = next(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM'))\n"
        "print(code, most, file=sys.stderr)\n"
    )
    command = [sys.executable, "-c", code, "decode", str(path), *words]
    done = subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    exit_code, most = done.stderr.splitlines()[-1].split()
    assert exit_code == "0"
    assert int(most) < 80 << 10


def with_pages(count: int) -> bytes:
    """A stream with so many pages of 4 KiB."""
    start = struct.pack(">BIB3sIIQB", 1, 2, 3, b"ram", 0, 4, count << 12 | 4, 1) + b"m" + struct.pack(">Q", count << 12)
    footer = struct.pack(">BI", 0x7E, 2)
    body = bytes(range(256)) * 16
    pages = b"".join(
        struct.pack(">Q", number << 12 | 8 | (0x20 if number else 0)) + (b"" if number else b"\1m") + body
        for number in range(count)
    )
    end = struct.pack(">Q", 16)
    text = b'{"page_size": 4096, "devices": []}'
    vmdesc = b"\0" + struct.pack(">BI", 6, len(text)) + text
    return b"QEVM\0\0\0\3" + start + end + footer + struct.pack(">BI", 3, 2) + pages + end + footer + vmdesc


@pytest.mark.parametrize("file", [LARGE, BARE, MICROVM, NONE])
def test_states_can_be_pickled(file: str) -> None:
    for section in opened(file).sections:
        again = pickle.loads(pickle.dumps(section.state))
        if section.is_ram:
            assert again.pages == section.state.pages
            continue
        assert again == section.state
        if section.vmsd is not None:
            assert section.vmsd.encode(again, version_id=section.version_id) == section.payload()


def test_a_copied_table_is_one_still() -> None:
    """What is written back by copy is so after a copy, too."""
    for section in load(plain(MICROVM)).sections:
        if not section.is_ram and section.vmsd is not None:
            copied = copy.deepcopy(section.state)
            assert copied == section.state
            assert section.vmsd.encode(copied, version_id=section.version_id) == section.payload()
