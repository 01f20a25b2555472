"""Initialisers of C: rows of entries with their designators, from expanded tokens."""

from __future__ import annotations

from collections.abc import Sequence

from vmstate.source.expressions import unquoted
from vmstate.source.lexer import Token
from vmstate.source.preprocessor import NAME, Unresolved
from vmstate.vmsd.data import NamedTuple

OPENING = frozenset(("(", "{", "["))
CLOSING = frozenset((")", "}", "]"))


class Entry(NamedTuple):
    """An entry between commas: the member that it is for ("" where none is said), its tokens, and its line."""

    member: str
    tokens: list[Token]
    line: int


def entries(tokens: Sequence[Token], line: int = 0) -> list[Entry]:
    """The entries of what is between braces."""
    made: list[Entry] = []
    current: list[Token] = []
    began = 0
    depth = 0
    for token in tokens:
        if token.__class__ is int:
            assert isinstance(token, int)
            line = token
            if depth:
                current.append(token)
            continue
        if token in OPENING:
            depth += 1
        elif token in CLOSING:
            depth -= 1
        if token == "," and depth == 0:
            if current:
                made.append(_entry(current, began))
            current, began = [], 0
            continue
        if not began:
            began = line
        current.append(token)
    if current:
        made.append(_entry(current, began))
    return made


def _entry(tokens: list[Token], line: int) -> Entry:
    plain = [index for index, token in enumerate(tokens[:8]) if token.__class__ is not int][:3]
    if len(plain) == 3 and tokens[plain[0]] == "." and tokens[plain[2]] == "=":
        return Entry(str(tokens[plain[1]]), tokens[plain[2] + 1 :], line)
    if len(plain) > 2 and NAME.match(str(tokens[plain[0]])) and tokens[plain[1]] == ":":
        # The old way of GNU: name: value.
        return Entry(str(tokens[plain[0]]), tokens[plain[1] + 1 :], line)
    if tokens and tokens[0] == "[" and "=" in tokens and "{" not in tokens[: tokens.index("=")]:
        return Entry("", tokens[tokens.index("=") + 1 :], line)
    return Entry("", tokens, line)


def in_braces(tokens: Sequence[Token]) -> list[Token] | None:
    """What is between the braces that these tokens are, perhaps with a type before them; None where they are none."""
    start = None
    for index, token in enumerate(tokens):
        if token == "{":
            start = index
            break
        if token == ";":
            return None
    if start is None:
        return None
    depth = 0
    for index in range(start, len(tokens)):
        token = tokens[index]
        if token == "{":
            depth += 1
        elif token == "}":
            depth -= 1
            if depth == 0:
                line = next((t for t in reversed(tokens[:start]) if t.__class__ is int), None)
                inside = list(tokens[start + 1 : index])
                return inside if line is None else [line, *inside]
    return None


def text_of(tokens: Sequence[Token]) -> str:
    """The text that some tokens are: strings beside each other, in brackets or not. Raises `Unresolved`."""
    text = ""
    seen = False
    for token in tokens:
        if token.__class__ is int or token in ("(", ")"):
            continue
        assert isinstance(token, str)
        if not token.startswith('"'):
            raise Unresolved(f"a text that is made of {token!r}")
        text += unquoted(token)
        seen = True
    if not seen:
        raise Unresolved("a text that is missing")
    return text


def symbol_of(tokens: Sequence[Token]) -> str | None:
    """The C name in a reference such as &(x), or a cast one; None for NULL."""
    name = None
    depth = 0
    for token in tokens:
        if token.__class__ is int:
            continue
        assert isinstance(token, str)
        if token == "[":
            depth += 1
        elif token == "]":
            depth -= 1
        elif depth == 0 and NAME.match(token):
            name = str(token)
    if name is None or name in ("NULL", "void"):
        return None
    return name
