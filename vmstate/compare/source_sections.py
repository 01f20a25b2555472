"""Sections of a stream that nothing else describes, described by a source tree of QEMU.

A description of the tree becomes a declaration (`vmstate.source.declare`), which is made here into a description: only
where the whole of it is told, and nothing has to be written by hand. One whose bytes do not come out again as they were
is not taken.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Iterator
from typing import Any, Self

from vmstate.errors import VMStateError, one_line
from vmstate.lazy import imported
from vmstate.source.by_hand import SECTIONS
from vmstate.source.declare import DENSE, TRIED, USUAL, Declaration
from vmstate.source.linking import Linked
from vmstate.source.model import SourceDescription, UnitResult
from vmstate.source.reading import read_tree
from vmstate.stream.registry import last_part
from vmstate.stream.stream import Stream
from vmstate.vmsd.description import VMStateDescription
from vmstate.vmsd.expr import IDSTR

SOURCE = "source"
"""What `described_by` of such a section is."""

MOST = 32
"""Descriptions of one name that are tried."""

MOST_TRIED = 1 << 14
"""Combinations of facts that are tried: more take longer than anybody waits, and one may fit by chance."""

ALLOWED = (
    ast.Module, ast.Expr, ast.ImportFrom, ast.alias, ast.ClassDef, ast.AnnAssign, ast.Pass, ast.Call, ast.keyword,
    ast.Name, ast.Load, ast.Store, ast.Attribute, ast.Constant, ast.Tuple, ast.Subscript, ast.BinOp, ast.UnaryOp,
    ast.USub, ast.Compare, ast.operator, ast.cmpop, ast.Assign, ast.Dict,
)  # fmt: skip
"""What a declaration consists of."""


class SourceDescriptions:
    """The descriptions of a tree for the sections of streams, each made when it is first asked for."""

    def __init__(self, linked: Linked) -> None:
        self.linked = linked
        self._named: dict[str, list[tuple[UnitResult, SourceDescription]]] = {}
        self._made: dict[tuple[str, str, str, str], VMStateDescription | VMStateError] = {}
        self._nameless = [
            (unit, vmsd.replace(name=vmsd.symbol))
            for unit in linked.tree.units
            for vmsd in unit.descriptions
            if not vmsd.name and vmsd.fields
        ]
        """Those that get their names at run time."""
        self._by_hand = {vmsd.name: vmsd.path for _, vmsd in linked.registered_by_hand()}
        """The idstrs of sections that functions alone write, with the files."""
        for unit, vmsd in _sections_of(linked):
            known = self._named.setdefault(vmsd.name, [])
            if all((each.path, each.symbol) != (vmsd.path, vmsd.symbol) for _, each in known):
                known.append((unit, vmsd))

    @classmethod
    def of_tree(cls, tree: str) -> Self:
        """Those of a tree ("DIR", "GIT@REV"). Raises `VMStateError` where there is none."""
        return cls(Linked(read_tree(tree, cached=True)))

    def decode(self, idstr: str, version_id: int, data: bytes) -> tuple[VMStateDescription, Any]:
        """The description that fits the bytes of a section, and the state. Raises `VMStateError` where none does."""
        parts = idstr.split("/")
        names = ("/".join(parts[start:]) for start in reversed(range(len(parts))))
        candidates = [candidate for name in names for candidate in self._named.get(name, ())]
        name = last_part(idstr)
        failure = VMStateError("the tree has no description of this name")
        if not candidates:
            candidates = self._nameless
            if name in self._by_hand:
                failure = VMStateError("written by hand, and no description", file=self._by_hand[name])
        for unit, vmsd, tried in ((*row, tried) for row in candidates[:MOST] for tried in TRIED):
            described = self._description(unit, vmsd, tried)
            try:
                if isinstance(described, VMStateError):
                    raise described
                state = described.codec.decode(data, version_id=version_id, facts={IDSTR.name: idstr})
                if described.codec.encode(state) == data:
                    return described, state
                failure = VMStateError("other bytes come out", file=vmsd.path)
            except VMStateError as error:
                if vmsd.name in self._named and (tried != DENSE or described is not error):
                    failure = error
        raise failure

    def place_of(self, vmsd: VMStateDescription) -> dict[str, str]:
        """Where a description that `decode` gave stands: the file, its C name, and which counts it was made with."""
        path, symbol, _, tried = next(key for key, made in self._made.items() if made is vmsd)
        return {"file": path, "name": symbol, "counts": tried}

    def at(self, place: Any) -> VMStateDescription:
        """The description that stands at such a place. Raises `VMStateError` where the tree has none there."""
        known = place if isinstance(place, dict) else {}
        tried = known.get("counts")
        for unit, vmsd in (*(row for rows in self._named.values() for row in rows), *self._nameless):
            if (vmsd.path, vmsd.symbol) == (known.get("file"), known.get("name")) and tried in TRIED:
                described = self._description(unit, vmsd, tried)
                if isinstance(described, VMStateError):
                    raise described
                return described
        tree = self.linked.tree.name
        raise VMStateError("the tree has no such description", file=tree, found=one_line(str(known.get("name")))[:40])

    def _description(self, unit: UnitResult, vmsd: SourceDescription, tried: str) -> VMStateDescription | VMStateError:
        key = (vmsd.path, vmsd.symbol, vmsd.name, tried)
        if key not in self._made:
            try:
                self._made[key] = description_of(self.linked, unit, vmsd, tried=tried)
            except VMStateError as error:
                self._made[key] = error
        return self._made[key]


def describe_by_source(stream: Stream, tree: str | SourceDescriptions) -> int:
    """Decode the sections of a stream that nothing describes, by the descriptions of a tree ("DIR", "GIT@REV").

    Their `state`, `vmsd` and `described_by` ("source") change. Returns how many these are. Raises `VMStateError` where
    there is no such tree.
    """
    descriptions = SourceDescriptions.of_tree(tree) if isinstance(tree, str) else tree
    count = 0
    for section in stream.sections:
        if section.described_by != "none" or not isinstance(section.state, bytes | bytearray | memoryview):
            continue
        try:
            described, state = descriptions.decode(section.name, section.version_id, bytes(section.state))
        except VMStateError as error:
            section.problem = section.problem or str(error)
            continue
        section.state, section.vmsd, section.described_by, section.problem = state, described, SOURCE, None
        count += 1
    return count


def _sections_of(linked: Linked) -> Iterator[tuple[UnitResult, SourceDescription]]:
    """What a tree can have as a section: the descriptions of device classes, those that are registered by hand, and
    those to which no other refers, as of CPUs.
    """
    for _, unit, vmsd in linked.devices():
        yield unit, vmsd
    yield from linked.registered()
    yield from (row for row in linked.registered_by_hand() if row[1].name in SECTIONS)
    inside = {
        name for vmsd in linked.tree.descriptions() for name in (*vmsd.subsections, *(f.vmsd for f in vmsd.fields))
    }
    for unit in linked.tree.units:
        yield from ((unit, vmsd) for vmsd in unit.descriptions if vmsd.symbol not in inside)


def description_of(
    linked: Linked, unit: UnitResult, vmsd: SourceDescription, *, tried: str = USUAL
) -> VMStateDescription:
    """A description of a tree as one of this library.

    Raises `VMStateError` where a part of it has to be written by hand, or no byte decides too much of it.
    """
    try:
        declaration = Declaration(linked, vmsd.symbol, (unit, vmsd), tried=tried)
        if declaration.left_out:
            raise VMStateError("; ".join(declaration.left_out), file=vmsd.path)
        if tried == DENSE and declaration.counts != 1:
            raise VMStateError("more than one count that no byte says", file=vmsd.path)
        if math.prod(declaration.facts.values()) > MOST_TRIED:
            raise VMStateError(f"too many facts: {', '.join(declaration.facts)}", file=vmsd.path)
        return _made(declaration.text, declaration.name)
    except RecursionError:
        raise VMStateError("it nests too deeply", file=vmsd.path) from None


def _made(text: str, name: str) -> VMStateDescription:
    """The description of a class of a declaration's text."""
    module = ast.parse(text)
    allowed = {"__future__", "vmstate.declare"}
    for node in ast.walk(module):
        # The text is this program's own, but the names in it are another's: it is nothing but a declaration.
        is_foreign = isinstance(node, ast.ImportFrom) and node.module not in allowed
        is_private = isinstance(node, ast.Attribute) and node.attr.startswith("__")
        if not isinstance(node, ALLOWED) or is_foreign or is_private:
            raise VMStateError("this is no declaration", found=type(node).__name__)
    words = [each.name for node in module.body if isinstance(node, ast.ImportFrom) for each in node.names]
    module.body = [node for node in module.body if not isinstance(node, ast.ImportFrom)]
    names: dict[str, Any] = {"__name__": "vmstate-source", "__builtins__": {"__build_class__": __build_class__}}
    # Annotations tell the types of values: they are not looked at when the class is made.
    names |= {word: imported(f"vmstate.declare:{word}") for word in words if word != "annotations"}
    names |= {"int": int, "bool": bool, "bytes": bytes, "list": list, "float": float}
    exec(compile(module, "vmstate-source", "exec", flags=annotations.compiler_flag, dont_inherit=True), names)
    vmsd = getattr(names[name], "vmsd", None)
    if not isinstance(vmsd, VMStateDescription):
        raise VMStateError("this is no declaration", found=name)
    return vmsd
