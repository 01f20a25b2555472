"""How many sections of real streams QEMU's source describes by itself: no device of the library, no vmdesc.

    python benchmarks/source_accuracy.py TREE STREAM... [--release 10.0] [--misses]

TREE is QEMU's source as `vmstate source` takes it (a folder, or REPOSITORY@REVISION). STREAM is a stream, or a folder,
of whose streams those are taken that a provenance or a name says to be of this release. A section counts as described
where a description of the tree decodes all of its bytes and gives the same ones again. The vmdesc of a stream is used
to find where its sections end, and for nothing else. Memory, and what is sent while a machine runs, is no section.
With --misses what is not described is told, with the reasons.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from vmstate.compare.source_sections import SourceDescriptions
from vmstate.errors import VMStateError, one_line
from vmstate.lab.program import exit_code_of
from vmstate.saved.loading import load
from vmstate.stream.registry import last_part
from vmstate.stream.stream import Section
from vmstate.vmsd.description import VMStateDescription

STREAMS = (".mig", ".stream", ".src2dst", ".qcow2", ".save", ".file")
"""Ends of the names of files that can be streams, without that of a compressed one."""

COMPRESSED = (".xz", ".zst")
PROVENANCE = ".provenance.json"


def streams_in(places: Sequence[Path], release: str) -> Iterator[Path]:
    """The files that are named, and in folders those of a release."""
    for place in places:
        if not place.is_dir():
            yield place
            continue
        for path in sorted(place.rglob("*")):
            plain = path.with_suffix("") if path.suffix in COMPRESSED else path
            if plain.suffix in STREAMS and release_of(plain) == release:
                yield path


def release_of(plain: Path) -> str | None:
    """The release of QEMU that wrote a stream ("10.0"), as its provenance or else its name says."""
    provenance = plain.with_name(plain.name + PROVENANCE)
    told = str(json.loads(provenance.read_text())["qemu_version"]) if provenance.exists() else plain.name
    number = re.search(r"\d+\.\d+", told)
    return None if number is None else number[0]


class Count:
    """What was seen: `streams`, `sections`, and the `misses` by the last part of an idstr and the reason.

    `opened` counts the sections that the tree describes and a vmdesc shows in full, one of those that have the last
    part of the idstr, version and size alike; `moved` those of them whose fields do not stand where the vmdesc says.
    """

    def __init__(self, descriptions: SourceDescriptions) -> None:
        self.descriptions = descriptions
        self.streams = 0
        self.sections = 0
        self.misses: Counter[tuple[str, str]] = Counter()
        self.opened = 0
        self.moved: Counter[str] = Counter()
        self._shapes: set[tuple[str, int, int]] = set()
        self._known: dict[tuple[str, int, bytes], str | None] = {}

    @property
    def described(self) -> int:
        """How many sections the tree describes."""
        return self.sections - sum(self.misses.values())

    @property
    def share(self) -> float:
        """The part of the sections that the tree describes."""
        return self.described / max(self.sections, 1)

    def add(self, path: Path) -> None:
        """Take in the sections of a stream. Raises `VMStateError` where there is none in the file."""
        with load(path, library=False) as stream:
            self.streams += 1
            for section in stream.sections:
                if section.kind == "full":
                    self.sections += 1
                    reason = self._reason(section)
                    if reason is not None:
                        self.misses[last_part(section.name), reason] += 1

    def _reason(self, section: Section) -> str | None:
        """Why the tree does not describe a section; None where it does. Many streams have the same section."""
        key = (section.name, section.version_id, section.payload())
        if key not in self._known:
            self._known[key] = None
            try:
                vmsd, state = self.descriptions.decode(*key)
            except VMStateError as error:
                self._known[key] = one_line(str(error))
            else:
                self._compare(section, vmsd, state)
        return self._known[key]

    def _compare(self, section: Section, vmsd: VMStateDescription, state: Any) -> None:
        """Hold the places of fields against those that the vmdesc says, where it shows them all."""
        shape = (last_part(section.name), section.version_id, len(section.payload()))
        if section.vmsd is None or section.described_by != "vmdesc" or shape in self._shapes:
            return
        self._shapes.add(shape)
        self.opened += 1
        places = places_of(vmsd, state, section.version_id)
        for name, start, _ in places_of(section.vmsd, section.state, section.version_id):
            # Unused bytes have a name in a vmdesc alone.
            if name != "unused" and not any(name == each and first <= start < end for each, first, end in places):
                self.moved[shape[0]] += 1
                return

    def __str__(self) -> str:
        counted = f"{self.streams} streams, {self.described} of {self.sections} sections: {self.share:.2%}"
        agree = f"{self.opened - sum(self.moved.values())} of {self.opened}"
        return f"{counted}; {agree} that a vmdesc shows in full have their fields where it says"


def places_of(vmsd: VMStateDescription, state: Any, version_id: int) -> list[tuple[str, int, int]]:
    """The fields of a state that are no part of another: name, first byte, and the byte behind the last."""
    return [
        (entry.field.name.partition("[")[0], entry.offset, entry.offset + entry.size)
        for path, entry in vmsd.codec.trace_state(state, version_id=version_id).items()
        if entry.field is not None and "." not in path and entry.size
    ]


def measure(options: argparse.Namespace) -> int:
    """Count, and print what came of it."""
    descriptions = SourceDescriptions.of_tree(options.tree)
    known = descriptions.linked.tree.release
    release = options.release or (f"{known.major}.{known.minor}" if known is not None else "")
    count = Count(descriptions)
    for path in streams_in(options.streams, release):
        try:
            count.add(path)
        except VMStateError as error:
            print(f"left out: {one_line(str(error))}", file=sys.stderr)
    if options.misses:
        for name, number in count.moved.most_common():
            print(f"{number:5} {name}: fields stand elsewhere than the vmdesc says")
        for (name, reason), number in count.misses.most_common():
            print(f"{number:5} {name}: {reason}")
    print(f"{release}: {count}")
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """The program."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tree", metavar="TREE", help="QEMU's source: a folder, or REPOSITORY@REVISION")
    parser.add_argument("streams", metavar="STREAM", nargs="+", type=Path, help="a stream, or a folder of streams")
    parser.add_argument("--release", metavar="X.Y", help="of which the streams in folders are (default: the tree's)")
    parser.add_argument("--misses", action="store_true", help="also what is not described, with the reasons")
    options = parser.parse_args(arguments)
    return exit_code_of(lambda: measure(options), options.tree)


if __name__ == "__main__":
    sys.exit(main())
