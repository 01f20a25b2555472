"""Which files of a tree are of machines that promise to load what an older release has saved.

Such a machine type has a version in its name: its macro is given one (`DEFINE_VIRT_MACHINE(10, 0)`). What it can have
is what its Kconfig symbol selects, implies or makes possible, and what meson.build builds for these. All else is of
boards without a promise. Conditions of `select` and `imply` are not looked at, so that rather too much is promised.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from vmstate.source.tree import Tree
from vmstate.vmsd.data import Data

VERSIONED = re.compile(rb"^[ \t]*DEFINE_\w*MACHINE\w*\([ \t]*v?\d+(?:_|,[ \t]*)\d+", re.M)
CONFIG = re.compile(r"^[ \t]*(?:menu)?config[ \t]+(\w+)[ \t]*$", re.M)
SELECTED = re.compile(r"^[ \t]+(?:select|imply)[ \t]+(\w+)", re.M)
DEFAULT = re.compile(r"^[ \t]+default[ \t]+y(?:[ \t]+if[ \t]+([^\n#]+))?", re.M)
DEPENDS = re.compile(r"^[ \t]+depends[ \t]+on[ \t]+([^\n#]+)", re.M)
BUILT = re.compile(r"\.add\(\s*(?:when:\s*(\[[^\]]*\]|'[^']*')\s*,\s*if_true:\s*)?(?:\[\s*\w+\s*,\s*)?files\(([^)]*)\)")
NAMED = re.compile(r"'([^']+)'")
TOKEN = re.compile(r"&&|\|\||[!()]|[\w-]+")

CPUS = {"i386": ("I386", "X86_64"), "arm": ("ARM", "AARCH64"), "ppc": ("PPC", "PPC64")}
"""A folder of `hw` -> the symbols of its CPUs, where these are not its name."""

MAX_TERMS = 200
"""Words of a condition that are looked at."""


class Symbol(Data):
    """A symbol of Kconfig: what it brings with it, and the conditions under which it is there by itself."""

    brings: tuple[str, ...]
    defaults: tuple[str, ...]
    depends: tuple[str, ...]


BOARDS = {
    "pc-q35-": ("hw/i386/pc_q35.c",),
    "pc-i440fx-": ("hw/i386/pc_piix.c",),
    "virt-": ("hw/arm/virt.c", "hw/m68k/virt.c"),
    "pseries-": ("hw/ppc/spapr.c",),
    "s390-ccw-virtio-": ("hw/s390x/s390-virtio-ccw.c",),
}
"""The beginning of a machine type's name -> the files of its board."""


def promised_files(tree: Tree) -> frozenset[str] | None:
    """The .c files of `hw` and `target` that a machine with a version can have; None where a tree does not tell."""
    devices = (path for path in tree.blobs if path.startswith("hw/") and path.endswith(".c"))
    return _reached_files(tree, [path for path in devices if _is_versioned(tree, path)])


def files_of_machine(tree: Tree, machine: str) -> frozenset[str] | None:
    """The .c files of `hw` and `target` that a machine type can have; None where that is not known."""
    boards = next((paths for beginning, paths in BOARDS.items() if machine.startswith(beginning)), ())
    return _reached_files(tree, [path for path in boards if path in tree.blobs])


def _reached_files(tree: Tree, machines: list[str]) -> frozenset[str] | None:
    symbols = _symbols(tree)
    built = _built(tree)
    if not machines or not symbols or not built:
        return None
    cpus = {path.split("/")[1] for path in tree.blobs if path.startswith("target/") and path.count("/") > 1}
    with_machine = {path.split("/")[1] for path in machines}
    own_cpus = frozenset(name for folder in with_machine for name in CPUS.get(folder, (folder.upper(),)))
    first = {name for path in machines for group in built.get(path, ()) for name in group}
    reached = _reached(symbols, first, own_cpus)
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
            is_promised = on_its_own if groups is None else any(_holds(g, reached, on_its_own) for g in groups)
        else:
            continue
        if is_promised:
            promised.add(path)
    return frozenset(promised)


def _holds(group: tuple[str, ...], reached: set[str], on_its_own: bool) -> bool:
    return all(name in reached or name in HOST for name in group) if group else on_its_own


def _is_versioned(tree: Tree, path: str) -> bool:
    parts = path.split("/")
    return len(parts) == 3 and VERSIONED.search(tree.read(path)) is not None


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


def _reached(symbols: Mapping[str, Symbol], first: set[str], own_cpus: frozenset[str]) -> set[str]:
    """What the symbols of machines bring with them, and what is there by default then.

    `own_cpus` are the symbols of their CPUs. A board is there wherever its CPU is: so these count only for a symbol
    that brings nothing with it, as a device's.
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
            and any(_is_true(condition, reached, symbols) for condition in symbol.defaults)
            and all(
                _is_true(condition, reached if symbol.brings else reached | own_cpus, symbols)
                for condition in symbol.depends
            )
        ]
        if not waiting:
            return reached


def _is_true(condition: str, reached: set[str], symbols: Mapping[str, Symbol]) -> bool:
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
            known = word in reached or word == "y" or (word not in symbols and word in HOST)
            rows[-1] = rows[-1] and (known or negated)
            negated = False
    return any(rows)


HOST = frozenset(
    """
    KVM TCG HVF XEN WHPX NVMM MSHV LINUX POSIX FDT PIXMAN SPICE OPENGL GNUTLS VIRTFS TPM VHOST_USER VHOST_VDPA
    VHOST_KERNEL VHOST_USER_BLK VHOST VFIO IVSHMEM MULTIPROCESS_ALLOWED VFIO_USER_SERVER_ALLOWED FUZZ LIBCBOR UADK X11
    HV_BALLOON_POSSIBLE BRLAPI USB_REDIR LIBUSB SMARTCARD HAVE_RUST IGVM SEV TDX DBUS GIO EDID
    """.split()  # noqa: SIM905 (a list of as many strings is harder to read)
)
"""Symbols that the host decides."""
