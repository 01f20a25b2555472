"""Numbers and conditions of Rust: what a constant expression is, and what a function of one expression says."""

from __future__ import annotations

import re
from collections.abc import Callable

from vmstate.source.preprocessor import Unresolved
from vmstate.source.rust_items import MAX_DEPTH, Span

NUMBER = re.compile(r"(0[xX][0-9a-fA-F]+|0b[01]+|0o[0-7]+|\d+)(?:[iu](?:8|16|32|64|128|size))?\Z")
LEVELS = (("||",), ("&&",), ("==", "!=", "<", ">", "<=", ">="), ("|",), ("^",), ("&",), ("+", "-"), ("*", "/", "%"))
"""Operators, those that bind least first; those of a shift are two tokens, between & and +."""
WORDS = {"&&": "&", "||": "|"}
MAX_BITS = 128

Named = Callable[[list[str], int], int | None]


class Numbers:
    """The value of an expression. `named` gives that of a path, and `size` that of `size_of::<T>()`."""

    def __init__(self, span: Span, named: Named, size: Callable[[Span], int | None]) -> None:
        self.span = span
        self.tokens = span.code.tokens
        self.named = named
        self.size = size
        self.place = span.start

    def value(self) -> int:
        """The value. Raises `Unresolved`."""
        value = self.level(0, 0)
        if self.place < self.span.end:
            raise Unresolved(f"an expression with {self.tokens[self.place]!r}")
        return value

    def level(self, number: int, depth: int) -> int:
        """What operators of a level, and all that bind more, make."""
        if depth > MAX_DEPTH:
            raise Unresolved("an expression that nests too deeply")
        if number == len(LEVELS):
            return self.cast(depth)
        left = self.shifted(depth) if number == 6 else self.level(number + 1, depth)
        while self.peek() in LEVELS[number] and not self.is_shift():
            word = self.next()
            right = self.level(number + 1, depth)
            left = _combined(word, left, right)
        return left

    def is_shift(self) -> bool:
        """Whether `<<` or `>>` stands next: it is two tokens."""
        return self.peek() in ("<", ">") and self.tokens[self.place + 1 : self.place + 2] == [self.peek()]

    def shifted(self, depth: int) -> int:
        """Shifts, which bind less than + and more than &."""
        left = self.level(7, depth)
        while self.peek() in ("+", "-"):
            word = self.next()
            left = _combined(word, left, self.level(7, depth))
        while self.is_shift():
            word = self.next() + self.next()
            left = _combined(word, left, self.level(6, depth + 1))
        return left

    def cast(self, depth: int) -> int:
        """A value, and the types that it is cast to."""
        value = self.single(depth)
        while self.peek() == "as":
            self.place += 2
        return value

    def single(self, depth: int) -> int:
        """A number, a path, a call of size_of, or something in brackets."""
        token = self.next()
        number = NUMBER.match(token.replace("_", "")) if token[:1].isdigit() else None
        if number is not None:
            return int(number[1], 0) if not number[1].isdigit() else int(number[1])
        if token == "-":
            return -self.single(depth + 1)
        if token == "(":
            value = self.level(0, depth + 1)
            if self.next() != ")":
                raise Unresolved("an expression with a bracket that does not end")
            return value
        if token in ("true", "false"):
            return int(token == "true")
        if not (token[:1].isalpha() or token[:1] in "_:"):
            raise Unresolved(f"an expression with {token!r}")
        parts = [token] if token != "::" else []
        while self.peek() == "::":
            self.next()
            if self.peek() == "<":
                return self.size_of(parts)
            parts.append(self.next())
        known = self.named(parts, depth)
        if known is None:
            raise Unresolved(f"{'::'.join(parts)}, which is no constant here")
        return known

    def size_of(self, parts: list[str]) -> int:
        """`size_of::<T>()`."""
        first = self.place + 1
        depth = 0
        while self.place < self.span.end:
            depth += {"<": 1, ">": -1}.get(self.tokens[self.place], 0)
            self.place += 1
            if depth == 0:
                break
        kind = Span(self.span.code, first, self.place - 1)
        size = (
            self.size(kind)
            if parts[-1:] == ["size_of"] and self.tokens[self.place : self.place + 2] == ["(", ")"]
            else None
        )
        if size is None:
            raise Unresolved(f"{'::'.join(parts)}::<{kind.text}>")
        self.place += 2
        return size

    def peek(self) -> str:
        """The next token, or "" at the end."""
        return self.tokens[self.place] if self.place < self.span.end else ""

    def next(self) -> str:
        """The next token."""
        if self.place >= self.span.end:
            raise Unresolved("an expression that ends early")
        self.place += 1
        return self.tokens[self.place - 1]


