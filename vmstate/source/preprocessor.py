"""A translation unit: macros as one file sees them, and conditions of `#if` under the assumed configuration.

A macro is looked up where it is used, in the files that the unit includes. The first definition whose conditions hold
counts, in the order of inclusion: C has no second one without an `#undef`. In the unit's own file the last before
the place counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from vmstate.errors import VMStateError
from vmstate.source.lexer import DIRECTIVE, INCLUDE, Clauses, Item, Macro, Spaced, Token, tokens_of
from vmstate.source.sources import WHOLE, Sources, Use, key_of
from vmstate.source.target import OFF, Target

MAX_TOKENS = 1_000_000
"""Tokens that the macros of one unit may become."""

MAX_NESTED = 120
"""How deep macros may stand in macros: hardly any has more than a dozen."""

NAME = re.compile(r"[A-Za-z_]\w*\Z")


class Unresolved(Exception):
    """What cannot be told from the source, and why. The text says it to a user."""


class _Part:
    """A piece of a macro's body: a parameter, one made a string, or tokens pasted together."""

    __slots__ = ("index", "kind", "pieces", "spaced")

    def __init__(self, kind: str, index: int = 0, pieces: tuple[object, ...] = (), spaced: bool = False) -> None:
        self.kind = kind
        self.index = index
        self.pieces = pieces
        self.spaced = spaced


class Body:
    """A macro ready to be expanded."""

    __slots__ = ("count", "has_enum", "macro", "parts", "plain", "variadic")

    def __init__(self, macro: Macro) -> None:
        self.macro = macro
        names = macro.parameters
        self.variadic = bool(names) and names is not None and names[-1].endswith("...")
        self.count = -1 if names is None else len(names)
        where: dict[str, int] = {}
        for index, name in enumerate(names or ()):
            where[name.removesuffix("...").strip() or "__VA_ARGS__"] = index
        tokens = [token for token in tokens_of(macro.body.replace("\\\n", " ")) if token != "\\"]
        self.parts = _parts(tokens, where, names is not None)
        self.has_enum = "enum" in tokens
        self.plain: list[Token] = [part for part in self.parts if isinstance(part, str)]
        if len(self.plain) < len(self.parts):
            self.plain = []


def _parts(tokens: Sequence[Token], where: Mapping[str, int], has_parameters: bool) -> list[str | _Part]:
    parts: list[str | _Part] = []
    index = 0
    while index < len(tokens):
        token = tokens[index]
        assert isinstance(token, str)
        if token == "##" and parts and index + 1 < len(tokens):
            index += 1
            right = tokens[index]
            assert isinstance(right, str)
            operand: object = where.get(right, right) if right in where else str(right)
            before = parts.pop()
            if isinstance(before, _Part) and before.kind == "paste":
                parts.append(_Part("paste", pieces=(*before.pieces, operand), spaced=before.spaced))
            else:
                left: object = before.index if isinstance(before, _Part) and before.kind == "parameter" else before
                spaced = before.spaced if isinstance(before, _Part) else isinstance(before, Spaced)
                parts.append(_Part("paste", pieces=(left, operand), spaced=spaced))
        elif token == "#" and has_parameters and index + 1 < len(tokens) and tokens[index + 1] in where:
            index += 1
            parts.append(_Part("string", where[str(tokens[index])]))
        elif token in where:
            parts.append(_Part("parameter", where[token], spaced=isinstance(token, Spaced)))
        else:
            parts.append(token)
        index += 1
    return parts


