"""C expressions and type names, from tokens to trees.

Trees are plain tuples, the kind first:

    ("number", 3)  ("string", "text")  ("name", "X")  ("call", callee, (argument, ...))
    ("member", object, "field", arrow)  ("index", array, index)  ("unary", "-", x)  ("binary", "+", x, y)
    ("choice", condition, x, y)  ("cast", type, x)  ("literal", type, tokens)  ("sizeof", type)  ("sizeof-value", x)
    ("block", tokens): a statement expression, ({ ... })

and types:

    ("named", "uint32_t")  ("struct", "struct X")  ("inline", "struct", tokens)  ("pointer", type)
    ("array", type, expression or None)  ("typeof", expression)  ("function",)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from vmstate.source.lexer import Token
from vmstate.source.preprocessor import NAME, Unresolved

Tree = tuple[Any, ...]

MAX_DEPTH = 200
"""How deep expressions may nest."""

QUALIFIERS = frozenset(
    (
        "const", "volatile", "register", "static", "extern", "inline", "restrict", "__restrict", "__extension__",
        "_Atomic", "coroutine_mixed_fn", "coroutine_fn", "__inline", "__inline__", "__volatile__", "__const",
        "typedef", "auto", "QEMU_PACKED"
    )
)  # fmt: skip
WORDS = frozenset("unsigned signed int char short long float double void _Bool bool __signed__ __int128".split())  # noqa: SIM905
TAGGED = frozenset(("struct", "union", "enum"))
TYPEOF = frozenset(("typeof", "__typeof__", "__typeof"))

BINARY = {
    "*": 10, "/": 10, "%": 10, "+": 9, "-": 9, "<<": 8, ">>": 8, "<": 7, "<=": 7, ">": 7, ">=": 7,
    "==": 6, "!=": 6, "&": 5, "^": 4, "|": 3, "&&": 2, "||": 1,
}  # fmt: skip
UNARY = frozenset(("-", "+", "!", "~", "*", "&"))


def without_lines(tokens: Sequence[Token]) -> list[str]:
    """The tokens alone."""
    return [token for token in tokens if isinstance(token, str)]


class ExpressionParser:
    """Reads expressions and types from a row of tokens. `is_type` says whether a name is that of a type."""

    def __init__(self, tokens: Sequence[Token], is_type: Callable[[str], bool]) -> None:
        self.tokens = without_lines(tokens)
        self.at = 0
        self.is_type = is_type
        self.depth = 0

    @property
    def next(self) -> str:
        """The token that comes; "" at the end."""
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def ahead(self, count: int) -> str:
        """A token that comes later."""
        return self.tokens[self.at + count] if self.at + count < len(self.tokens) else ""

    def take(self, token: str) -> bool:
        """Whether a token comes; it is taken."""
        if self.next == token:
            self.at += 1
            return True
        return False

    def need(self, token: str) -> None:
        """Take a token that must come."""
        if not self.take(token):
            raise Unresolved(f"an expression with {self.next or 'its end'!r} where {token!r} should be")

    def whole(self) -> Tree:
        """The expression that all tokens are."""
        tree = self.expression()
        if self.at < len(self.tokens):
            raise Unresolved(f"an expression with {self.next!r} behind it")
        return tree

    def expression(self) -> Tree:
        """An expression without commas."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise Unresolved(f"an expression that nests more than {MAX_DEPTH} deep")
        try:
            tree = self.binary(1)
            if self.take("?"):
                if self.take(":"):
                    return ("choice", tree, tree, self.expression())
                left = self.expression()
                self.need(":")
                return ("choice", tree, left, self.expression())
            return tree
        finally:
            self.depth -= 1

    def binary(self, least: int) -> Tree:
        """Operators that bind at least so tightly."""
        left = self.unary()
        while True:
            operator = self.next
            rank = BINARY.get(operator, 0)
            if rank < least:
                return left
            self.at += 1
            left = ("binary", operator, left, self.binary(rank + 1))

    def unary(self) -> Tree:
        """An operand with what stands before it."""
        token = self.next
        if token in UNARY:
            self.at += 1
            self.depth += 1
            if self.depth > MAX_DEPTH:
                raise Unresolved(f"an expression that nests more than {MAX_DEPTH} deep")
            tree = ("unary", token, self.unary())
            self.depth -= 1
            return tree
        if token == "sizeof" or token in ("__alignof__", "_Alignof"):
            self.at += 1
            if self.next == "(" and self.type_begins(1):
                self.at += 1
                kind = self.type_name()
                self.need(")")
                return ("sizeof", kind)
            return ("sizeof-value", self.unary())
        if token == "__extension__":
            self.at += 1
            return self.unary()
        if token == "(" and self.type_begins(1):
            before = self.at
            self.at += 1
            kind = self.type_name()
            if self.next == ")":
                self.at += 1
                if self.next == "{":
                    return self.postfix(("literal", kind, tuple(self.braces())))
                if (
                    self.next
                    and self.next not in (")", ",", ";", "]", "}", "?", ":")
                    and self.next not in (BINARY.keys() - UNARY)
                ):
                    return ("cast", kind, self.unary())
            self.at = before
        return self.postfix(self.primary())

    def type_begins(self, ahead: int) -> bool:
        """Whether a type begins so many tokens ahead."""
        token = self.ahead(ahead)
        if token in WORDS or token in TAGGED or token in TYPEOF or token in QUALIFIERS:
            return True
        if not token or not NAME.match(token):
            return False
        if self.ahead(ahead + 1) == "*" and self.ahead(ahead + 2) in (")", "*"):
            return True
        return self.ahead(ahead + 1) in (")", "*", "[", "(") and self.is_type(token)

    def primary(self) -> Tree:
        """A number, a name, something in brackets."""
        token = self.next
        if not token:
            raise Unresolved("an expression that ends too early")
        self.at += 1
        if token == "(":
            if self.next == "{":
                inside = self.braces()
                self.need(")")
                return ("block", tuple(inside))
            tree = self.expression()
            while self.take(","):
                tree = self.expression()
            self.need(")")
            return tree
        first = token[0]
        if first.isdigit() or (first == "." and len(token) > 1):
            return ("number", number_of(token))
        if first == '"':
            text = unquoted(token)
            while self.next.startswith('"'):
                text += unquoted(self.next)
                self.at += 1
            return ("string", text)
        if first == "'":
            text = unquoted(token)
            return ("number", ord(text) if len(text) == 1 else 0)
        if NAME.match(token):
            if token in ("offsetof", "__builtin_offsetof") and self.next == "(":
                self.at += 1
                kind = self.type_name()
                self.need(",")
                return ("offsetof", kind, self.member_path())
            if token == "__builtin_types_compatible_p" and self.next == "(":
                self.braces("(", ")")
                return ("number", 1)
            return ("name", token)
        raise Unresolved(f"an expression with {token!r} in it")

    def member_path(self) -> str:
        """The path of a member to the closing bracket, as text."""
        text = ""
        depth = 0
        while self.next:
            token = self.next
            self.at += 1
            if token in ("(", "["):
                depth += 1
            elif token == ")" and depth == 0:
                return text
            elif token in (")", "]"):
                depth -= 1
            text += token
        raise Unresolved("an offsetof that does not end")

    def postfix(self, tree: Tree) -> Tree:
        """What stands behind an operand."""
        while True:
            if self.take("("):
                arguments = []
                while not self.take(")"):
                    if self.type_begins(0) and self.next != "(":
                        before = self.at
                        kind = self.type_name()
                        if self.next in (",", ")"):
                            arguments.append(("type", kind))
                        else:
                            self.at = before
                            arguments.append(self.expression())
                    else:
                        arguments.append(self.expression())
                    if not self.take(",") and self.next != ")":
                        raise Unresolved("a call that does not end")
                tree = ("call", tree, tuple(arguments))
            elif self.take("["):
                index = self.expression()
                self.need("]")
                tree = ("index", tree, index)
            elif self.next in (".", "->"):
                arrow = self.next == "->"
                self.at += 1
                tree = ("member", tree, str(self.next), arrow)
                self.at += 1
            else:
                return tree

    def braces(self, opening: str = "{", closing: str = "}") -> list[str]:
        """The tokens between braces that come."""
        self.need(opening)
        start = self.at
        depth = 1
        while self.at < len(self.tokens):
            token = self.tokens[self.at]
            self.at += 1
            if token == opening:
                depth += 1
            elif token == closing:
                depth -= 1
                if depth == 0:
                    return self.tokens[start : self.at - 1]
        raise Unresolved("braces that are not closed")

    # Types.

    def specifiers(self) -> Tree:
        """A type before its declarator."""
        words: list[str] = []
        kind: Tree | None = None
        while True:
            token = self.next
            if token in QUALIFIERS:
                self.at += 1
            elif token in ("__attribute__", "QEMU_ALIGNED", "_Alignas", "__attribute"):
                self.at += 1
                if self.next == "(":
                    self.braces("(", ")")
            elif token in TAGGED:
                self.at += 1
                kind = self.tagged(token)
            elif token in TYPEOF:
                self.at += 1
                self.need("(")
                is_type = self.type_begins(0) and self.next != "("
                kind = self.type_name() if is_type else ("typeof", self.expression())
                self.need(")")
            elif token in WORDS:
                self.at += 1
                words.append(str(token))
            elif kind is None and not words and token and NAME.match(token):
                self.at += 1
                kind = ("named", str(token))
            else:
                break
        if kind is not None:
            return kind
        if not words:
            raise Unresolved(f"a type with {self.next!r} in it")
        return ("named", " ".join(sorted(words)))

    def tagged(self, word: str) -> Tree:
        """A struct, union or enum, by its tag or with its members."""
        while self.next in ("__attribute__",) or self.next in QUALIFIERS:
            if self.next == "__attribute__":
                self.at += 1
                self.braces("(", ")")
            else:
                self.at += 1
        tag = ""
        if self.next != "{":
            tag = str(self.next)
            self.at += 1
        if self.next == "{":
            inside = self.braces()
            packed = False
            while self.next == "__attribute__":
                self.at += 1
                packed = packed or "packed" in "".join(self.braces("(", ")"))
            return ("inline", word, tuple(inside), packed)
        return ("struct", f"{word} {tag}")

    def type_name(self) -> Tree:
        """A type as it stands in a cast."""
        return self.declarator(self.specifiers())[0]

    def declarator(self, kind: Tree) -> tuple[Tree, str]:
        """The type and the name of what is declared with a type before it; the name is "" where there is none."""
        while True:
            if self.take("*"):
                kind = ("pointer", kind)
            elif self.next in QUALIFIERS:
                self.at += 1
            elif self.next == "__attribute__":
                self.at += 1
                self.braces("(", ")")
            else:
                break
        name = ""
        inner: list[str] | None = None
        if self.next == "(" and self.ahead(1) in ("*", "coroutine_fn", "coroutine_mixed_fn"):
            inner = self.braces("(", ")")
        elif NAME.match(self.next or "-"):
            name = str(self.next)
            self.at += 1
        sizes: list[Tree | None] = []
        while True:
            if self.next == "[":
                self.at += 1
                if self.take("]"):
                    sizes.append(None)
                else:
                    sizes.append(self.expression())
                    self.need("]")
            elif self.next == "(" and (name or inner is not None):
                self.braces("(", ")")
                kind = ("function",)
            elif self.next == "__attribute__":
                self.at += 1
                self.braces("(", ")")
            else:
                break
        for size in reversed(sizes):
            kind = ("array", kind, size)
        if inner is not None:
            nested = ExpressionParser(inner, self.is_type)
            kind, name = nested.declarator(kind)
        return kind, name


ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "0": "\0", "\\": "\\", '"': '"', "'": "'"}


def unquoted(token: str) -> str:
    """The text of a string or a character."""
    inside = token[1:-1]
    if "\\" not in inside:
        return inside
    out = ""
    index = 0
    while index < len(inside):
        if inside[index] == "\\" and index + 1 < len(inside):
            index += 1
            out += ESCAPES.get(inside[index], inside[index])
        else:
            out += inside[index]
        index += 1
    return out


def number_of(token: str) -> int:
    """The value of a number; one with a point is cut."""
    text = token.rstrip("uUlL")
    if len(text) > 400:
        raise Unresolved("a number of more than 400 digits")
    try:
        if text[:2] in ("0x", "0X"):
            return int(text, 16)
        if text[:2] in ("0b", "0B"):
            return int(text, 2)
        if len(text) > 1 and text[0] == "0" and text.isdigit():
            return int(text, 8)
        return int(text)
    except ValueError:
        try:
            return int(float(text.rstrip("fF")))
        except (ValueError, OverflowError):
            raise Unresolved(f"a number {token!r}") from None
