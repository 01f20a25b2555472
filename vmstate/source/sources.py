"""The files of a tree that have been looked at, and what is where in them.

A file is looked at once, whatever includes it. A name is then what it is in those files that a unit includes: so no
header is read once for each of the files that include it, which is what makes a whole tree readable in seconds.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from vmstate.errors import VMStateError
from vmstate.source.lexer import Item, Macro, SourceFile, scan
from vmstate.source.tree import Tree

INCLUDE_FOLDERS = (
    "include",
    "",
    "linux-headers",
    "host/include/x86_64",
    "host/include/generic",
    "accel/tcg",
    "tcg",
    "hw/core",
    "migration",
    "hw/usb",
)
"""Where an included file is looked for, besides beside the file that includes it and in the folder of the CPU."""

ENUM_NAME = re.compile(r"(?:^|[{,])\s*([A-Za-z_]\w*)|^\s*([A-Za-z_]\w*)\s*\(", re.M)

MAX_BYTES = 96 << 20
"""Bytes of all files that are looked at: of QEMU's these are 32 MiB."""

MAX_ITEMS = 1_000_000
"""Macros, types, variables and functions of all these files."""


Use = tuple[str, str]
"""A file, and the key of what was taken from it."""

WHOLE = ""
"""The key of all that a file holds."""


class Sources:
    """All that is known of the files of a tree."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self.files: dict[str, SourceFile] = {}
        self.macros: dict[str, list[Macro]] = {}
        self.types: dict[str, list[Item]] = {}
        """"struct X", "union X", "enum X", or X for a typedef."""
        self.constants: dict[str, list[Item]] = {}
        """Name of a constant -> the enums that have it."""
        self.functions: dict[str, list[Item]] = {}
        self.variables: dict[str, list[Item]] = {}
        self.enumerations: dict[tuple[Item, str], tuple[dict[str, int | str], set[Use]]] = {}
        self.structs: dict[tuple[Item, str], tuple[Any, frozenset[Use]]] = {}
        self.typedefs: dict[Item, tuple[tuple[Any, ...], frozenset[Use]]] = {}
        """What has been worked out of these for a target, and what this took."""
        self.problems: list[tuple[str, str]] = []
        """Files that are not read, and why."""
        self._closures: dict[tuple[str, str], tuple[str, ...]] = {}
        self._places: dict[tuple[str, str, str], str | None] = {}
        self._folders = sorted({path.rpartition("/")[0] for path in tree.blobs if path.startswith("target/")})
        self._bytes = 0
        self._items = 0

    def file(self, path: str, data: bytes | None = None) -> SourceFile:
        """What is in a file. Raises `VMStateError` where the tree is too large."""
        file = self.files.get(path)
        if file is None:
            if data is None:
                data = self.tree.read(path)
            self._bytes += len(data)
            if self._bytes > MAX_BYTES:
                raise VMStateError(f"more than {MAX_BYTES >> 20} MiB of sources", file=self.tree.name)
            file = self.files[path] = scan(path, data)
            self._items += len(file.items) + len(file.macros)
            if self._items > MAX_ITEMS:
                raise VMStateError(f"more than {MAX_ITEMS:,} declarations", file=self.tree.name)
            self._index(file)
        return file

    def _index(self, file: SourceFile) -> None:
        for macro in file.macros:
            self.macros.setdefault(macro.name, []).append(macro)
        for item in file.items:
            if item.kind == "function":
                self.functions.setdefault(item.name, []).append(item)
            elif item.kind == "variable":
                self.variables.setdefault(item.name, []).append(item)
            elif item.kind == "typedef":
                self.types.setdefault(item.name, []).append(item)
            else:
                if item.name:
                    self.types.setdefault(f"{item.kind} {item.name}", []).append(item)
                if item.kind == "enum":
                    for plain, _ in ENUM_NAME.findall("{" + file.text[item.start : item.end]):
                        if plain:
                            self.constants.setdefault(plain, []).append(item)

    def place(self, name: str, quoted: bool, folder: str, base: str) -> str | None:
        """The path of an included file; None where the tree does not have it: it is the system's, or generated."""
        key = (name, folder if quoted else "", base)
        if key in self._places:
            return self._places[key]
        blobs = self.tree.blobs
        folders: Iterable[str] = (*((folder,) if quoted else ()), *INCLUDE_FOLDERS, f"target/{base}", f"target-{base}")
        result = None
        for each in folders:
            path = _joined(each, name)
            if path in blobs:
                result = path
                break
        if result is None and name.startswith("asm/"):
            # A link that is made when a tree is configured, for the host.
            path = f"linux-headers/asm-x86/{name[4:]}"
            result = path if path in blobs else None
        if result is None and quoted:
            # A header of another CPU's folder, where only one has it.
            paths = [path for each in self._folders if (path := _joined(each, name)) in blobs]
            result = paths[0] if len(paths) == 1 else None
        self._places[key] = result
        return result

    def closure(self, path: str, base: str) -> tuple[str, ...]:
        """A file and all that it includes, in the order in which a compiler meets them first."""
        key = (path, base)
        known = self._closures.get(key)
        if known is not None:
            return known
        order: dict[str, None] = {}
        # A stack of one's own: includes can nest, and go in circles, as they like.
        stack = [path]
        while stack:
            current = stack.pop()
            if current in order:
                continue
            finished = self._closures.get((current, base))
            if finished is not None:
                order.update(dict.fromkeys(finished))
                continue
            order[current] = None
            folder = current.rpartition("/")[0]
            inside = []
            for include in self.file(current).includes:
                place = self.place(include.name, include.quoted, folder, base)
                if place is not None:
                    inside.append(place)
            stack.extend(reversed(inside))
        closure = tuple(order)
        self._closures[key] = closure
        return closure


def _joined(folder: str, name: str) -> str:
    if ".." not in name and not name.startswith("./"):
        return f"{folder}/{name}" if folder else name
    parts = folder.split("/") if folder else []
    for part in name.split("/"):
        if part == ".." and parts:
            parts.pop()
        elif part not in (".", ""):
            parts.append(part)
    return "/".join(parts)


def key_of(item: Item) -> str:
    """What an item is known by. Enums without a tag are one in each file."""
    return f"{item.kind}:{item.name or item.path}"


def differences(old: SourceFile, new: SourceFile) -> frozenset[str] | None:
    """The keys of the macros and items that are not the same in two states of a file; None where that does not tell
    who is concerned: it includes other files, calls other macros at its top, or a name of it becomes a macro.
    """
    if _around(old) != _around(new):
        return None
    before, after = _definitions(old), _definitions(new)
    keys = {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}
    for name in keys - before.keys():
        if ":" not in name and re.search(rf"\b{re.escape(name)}\b", old.text):
            return None
    return frozenset(keys)


def _around(file: SourceFile) -> tuple[object, ...]:
    """What has no name, without its lines."""
    return (
        [(each.name, each.quoted, each.clauses) for each in file.includes],
        [(each.text, each.clauses) for each in file.invocations],
        [(each.name, each.clauses) for each in file.undefined],
    )


def _definitions(file: SourceFile) -> dict[str, list[object]]:
    """All that a name is in a file; functions and variables are told with their lines."""
    made: dict[str, list[object]] = {}
    for macro in file.macros:
        made.setdefault(macro.name, []).append((macro.parameters, macro.body, macro.clauses))
    for item in file.items:
        line = item.line if item.kind in ("function", "variable") else 0
        text = " ".join(file.text[item.start : item.end].split())
        made.setdefault(key_of(item), []).append((item.head, text, item.clauses, line))
    return made