class Unit:
    """One file as a compiler for one target sees it."""

    def __init__(self, sources: Sources, path: str, target: Target) -> None:
        self.sources = sources
        self.path = path
        self.target = target
        self.order = {each: number for number, each in enumerate(sources.closure(path, target.base))}
        self.used: set[Use] = {(path, WHOLE)}
        """What was taken, and from which file."""
        self.line = 0
        """Where in its own file the unit stands; 0 is the end."""
        self.made = 0
        self.including = 0
        self.enum_constants: tuple[dict[str, int], set[Use]] | None = None
        """Those that macros make, once somebody has asked for them, and what this took."""
        self._bodies: dict[str, Body | None] = {}
        self._placed: set[str] = _several([macro.name for macro in sources.file(path).macros])
        self._placed.update(each.name for each in sources.file(path).undefined)
        self._holding: dict[Clauses, bool] = {(): True}
        self._asked: set[str] = set()

    # Names.

    def body(self, name: str) -> Body | None:
        """The macro of a name, if it is one here."""
        try:
            return self._bodies[name]
        except KeyError:
            pass
        if name in self._placed:
            return self._placed_body(name)
        made = self._find(name)
        self._bodies[name] = made
        return made

    def _find(self, name: str, unguarded: bool = False) -> Body | None:
        defines = self.target.defines
        if name in defines:
            text = defines[name]
            return None if text is None else Body(Macro(name, None, text, (), "", 0))
        best: tuple[int, Macro] | None = None
        # While a name is looked for it is not defined: `#ifndef X` around its own definition.
        if name in self._asked or len(self._asked) > MAX_NESTED:
            return None
        macros = self.sources.macros.get(name)
        if not macros:
            return None
        self._asked.add(name)
        try:
            for macro in macros:
                number = self.order.get(macro.path)
                if number is None or (best is not None and number >= best[0]):
                    continue
                if unguarded and any(_guards(clause, name) for clause in macro.clauses):
                    continue
                if self.holds(macro.clauses):
                    best = (number, macro)
        finally:
            self._asked.discard(name)
        if best is None:
            return None
        self.used.add((best[1].path, name))
        return Body(best[1])

    def _placed_body(self, name: str) -> Body | None:
        """The macro of a name that the unit's own file defines more than once, or undefines."""
        file = self.sources.file(self.path)
        line = self.line or 1 << 30
        events: list[tuple[int, Macro | None]] = [
            (macro.line, macro) for macro in file.macros if macro.name == name and macro.line <= line
        ]
        events += [(gone.line, None) for gone in file.undefined if gone.name == name and gone.line <= line]
        for at, macro in sorted(events, key=lambda event: -event[0]):
            if macro is None:
                clauses = next(gone.clauses for gone in file.undefined if gone.name == name and gone.line == at)
                if self.holds(clauses):
                    return None
            elif self.holds(macro.clauses):
                return Body(macro)
        return None

    def find(self, items: Sequence[Item] | None) -> Item | None:
        """Of items of one name that which this unit sees."""
        best: tuple[int, Item] | None = None
        for item in items or ():
            number = self.order.get(item.path)
            if number is not None and (best is None or number < best[0]) and self.holds(item.clauses):
                best = (number, item)
        if best is None:
            return None
        self.used.add((best[1].path, key_of(best[1])))
        return best[1]

    @contextmanager
    def taking(self, *uses: Use) -> Iterator[set[Use]]:
        """All that is taken meanwhile, as if nothing had been looked up before: others are given what is made of it."""
        before, self.used = self.used, set(uses)
        bodies, self._bodies = self._bodies, {}
        holding, self._holding = self._holding, {(): True}
        line, self.line = self.line, 0
        try:
            yield self.used
        finally:
            before |= self.used
            self.used = before
            self._bodies, self._holding, self.line = bodies, holding, line

    def text(self, item: Item) -> str:
        """What is inside an item's braces."""
        return self.sources.file(item.path).text[item.start : item.end]

    # Conditions.

    def holds(self, clauses: Clauses) -> bool:
        """Whether all of some conditions hold."""
        known = self._holding.get(clauses)
        if known is None:
            known = self.holds(clauses[:-1]) and self.condition(clauses[-1])
            self._holding[clauses] = known
        return known

    def condition(self, text: str) -> bool:
        """Whether the condition of an `#if` holds. One that cannot be evaluated does not."""
        simple = SIMPLE.match(text)
        if simple is not None:
            if text.count("!", 0, simple.start(1)) % 2 == 0:
                return self.is_defined(simple[1])
            return not self.is_defined(simple[1], unguarded=True)
        from vmstate.source.constants import constant

        try:
            tokens: list[Token] = []
            raw = [str(token) for token in tokens_of(text)]
            index = 0
            while index < len(raw):
                if raw[index] == "defined" and index + 1 < len(raw):
                    bracket = raw[index + 1] == "("
                    name = raw[index + 2] if bracket and index + 2 < len(raw) else raw[index + 1]
                    tokens.append("1" if self.is_defined(name) else "0")
                    index += 4 if bracket else 2
                elif raw[index] in ("__has_include", "__has_attribute", "__has_builtin", "__has_feature"):
                    return False
                else:
                    tokens.append(raw[index])
                    index += 1
            expanded = ["0" if isinstance(t, str) and NAME.match(t) else t for t in self.expand(tokens)]
            return bool(constant(expanded, None))
        except (Unresolved, RecursionError):
            return False

    def is_defined(self, name: str, unguarded: bool = False) -> bool:
        """Whether a name is a macro, or an option that is set.

        With `unguarded` definitions that stand inside an `#ifndef` of the name do not count: it is this condition that
        is asked for.
        """
        defines = self.target.defines
        if name in defines:
            return defines[name] is not None
        if name.startswith("CONFIG_"):
            return name not in OFF
        if name.startswith("TARGET_") and name.removeprefix("TARGET_").lower() in ARCHITECTURES:
            return False
        # That it is not defined is something that was taken, too.
        self.used.add((self.path, name))
        if unguarded and name not in self._placed:
            return self._find(name, True) is not None
        return self.body(name) is not None

    # Macros.

    def tokens(self, text: str, line: int, here: bool = True) -> list[Token]:
        """The tokens of a piece of a file, its directives obeyed; `here` says that it is of the unit's own file."""
        if "#" not in text:
            return tokens_of(text, line)
        tokens: list[Token] = []
        open_: list[tuple[bool, bool, bool]] = []
        """For each #if: whether what is around is read, whether a branch was, and whether this one is."""
        reading = True
        place = 0
        at = line
        for mark in DIRECTIVE.finditer(text):
            if reading:
                tokens += tokens_of(text[place : mark.start()], at)
            at += text.count("\n", place, mark.end())
            place = mark.end()
            word, rest = mark[1], " ".join(mark[2].replace("\\\n", " ").split())
            if here:
                self.line = at
            if word in ("if", "ifdef", "ifndef"):
                if word == "if":
                    true = reading and self.condition(rest)
                else:
                    true = reading and self.is_defined(rest.split(" ")[0]) is (word == "ifdef")
                open_.append((reading, true, true))
                reading = true
            elif word in ("elif", "else") and open_:
                outer, done, _ = open_.pop()
                true = outer and not done and (word == "else" or self.condition(rest))
                open_.append((outer, done or true, true))
                reading = true
            elif word == "endif" and open_:
                reading = open_.pop()[0]
            elif word == "include" and reading:
                tokens += self._included(mark[2], at)
        if reading:
            tokens += tokens_of(text[place:], at)
        return tokens

    def _included(self, rest: str, line: int) -> list[Token]:
        """What a file holds that is included in the middle of something, as macros stand at this line."""
        name = INCLUDE.match(rest)
        if name is None:
            return []
        folder = self.path.rpartition("/")[0]
        path = self.sources.place(name[1] or name[2], name[1] is not None, folder, self.target.base)
        if path is None or path == self.path or self.including > MAX_NESTED:
            return []
        self.used.add((path, WHOLE))
        self.including += 1
        before, self.line = self.line, line
        try:
            return self.expand(self.tokens(self.sources.file(path).text, 0, False))
        finally:
            self.line = before
            self.including -= 1

    def expand(self, tokens: Sequence[Token], hidden: frozenset[str] = frozenset()) -> list[Token]:
        """The tokens with all macros expanded. Raises `Unresolved` where they do not end."""
        out: list[Token] = []
        bodies = self._bodies
        index = 0
        count = len(tokens)
        self.made += count
        if self.made > MAX_TOKENS:
            raise Unresolved(f"macros that become more than {MAX_TOKENS} tokens")
        if len(hidden) > MAX_NESTED:
            raise Unresolved(f"macros inside macros, more than {MAX_NESTED} deep")
        while index < count:
            token = tokens[index]
            index += 1
            if token.__class__ is int:
                assert isinstance(token, int)
                self.line = token
                out.append(token)
                continue
            assert isinstance(token, str)
            try:
                body = bodies[token]
            except KeyError:
                body = self.body(token) if token[0].isalpha() or token[0] == "_" else bodies.setdefault(token, None)
            if body is None or token in hidden:
                out.append(token)
                continue
            if body.count < 0:
                result = self._put(body, [], hidden)
            else:
                arguments, after = _arguments(tokens, index)
                if arguments is None:
                    out.append(token)
                    continue
                index = after
                result = self._put(body, arguments, hidden)
            if result and result[0].__class__ is not int and result[0].__class__ is not token.__class__:
                # What a macro becomes has the blank before it that its name has.
                first = str(result[0])
                result[0] = Spaced(first) if token.__class__ is Spaced else first
            out += result
        return out

    def _put(self, body: Body, arguments: list[list[Token]], hidden: frozenset[str]) -> list[Token]:
        """A macro's body with its arguments in it, expanded."""
        macro = body.macro
        if body.plain and body.count < 1:
            return self.expand(body.plain, hidden | {macro.name})
        count = max(body.count, 0)
        if count == 0 and len(arguments) == 1 and not arguments[0]:
            arguments = []
        if body.variadic:
            rest: list[Token] = []
            for number, argument in enumerate(arguments[count - 1 :]):
                rest += [",", *argument] if number else argument
            has_rest = len(arguments) >= count
            arguments = [*arguments[: count - 1], rest]
        else:
            has_rest = True
        if len(arguments) != count:
            raise Unresolved(f"{macro.name} is given {len(arguments)} arguments, and takes {count}")
        expanded: dict[int, list[Token]] = {}
        result: list[Token] = []
        for part in body.parts:
            if isinstance(part, str):
                result.append(part)
            elif part.kind == "parameter":
                inside = expanded.get(part.index)
                if inside is None:
                    inside = expanded[part.index] = self.expand(arguments[part.index], hidden)
                if inside and part.spaced and inside[0].__class__ is str:
                    result.append(Spaced(inside[0]))
                    result += inside[1:]
                elif inside and not part.spaced and inside[0].__class__ is Spaced:
                    result.append(str(inside[0]))
                    result += inside[1:]
                else:
                    result += inside
            elif part.kind == "string":
                result.append(_as_string(arguments[part.index]))
            else:
                result += _pasted(part, arguments, body, has_rest)
            self.made += 1
            if len(result) > MAX_TOKENS:
                raise Unresolved(f"macros that become more than {MAX_TOKENS} tokens")
        return self.expand(result, hidden | {macro.name})


