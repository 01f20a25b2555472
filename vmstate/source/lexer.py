"""C text into tokens, and the items at the top of a file: directives, types, variables, functions.

Nothing of C is understood here but comments, strings, braces and directives, so a file of any quality has items. The
tokens of an item are made only when somebody asks for them: most of a tree is function bodies, which nobody does.
"""

from __future__ import annotations

import re
from bisect import bisect_left

from vmstate.vmsd.data import NamedTuple

Token = str | int
"""A token's text; an int is no token, but says that what follows stands in that line."""

Clauses = tuple[str, ...]
"""Conditions of `#if` that all must hold, outermost first."""


class Spaced(str):
    """A token with blanks before it: what a macro makes a string of keeps them."""

    __slots__ = ()


COMMENT = re.compile(r'/\*.*?(?:\*/|\Z)|//(?:[^\\\n]|\\.)*|"(?:[^"\\\n]|\\.)*"|\'(?:[^\'\\\n]|\\.)*\'', re.S)

TOKEN = re.compile(
    r"[ \t\f\v\r]+|[A-Za-z_$][\w$]*|\n|\\\r?\n|"
    r'"(?:[^"\\\n]|\\.)*"|'
    r"'(?:[^'\\\n]|\\.)*'|"
    r"\.?\d(?:[eEpP][+-]|[\w.])*|"
    r"\.\.\.|<<=|>>=|->|\+\+|--|<<|>>|<=|>=|==|!=|&&|\|\||[-+*/%&|^]=|##|.",
    re.S,
)

MARK = re.compile(r'"(?:[^"\\\n]|\\.)*"|\'(?:[^\'\\\n]|\\.)*\'|[{};]|^[ \t]*#(?:[^\\\n]|\\.)*', re.S | re.M)
"""What matters at the top of a file."""

DIRECTIVE = re.compile(r"^[ \t]*#[ \t]*(\w+)((?:[^\\\n]|\\.)*)", re.S | re.M)

LINE_OF_DIRECTIVE = re.compile(r"^[ \t]*#", re.M)


def _without(comment: re.Match[str]) -> str:
    text = comment[0]
    if text[0] != "/":
        return text
    lines = text.count("\n")
    return "\n" * lines if lines else " "


def without_comments(text: str) -> str:
    """The text with blanks for its comments, and as many lines as before."""
    return COMMENT.sub(_without, text)


def tokens_of(text: str, line: int = 0) -> list[Token]:
    """The tokens of a text without comments and directives; with a line, ints say where a new one begins."""
    tokens: list[Token] = [line] if line else []
    blank = False
    for token in TOKEN.findall(text):
        first = token[0]
        if first in " \t\r\f\v\\":
            # A backslash that joins lines is a blank; any other stands where C has none.
            blank = True
            if line and "\n" in token:
                line += 1
            elif token == "\\":
                tokens.append(token)
        elif first == "\n":
            blank = True
            if line:
                line += 1
                if tokens and tokens[-1].__class__ is int:
                    tokens[-1] = line
                else:
                    tokens.append(line)
        else:
            tokens.append(Spaced(token) if blank else token)
            blank = False
            if line and "\n" in token:
                line += token.count("\n")
    return tokens


class Macro(NamedTuple):
    """A `#define`. `parameters` is None where it takes no arguments; the last of them ends with "..." if variadic."""

    name: str
    parameters: tuple[str, ...] | None
    body: str
    clauses: Clauses
    path: str
    line: int


class Undefinition(NamedTuple):
    """An `#undef`."""

    name: str
    clauses: Clauses
    line: int


class Include(NamedTuple):
    """An `#include`; `quoted` says that the folder of the file comes first."""

    name: str
    quoted: bool
    clauses: Clauses
    line: int


class Item(NamedTuple):
    """A type, a variable or a function at the top of a file.

    `kind` is "struct", "union", "enum", "typedef", "variable" or "function". `head` is what stands before the brace, or
    before the `=`; `start` and `end` are the place of what is inside the braces, or of the whole declaration where it
    has none, in the text without comments.
    """

    kind: str
    name: str
    head: str
    start: int
    end: int
    clauses: Clauses
    path: str
    line: int


