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
VERSION = re.compile(r",\s*int\s+(\w+)\s*\)\s*\Z")
ALWAYS = re.compile(r"\s*return\s+(?:true|1)\s*;\s*\Z")
CAST = re.compile(r"\b[A-Z][A-Z0-9_]*\s*\(\s*opaque\s*\)\s*->")
FEATURES = "virtio.guest_features"
"""The features of a virtio device that the driver has accepted, the first 32, in the words here."""
MAX_CALLS = 4
"""How deep a predicate may ask others."""
LOWERED = re.compile(r"\bversion_id\s*=\s*MIN\s*\(\s*version_id\s*,([^;]*)\)\s*;")
"""A condition may go by a version that is sent beside, where that is lower."""
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


def with_usual_names(head: str, body: str) -> str:
    """The body of a function, in which the version that it is given is called `version_id`, as nearly everywhere."""
    version = VERSION.search(head)
    if version is None or version[1] == "version_id":
        return body
    return re.sub(rf"(?<![\w.>])\b{version[1]}\b", "version_id", body)


def translated(unit: Unit, constants: Constants, body: str, depth: int = 0) -> str | None:
    """The expression that a function returns, with `this.` before members of what it is given; None where it is more
    than one expression, or calls something that is no such function of the same file.
    """
    if depth > MAX_CALLS:
        return None
    given = {"opaque", *OPAQUE.findall(body)}
    body = CAST.sub("opaque->", OPAQUE.sub("", body))
    lowered = LOWERED.search(body)
    rest = RETURN.fullmatch(LOWERED.sub("", body))
    if rest is None or len(body) > 2000:
        return None
    if ALWAYS.match(rest[0]):
        return "1"
    try:
        text = _text(constants.parse(unit.expand(unit.tokens(rest[1], 0, False))), constants, given, depth)
        if lowered is not None:
            least = _text(constants.parse(unit.expand(unit.tokens(lowered[1], 0, False))), constants, given, depth)
            text = re.sub(r"\bversion_id\b", f"min_(version_id, {least})", text)
        return text
    except (Unresolved, RecursionError):
        return None


def given_of(body: str) -> str | None:
    """The type that a function takes its opaque pointer for, where it is one type."""
    types = {" ".join(kind.split()) for kind in GIVEN.findall(body)} - {"void", "const"}
    return types.pop() if len(types) == 1 else None


def _text(tree: Tree, constants: Constants, given: set[str], depth: int) -> str:
    if tree[0] == "member":
        return f"this.{_path(tree, given)}"
    if tree[0] == "binary" and tree[1] in COMPARED:
        left, right = (_text(part, constants, given, depth) for part in tree[2:])
        if tree[1] in ("&&", "||"):
            left, right = (text if text.startswith("(") else f"({text} != 0)" for text in (left, right))
        return f"({left} {COMPARED[tree[1]]} {right})"
    if tree[0] == "unary" and tree[1] == "!":
        if tree[2][0] == "unary" and tree[2][1] == "!":
            return f"({_text(tree[2][2], constants, given, depth)} != 0)"
        return f"({_text(tree[2], constants, given, depth)} == 0)"
    if tree[0] == "name" and tree[1] == "version_id":
        return "version_id"
    if tree[0] == "call" and tree[1] == ("name", "virtio_vdev_has_feature") and len(tree[2]) == 2:
        bit = constants.value(tree[2][1])
        if 0 <= bit < 32:
            # Of the features that the driver has accepted these come first, before what the device itself sends.
            return f"(({FEATURES} >> {bit}) % 2 == 1)"
    if tree[0] == "call" and tree[1][0] == "name" and tree[2] and tree[2][0] in (("name", name) for name in given):
        unit = constants.unit
        item = None if unit is None else unit.find(unit.sources.functions.get(tree[1][1]))
        text = None if unit is None or item is None else translated(unit, constants, unit.text(item), depth + 1)
        if text is None:
            raise Unresolved(f"what {tree[1][1]}() says")
        return text if text.startswith("(") else f"({text})"
    return str(constants.value(tree))


def _path(tree: Tree, given: set[str]) -> str:
    if tree[0] == "member":
        inner = tree[1]
        if inner[0] == "name" and inner[1] in given and tree[3]:
            return str(tree[2])
        if inner[0] == "member" and not tree[3]:
            return f"{_path(inner, given)}.{tree[2]}"
    raise Unresolved("a member of something else")