ARCHITECTURES = frozenset(
    """
    x86_64 i386 arm aarch64 ppc ppc64 s390x mips mips64 sparc sparc64 riscv riscv32 riscv64 m68k sh4 alpha hppa rx avr
    microblaze xtensa tricore openrisc loongarch loongarch64 hexagon cris nios2 lm32 moxie unicore32 abi32 abi_mipsn32
    abi_mipso32 abi_mipsn64
    """.split()  # noqa: SIM905 (a list of as many strings is harder to read)
)
"""Names of targets: TARGET_X of one that is not read is not defined, wherever else it may be."""

SIMPLE = re.compile(r"(?:[!( ]*)\bdefined ?\(? ?(\w+)[) ]*\Z")


def _guards(clause: str, name: str) -> bool:
    """Whether a condition is that a name is not defined."""
    simple = SIMPLE.match(clause)
    return simple is not None and simple[1] == name and clause.count("!", 0, simple.start(1)) % 2 == 1


def _several(names: list[str]) -> set[str]:
    seen: set[str] = set()
    twice = set()
    for name in names:
        if name in seen:
            twice.add(name)
        seen.add(name)
    return twice


def _arguments(tokens: Sequence[Token], index: int) -> tuple[list[list[Token]] | None, int]:
    """The arguments of a macro whose bracket may stand at `index`, and the place behind; None where there is none."""
    count = len(tokens)
    while index < count and tokens[index].__class__ is int:
        index += 1
    if index >= count or tokens[index] != "(":
        return None, index
    depth = 0
    arguments: list[list[Token]] = []
    current: list[Token] = []
    for place in range(index + 1, count):
        token = tokens[place]
        if token.__class__ is int:
            continue
        if token == "(":
            depth += 1
        elif token == ")" and depth == 0:
            arguments.append(current)
            return arguments, place + 1
        elif token == ")":
            depth -= 1
        elif token == "," and depth == 0:
            arguments.append(current)
            current = []
            continue
        current.append(token)
    return None, index