class Invocation(NamedTuple):
    """A macro with arguments at the top of a file."""

    name: str
    text: str
    clauses: Clauses
    path: str
    line: int


WINDOW = 4000
"""Characters of a declaration that are looked at, so that no text takes longer than its length."""

MAX_CONDITIONS = 200
"""How deep `#if` may nest, and how many branches may stand before one: what is beyond is not read."""

NEVER = "0"
"""A condition that does not hold."""


class SourceFile:
    """What one file holds, by kind and in its order."""

    __slots__ = ("_lines", "includes", "invocations", "items", "macros", "path", "text", "unclosed", "undefined")

    def __init__(self, path: str, text: str) -> None:
        self.path = path
        self.text = text
        self.macros: list[Macro] = []
        self.undefined: list[Undefinition] = []
        self.includes: list[Include] = []
        self.items: list[Item] = []
        self.invocations: list[Invocation] = []
        self.unclosed = 0
        """The line of a brace that nothing closes, where there is one."""
        self._lines: list[int] | None = None

    def line_of(self, place: int) -> int:
        """The number of the line, from 1, in which a place of the text stands."""
        if self._lines is None:
            self._lines = [mark.start() for mark in re.finditer("\n", self.text)]
        return bisect_left(self._lines, place) + 1


DEFINE = re.compile(r"\s*([A-Za-z_]\w*)(\(([^)]*)\))?(.*)", re.S)
INCLUDE = re.compile(r'\s*(?:"([^"\n]+)"|<([^>\n]+)>)')
AGGREGATE = re.compile(r"(?:^|[^\w])(typedef\s+)?(?:(?:const|volatile|static)\s+)*(struct|union|enum)\b([^;{}=()]*)$")
AFTER_TYPE = re.compile(r"[\s\w()*,\[\]+\-]*;")
VARIABLE = re.compile(
    r"([A-Za-z_]\w*)\s*((?:\[[^\]]*\]\s*)*)(?:__attribute__\s*\(.*\)\s*|[A-Z_]+\s*(?:\([^()]*\))?\s*)?=\s*(?:\(.*\)\s*)?$",
    re.S,
)
TYPEDEF = re.compile(r"\btypedef\b(.*)$", re.S)
CALLED = re.compile(r"([A-Za-z_]\w*)\s*$")
BRACKET = re.compile(r'"(?:[^"\\\n]|\\.)*"|[()]', re.S)
INVOKED = re.compile(r"^([A-Z][A-Z0-9_]{3,})\s*\(", re.M)


