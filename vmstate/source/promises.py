"""Which files of a tree are of machines that promise to load what an older release has saved.

Such a machine type has a version in its name: its macro is given one (`DEFINE_VIRT_MACHINE(10, 0)`). What it can have
is what its Kconfig symbol selects, implies or makes possible, and what meson.build builds for these. All else is of
boards without a promise. Conditions of `select` and `imply` are not looked at, so that rather too much is promised.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping

from vmstate.errors import VMStateError
from vmstate.source.target import targets_of
from vmstate.source.tree import Tree
from vmstate.vmsd.data import Data

VERSIONED = re.compile(rb"^[ \t]*DEFINE_\w*MACHINE\w*\([ \t]*v?(\d+)(?:_|,[ \t]*)(\d+)", re.M)
CONFIG = re.compile(r"^[ \t]*(?:menu)?config[ \t]+(\w+)[ \t]*$", re.M)
SELECTED = re.compile(r"^[ \t]+(?:select|imply)[ \t]+(\w+)", re.M)
DEFAULT = re.compile(r"^[ \t]+default[ \t]+y(?:[ \t]+if[ \t]+([^\n#]+))?", re.M)
DEPENDS = re.compile(r"^[ \t]+depends[ \t]+on[ \t]+([^\n#]+)", re.M)
BUILT = re.compile(r"\.add\(\s*(?:when:\s*(\[[^\]]*\]|'[^']*')\s*,\s*if_true:\s*)?(?:\[\s*\w+\s*,\s*)?files\(([^)]*)\)")
NAMED = re.compile(r"'([^']+)'")
TOKEN = re.compile(r"&&|\|\||[!()]|[\w-]+")

MAX_TERMS = 200
"""Words of a condition that are looked at."""


class Symbol(Data):
    """A symbol of Kconfig: what it brings with it, and the conditions under which it is there by itself."""

    brings: tuple[str, ...]
    defaults: tuple[str, ...]
    depends: tuple[str, ...]


def promised_files(tree: Tree) -> frozenset[str] | None:
    """The .c files of `hw` and `target` that a machine with a version can have; None where a tree does not tell."""
    return _reached_files(tree, [path for path, _ in _boards(tree)])


def files_of_machine(tree: Tree, machine: str) -> frozenset[str] | None:
    """The .c files of `hw` and `target` that a machine type can have; None where that is not known.

    Raises `VMStateError` where the tree has machine types with versions, and not this one.
    """
    family, _, release = machine.rpartition("-")
    if not release[:1].isdigit():
        return None
    named = re.compile(rb'"%s(?:-|")' % re.escape(family.encode()))
    every = list(_boards(tree))
    boards = [(path, text) for path, text in every if named.search(text)]
    told = [each for _, text in boards for each in VERSIONED.findall(text)]
    if every and tuple(release.encode().split(b".")[:2]) not in told:
        newest = max(told, key=lambda each: tuple(map(int, each)), default=None)
        expected = None if newest is None else f"{family}-{b'.'.join(newest).decode()} or older"
        raise VMStateError("the tree has no such machine type", file=tree.name, expected=expected, found=machine)
    return _reached_files(tree, [path for path, _ in boards])


def _boards(tree: Tree) -> Iterator[tuple[str, bytes]]:
    """The files that define a machine type with a version, and what stands in them."""
    for path in tree.blobs:
        if path.startswith("hw/") and path.endswith(".c") and path.count("/") == 2:
            text = tree.read(path)
            if VERSIONED.search(text) is not None:
                yield path, text


def _reached_files(tree: Tree, machines: list[str]) -> frozenset[str] | None:
    symbols = _symbols(tree)
    built = _built(tree)
    if not machines or not symbols or not built:
        return None
    cpus = {path.split("/")[1] for path in tree.blobs if path.startswith("target/") and path.count("/") > 1}
    with_machine = {path.split("/")[1] for path in machines}
    names = [(name.upper(), target.base) for name, target in targets_of(tree, {}).items()]
    own_cpus = {name for name, base in names if base in with_machine} | {name.upper() for name in with_machine}
    not_host = {*symbols, *(name for name, _ in names), *(name.upper() for name in cpus)}
    first = {name for path in machines for group in built.get(path, ()) for name in group}
    if "Kconfig.host" in tree.blobs:
        first.update(SELECTED.findall(tree.read("Kconfig.host").decode("utf-8", "replace")))
    reached = _reached(symbols, first, own_cpus, not_host)
    promised = set()
    for path in tree.blobs:
        parts = path.split("/")
        if not path.endswith(".c") or len(parts) < 3:
            continue
        if parts[0] == "target":
            is_promised = parts[1] in with_machine
        elif parts[0] == "hw":
            groups = built.get(path)
            on_its_own = parts[1] not in cpus or parts[1] in with_machine
            is_promised = (
                on_its_own
                if groups is None
                else any(
                    all(name in reached or name not in not_host for name in group) if group else on_its_own
                    for group in groups
                )
            )
        else:
            continue
        if is_promised:
            promised.add(path)
    return frozenset(promised)


def _symbols(tree: Tree) -> dict[str, Symbol]:
    symbols: dict[str, Symbol] = {}
    for path in tree.blobs:
        if path.rpartition("/")[2] != "Kconfig" or not path.startswith("hw/"):
            continue
        text = tree.read(path).decode("utf-8", "replace")
        marks = list(CONFIG.finditer(text))
        ends = [*(mark.start() for mark in marks[1:]), len(text)]
        # A file may only name others, and then there is no symbol before its end.
        for mark, end in zip(marks, ends, strict=False):
            body = text[mark.end() : end]
            defaults = tuple(condition or "" for condition in DEFAULT.findall(body))
            symbol = Symbol(tuple(SELECTED.findall(body)), defaults, tuple(DEPENDS.findall(body)))
            known = symbols.get(mark[1])
            if known is not None:
                parts = (
                    (*known.brings, *symbol.brings),
                    (*known.defaults, *defaults),
                    (*known.depends, *symbol.depends),
                )
                symbol = Symbol(*parts)
            symbols[mark[1]] = symbol
    return symbols


def _built(tree: Tree) -> dict[str, list[tuple[str, ...]]]:
    """File -> for each time that it is built, the symbols that must be set."""
    built: dict[str, list[tuple[str, ...]]] = {}
    for path in tree.blobs:
        folder, _, name = path.rpartition("/")
        if name != "meson.build" or not path.startswith("hw/"):
            continue
        for condition, files in BUILT.findall(tree.read(path).decode("utf-8", "replace")):
            group = tuple(each.removeprefix("CONFIG_") for each in NAMED.findall(condition))
            for file in NAMED.findall(files):
                built.setdefault(f"{folder}/{file}", []).append(group)
    return built


def _reached(symbols: Mapping[str, Symbol], first: set[str], own_cpus: set[str], not_host: Collection[str]) -> set[str]:
    """What the symbols of machines bring with them, and what is there by default then.

    `own_cpus` are the symbols of their CPUs, `not_host` all that the host does not decide. A board is there wherever
    its CPU is: so the CPUs count only for a symbol that brings nothing with it, as a device's.
    """
    reached: set[str] = set()
    waiting = list(first)
    while True:
        while waiting:
            name = waiting.pop()
            if name not in reached:
                reached.add(name)
                if name in symbols:
                    waiting += symbols[name].brings
        waiting = [
            name
            for name, symbol in symbols.items()
            if name not in reached
            and any(_is_true(condition, reached, not_host) for condition in symbol.defaults)
            and all(
                _is_true(condition, reached if symbol.brings else reached | own_cpus, not_host)
                for condition in symbol.depends
            )
        ]
        if not waiting:
            return reached


def _is_true(condition: str, reached: set[str], not_host: Collection[str]) -> bool:
    """Whether a condition holds: any of its rows of &&. What is negated counts as true, and brackets are not looked
    at.

    A symbol that `hw` does not define is one of the host, which can be set; those of CPUs are not, so that a board that
    is there wherever its CPU is does not count as brought by a machine.
    """
    words = TOKEN.findall(condition)[:MAX_TERMS]
    if not words:
        return True
    rows: list[bool] = [True]
    negated = False
    for word in words:
        if word == "||":
            rows.append(True)
        elif word == "!":
            negated = True
        elif word not in ("&&", "(", ")"):
            known = word in reached or word == "y" or word not in not_host
            rows[-1] = rows[-1] and (known or negated)
            negated = False
    return any(rows)
