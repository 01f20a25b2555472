"""Facts of QEMU's sources, release by release, and the tables of the library that are written of them.

    python tests/support/source_facts.py [REPOSITORY@REVISION]      (make source-facts ARGS=REPOSITORY@REVISION)

The repository has QEMU's history; the releases are found in it by their VERSION. There are written

- `fixtures/source/wire.json`: the numbers that migration/ puts on the wire, which are commands with the length of their
  data, and flags of RAM records;
- `fixtures/source/subsections.json`: of each subsection that came after 4.2 the last release whose source has no
  description of that name, and the first that has;
- `fixtures/source/pci_masks.json`: what the functions of hw/pci let a guest write of the capabilities that they make,
  where it is not as in the release before.

Facts alone. Then the tables in the files of `WRITTEN` are written anew of these; without arguments this alone.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
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
WIRE_FILES = (
    *("migration/savevm.c", "savevm.c", "migration/ram.c", "migration/ram.h", "arch_init.c"),
    *("migration/rdma.h", "migration/qemu-file.h", "include/migration/qemu-file.h", "include/migration/migration.h"),
)
"""Where commands and flags are; what is not there in a release is somewhere else of these."""
SINCE = (4, 2)
"""The release with which the tables of subsections and of masks begin."""


def wire_of(tree: Tree) -> dict[str, Any]:
    """The commands of a tree, each with its number and the bytes of its data (None: any), and its RAM flags."""
    sources = Sources(tree)
    target = targets_of(tree, {})["x86_64"]
    commands: dict[str, list[int | None]] = {}
    flags: dict[str, int] = {}
    for path in WIRE_FILES:
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


RULES = FIXTURES.parent / "vmstate" / "rules"
STREAM_RULES = RULES / "stream.py"
RAM_RECORDS = RULES.parent / "stream" / "ram_records.py"
PCI_RULES = RULES / "pci_config.py"

GONE = {"ENABLE_COLO": "11.0"}
"""The first release that no longer takes a command, where it is later than the newest source."""

UNUSED = {"FULL", "COMPRESS"}
"""Flags that no record has: one that nothing sets, and what ZERO was called before 2.11."""

FLAG_OF_RECORD = {"multifd flush": "MULTIFD_FLUSH", "compressed": "COMPRESS_PAGE"}
"""Records of `vmstate.rules.stream` that some releases have and others have not, by what a source calls the flag."""

MADE_BY = {
    "pci_init_wmask": "header",
    "pci_init_w1cmask": "header",
    **dict.fromkeys(
        (
            "pcie_cap_v1_fill", "pcie_cap_init", "pcie_cap_deverr_init", "pcie_cap_lnkctl_init", "pcie_cap_slot_init",
            "pcie_cap_root_init", "pcie_cap_flr_init", "pcie_cap_arifwd_init",
        ),
        "PCI Express",
    ),
    "shpc_cap_add_config": "hot plug (SHPC)",
    "pcie_aer_init": "AER",
    "pcie_aer_root_init": "AER",
    "pcie_ats_init": "ATS",
    "pcie_sriov_pf_init": "SR-IOV",
    "pcie_sriov_pf_init_common": "SR-IOV",
}  # fmt: skip
"""A function of hw/pci -> what it sets up, which is no method of any device."""

ELSEWHERE = {("pcie_aer_init", "wmask+0x3e"), ("pcie_aer_init", "w1cmask+0x6"), ("pcie_cap_init", "wmask+0x100")}
"""What these set in the header, and at a place that says how large the space is."""

LATER = {("AER", "wmask", 0x08): "AER_UNCORRECTABLE_MASK", ("PCI Express", "cmask", 0x1A): "PRESENCE_DETECT"}
"""What came later than its capability, and what the library calls it."""

Bits = dict[tuple[str, str, int], int]
"""(Capability, mask, offset) -> the bits that differ from what it is without the capability."""

Table = Mapping[str, Mapping[str, Any]]


def told(table: Table) -> str:
    """The docstring of what is written of a table."""
    oldest, newest = (f"{release} ({table[release]['revision']})" for release in (next(iter(table)), list(table)[-1]))
    return f'"""Written by make source-facts: {oldest} to {newest}."""'


def release_of(name: str) -> str:
    """How the library writes a release."""
    return f"Release({name.replace('.', ', ')})"


def put(text: str, pattern: str, written: str) -> str:
    """A text with the one place that is like a pattern written anew."""
    changed, count = re.subn(pattern, lambda match: match.expand(written), text, flags=re.M | re.S)
    if count != 1:
        raise ValueError(f"{count} places are like {pattern!r}")
    return changed


def stream_rules(text: str, wire: Table) -> str:
    """`vmstate.rules.stream`: the bytes of commands, from and until which release, and of records of RAM the latter."""
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
        parts += [f"since={release_of(since[name])}"]
        parts += [f"until={release_of(gone[name])}"] if name in gone else []
        rows.append(f"    CommandType.{name}: CommandRule({', '.join(parts)}),\n")
    text = put(
        text,
        r"^COMMANDS: .*?\n\}\n\"\"\".*?\"\"\"\n",
        f'COMMANDS: Mapping[int, CommandRule] = {{\n{"".join(rows)}}}\n"""By number. {told(wire)[3:]}\n',
    )
    for record, flag in FLAG_OF_RECORD.items():
        having = [flag in row["ram_flags"] for row in wire.values()]
        first, end = having.index(True), len(having) - having[::-1].index(True)
        limits = [f", since={release_of(list(wire)[first])}"] if first else []
        limits += [f", until={release_of(list(wire)[end])}"] if end < len(having) else []
        text = put(
            text,
            rf'(?<=    "{record}": RecordRule\(")([^"]*)"(?:, (?:since|until)=Release\(\d+, \d+\))*',
            "".join([r'\1"', *limits]),
        )
    return text