class _Scanner:
    """Goes through the marks of a file."""

    def __init__(self, path: str, text: str) -> None:
        self.file = SourceFile(path, text)
        self.text = text
        self.clauses: Clauses = ()
        self.levels: list[tuple[Clauses, list[str], int, int | None]] = []
        """For each open #if: the clauses around it, the conditions of the branches before, and the depths of braces
        at its beginning and at the end of its first branch."""
        self.depth = 0
        self.guard: str | None = None
        self.directives = 0
        self.unended = False
        """Whether no brace stands at the beginning of a line any more."""
        self.place = 0
        self.start = 0
        self.opened = 0
        self.head = ""
        self.in_function = False
        """Where the search goes on, where an item and what is in its braces began, and what stands before these."""
        self.tail = False
        """Whether what comes is behind the braces of an item, up to its semicolon."""

    def run(self) -> SourceFile:
        """All items."""
        text = self.text
        while (mark := MARK.search(text, self.place)) is not None:
            self.place = mark.end()
            first = mark[0][0]
            if first == "{":
                self.depth += 1
                if self.depth == 1:
                    self.opening(mark.start())
            elif first == "}":
                if self.depth:
                    self.depth -= 1
                    if self.depth == 0:
                        self.closing(mark.start())
                else:
                    self.start = self.place
            elif first == ";":
                if self.depth == 0:
                    self.plain(text[self.start : mark.start()], self.start, mark.start())
                    self.start = self.place
            elif first not in "\"'":
                words = DIRECTIVE.match(text, mark.start())
                if words is not None:
                    self.directive(words[1], words[2], mark.start())
                near = mark.start() - self.start < WINDOW
                if self.depth == 0 and near and not text[self.start : mark.start()].strip():
                    self.start = self.place
        if self.depth:
            self.file.unclosed = self.file.line_of(self.opened)
        return self.file

    def opening(self, brace: int) -> None:
        """The first brace of an item."""
        text = self.text
        self.head = text[self.start : brace]
        bare = self.head.rstrip()
        if bare.endswith('extern "C"'):
            self.depth = 0
            self.start = self.place
            return
        self.opened = self.place
        self.in_function = "=" not in bare[-200:] and bare.endswith(")")
        if self.in_function and not self.unended and text[brace - 1 : brace] == "\n":
            # The way a function is written: its end is the next brace at the beginning of a line.
            end = text.find("\n}", self.opened - 1)
            self.unended = end < 0
            if end >= 0:
                self.function(self.head, self.opened, end + 1, self.start)
                if LINE_OF_DIRECTIVE.search(text, self.opened, end):
                    for inner in DIRECTIVE.finditer(text, self.opened, end + 1):
                        self.directive(inner[1], inner[2], inner.start())
                self.depth = 0
                self.place = self.start = end + 2

    def closing(self, brace: int) -> None:
        """The last brace of an item."""
        if self.in_function:
            self.function(self.head, self.opened, brace, self.start)
        else:
            last = min(self.place + WINDOW, len(self.text))
            end = self.text.find(";", self.place, last)
            end = last if end < 0 else end
            self.braced(self.head, self.opened, brace, self.text[self.place : end], self.start)
            self.tail = True
        self.start = self.place

    # Items.

    def function(self, head: str, start: int, end: int, begin: int) -> None:
        """A function with a body."""
        bare = head.rstrip()
        depth = 0
        for index in range(len(bare) - 1, max(-1, len(bare) - 4000), -1):
            if bare[index] == ")":
                depth += 1
            elif bare[index] == "(":
                depth -= 1
                if depth == 0:
                    called = CALLED.search(bare, max(0, index - 200), index)
                    if called is not None:
                        self.add("function", called[1], bare[called.start() :], start, end, begin + called.start())
                        self.invoked(bare[: called.start()], begin)
                    return

    def add(self, kind: str, name: str, head: str, start: int, end: int, place: int) -> None:
        """One item more."""
        line = self.file.line_of(place)
        self.file.items.append(Item(kind, name, head, start, end, self.clauses, self.file.path, line))

    def braced(self, head: str, start: int, end: int, after: str, begin: int) -> None:
        """Something with braces that is no function."""
        bare = head.rstrip()
        self.invoked(bare, begin)
        begin += max(0, len(bare) - WINDOW)
        bare = bare[-WINDOW:]
        if bare.endswith("=") or bare.endswith(")"):
            variable = VARIABLE.search(bare)
            if variable is not None:
                kept = bare[: variable.start()].rpartition("\n\n")[2][-300:] + bare[variable.start() :]
                self.add("variable", variable[1], kept, start, end, begin + variable.start())
            return
        aggregate = AGGREGATE.search(bare)
        if aggregate is None:
            return
        words = [word for word in re.findall(r"\w+", aggregate[3]) if word not in ("QEMU_PACKED", "QEMU_ALIGNED")]
        tag = words[0] if words else ""
        names = [] if not aggregate[1] else re.findall(r"([A-Za-z_]\w*)\s*(?=[,\[]|$)", _without_attributes(after))
        head_text = bare[aggregate.start() :] + " @ " + after
        place = begin + aggregate.start()
        self.add(aggregate[2], tag or (f"@{names[0]}" if names else ""), head_text, start, end, place)
        for name in names:
            pointer = "*" if re.search(rf"\*\s*{name}\b", after) else ""
            array = re.search(rf"\b{name}\s*(\[[^;]*\])", after)
            target = f"{aggregate[2]} {tag or '@' + names[0]} {pointer}{name}{array[1] if array else ''}"
            self.add("typedef", name, target, start, end, place)

    def plain(self, text: str, start: int, end: int) -> None:
        """A declaration without braces, or what stands behind those of a type."""
        if self.tail:
            self.tail = False
            return
        self.invoked(text, start)
        start += max(0, len(text) - WINDOW)
        text = text[-WINDOW:]
        typedef = TYPEDEF.search(text)
        if typedef is not None:
            body = typedef[1].strip()
            name = re.search(r"\(\s*\*\s*(\w+)\s*\)", body) or re.search(r"([A-Za-z_]\w*)\s*(?:\[[^\]]*\]\s*)*$", body)
            if name is not None:
                self.add("typedef", name[1], body, start, end, start + typedef.start())

    def invoked(self, text: str, start: int) -> None:
        """Macros that are called in a text before an item."""
        if "(" not in text:
            return
        for called in INVOKED.finditer(text):
            end = _closing(text, called.end())
            if end is not None:
                place = start + called.start()
                line = self.file.line_of(place)
                whole = text[called.start() : end]
                self.file.invocations.append(Invocation(called[1], whole, self.clauses, self.file.path, line))

    # Directives.

    def directive(self, word: str, rest: str, place: int) -> None:
        """What a line with # says."""
        self.directives += 1
        if word == "define":
            self.define(rest, place)
        elif word == "include":
            name = INCLUDE.match(rest)
            if name is not None:
                quoted = name[1] is not None
                self.file.includes.append(Include(name[1] or name[2], quoted, self.clauses, self.file.line_of(place)))
        elif word in ("if", "ifdef", "ifndef"):
            text = " ".join(rest.replace("\\\n", " ").split())
            condition = text if word == "if" else f"defined({text.split(' ')[0]})"
            if word == "ifndef":
                condition = f"!{condition}"
            if self.directives == 1 and (guard := re.fullmatch(r"! ?defined ?\(? ?(\w+) ?\)?", condition)):
                self.guard = guard[1]
                condition = ""
            if len(self.levels) >= MAX_CONDITIONS:
                condition = "" if self.clauses[-1:] == (NEVER,) else NEVER
            self.levels.append((self.clauses, [condition], self.depth, None))
            if condition:
                self.clauses = (*self.clauses, condition)
        elif word in ("else", "elif") and self.levels:
            outer, before, depth, first = self.levels.pop()
            if len(before) > MAX_CONDITIONS:
                before = [NEVER]
            negated = tuple(f"!({each})" for each in before)
            if word == "elif":
                condition = " ".join(rest.replace("\\\n", " ").split())
                self.clauses = (*outer, *negated, condition)
                before = [*before, condition]
            else:
                self.clauses = (*outer, *negated)
            self.levels.append((outer, before, depth, self.depth if first is None else first))
            self.depth = depth
        elif word == "endif" and self.levels:
            outer, _, _, first = self.levels.pop()
            self.clauses = outer
            if first is not None:
                self.depth = first
        elif word == "undef":
            self.file.undefined.append(Undefinition(rest.strip(), self.clauses, self.file.line_of(place)))

    def define(self, rest: str, place: int) -> None:
        """A macro."""
        parts = DEFINE.match(rest)
        if parts is None:
            return
        name, brackets, inside, body = parts.groups()
        if self.guard is not None and name == self.guard and self.directives == 2:
            return
        parameters = None
        if brackets is not None:
            parameters = tuple(each.strip() for each in inside.replace("\\\n", " ").split(",") if each.strip())
        line = self.file.line_of(place)
        self.file.macros.append(Macro(name, parameters, body, self.clauses, self.file.path, line))


def _without_attributes(text: str) -> str:
    return re.sub(r"QEMU_\w+(\s*\([^)]*\))?|__attribute__\s*\(\(.*?\)\)", "", text).strip()


def _closing(text: str, place: int) -> int | None:
    """Behind the bracket that closes the one before `place`."""
    depth = 1
    for mark in BRACKET.finditer(text, place, place + 5 * WINDOW):
        if mark[0] == "(":
            depth += 1
        elif mark[0] == ")":
            depth -= 1
            if depth == 0:
                return mark.end()
    return None


def scan(path: str, data: bytes) -> SourceFile:
    """The items of a file."""
    text = data.decode("utf-8", "replace").replace("\r\n", "\n")
    return _Scanner(path, without_comments(text)).run()
