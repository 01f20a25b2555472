"""Functions of one expression in the words of this library: `return s->mode == TUNE;` is `this.mode == 1`."""

from __future__ import annotations

import re

from vmstate.source.constants import Constants
from vmstate.source.expressions import Tree
from vmstate.source.preprocessor import Unit, Unresolved

OPAQUE = re.compile(r"\b\w+\s*\*\s*(\w+)\s*=\s*(?:\([^()]*\)\s*)?(?:[A-Z][A-Z0-9_]*\s*\(\s*)?opaque\s*\)?\s*;")
GIVEN = re.compile(
    r"\b((?:struct\s+)?\w+)\s*\*\s*\w+\s*=\s*(?:\([^()]*\)\s*)?(?:[A-Z][A-Z0-9_]*\s*\(\s*)?opaque\s*\)?\s*;"
)
ALWAYS = re.compile(r"\s*return\s+(?:true|1)\s*;\s*\Z")
RETURN = re.compile(r"\s*return\b([^;]*);\s*\Z")
COMPARED = {
    "==": "==",
    "!=": "!=",
    "<": "<",
    ">": ">",
    "<=": "<=",
    ">=": ">=",
    "&&": "&",
    "||": "|",
    "+": "+",
    "-": "-",
}
COMPARED |= {"&": "&", "|": "|", "<<": "<<", ">>": ">>", "*": "*"}


def translated(unit: Unit, constants: Constants, body: str) -> str | None:
    """The expression that a function returns, with `this.` before members of what it is given; None where it is more
    than one expression, or calls something.
    """
    given = set(OPAQUE.findall(body))
    rest = RETURN.fullmatch(OPAQUE.sub("", body))
    if rest is None or len(body) > 2000:
        return None
    if ALWAYS.match(rest[0]):
        return "1"
    try:
        tree = constants.parse(unit.expand(unit.tokens(rest[1], 0, False)))
        return _text(tree, constants, given)
    except (Unresolved, RecursionError):
        return None


def given_of(body: str) -> str | None:
    """The type that a function takes its opaque pointer for, where it is one type."""
    types = {" ".join(kind.split()) for kind in GIVEN.findall(body)} - {"void", "const"}
    return types.pop() if len(types) == 1 else None


def _text(tree: Tree, constants: Constants, given: set[str]) -> str:
    if tree[0] == "member":
        return f"this.{_path(tree, given)}"
    if tree[0] == "binary" and tree[1] in COMPARED:
        left, right = (_text(part, constants, given) for part in tree[2:])
        if tree[1] in ("&&", "||"):
            left, right = (text if text.startswith("(") else f"({text} != 0)" for text in (left, right))
        return f"({left} {COMPARED[tree[1]]} {right})"
    if tree[0] == "unary" and tree[1] == "!":
        if tree[2][0] == "unary" and tree[2][1] == "!":
            return f"({_text(tree[2][2], constants, given)} != 0)"
        return f"({_text(tree[2], constants, given)} == 0)"
    if tree[0] == "name" and tree[1] == "version_id":
        return "version_id"
    return str(constants.value(tree))


def _path(tree: Tree, given: set[str]) -> str:
    if tree[0] == "member":
        inner = tree[1]
        if inner[0] == "name" and inner[1] in given and tree[3]:
            return str(tree[2])
        if inner[0] == "member" and not tree[3]:
            return f"{_path(inner, given)}.{tree[2]}"
    raise Unresolved("a member of something else")
