"""Sections of a stream that nothing else describes, described by a source tree of QEMU.

A description of the tree becomes a declaration (`vmstate.source.declare`), which is made here into a description: only
where the whole of it is told, and nothing has to be written by hand. One whose bytes do not come out again as they were
is not taken.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Iterator
from typing import Any

from vmstate.errors import VMStateError
from vmstate.lazy import imported
from vmstate.source.declare import Declaration
from vmstate.source.linking import Linked
from vmstate.source.model import SourceDescription, UnitResult
from vmstate.source.reading import read_tree
from vmstate.stream.registry import last_part
from vmstate.stream.stream import Stream
from vmstate.vmsd.description import VMStateDescription

SOURCE = "source"
"""What `described_by` of such a section is."""

MOST = 16
"""Descriptions of one name that are tried."""

MOST_TRIED = 1 << 14
"""Combinations of facts that are tried: more take longer than anybody waits, and one may fit by chance."""

ALLOWED = (
    ast.Module, ast.Expr, ast.ImportFrom, ast.alias, ast.ClassDef, ast.AnnAssign, ast.Pass, ast.Call, ast.keyword,
    ast.Name, ast.Load, ast.Store, ast.Attribute, ast.Constant, ast.Tuple, ast.Subscript, ast.BinOp, ast.UnaryOp,
    ast.USub, ast.Compare, ast.operator, ast.cmpop,
)  # fmt: skip
"""What a declaration consists of."""


def describe_by_source(stream: Stream, tree: str) -> int:
    """Decode the sections of a stream that nothing describes, by the descriptions of a tree ("DIR", "GIT@REV").

    Their `state`, `vmsd` and `described_by` ("source") change. Returns how many these are. Raises `VMStateError` where
    there is no such tree.
    """
    linked = Linked(read_tree(tree, cached=True))
    named: dict[str, list[tuple[UnitResult, SourceDescription]]] = {}
    for unit, vmsd in _sections_of(linked):
        known = named.setdefault(vmsd.name, [])
        if all((each.path, each.symbol) != (vmsd.path, vmsd.symbol) for _, each in known):
            known.append((unit, vmsd))
    made: dict[tuple[str, str], VMStateDescription | None] = {}
    count = 0
    for section in stream.sections:
        if section.described_by != "none" or not isinstance(section.state, bytes | bytearray | memoryview):
            continue
        for unit, vmsd in named.get(last_part(section.name), ())[:MOST]:
            key = (vmsd.path, vmsd.symbol)
            if key not in made:
                made[key] = description_of(linked, unit, vmsd)
            described = made[key]
            if described is None:
                continue
            try:
                state = described.codec.decode(section.state, version_id=section.version_id)
                if described.codec.encode(state) != bytes(section.state):
                    continue
            except VMStateError as error:
                section.problem = section.problem or str(error)
                continue
            section.state, section.vmsd, section.described_by, section.problem = state, described, SOURCE, None
            count += 1
            break
    return count


def _sections_of(linked: Linked) -> Iterator[tuple[UnitResult, SourceDescription]]:
    """What a tree can have as a section: the descriptions of device classes, those that are registered by hand, and
    those to which no other refers, as of CPUs.
    """
    for _, unit, vmsd in linked.devices():
        yield unit, vmsd
    yield from linked.registered()
    inside = {
        name for vmsd in linked.tree.descriptions() for name in (*vmsd.subsections, *(f.vmsd for f in vmsd.fields))
    }
    for unit in linked.tree.units:
        yield from ((unit, vmsd) for vmsd in unit.descriptions if vmsd.symbol not in inside)


def description_of(linked: Linked, unit: UnitResult, vmsd: SourceDescription) -> VMStateDescription | None:
    """A description of a tree as one of this library; None where a part of it has to be written by hand."""
    try:
        declaration = Declaration(linked, vmsd.symbol, (unit, vmsd))
        if declaration.left_out or math.prod(declaration.facts.values()) > MOST_TRIED:
            return None
        return _made(declaration.text, declaration.classes[vmsd.path, vmsd.symbol])
    except (VMStateError, RecursionError):
        return None


def _made(text: str, name: str) -> VMStateDescription | None:
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
    return vmsd if isinstance(vmsd, VMStateDescription) else None
