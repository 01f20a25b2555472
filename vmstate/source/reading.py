"""A whole tree: which files hold something, for which target each is read, and all that is in them.

`read_tree` is the entrance.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping

from vmstate.errors import VMStateError
from vmstate.source import cache
from vmstate.source.extract import Extractor
from vmstate.source.lexer import scan
from vmstate.source.model import Problem, SourceDescription, UnitResult
from vmstate.source.preprocessor import check_target
from vmstate.source.rust import is_rust
from vmstate.source.rust import units_of as rust_units
from vmstate.source.sources import Sources, differences
from vmstate.source.target import CPU_FOLDER, HAVE_RUST, OFF, Target, cpu_folders, default_of, targets_of
from vmstate.source.tree import Tree, open_tree
from vmstate.vmsd.data import Data
from vmstate.vmsd.release import Release

TOLD = re.compile(
    rb"VMStateDescription|VMStateInfo|TypeInfo|vmstate_register|register_savevm|GlobalProperty|->(?:w|w1c|c)mask|"
    rb"compat_props_add|SET_MACHINE_COMPAT"
)
"""What a file has that is of interest."""

DEFAULT_TARGET = "x86_64"


class SourceTree(Data):
    """What was read from a tree. `units` are the files, in the order of their paths."""

    name: str
    release: Release | None
    target: str
    units: tuple[UnitResult, ...]
    problems: tuple[Problem, ...]
    blobs: Mapping[str, str]
    """The files of the tree, with their blob ids."""
    read: int
    """How many of the files were read anew, and not taken from what was known."""
    twins: tuple[UnitResult, ...] = ()
    """Units that the configuration does not build, since another serves their devices: of Rust, or of C instead."""

    def descriptions(self) -> Iterable[SourceDescription]:
        """All of them."""
        for unit in self.units:
            yield from unit.descriptions

    def served_by(self, language: str) -> SourceTree:
        """The same tree where "rust" or "c" serves every device that both have."""
        units, twins = _served((*self.units, *self.twins), lambda option: language == "rust")
        values = {name: getattr(self, name) for name in type(self)._names}
        return SourceTree(**values | {"units": units, "twins": twins})


def _served(
    units: Iterable[UnitResult], is_built: Callable[[str], bool]
) -> tuple[tuple[UnitResult, ...], tuple[UnitResult, ...]]:
    """The units that are built, and their twins: crates of Rust that are not, and what built ones take the place of."""
    rows = sorted(units, key=lambda unit: unit.path)
    off = {unit.path for unit in rows if unit.option is not None and not is_built(unit.option)}
    crates = [unit for unit in rows if unit.path not in off and is_crate(unit)]
    devices = {kind.name for unit in crates for kind in unit.types}
    off |= {unit.path for unit in rows if not is_crate(unit) and any(kind.name in devices for kind in unit.types)}
    return tuple(unit for unit in rows if unit.path not in off), tuple(unit for unit in rows if unit.path in off)


def is_crate(unit: UnitResult) -> bool:
    """Whether a unit is a crate of Rust, and not a file of C."""
    return any(file.endswith(".rs") for file in unit.files[:1])


def read_tree(
    tree: str | Tree,
    *,
    target: str = DEFAULT_TARGET,
    options: Mapping[str, bool] | None = None,
    release: Release | None = None,
    known: SourceTree | None = None,
    cached: bool = False,
) -> SourceTree:
    """All descriptions of a source tree, "DIR" or "GIT@REV". Raises `VMStateError` where there is none.

    `known` is another tree, read with the same target and options: what is alike there is taken from it. With `cached`
    the results of earlier runs are used, and this one's are kept.
    """
    opened = open_tree(tree, release) if isinstance(tree, str) else tree
    try:
        units: cache.Units = {}
        if known is not None:
            all_units = (*known.units, *known.twins)
            units = {unit.path: (unit, {path: known.blobs[path] for path in unit.files}) for unit in all_units}
        elif cached:
            units = cache.load(opened, target, options or {})
        result = _Reading(opened, target, options or {}, units).run()
        if cached and result.read:
            cache.save(opened, target, options or {}, (*result.units, *result.twins))
        return result
    finally:
        if opened is not tree:
            opened.close()


class _Reading:
    """The reading of one tree."""

    def __init__(self, tree: Tree, target: str, options: Mapping[str, bool], known: cache.Units) -> None:
        self.tree = tree
        self.known = known
        self.options = options
        self.sources = Sources(tree)
        self.targets = targets_of(tree, options)
        self.target = check_target(self.targets, target)
        self.bases = cpu_folders(tree)
        self._defaults: dict[str, Target] = {}
        self._changed: dict[tuple[str, str], frozenset[str] | None] = {}

    def run(self) -> SourceTree:
        """All units."""
        units = []
        problems = [
            Problem(path, 0, path, f"a file of {size} bytes, which is not read")
            for path, size in self.tree.too_large.items()
        ]
        read = 0
        blobs = self.tree.blobs
        for path in sorted(blobs):
            if not path.endswith(".c"):
                continue
            unit, files = self.known.get(path, (None, {}))
            if unit is None or self.is_concerned(unit, files):
                data = self.tree.read(path)
                if TOLD.search(data) is None:
                    # It is noted as a file without anything, so that it need not be read again.
                    unit = UnitResult(path, "", (path,))
                else:
                    self.sources.file(path, data)
                    unit = self.unit(path)
                read += 1
            problems += unit.problems
            units.append(unit)
        crates, is_new = self.crates()
        problems += (problem for unit in crates for problem in unit.problems)
        built, twins = _served([*units, *crates], self.is_built)
        name = self.tree.name
        read += is_new
        return SourceTree(name, self.tree.release, self.target.name, built, tuple(problems), blobs, read, twins)

    def is_concerned(self, unit: UnitResult, files: Mapping[str, str]) -> bool:
        """Whether something that was taken for a unit is not what it was; `files` are the blob ids of that time."""
        blobs = self.tree.blobs
        changed = [file for file, blob in files.items() if blobs.get(file) != blob]
        if not changed:
            return False
        if unit.path in changed or not unit.names or not set(unit.whole).isdisjoint(changed):
            return True
        names = unit.names.split(" ")
        keys = (self.changed(file, files[file]) for file in changed)
        return any(each is None or not each.isdisjoint(names) for each in keys)

    def changed(self, path: str, blob: str) -> frozenset[str] | None:
        """What of a file is not as it was in an earlier state of it; None: anything may be."""
        key = (path, blob)
        if key not in self._changed:
            before = self.tree.earlier(blob) if path in self.tree.blobs else None
            made = None if before is None else differences(scan(path, before), self.sources.file(path))
            self._changed[key] = made
        return self._changed[key]

    def is_built(self, option: str) -> bool:
        """Whether an option of a crate is set: as the user says, else where there is Rust at all."""
        has_rust = self.options.get(HAVE_RUST, HAVE_RUST not in OFF)
        return self.options.get(option, has_rust)

    def crates(self) -> tuple[list[UnitResult], bool]:
        """What is written in Rust, and whether it was read anew: a file more or less can matter to all."""
        blobs = self.tree.blobs
        paths = {path for path in blobs if is_rust(path)}
        if not paths:
            return [], False
        rows = [(unit, files) for unit, files in self.known.values() if is_crate(unit)]
        known = {path for _, files in rows for path in files if is_rust(path)}
        if known == paths and all(blobs.get(path) == blob for _, files in rows for path, blob in files.items()):
            return [unit for unit, _ in rows], False
        return list(rust_units(self.tree)), True

    def unit(self, path: str) -> UnitResult:
        """One file; a fault of this program in it is told and does not stop the others."""
        target = self.target_of(path)
        try:
            return Extractor(self.sources, path, target).run()
        except VMStateError:
            raise
        except RecursionError:
            reason = "it nests too deeply"
            return UnitResult(path, target.name, (path,), problems=(Problem(path, 0, path, reason),))

    def target_of(self, path: str) -> Target:
        """The target for which a file is read: that of its folder, else the one asked for."""
        parts = path.split("/")
        base = parts[1] if len(parts) > 2 and parts[0] in ("target", "hw") else ""
        folder = CPU_FOLDER.match(path)
        if folder is not None:
            base = folder[1]
        base = {"sparc64": "sparc"}.get(base, base)
        if base not in self.bases or base == self.target.base:
            return self.target
        known = self._defaults.get(base)
        if known is None:
            known = self._defaults[base] = default_of(self.targets, base) or self.target
        return known
