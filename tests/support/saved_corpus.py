"""A folder of recordings of saved machines with the truth about their memory, held against what we make of them.

    python tests/support/saved_corpus.py FOLDER

prints the table of docs/saved-files.md. The folder has a MANIFEST.json: `records`, each with `files` and `truth`, and
`files`, each with the name under which it is `stored`, compressed. The truth is memory that QEMU wrote (`pmemsave`) of
the same stopped machine, whole or as the CRC-32 of each page.
"""

from __future__ import annotations

import json
import lzma
import subprocess
import sys
import tarfile
import tempfile
import zlib
from array import array
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from vmstate import load, verify
from vmstate.errors import VMStateError
from vmstate.stream.memory_map import is_ram
from vmstate.stream.ram_records import RamBlock
from vmstate.stream.stream import Stream

PAGE = 4096
EMPTY = zlib.crc32(bytes(PAGE))
LEGACY = range(0xA0000 // PAGE, 0x100000 // PAGE)
"""Pages that the processor sees as ROM where the firmware has not yet copied it: pmemsave has ROM there."""

BY_DESIGN = {
    "xbzrle-7.2": "QEMU 7.2 loses pages of xbzrle itself: its own load has the same",
    "xbzrle-st-7.2": "QEMU 7.2 loses pages of xbzrle itself: its own load has the same",
    "background-snapshot-7.2": "memory of the moment at which it began, the truth is of later",
    "colo-11.1": "memory before the first checkpoint, or at one; the truth is of later",
    "libvirt-9.0-save-bypass": "recorded without truth",
    "libvirt-9.0-save-running": "recorded without truth",
}
"""Why pages of a recording are not those of the truth."""

IN_A_FILE = {"ignore-shared-7.2": "shared-ram", "ignore-shared-mapped-11.1": "shared-ram"}
"""Recordings whose memory is in a file of its own, by the ending of its name."""

CHECKPOINTS = {"colo-11.1": 2}
"""How many checkpoints recordings of COLO have."""

AT = {"dimm-q35-11.1": {"d0": 0x100000000, "d1": 0x140000000}}
"""Where modules stand, which no stream tells."""


FIRMWARE = range(0xFFF00, 0x100000)
"""Pages of the firmware below 4 GiB."""


class Outcome(NamedTuple):
    """What came of one recording."""

    name: str
    what: str
    sections: int
    errors: int
    identical: bool
    pages: int
    wrong: int
    missing: int
    legacy: int
    problem: str

    @property
    def is_right(self) -> bool:
        """Whether it is as it has to be."""
        if self.problem or self.errors or not self.identical:
            return False
        return self.name.partition("@")[0] in BY_DESIGN or not (self.wrong or self.missing)


class Corpus:
    """A folder of recordings."""

    def __init__(self, folder: Path) -> None:
        manifest = json.loads((folder / "MANIFEST.json").read_text())
        self.folder = folder
        self.records: list[dict[str, Any]] = manifest["records"]
        self.files: dict[str, dict[str, Any]] = manifest["files"]

    def stored(self, name: str) -> str:
        """The name under which a file is kept."""
        if name in self.files:
            return str(self.files[name].get("stored", name))
        kept = (f"{name}{ending}" for ending in (".crc32.xz", ".xz", ".zst"))
        return next((each for each in kept if (self.folder / each).exists()), name)

    def content(self, name: str) -> bytes:
        """The plain bytes of a file."""
        stored = self.folder / self.stored(name)
        if ".tar" in stored.name:
            with tarfile.open(stored) as archive:
                member = archive.extractfile(name)
                assert member is not None
                return member.read()
        if stored.suffix == ".xz":
            return lzma.decompress(stored.read_bytes())
        if stored.suffix == ".zst":
            return subprocess.run(["zstd", "-dc", stored], capture_output=True, check=True).stdout
        return stored.read_bytes()

    def sums(self, name: str) -> array[int]:
        """The CRC-32 of each page of a file of truth."""
        data = self.content(name)
        if ".crc32" in self.stored(name):
            return array("I", data)
        return array("I", (zlib.crc32(data[at : at + PAGE]) for at in range(0, len(data), PAGE)))

    def truth(self, truth: Mapping[str, Any]) -> Iterator[tuple[int, array[int]]]:
        """(address, sums) of each stretch of memory that is known."""
        if "segments" in truth:
            for segment in truth["segments"]:
                yield segment["start"], self.sums(segment["file"])
        else:
            for file in truth["files"]:
                if file.endswith(".pmem"):
                    yield truth["pmemsave"][0], self.sums(file)


def parts_of(record: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """(name, file with the snapshot that is meant, truth) of what is to be opened of a recording."""
    name, truth = record["name"], record["truth"]
    if isinstance(truth, list):
        for each in truth:
            yield f"{name}@{each['snapshot']}", f"{record['files'][0]}@{each['snapshot']}", each
        return
    main = [file for file in record["files"] if not file.endswith((".jsonl", "dst2src", ".0.qcow2", ".xml"))]
    yield name, main[0], truth
    for number in range(1, CHECKPOINTS.get(name, 0) + 1):
        yield f"{name}@colo:{number}", f"{main[0]}@colo:{number}", truth


def recordings(corpus: Corpus, wanted: str = "") -> Iterator[tuple[Mapping[str, Any], str, str, Mapping[str, Any]]]:
    """(record, name, file, truth) of everything that is to be opened and whose name holds a word."""
    for record in corpus.records:
        for name, file, truth in parts_of(record):
            if wanted in name and not file.endswith(".core"):
                yield record, name, file, truth


def outcome(corpus: Corpus, record: Mapping[str, Any], name: str, file: str, truth: Mapping[str, Any]) -> Outcome:
    """What comes of one."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as text:
        folder = Path(text)
        for needed in record["files"]:
            if not needed.endswith((".jsonl", ".xml", "dst2src")):
                (folder / needed).write_bytes(corpus.content(needed))
        try:
            shared = folder / "shared"
            if name in IN_A_FILE:
                shared.write_bytes(corpus.content(f"{name}.{IN_A_FILE[name]}"))
            return checked(corpus, name, open_recording(folder, record, file), truth, str(shared))
        except VMStateError as error:
            return Outcome(name, "", 0, 0, False, 0, 0, 0, 0, str(error).replace(text, ""))


def open_recording(folder: Path, record: Mapping[str, Any], file: str) -> Stream:
    """The machine in a recording, from all its channels."""
    further = [
        str(folder / each) for each in record["files"] if each.endswith("src2dst") and each != file.partition("@")[0]
    ]
    return load(str(folder / file), channels=further)


def checked(corpus: Corpus, name: str, stream: Stream, truth: Mapping[str, Any], shared: str) -> Outcome:
    """A stream held against itself and against the truth; `shared` is the file of what is shared memory."""
    with stream:
        data = stream.source
        assert data is not None
        errors = [finding for finding in verify(stream, data) if finding.severity == "error"]
        identical = same_bytes(stream)
        if stream.cut is not None and stream.channels:
            # It broke off, and another channel has the rest.
            errors, identical = [], True
        container = stream.container
        what = "stream" if container is None else container.facts()["kind"]
        files = {block.idstr: shared for block in stream.ram.blocks if name in IN_A_FILE and is_shared(block)}
        memory = stream.memory(placed=AT.get(name), files=files)
        pages = wrong = missing = legacy = 0
        for address, sums in corpus.truth(truth):
            for number, right in enumerate(sums):
                pages += 1
                try:
                    ours = zlib.crc32(memory.read(address + number * PAGE, PAGE))
                except VMStateError:
                    if memory.has(address + number * PAGE, PAGE):
                        missing += 1
                        continue
                    # Nothing is there, and pmemsave gives zeros.
                    ours = EMPTY
                if ours != right:
                    if address // PAGE + number in LEGACY or address // PAGE + number in FIRMWARE:
                        legacy += 1
                    else:
                        wrong += 1
        return Outcome(name, what, len(stream.sections), len(errors), identical, pages, wrong, missing, legacy, "")


def is_shared(block: RamBlock) -> bool:
    """Whether a block is the machine's memory, and not ROM."""
    return block.gpa is not None and is_ram(block)


def same_bytes(stream: Stream) -> bool:
    """Whether a stream is written as it was read."""
    source = stream.input
    assert source is not None
    data, at = source.data, 0
    for chunk in stream.chunks(source.origin):
        if data[at : at + len(chunk)] != chunk:
            return False
        at += len(chunk)
    return at == len(data)


def main() -> None:
    """Print the table."""
    corpus = Corpus(Path(sys.argv[1]))
    print("| recording | in | sections | pages | wrong | missing | ROM in the truth | why |")
    print("|---|---|---|---|---|---|---|---|")
    for recording in recordings(corpus, *sys.argv[2:3]):
        row = outcome(corpus, *recording)
        figures = f"{row.what} | {row.sections} | {row.pages} | {row.wrong} | {row.missing} | {row.legacy}"
        shared = "with the file of its shared memory (`--memory`)" if row.name in IN_A_FILE else ""
        note = f" {BY_DESIGN.get(row.name.partition('@')[0], shared)} |"
        if not row.is_right:
            note = f" NOT RIGHT: {row.problem} {row.errors} {row.identical} |"
        print(f"| {row.name} | {figures} |{note}", flush=True)


if __name__ == "__main__":
    main()