def _as_string(tokens: Sequence[Token]) -> str:
    text = ""
    for token in tokens:
        if token.__class__ is int:
            continue
        assert isinstance(token, str)
        if text and token.__class__ is Spaced:
            text += " "
        text += token.replace("\\", "\\\\").replace('"', '\\"') if token[0] in "\"'" else token
    return f'"{text}"'


def _pasted(part: _Part, arguments: Sequence[Sequence[Token]], body: Body, has_rest: bool) -> Iterator[Token]:
    """The tokens of a ## b ## c."""
    last = body.count - 1
    pieces = part.pieces
    if body.variadic and len(pieces) == 2 and pieces[0] == "," and pieces[1] == last:
        # `, ## __VA_ARGS__`: no comma where there is nothing behind it.
        if has_rest and arguments[last]:
            yield ","
            yield from arguments[last]
        return
    joined: list[Token] = []
    for piece in pieces:
        inside = [t for t in arguments[piece] if t.__class__ is not int] if isinstance(piece, int) else [str(piece)]
        if joined and inside:
            joined[-1] = f"{joined[-1]}{inside[0]}"
            joined += inside[1:]
        else:
            joined += inside
    for number, token in enumerate(joined):
        yield Spaced(token) if number == 0 and part.spaced else token


def check_target(targets: Mapping[str, Target], name: str) -> Target:
    """The target of a name. Raises `VMStateError`."""
    if name not in targets:
        raise VMStateError(f"the tree has no target {name!r}", expected=", ".join(sorted(targets)))
    return targets[name]
