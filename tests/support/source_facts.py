"""Tables that are taken from QEMU's sources, release by release, and held against what the library says by hand.

    python tests/support/source_facts.py RELEASE=TREE...      (make source-facts ARGS="...")

Each TREE is a folder with the source of that release, or REPOSITORY@REVISION, from the oldest to the newest. There
are written `fixtures/source/wire.json`, the numbers that migration/ puts on the wire (commands with the length of their
data, flags of RAM records), and `fixtures/source/subsections.json`: of each subsection that came after 5.2 the last
release whose source has no description of that name, and the first that has; and `fixtures/source/pci_masks.json`: what
the functions of hw/pci let a guest write of the capabilities that they make. Facts alone. Then the table of commands in
`vmstate/rules/stream.py` is written anew of these; without arguments this alone.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

from recorded import FIXTURES

from vmstate.source.constants import Constants
from vmstate.source.extract import Extractor
from vmstate.source.preprocessor import Unit, Unresolved
from vmstate.source.reading import read_tree
from vmstate.source.sources import Sources
from vmstate.source.target import targets_of
from vmstate.source.tree import Tree, open_tree
from vmstate.source.visible import configuration_space
from vmstate.stream.registry import all_descriptions, known_names

WIRE = FIXTURES / "source" / "wire.json"
SUBSECTIONS = FIXTURES / "source" / "subsections.json"
MASKS = FIXTURES / "source" / "pci_masks.json"

ROW = re.compile(r"\[(MIG_CMD_\w+)\]\s*=\s*\{\s*\.len\s*=\s*([^,}]+)")
FLAG = re.compile(r"^#define (RAM_SAVE_FLAG_\w+)", re.M)
COMMAND = re.compile(r"\bMIG_CMD_(?!MAX\b)\w+")
SINCE = (5, 2)
"""The release with which the table of subsections begins."""


def wire_of(tree: Tree) -> dict[str, Any]:
    """The commands of a tree, each with its number and the bytes of its data (None: any), and its RAM flags."""
    sources = Sources(tree)
    target = targets_of(tree, {})["x86_64"]
    commands: dict[str, list[int | None]] = {}
    flags: dict[str, int] = {}
    for path in ("migration/savevm.c", "savevm.c", "migration/ram.c", "migration/ram.h", "arch_init.c"):
        if path not in tree.blobs:
            continue
        unit = Unit(sources, path, target)
        constants = Constants(unit)

        def value(text: str, unit: Unit = unit, constants: Constants = constants) -> int:
            return constants.value(constants.parse(unit.expand(unit.tokens(text, 0))))

        text = sources.file(path).text
        lengths = dict(ROW.findall(text))
        for name in dict.fromkeys(COMMAND.findall(text)):
            # One without a row there has the length 0, which is checked like any other.
            size = value(lengths.get(name, "0").strip())
            commands[name.removeprefix("MIG_CMD_")] = [value(name), None if size < 0 else size]
        for name in FLAG.findall(text):
            try:
                flags[name.removeprefix("RAM_SAVE_FLAG_")] = value(name)
            except Unresolved:
                continue
    return {"commands": commands, "ram_flags": flags}


MASK = re.compile(r"(w|w1c|c)mask\[(?:\*\+)?(0x[0-9a-f]+)\]")


def masks_of(tree: Tree) -> dict[str, dict[str, list[str]]]:
    """Function of hw/pci -> "wmask+0x8" -> the bits that it gives it: "0xf" sets them as they are, "|0xf" adds them,
    "&~0xf" takes them away; "?" behind them is under a condition, and "*" is no constant.
    """
    sources = Sources(tree)
    target = targets_of(tree, {})["x86_64"]
    table: dict[str, dict[str, list[str]]] = {}
    for path in sorted(path for path in tree.blobs if path.startswith("hw/pci/") and path.endswith(".c")):
        extractor = Extractor(sources, path, target)
        for row in configuration_space(extractor.unit, extractor.value_of, extractor.file):
            mask = MASK.fullmatch(row.name)
            if mask is not None and row.value is not None:
                table.setdefault(row.owner, {}).setdefault(f"{mask[1]}mask+{mask[2]}", []).append(row.value)
    return table


STREAM_RULES = FIXTURES.parent / "vmstate" / "rules" / "stream.py"
COMMANDS_OF_RULES = re.compile(r"COMMANDS: Mapping\[int, CommandRule\] = \{\n.*?\n\}\n\"\"\".*?\"\"\"\n", re.S)
GONE = {"ENABLE_COLO": "11.0"}
"""The first release that no longer takes a command, where it is later than the newest source."""


def commands_of_rules(wire: Mapping[str, Mapping[str, Any]]) -> str:
    """The table of commands of `vmstate.rules.stream`: the bytes of their data, from and until which release."""
    lengths: dict[str, tuple[int, int | None]] = {}
    since: dict[str, str] = {}
    gone = dict(GONE)
    for release, row in wire.items():
        for name, (number, size) in row["commands"].items():
            if lengths.get(name, (number,))[0] != number:
                # 3.1 gave two of them other numbers.
                del since[name]
            since.setdefault(name, release)
            lengths[name] = (number, size)
        for name in since.keys() - row["commands"].keys():
            gone.setdefault(name, release)
    rows = []
    for name in sorted(lengths.keys() - {"INVALID"}, key=lengths.__getitem__):
        size = lengths[name][1]
        parts = [] if size is None else [str(size)]
        parts += [f"since=Release({since[name].replace('.', ', ')})"]
        parts += [f"until=Release({gone[name].replace('.', ', ')})"] if name in gone else []
        rows.append(f"    CommandType.{name}: CommandRule({', '.join(parts)}),\n")
    first, last = ((release, wire[release]["revision"]) for release in (next(iter(wire)), list(wire)[-1]))
    told = f"By number. Written by make source-facts: {first[0]} ({first[1]}) to {last[0]} ({last[1]})."
    return f'COMMANDS: Mapping[int, CommandRule] = {{\n{"".join(rows)}}}\n"""{told}"""\n'


def first_named(releases: list[tuple[str, set[str]]], names: set[str]) -> dict[str, list[str]]:
    """Of each name that came after the first of the releases the last without it, and the first with it."""
    table = {}
    for name in sorted(names):
        for (before, without), (release, descriptions) in pairwise(releases):
            if name in descriptions and name not in without:
                table[name] = [before, release]
                break
    return table


def subsections_of_the_library() -> set[str]:
    """The names of all subsections that the library has."""
    return {
        sub.vmsd.name
        for idstr in known_names()
        for vmsd in all_descriptions(idstr)
        for part in vmsd.walk()
        for sub in part.subsections
    }


def main() -> None:
    """Write the tables."""
    if len(sys.argv) < 2:
        write_rules(json.loads(WIRE.read_text(encoding="utf-8")))
        return
    wire: dict[str, Any] = {}
    masks: dict[str, Any] = {}
    releases: list[tuple[str, set[str]]] = []
    for word in sys.argv[1:]:
        release, _, name = word.partition("=")
        with open_tree(name) as tree:
            revision = getattr(tree, "commit", tree.id)[:12]
            wire[release] = {"revision": revision} | wire_of(tree)
            masks[release] = {"revision": revision} | masks_of(tree)
            if tuple(map(int, release.split("."))) >= SINCE:
                read = read_tree(tree)
                releases.append((release, {vmsd.name for vmsd in read.descriptions() if vmsd.name}))
        print(release, len(wire[release]["commands"]), file=sys.stderr, flush=True)
    write(WIRE, wire)
    write_rules(wire)
    write(MASKS, masks)
    write(SUBSECTIONS, first_named(releases, subsections_of_the_library()))


def write_rules(wire: Mapping[str, Mapping[str, Any]]) -> None:
    """The tables of the library that are made of these."""
    text = STREAM_RULES.read_text(encoding="utf-8")
    STREAM_RULES.write_text(COMMANDS_OF_RULES.sub(lambda _: commands_of_rules(wire), text), encoding="utf-8")


def write(path: Path, table: dict[str, Any]) -> None:
    """A line for each row."""
    rows = ",\n".join(f" {json.dumps(key)}: {json.dumps(value)}" for key, value in table.items())
    path.write_text("{\n" + rows + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
