"""A whole tree: which files hold something, for which target each is read, and all that is in them.

`read_tree` is the entrance.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from vmstate.errors import VMStateError
from vmstate.source import cache
from vmstate.source.extract import Extractor
from vmstate.source.model import Problem, SourceDescription, UnitResult
from vmstate.source.preprocessor import check_target
from vmstate.source.sources import Sources
from vmstate.source.target import Target, default_of, targets_of
from vmstate.source.tree import Tree, open_tree
from vmstate.vmsd.data import Data
from vmstate.vmsd.release import Release

TOLD = re.compile(rb"VMStateDescription|VMStateInfo|TypeInfo|vmstate_register|register_savevm|GlobalProperty")
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

    def descriptions(self) -> Iterable[SourceDescription]:
        """All of them."""
        for unit in self.units:
            yield from unit.descriptions


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
            units = {unit.path: (unit, {path: known.blobs[path] for path in unit.files}) for unit in known.units}
        elif cached:
            units = cache.load(opened, target, options or {})
        result = _Reading(opened, target, options or {}, units).run()
        if cached and result.read:
            cache.save(opened, target, options or {}, result.units)
        return result
    finally:
        if opened is not tree:
            opened.close()


class _Reading:
    """The reading of one tree."""

    def __init__(self, tree: Tree, target: str, options: Mapping[str, bool], known: cache.Units) -> None:
        self.tree = tree
        self.known = known
        self.sources = Sources(tree)
        self.targets = targets_of(tree, options)
        self.target = check_target(self.targets, target)
        self.bases = {name.split("/")[1] for name in tree.blobs if name.startswith("target/") and name.count("/") > 1}
        self._defaults: dict[str, Target] = {}

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
            if unit is None or any(blobs.get(file) != blob for file, blob in files.items()):
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
        name = self.tree.name
        return SourceTree(name, self.tree.release, self.target.name, tuple(units), tuple(problems), blobs, read)

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
        if parts[0] == "target" and len(parts) > 2 and parts[1] in self.bases:
            base = parts[1]
        base = {"sparc64": "sparc"}.get(base, base)
        if base not in self.bases or base == self.target.base:
            return self.target
        known = self._defaults.get(base)
        if known is None:
            known = self._defaults[base] = default_of(self.targets, base) or self.target
        return known
