"""What stands in a file of Rust: structs, constants, impl blocks, calls of macros; nothing is expanded or built.

A file is tokens with their lines. Items are pieces of these: what is not of interest is passed over, so a file that
does not parse ends where its brackets end.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from vmstate.source.preprocessor import Unresolved
from vmstate.vmsd.data import Data, NamedTuple

TOKEN = re.compile(
    r"""
    (?P<blank>\s+|//[^\n]*)
    |(?P<comment>/\*)
    |(?P<raw>(?:b|c)?r(?P<marks>\#{0,8})"(?:.*?)"(?P=marks))
    |(?P<text>(?:b|c)?"(?:[^"\\]|\\.)*")
    |(?P<char>b?'(?:[^'\\\n]|\\[^\n]{1,8}?)')
    |(?P<lifetime>'[A-Za-z_]\w*)
    |(?P<word>(?:r\#)?[A-Za-z_]\w*)
    |(?P<number>\d[\w]*(?:\.\d[\w]*)?)
    |(?P<mark>::|->|=>|\.\.=|\.\.\.|\.\.|&&|\|\||==|!=|<=|>=|.)
    """,
    re.X | re.S,
)
COMMENT = re.compile(r"/\*|\*/")
CLOSING = {"(": ")", "[": "]", "{": "}"}
MODIFIERS = frozenset(("pub", "unsafe", "async", "default", "extern", "auto"))
MAX_TOKENS = 300_000
"""Tokens of one file: QEMU's largest has some 20,000."""
MAX_DEPTH = 60
"""How deep modules, types and expressions may nest: QEMU's have hardly ten."""


class Code(NamedTuple):
    """The tokens of a file, the line of each, and for each opening bracket the place of its closing one."""

    path: str
    tokens: list[str]
    lines: list[int]
    closing: dict[int, int]


class Attributes(Data):
    """What stands in #[...] before something: the tokens of each, without the brackets."""

    rows: tuple[tuple[str, ...], ...] = ()

    def of(self, name: str) -> tuple[str, ...] | None:
        """The tokens of the attribute of a name; None where there is none."""
        return next((row for row in self.rows if row[:1] == (name,)), None)

    def derives(self, name: str) -> bool:
        """Whether a trait of this name is derived."""
        return any(row[:1] == ("derive",) and name in row for row in self.rows)


class Span(NamedTuple):
    """A piece of a file: from a token up to another."""

    code: Code
    start: int
    end: int

    @property
    def tokens(self) -> list[str]:
        """Its tokens."""
        return self.code.tokens[self.start : self.end]

    @property
    def line(self) -> int:
        """The line of its first token."""
        lines = self.code.lines
        return lines[min(self.start, len(lines) - 1)] if lines else 0

    @property
    def text(self) -> str:
        """Its tokens with blanks between."""
        return " ".join(self.tokens)

    def parts(self, separator: str = ",") -> list[Span]:
        """What stands between separators, outside of brackets; the empty one behind the last is left out."""
        made = []
        first = place = self.start
        angles = 0
        tokens = self.code.tokens
        while place < self.end:
            token = tokens[place]
            if token in CLOSING:
                place = self.code.closing.get(place, place)
            elif token == "<" and place > self.start and tokens[place - 1] == "::":
                angles += 1
            elif token == ">" and angles:
                angles -= 1
            elif token == separator and not angles:
                made.append(Span(self.code, first, place))
                first = place + 1
            place += 1
        if first < self.end:
            made.append(Span(self.code, first, self.end))
        return made

    def inside(self, place: int) -> Span:
        """What is inside the brackets that open at a place of the file."""
        return Span(self.code, place + 1, min(self.code.closing.get(place, self.end), self.end))


class Struct(Data):
    """A struct: its fields with their types, those of a tuple as "0", "1", ..."""

    name: str
    path: str
    line: int
    parameters: tuple[str, ...]
    fields: tuple[tuple[str, Span, Attributes], ...]
    attributes: Attributes


class Constant(Data):
    """A `const` or a `static`; `value` is None where it has none, in a trait."""

    name: str
    kind: Span
    value: Span | None
    line: int


class Function(Data):
    """A function with its body."""

    name: str
    body: Span
    line: int


class Impl(Data):
    """An impl block: for which type, of which trait (the last part of its path)."""

    trait: str | None
    subject: Span
    parameters: tuple[str, ...]
    constants: tuple[Constant, ...]
    types: tuple[tuple[str, Span], ...]
    functions: tuple[Function, ...]
    line: int


class Call(Data):
    """A macro that is called where items stand."""

    name: str
    inside: Span
    line: int


class Alias(Data):
    """`type X = Y;`"""

    name: str
    kind: Span


class Items(Data):
    """What a file has."""

    path: str
    structs: tuple[Struct, ...]
    constants: tuple[Constant, ...]
    functions: tuple[Function, ...]
    impls: tuple[Impl, ...]
    calls: tuple[Call, ...]
    aliases: tuple[Alias, ...]


def code_of(path: str, text: str) -> Code:
    """The tokens of a file without comments. Raises `Unresolved` where there are too many."""
    tokens: list[str] = []
    lines: list[int] = []
    closing: dict[int, int] = {}
    opened: list[int] = []
    line = 1
    place = 0
    while place < len(text):
        match = TOKEN.match(text, place)
        assert match is not None
        end = match.end()
        token = match[0]
        if match.lastgroup == "comment":
            end = _behind_comment(text, end)
            line += text.count("\n", place, end)
        elif match.lastgroup != "blank":
            if len(tokens) >= MAX_TOKENS:
                raise Unresolved(f"more than {MAX_TOKENS} tokens")
            if token in CLOSING:
                opened.append(len(tokens))
            elif token in ")]}" and opened:
                # What does not fit to the innermost bracket ends nothing, or as many as it takes.
                for number in range(len(opened) - 1, -1, -1):
                    if CLOSING[tokens[opened[number]]] == token:
                        closing[opened[number]] = len(tokens)
                        del opened[number:]
                        break
            tokens.append(token)
            lines.append(line)
            line += token.count("\n") if "\n" in token else 0
        else:
            line += token.count("\n")
        place = end
    return Code(path, tokens, lines, closing)


def _behind_comment(text: str, place: int) -> int:
    """The end of a comment: they nest."""
    depth = 1
    for mark in COMMENT.finditer(text, place):
        depth += 1 if mark[0] == "/*" else -1
        if depth == 0:
            return mark.end()
    return len(text)


class _Reader:
    """Goes through the items of a file."""

    def __init__(self, code: Code) -> None:
        self.code = code
        self.structs: list[Struct] = []
        self.constants: list[Constant] = []
        self.functions: list[Function] = []
        self.impls: list[Impl] = []
        self.calls: list[Call] = []
        self.aliases: list[Alias] = []

    def run(self) -> Items:
        """All that is there."""
        self.items(0, len(self.code.tokens), 0)
        return Items(
            self.code.path,
            tuple(self.structs),
            tuple(self.constants),
            tuple(self.functions),
            tuple(self.impls),
            tuple(self.calls),
            tuple(self.aliases),
        )

    def items(self, start: int, end: int, depth: int) -> None:
        """The items from one place up to another."""
        tokens, closing = self.code.tokens, self.code.closing
        place = start
        rows: list[tuple[str, ...]] = []
        while place < end and depth < MAX_DEPTH:
            token = tokens[place]
            if token == "#":
                bracket = place + 1 + (tokens[place + 1 : place + 2] == ["!"])
                last = closing.get(bracket)
                if last is None:
                    place += 1
                    continue
                if bracket == place + 1:
                    rows.append(tuple(tokens[bracket + 1 : last]))
                place = last + 1
                continue
            if token in MODIFIERS:
                place += 1
                if tokens[place : place + 1] == ["("] and token == "pub":
                    place = closing.get(place, place) + 1
                elif token == "extern" and tokens[place : place + 1] != ["{"]:
                    place += 1 if tokens[place][:1] == '"' else 0
                continue
            attributes, rows = Attributes(tuple(rows)), []
            is_test = ("cfg", "(", "test", ")") in attributes.rows
            place = self.item(place, end, attributes, depth, is_test)

    def item(self, place: int, end: int, attributes: Attributes, depth: int, is_test: bool) -> int:
        """One item; the place behind it."""
        tokens, closing = self.code.tokens, self.code.closing
        token = tokens[place]
        word = tokens[place + 1] if place + 1 < end else ""
        if token == "mod":
            brace = place + 2
            if tokens[brace : brace + 1] != ["{"] or brace not in closing:
                return place + 2
            if not is_test:
                self.items(brace + 1, closing[brace], depth + 1)
            return closing[brace] + 1
        if token in ("struct", "union"):
            return self.struct(place, end, attributes)
        if token in ("const", "static") and word != "fn" and not word.startswith("{"):
            constant, place = self.constant(place, end)
            if constant is not None and not is_test:
                self.constants.append(constant)
            return place
        if token == "type":
            last = self.ending(place, end, ";")
            equals = next((at for at in range(place, last) if tokens[at] == "="), None)
            if equals is not None:
                self.aliases.append(Alias(word, Span(self.code, equals + 1, last)))
            return last + 1
        if token == "impl":
            return self.impl(place, end, is_test)
        if token == "fn" or (token == "const" and word == "fn"):
            function, place = self.function(place, end)
            if function is not None and not is_test:
                self.functions.append(function)
            return place
        if token in ("trait", "enum", "use", "let"):
            last = self.ending(place, end, ";")
            return last + 1
        if word == "!" and place + 2 < end:
            bracket = place + 2
            if token == "macro_rules":
                bracket += 1
            if bracket not in closing:
                return place + 1
            if token != "macro_rules" and not is_test:
                inside = Span(self.code, bracket + 1, closing[bracket])
                self.calls.append(Call(token, inside, self.code.lines[place]))
                if tokens[bracket] == "{":
                    # Such a macro mostly makes the items that are in it.
                    self.items(bracket + 1, closing[bracket], depth + 1)
            return closing[bracket] + 1
        return closing.get(place, place) + 1

    def ending(self, place: int, end: int, mark: str) -> int:
        """The next mark, or the end of the next braces, whichever comes first."""
        tokens, closing = self.code.tokens, self.code.closing
        while place < end:
            token = tokens[place]
            if token == mark:
                return place
            if token in CLOSING:
                place = closing.get(place, end)
                if token == "{" and mark == ";":
                    behind = tokens[place + 1 : place + 2]
                    # `use a::{b};` and `const X: T = T {..};` go on.
                    return place + 1 if behind == [mark] else place
            place += 1
        return end

    def parameters(self, place: int) -> tuple[tuple[str, ...], int]:
        """The names of type parameters that may stand at a place, and the place behind them."""
        tokens = self.code.tokens
        if tokens[place : place + 1] != ["<"]:
            return (), place
        names: list[str] = []
        depth = 0
        for at in range(place, min(len(tokens), place + 2000)):
            token = tokens[at]
            if token == "<":
                depth += 1
            elif token == ">":
                depth -= 1
                if depth == 0:
                    return tuple(names), at + 1
            if depth == 1 and token in ("<", ","):
                name = tokens[at + 1 : at + 3]
                if name[:1] == ["const"]:
                    names.append(name[1])
                elif name and not name[0].startswith("'") and name[0] != ">":
                    names.append(name[0])
        return (), place

    def struct(self, place: int, end: int, attributes: Attributes) -> int:
        """A struct with its fields."""
        tokens, closing = self.code.tokens, self.code.closing
        name, line = tokens[place + 1] if place + 1 < end else "", self.code.lines[place]
        parameters, at = self.parameters(place + 2)
        fields: list[tuple[str, Span, Attributes]] = []
        while at < end and tokens[at] not in ("{", "(", ";"):
            at += 1
        if at < end and tokens[at] != ";":
            inside = Span(self.code, at + 1, closing.get(at, end))
            for number, part in enumerate(inside.parts()):
                rows, first = self.leading(part)
                names = tokens[first : first + 2]
                if tokens[at] == "(":
                    fields.append((str(number), Span(self.code, first, part.end), rows))
                elif names[1:] == [":"]:
                    fields.append((names[0], Span(self.code, first + 2, part.end), rows))
            at = closing.get(at, end)
        self.structs.append(Struct(name, self.code.path, line, parameters, tuple(fields), attributes))
        return at + 1

    def leading(self, part: Span) -> tuple[Attributes, int]:
        """The attributes at the beginning of a field, and where it begins itself."""
        tokens, closing = self.code.tokens, self.code.closing
        rows = []
        at = part.start
        while at < part.end:
            if tokens[at] == "#" and at + 1 in closing:
                rows.append(tuple(tokens[at + 2 : closing[at + 1]]))
                at = closing[at + 1] + 1
            elif tokens[at] == "pub":
                at = closing.get(at + 1, at) + 1 if tokens[at + 1] == "(" else at + 1
            else:
                break
        return Attributes(tuple(rows)), at

    def constant(self, place: int, end: int) -> tuple[Constant | None, int]:
        """A constant, and the place behind it."""
        tokens, closing = self.code.tokens, self.code.closing
        at = place + 1 + (tokens[place + 1 : place + 2] == ["mut"])
        name, line = tokens[at] if at < end else "", self.code.lines[place]
        first = at + 2
        equals = None
        at += 1
        while at < end and tokens[at] != ";":
            if tokens[at] == "=" and equals is None:
                equals = at
            at = closing.get(at, at) + 1 if tokens[at] in CLOSING else at + 1
        if tokens[first - 1 : first] != [":"]:
            return None, at + 1
        value = None if equals is None else Span(self.code, equals + 1, at)
        return Constant(name, Span(self.code, first, at if equals is None else equals), value, line), at + 1

    def function(self, place: int, end: int) -> tuple[Function | None, int]:
        """A function, and the place behind it."""
        tokens, closing = self.code.tokens, self.code.closing
        at = place + 1 + (tokens[place] == "const")
        name, line = tokens[at] if at < end else "", self.code.lines[place]
        while at < end and tokens[at] not in ("{", ";"):
            at = closing.get(at, at) + 1 if tokens[at] in ("(", "[") else at + 1
        if at >= end or tokens[at] == ";":
            return None, at + 1
        last = closing.get(at, end)
        return Function(name, Span(self.code, at + 1, last), line), last + 1

    def impl(self, place: int, end: int, is_test: bool) -> int:
        """An impl block."""
        tokens, closing = self.code.tokens, self.code.closing
        line = self.code.lines[place]
        parameters, at = self.parameters(place + 1)
        first, trait = at, None
        where = None
        while at < end and tokens[at] not in ("{", ";"):
            if tokens[at] == "for" and where is None and tokens[at + 1 : at + 2] != ["<"]:
                trait, first = self.last_name(first, at), at + 1
            elif tokens[at] == "where" and where is None:
                where = at
            at = closing.get(at, at) + 1 if tokens[at] in ("(", "[") else at + 1
        if at >= end or tokens[at] == ";":
            return at + 1
        last = closing.get(at, end)
        if not is_test:
            inner = _Reader(self.code)
            inner.items(at + 1, last, 1)
            types = tuple((alias.name, alias.kind) for alias in inner.aliases)
            subject = Span(self.code, first, at if where is None else where)
            members = (tuple(inner.constants), types, tuple(inner.functions))
            self.impls.append(Impl(trait, subject, parameters, *members, line))
        return last + 1

    def last_name(self, start: int, end: int) -> str | None:
        """The last part of the path of a trait, without its arguments."""
        name = None
        for at in range(start, end):
            token = self.code.tokens[at]
            if token == "<":
                break
            if token[0].isalpha() or token[0] == "_":
                name = token
        return name


def items_of(path: str, data: bytes) -> Items:
    """What a file has. Raises `Unresolved` where it is too much."""
    return _Reader(code_of(path, data.decode("utf-8", "replace"))).run()


def text_of_literal(tokens: Sequence[str]) -> str | None:
    """The text of the first literal among tokens (`c"x"`, `c_str!("x")`); None where there is none."""
    for token in tokens:
        plain = token.lstrip("bcr").strip("#")
        if len(plain) >= 2 and plain[0] == plain[-1] == '"':
            return plain[1:-1]
    return None


# Types


class Kind(NamedTuple):
    """A type: "path" (`name` the last part, `arguments`, `path` all parts), "array", "slice", "pointer", "reference",
    "tuple", "member" (`<X as Trait>::name`, X its argument) or "" for any other.
    """

    form: str
    name: str = ""
    arguments: tuple[Kind, ...] = ()
    path: tuple[str, ...] = ()
    elements: Span | None = None

    def __str__(self) -> str:
        inside = ", ".join(map(str, self.arguments))
        match self.form:
            case "array":
                return f"[{inside}; {self.elements.text if self.elements is not None else '?'}]"
            case "slice":
                return f"[{inside}]"
            case "pointer" | "reference":
                return f"{'*' if self.form == 'pointer' else '&'}{inside}"
            case "tuple":
                return f"({inside})"
            case "member":
                return f"{inside}::{self.name}"
        return f"{self.name or '?'}<{inside}>" if inside else self.name or "?"


def kind_of(span: Span) -> Kind:
    """The type that a piece of a file is. Raises `Unresolved` where it nests too deeply."""
    return _Kinds(span).whole(0)[0]


class _Kinds:
    """Reads types."""

    def __init__(self, span: Span) -> None:
        self.span = span
        self.tokens = span.code.tokens
        self.closing = span.code.closing

    def whole(self, depth: int, place: int | None = None) -> tuple[Kind, int]:
        """The type at a place, and the place behind it."""
        if depth > MAX_DEPTH:
            raise Unresolved("a type that nests too deeply")
        at = self.span.start if place is None else place
        tokens, end = self.tokens, self.span.end
        if at >= end:
            return Kind(""), at
        token = tokens[at]
        if token in ("&", "&&"):
            at += 1
            while at < end and (tokens[at].startswith("'") or tokens[at] == "mut"):
                at += 1
            inner, at = self.whole(depth + 1, at)
            return Kind("reference", "&", (inner,)), at
        if token == "*" and tokens[at + 1 : at + 2] in (["const"], ["mut"]):
            inner, at = self.whole(depth + 1, at + 2)
            return Kind("pointer", "*", (inner,)), at
        if token == "[" and at in self.closing:
            inner, behind = self.whole(depth + 1, at + 1)
            last = self.closing[at]
            if behind < last and tokens[behind] == ";":
                return Kind("array", "[", (inner,), (), Span(self.span.code, behind + 1, last)), last + 1
            return Kind("slice", "[", (inner,)), last + 1
        if token == "(" and at in self.closing:
            inside = Span(self.span.code, at + 1, self.closing[at])
            parts = tuple(_Kinds(part).whole(depth + 1)[0] for part in inside.parts())
            return Kind("tuple", "(", parts), self.closing[at] + 1
        if token == "<":
            inner, at = self.whole(depth + 1, at + 1)
            # `<X as Trait>::Name`
            level = 1
            while at < end and level:
                level += {"<": 1, ">": -1}.get(tokens[at], 0)
                at += 1
            name = ""
            while at + 1 < end and tokens[at] == "::":
                name = tokens[at + 1]
                at += 2
            return Kind("member", name, (inner,)), at
        if token in ("dyn", "impl", "fn", "unsafe", "extern", "for", "!"):
            return Kind(""), end
        return self.path(at, depth)

    def path(self, at: int, depth: int) -> tuple[Kind, int]:
        """A path with its arguments."""
        tokens, end = self.tokens, self.span.end
        parts: list[str] = []
        arguments: tuple[Kind, ...] = ()
        while at < end:
            token = tokens[at]
            if token == "::":
                at += 1
            elif token == "<":
                arguments, at = self.arguments(at, depth)
            elif (token[0].isalpha() or token[0] in "_$") and (not parts or tokens[at - 1] in ("::", "$")):
                if token != "$":
                    parts.append(token.removeprefix("r#"))
                at += 1
            else:
                break
        return Kind("path", parts[-1] if parts else "", arguments, tuple(parts)), max(at, self.span.start)

    def arguments(self, at: int, depth: int) -> tuple[tuple[Kind, ...], int]:
        """The types in angle brackets."""
        tokens, end = self.tokens, self.span.end
        made = []
        at += 1
        while at < end and tokens[at] != ">":
            before = at
            if tokens[at].startswith("'") or tokens[at] == ",":
                at += 1
                continue
            inner, at = self.whole(depth + 1, at)
            made.append(inner)
            while at < end and tokens[at] not in (",", ">"):
                at += 1
            if at == before:
                break
        return tuple(made), at + 1


def substituted(kind: Kind, given: dict[str, Kind], depth: int = 0) -> Kind:
    """A type with what its parameters are. Raises `Unresolved` where it nests too deeply."""
    if depth > MAX_DEPTH:
        raise Unresolved("a type that nests too deeply")
    if kind.form == "path" and not kind.arguments:
        if len(kind.path) == 1 and kind.name in given:
            return given[kind.name]
        if len(kind.path) == 2 and kind.path[0] in given:
            return Kind("member", kind.name, (given[kind.path[0]],))
    return kind._replace(arguments=tuple(substituted(each, given, depth + 1) for each in kind.arguments))