def ram_records(text: str, wire: Table) -> str:
    """`vmstate.stream.ram_records`: the flags, of which each has one number in all releases that have it."""
    numbers = {(flag, number) for row in wire.values() for flag, number in row["ram_flags"].items()}
    rows = [(number, flag) for flag, number in numbers if flag not in UNUSED]
    if len({number for number, _ in rows}) < len(rows):
        raise ValueError(f"a flag with two numbers, or a number of two flags: {sorted(rows)}")
    flags = "".join(f"{flag} = {number:#05x}\n" for number, flag in sorted(rows))
    return put(text, r"^(?:[A-Z_]+ = 0x\w{3}\n)+\"\"\".*?\"\"\"\n", f"{flags}{told(wire)}\n")


def set_up(table: Mapping[str, Any]) -> Bits:
    """What the functions of a release set up, constants alone."""
    bits: Bits = {}
    for function, capability in MADE_BY.items():
        for place, values in table.get(function, {}).items():
            mask, _, offset = place.partition("+")
            if (function, place) in ELSEWHERE:
                continue
            for value in values:
                sign = value.lstrip("|&~").rstrip("?")
                if sign == "*":
                    continue
                number = int(sign, 16)
                if mask == "cmask" and not value.startswith("&~"):
                    # The bits that are left are those that are compared.
                    number = ~number & (0xFFFFFFFF if number < 0 else 0xFFFF)
                key = (capability, mask, int(offset, 16))
                bits[key] = bits.get(key, 0) | number
    return bits


def pci_rules(text: str, masks: Table) -> str:
    """`vmstate.rules.pci_config`: what a guest writes or clears of capabilities, and what the device changes."""
    bits: Bits = {}
    since: dict[tuple[str, str, int], str] = {}
    for release, table in masks.items():
        read = set_up(table)
        changed = {key for key in read if bits.get(key, read[key]) != read[key]}
        # A release that has a capability at all has all of it that was there before.
        gone = {key for key in bits if key not in read and any(key[0] == name for name, _, _ in read)}
        if changed or gone:
            raise ValueError(f"{release} sets up otherwise: {sorted(changed | gone)}")
        known = {name for name, _, _ in bits}
        since |= {key: release for key in read if key not in bits and key[0] in known}
        bits |= read
    if since.keys() != LATER.keys():
        raise ValueError(f"others came later than their capabilities: {since}")
    rows = []
    for name in dict.fromkeys(MADE_BY.values()):
        columns = []
        for mask in ("wmask", "w1cmask", "cmask"):
            parts = [
                f"0x{key[2]:02X}: 0x{number:X}"
                for key, number in sorted(bits.items())
                if key[:2] == (name, mask) and key not in LATER
            ]
            columns.append(f"{{{', '.join(parts)}}}")
        while columns[-1] == "{}":
            columns.pop()
        one_line = f"({columns[0]},)"
        several = "(\n" + "".join(f"        {column},\n" for column in columns) + "    )"
        rows.append(f'    "{name}": {one_line if len(columns) == 1 else several},\n')
    head = "SET_UP: Mapping[str, tuple[Mapping[int, int], ...]] = {\n"
    text = put(text, r"^SET_UP: .*?\n\}\n\"\"\".*?\"\"\"\n", f"{head}{''.join(rows)}}}\n{told(masks)}\n")
    for key, name in LATER.items():
        text = put(text, rf"^{name} = [^\n]*", f"{name} = {{0x{key[2]:02X}: 0x{bits[key]:X}}}")
    presence = next(since[key] for key, name in LATER.items() if name == "PRESENCE_DETECT")
    return put(text, r"^PRESENCE_UNCHECKED_SINCE = [^\n]*", f"PRESENCE_UNCHECKED_SINCE = {release_of(presence)}")