def _combined(word: str, left: int, right: int) -> int:
    match word:
        case "+":
            return left + right
        case "-":
            return left - right
        case "*":
            value = left * right
            if value.bit_length() > MAX_BITS:
                raise Unresolved("a number that is too large")
            return value
        case "/" | "%":
            if right == 0:
                raise Unresolved("a division by nothing")
            return left // right if word == "/" else left % right
        case "|":
            return left | right
        case "&":
            return left & right
        case "^":
            return left ^ right
        case "<<" | ">>":
            if not 0 <= right < MAX_BITS:
                raise Unresolved("a shift that is too far")
            return left << right if word == "<<" else left >> right
    raise Unresolved(f"an expression with {word!r}")


class Conditions:
    """A function of one expression over members of what it is given, in the words of `vmstate.source.predicates`.

    `asked` gives the body of another method of the same type, by its name.
    """

    def __init__(self, body: Span, given: str, asked: Callable[[str], Span | None], depth: int = 0) -> None:
        self.tokens = body.tokens
        self.given = given
        self.asked = asked
        self.depth = depth
        self.place = 0

    def text(self) -> str | None:
        """The expression; None where the function is more than one."""
        if self.depth > 4 or len(self.tokens) > 200:
            return None
        try:
            self.opened()
            text = self.either()
            while self.peek() == "}":
                self.place += 1
            return text if self.place == len(self.tokens) else None
        except Unresolved:
            return None

    def opened(self) -> None:
        """What stands before the expression: how C's pointer becomes that of a struct, and `unsafe {`."""
        tokens = self.tokens
        if tokens[:1] == ["let"] and ";" in tokens and "opaque" in tokens[: tokens.index(";")]:
            self.given = tokens[1]
            self.place = tokens.index(";") + 1
        if tokens[self.place : self.place + 2] == ["unsafe", "{"]:
            self.place += 2

    def either(self) -> str:
        """Operators of logic."""
        left = self.compared()
        while self.peek() in WORDS:
            word = WORDS[self.next()]
            right = self.compared()
            left, right = (text if text.startswith("(") else f"({text} != 0)" for text in (left, right))
            left = f"({left} {word} {right})"
        return left

    def compared(self) -> str:
        """A comparison, or what stands for itself."""
        left = self.single()
        if self.peek() in LEVELS[2]:
            word = self.next()
            return f"({left} {word} {self.single()})"
        return left

    def single(self) -> str:
        """A member, a number, another method, or something in brackets."""
        token = self.next()
        if token == "!":
            return f"({self.single()} == 0)"
        if token == "(":
            text = self.either()
            if self.next() != ")":
                raise Unresolved("a bracket that does not end")
            return text
        if token in ("true", "false"):
            return str(int(token == "true"))
        number = NUMBER.match(token.replace("_", ""))
        if number is not None:
            return str(int(number[1], 0) if not number[1].isdigit() else int(number[1]))
        if token != self.given:
            raise Unresolved(f"what {token!r} is")
        members: list[str] = []
        while self.peek() == ".":
            self.next()
            name = self.next()
            if self.peek() != "(":
                members.append(name)
            elif self.tokens[self.place : self.place + 2] != ["(", ")"]:
                raise Unresolved("a call with arguments")
            else:
                self.place += 2
                if name in ("get", "as_ref", "borrow") and (members or name == "as_ref"):
                    continue
                body = None if members else self.asked(name)
                inner = None if body is None else Conditions(body, "self", self.asked, self.depth + 1).text()
                if inner is None:
                    raise Unresolved(f"what {name}() says")
                return inner if inner.startswith("(") else f"({inner})"
        if not members:
            raise Unresolved("a member of something else")
        return f"this.{'.'.join(members)}"

    def peek(self) -> str:
        """The next token, or "" at the end."""
        return self.tokens[self.place] if self.place < len(self.tokens) else ""

    def next(self) -> str:
        """The next token."""
        if self.place >= len(self.tokens):
            raise Unresolved("it ends early")
        self.place += 1
        return self.tokens[self.place - 1]
