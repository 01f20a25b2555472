"""volatility3's own layer for QEMU and ours, page by page against what QEMU told of the same stopped machine.

    python tests/support/beside_volatility.py [FOLDER [NAME]]

prints the table of docs/saved-files.md: of every recording in one file of a folder of recordings (`saved_corpus`), and
of those of fixtures/saved. What came through several channels or has memory in a file of its own is no file that
volatility3 can be given. Needs volatility3.
"""

from __future__ import annotations

import signal
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

from record_saved import IMAGES
from saved_corpus import AT, BY_DESIGN, EMPTY, FIRMWARE, IN_A_FILE, LEGACY, PAGE, Corpus, recordings
from saved_files import RECORDED, SAVED, plain
from volatility3.framework import contexts, exceptions
from volatility3.framework.layers import physical, qemu

from vmstate.forensics import PLACES
from vmstate.forensics.volatility import PART, VmstateStacker

LIMIT = 20
"""Seconds of the processor after which no more is expected of a layer."""

Truth = Sequence[tuple[int, Sequence[int]]]
"""(address, CRC-32 of each page from there on) of stretches of memory."""


class Counted(NamedTuple):
    """What a layer makes of a recording: pages that are wrong, that cannot be read, and that are ROM in the truth; or
    why there is no layer.
    """

    wrong: int = 0
    unreadable: int = 0
    rom: int = 0
    refused: str = ""

    def __str__(self) -> str:
        if self.refused:
            return f"refused: {self.refused}"
        words = ((self.wrong, "wrong"), (self.unreadable, "unreadable"), (self.rom, "of the processor's ROM"))
        return ", ".join(f"{count} {what}" for count, what in words if count) or "0"


def counted(layer: Any, truth: Truth, is_memory: Callable[[int, int], bool]) -> Counted:
    """Every page that is known, read through a layer. What the machine has no memory at `pmemsave` gave as zeros."""
    wrong = unreadable = rom = 0
    for address, sums in truth:
        for number, right in enumerate(sums):
            page = address // PAGE + number
            try:
                is_right = zlib.crc32(layer.read(page * PAGE, PAGE)) == right
            except exceptions.InvalidAddressException:
                is_there = is_memory(page * PAGE, PAGE)
                unreadable += is_there
                is_right = is_there or right == EMPTY
            if not is_right and (page in LEGACY or page in FIRMWARE):
                rom += 1
            else:
                wrong += not is_right
    return Counted(wrong, unreadable, rom)


def of_volatility(path: Path, truth: Truth, is_memory: Callable[[int, int], bool]) -> Counted:
    """What volatility3's own layer makes of a file."""
    context = base_of(path)
    context.config["qemu.base_layer"] = "base"
    previous = signal.signal(signal.SIGPROF, _too_long)
    signal.setitimer(signal.ITIMER_PROF, LIMIT)
    try:
        return counted(qemu.QemuSuspendLayer(context, "qemu", "qemu"), truth, is_memory)
    except exceptions.LayerException as error:
        return Counted(refused=error.args[-1])
    # Whatever else it ends with is no layer either.
    except Exception as error:
        return Counted(refused=f"{type(error).__name__}: {error}")
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, previous)


def _too_long(_number: int, _frame: object) -> None:
    raise TimeoutError(f"not done after {LIMIT} seconds")


def our_layer(path: Path, part: str, name: str) -> Any:
    """Our layer on a file, or on a snapshot in it."""
    places = ",".join(f"{module}={address}" for module, address in AT.get(name, {}).items())
    with mock.patch.dict("os.environ", {PART: part, PLACES: places}):
        layer = VmstateStacker.stack(base_of(path), "base")
    assert layer is not None, name
    return layer


def base_of(path: Path) -> Any:
    """A context with the layer of a file in it."""
    context = contexts.Context()
    context.config["base.location"] = f"file://{path}"
    context.add_layer(physical.FileLayer(context, "base", "base"))
    return context


def files_of_corpus(corpus: Corpus, folder: Path, wanted: str = "") -> Iterator[tuple[str, Path, str, Truth]]:
    """(name, file, part, truth) of every recording in one file, put into a folder."""
    for record, name, file, truth in recordings(corpus, wanted):
        main, _, part = file.partition("@")
        channels = [each for each in record["files"] if each.endswith("src2dst")]
        if len(channels) > 1 or name in IN_A_FILE or "@colo" in name:
            continue
        known = list(corpus.truth(truth)) if truth else []
        if known:
            path = folder / main
            path.write_bytes(corpus.content(main))
            yield name, path, part, known
            path.unlink()


def files_of_fixtures(folder: Path) -> Iterator[tuple[str, Path, str, Truth]]:
    """The same of the repository's own recordings."""
    for key, known in RECORDED.items():
        name = key.removesuffix(".xz") if key.endswith(".xz") else f"{key}.file"
        if "sums" in known and "shared" not in known and (SAVED / f"{name}.xz").exists():
            path = folder / name
            path.write_bytes(plain(name))
            sums = [known["sums"].get(str(number), EMPTY) for number in range(known["pages"])]
            for part in IMAGES[key.removesuffix(".qcow2.xz")][3] if name.endswith(".qcow2") else ("",):
                yield f"fixtures/saved/{name}{'@' if part else ''}{part}", path, part, [(0, sums)]
            path.unlink()


def rows(files: Iterator[tuple[str, Path, str, Truth]]) -> Iterator[tuple[str, int, Counted, Counted]]:
    """(name, pages, volatility3's own layer, ours) of each."""
    for name, path, part, truth in files:
        pages = sum(len(sums) for _, sums in truth)
        ours = our_layer(path, part, name)
        yield name, pages, of_volatility(path, truth, ours.is_valid), counted(ours, truth, ours.is_valid)
        ours.destroy()


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as text:
        folder = Path(text)
        print("| recording | pages | volatility3's own | this layer | why |")
        print("|---|---|---|---|---|")
        files = [files_of_fixtures(folder)]
        if len(sys.argv) > 1:
            files.insert(0, files_of_corpus(Corpus(Path(sys.argv[1])), folder, *sys.argv[2:3]))
        for each in files:
            for name, pages, theirs, ours in rows(each):
                print(f"| {name} | {pages} | {theirs} | {ours} | {BY_DESIGN.get(name, '')} |", flush=True)


if __name__ == "__main__":
    main()