WRITTEN: Mapping[Path, tuple[Path, Callable[[str, Table], str]]] = {
    STREAM_RULES: (WIRE, stream_rules),
    RAM_RECORDS: (WIRE, ram_records),
    PCI_RULES: (MASKS, pci_rules),
}
"""A file of the library -> the facts and what writes its tables of them."""


def written(path: Path, text: str | None = None) -> str:
    """A file of the library with its tables as the recorded facts have them."""
    facts, rewrite = WRITTEN[path]
    text = path.read_text(encoding="utf-8") if text is None else text
    return rewrite(text, json.loads(facts.read_text(encoding="utf-8")))


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


def releases_of(repository: str, revision: str) -> dict[str, str]:
    """The first release of each series from 2.4 on, with its commit, as the changes of VERSION tell them; last what
    comes after the newest, named as it will be, with the commit of the revision.
    """

    def git(*words: str) -> str:
        return subprocess.run(["git", "-C", repository, *words], check=True, capture_output=True, text=True).stdout

    releases = {}
    for commit in git("log", "--format=%H", revision, "--", "VERSION").split():
        match = re.fullmatch(r"(\d+)\.(\d+)\.0\n", git("show", f"{commit}:VERSION"))
        if match is not None and (row := (int(match[1]), int(match[2]))) >= (2, 4):
            releases[row] = commit
    major, minor = max(releases)
    # As of 4.0, three of each year.
    releases[(major, minor + 1) if minor < 2 else (major + 1, 0)] = git("rev-parse", revision).strip()
    return {f"{row[0]}.{row[1]}": commit for row, commit in sorted(releases.items())}


def main() -> None:
    """Write the tables."""
    for name in sys.argv[1:]:
        repository, _, revision = name.rpartition("@")
        read(repository, releases_of(repository, revision))
    for path in WRITTEN:
        path.write_text(written(path), encoding="utf-8")


def read(repository: str, releases: Mapping[str, str]) -> None:
    """Write the facts of releases, from the oldest to the newest; of what is none yet the names of descriptions."""
    wire: dict[str, Any] = {}
    masks: dict[str, Any] = {}
    names: dict[str, set[str]] = {}
    for release, commit in releases.items():
        is_recent = tuple(map(int, release.split("."))) >= SINCE
        with open_tree(f"{repository}@{commit}") as tree:
            if release != list(releases)[-1]:
                revision = {"revision": commit[:12]}
                wire[release] = revision | wire_of(tree)
                if is_recent:
                    masks[release] = revision | masks_of(tree)
            if is_recent:
                names[release] = {vmsd.name for vmsd in read_tree(tree).descriptions() if vmsd.name}
        print(release, commit[:12], file=sys.stderr, flush=True)
    write(WIRE, wire)
    write(MASKS, changes_of(masks))
    write(SUBSECTIONS, first_named(list(names.items()), subsections_of_the_library()))


def changes_of(table: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The releases that differ from the one before, and the last."""
    kept: dict[str, Any] = {}
    before: dict[str, Any] = {}
    for release, row in table.items():
        if (facts := {**row, "revision": None}) != before or release == list(table)[-1]:
            kept[release] = row
        before = facts
    return kept


def write(path: Path, table: dict[str, Any]) -> None:
    """A line for each row."""
    rows = ",\n".join(f" {json.dumps(key)}: {json.dumps(value)}" for key, value in table.items())
    path.write_text("{\n" + rows + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
