"""What expressions are worth and types are large, as a compiler for 64-bit Linux has it.

Sizes are in bytes. Whatever depends on something that the tree does not have (a library's struct, a generated header,
a value of the running machine) raises `Unresolved` with the reason.
"""

from __future__ import annotations

from collections.abc import Sequence

from vmstate.source.expressions import ExpressionParser, Tree, without_lines
from vmstate.source.lexer import Item, Token
from vmstate.source.preprocessor import Unit, Unresolved
from vmstate.source.sources import WHOLE, Use, key_of
from vmstate.vmsd.data import NamedTuple

BUILTIN = {
    "char": 1, "char signed": 1, "char unsigned": 1, "_Bool": 1, "bool": 1, "short": 2, "short unsigned": 2,
    "int short": 2, "int short unsigned": 2, "int": 4, "unsigned": 4, "signed": 4, "int unsigned": 4, "int signed": 4,
    "long": 8, "int long": 8, "long unsigned": 8, "int long unsigned": 8, "long long": 8, "int long long": 8,
    "long long unsigned": 8, "int long long unsigned": 8, "float": 4, "double": 8, "__int128": 16,
    "__int128 unsigned": 16, "void": 1,
    "int8_t": 1, "uint8_t": 1, "int16_t": 2, "uint16_t": 2, "int32_t": 4, "uint32_t": 4,
    "int64_t": 8, "uint64_t": 8,
    "__u8": 1, "__s8": 1, "__u16": 2, "__s16": 2, "__u32": 4, "__s32": 4, "__u64": 8, "__s64": 8, "__le16": 2,
    "__le32": 4, "__le64": 8, "__be16": 2, "__be32": 4, "__be64": 8, "__virtio16": 2, "__virtio32": 4, "__virtio64": 8,
    "size_t": 8, "ssize_t": 8, "off_t": 8, "time_t": 8, "uintptr_t": 8, "intptr_t": 8, "ptrdiff_t": 8, "pid_t": 4,
    "gint": 4, "guint": 4, "gboolean": 4, "gsize": 8, "gssize": 8, "gint64": 8, "guint64": 8, "guint32": 4,
    "guint16": 2, "guint8": 1, "guchar": 1, "gchar": 1, "__int128_t": 16, "__uint128_t": 16, "uint": 4, "ulong": 8,
    "ushort": 2,
    "intmax_t": 8, "uintmax_t": 8, "socklen_t": 4, "mode_t": 4, "uid_t": 4, "gid_t": 4, "sig_atomic_t": 4,
}  # fmt: skip
"""Sizes of what is no declaration of the tree; words of a type in alphabetical order."""

UNSIGNED = {
    "uint8_t": 8,
    "uint16_t": 16,
    "uint32_t": 32,
    "uint64_t": 64,
    "unsigned": 32,
    "int unsigned": 32,
    "__u32": 32,
}
UNSIGNED |= {"long unsigned": 64, "long long unsigned": 64, "size_t": 64, "char unsigned": 8, "short unsigned": 16}

MADE_BY_MACROS: Use = ("", "")
"""Stands for all that a unit took to know the constants that macros make."""

MAX_VALUE = 1 << 256
MAX_DEPTH = 60


class Member(NamedTuple):
    """A member of a struct: its type, and its width in bits where it is a bit field."""

    kind: Tree
    bits: int | None


class Members(NamedTuple):
    """What is in a struct or union, in order; anonymous ones are opened in `nested`."""

    members: tuple[tuple[str, Member], ...]
    is_union: bool
    packed: bool


def constant(tokens: Sequence[Token], unit: Unit | None) -> int:
    """The value of expanded tokens. Raises `Unresolved`."""
    if unit is None:
        return Constants(None).value(ExpressionParser(tokens, lambda name: name in BUILTIN).whole())
    constants = Constants(unit)
    return constants.value(constants.parse(tokens))


class Constants:
    """The constants and types of a unit."""

    def __init__(self, unit: Unit | None) -> None:
        self.unit = unit
        self.depth = 0
        self.locals: dict[str, Tree] = {}

    # Names.

    def is_type(self, name: str) -> bool:
        """Whether a name is that of a type here."""
        if name in BUILTIN:
            return True
        unit = self.unit
        if unit is None:
            return False
        types = unit.sources.types
        return name in types or f"struct {name}" in types or f"union {name}" in types or name.endswith("_t")

    def parse(self, tokens: Sequence[Token]) -> Tree:
        """The tree of an expression whose macros are expanded."""
        return ExpressionParser(tokens, self.is_type).whole()

    def expression(self, text_tokens: Sequence[Token]) -> Tree:
        """The tree of an expression as it stands in a file."""
        unit = self.unit
        return self.parse(text_tokens if unit is None else unit.expand(text_tokens))

    # Values.

    def value(self, tree: Tree) -> int:
        """The number that an expression is."""
        self.depth += 1
        if self.depth > MAX_DEPTH * 5:
            raise Unresolved("an expression that refers to itself, or nests too deeply")
        try:
            result = self._value(tree)
        finally:
            self.depth -= 1
        if abs(result) > MAX_VALUE:
            raise Unresolved("a value of more than 256 bits")
        return result

    def _value(self, tree: Tree) -> int:
        kind = tree[0]
        if kind == "number":
            return int(tree[1])
        if kind == "name":
            return self.named(tree[1])
        if kind == "binary":
            return self.binary(tree[1], tree[2], tree[3])
        if kind == "unary":
            operator = tree[1]
            if operator in "-+!~":
                inner = self.value(tree[2])
                return {"-": -inner, "+": inner, "!": int(not inner), "~": ~inner}[operator]
            raise Unresolved("an address, or what is at one")
        if kind == "choice":
            return self.value(tree[2] if self.value(tree[1]) else tree[3])
        if kind == "sizeof":
            return self.size(tree[1])
        if kind == "sizeof-value":
            return self.size_of_value(tree[1])
        if kind == "cast":
            value = self.value(tree[2])
            bits = UNSIGNED.get(tree[1][1]) if tree[1][0] == "named" else None
            return value if bits is None else value & ((1 << bits) - 1)
        if kind == "offsetof":
            return self.offset(tree[1], tree[2])
        if kind == "block":
            return self.block(tree[1])
        if kind == "call":
            return self.call(tree)
        raise Unresolved({"string": "a text where a number should be"}.get(kind, f"a {kind} in an expression"))

    def binary(self, operator: str, left_tree: Tree, right_tree: Tree) -> int:
        """The value of two operands."""
        left = self.value(left_tree)
        if operator == "&&":
            return int(bool(left) and bool(self.value(right_tree)))
        if operator == "||":
            return int(bool(left) or bool(self.value(right_tree)))
        right = self.value(right_tree)
        match operator:
            case "+":
                return left + right
            case "-":
                return left - right
            case "*":
                return left * right
            case "/" | "%":
                if right == 0:
                    raise Unresolved("a division by zero")
                quotient = abs(left) // abs(right) * (1 if (left < 0) is (right < 0) else -1)
                return quotient if operator == "/" else left - quotient * right
            case "<<" | ">>":
                if not 0 <= right <= 256:
                    raise Unresolved("a shift by more than there are bits")
                return left << right if operator == "<<" else left >> right
            case "&":
                return left & right
            case "|":
                return left | right
            case "^":
                return left ^ right
        results = {"==": left == right, "!=": left != right, "<": left < right, ">": left > right}
        return int(results.get(operator, left <= right if operator == "<=" else left >= right))

    def named(self, name: str) -> int:
        """The value of a constant."""
        if name in self.locals:
            return self.value(self.locals[name])
        unit = self.unit
        if unit is not None:
            item = unit.find(unit.sources.constants.get(name))
            if item is not None:
                values = self.enumeration(item)
                if name in values:
                    value = values[name]
                    if isinstance(value, str):
                        raise Unresolved(value)
                    return value
            variable = unit.find(unit.sources.variables.get(name))
            if variable is not None:
                raise Unresolved(f"{name}, a variable")
            made = self.made_by_macros().get(name)
            if made is not None:
                return made
        raise Unresolved(f"{name}, which the tree does not define here")

    def made_by_macros(self) -> dict[str, int]:
        """Constants of enums that macros at the top of a file make, such as registers with their numbers."""
        unit = self.unit
        assert unit is not None
        if unit.enum_constants is None:
            values: dict[str, int] = {}
            before = set(unit.used)
            with unit.taking() as uses:
                unit.enum_constants = (values, uses)
                for path in unit.order:
                    for call in unit.sources.file(path).invocations:
                        body = unit.body(call.name)
                        if body is None or not body.has_enum or not unit.holds(call.clauses):
                            continue
                        unit.used.add((path, WHOLE))
                        try:
                            tokens = without_lines(unit.expand(unit.tokens(call.text, 0, False)))
                        except Unresolved:
                            continue
                        for index, token in enumerate(tokens):
                            if token == "enum" and "{" in tokens[index : index + 3]:
                                self._enumerate(tokens[index:], values)
            # What is made of a struct is given to other units, which see other macros: each is to look for itself.
            unit.used &= before
        unit.used.add(MADE_BY_MACROS)
        return unit.enum_constants[0]

    def uses(self) -> set[Use]:
        """What was taken, and from which file, with what the constants took that macros make."""
        unit = self.unit
        assert unit is not None
        if MADE_BY_MACROS in unit.used:
            self.made_by_macros()
            assert unit.enum_constants is not None
            return (unit.used | unit.enum_constants[1]) - {MADE_BY_MACROS}
        return unit.used

    def _enumerate(self, tokens: Sequence[str], values: dict[str, int]) -> None:
        inside = ExpressionParser(tokens[tokens.index("{") :], self.is_type).braces()
        following = 0
        for entry in split(inside, ","):
            if not entry:
                continue
            try:
                if "=" in entry:
                    following = self.value(self.parse(entry[entry.index("=") + 1 :]))
            except Unresolved:
                return
            values.setdefault(entry[0], following)
            following += 1

    def call(self, tree: Tree) -> int:
        """The value of what compilers have built in; no function of the tree is called."""
        callee = tree[1]
        name = callee[1] if callee[0] == "name" else "an expression"
        arguments = tree[2]
        match name:
            case "__builtin_constant_p":
                return 1
            case "__builtin_choose_expr" if len(arguments) == 3:
                return self.value(arguments[1] if self.value(arguments[0]) else arguments[2])
            case "__builtin_expect" if arguments:
                return self.value(arguments[0])
            case "INT8_C" | "INT16_C" | "INT32_C" | "INT64_C" | "UINT8_C" | "UINT16_C" | "UINT32_C" | "UINT64_C":
                return self.value(arguments[0])
            case "__builtin_clz" | "clz32" if arguments:
                return 32 - self.value(arguments[0]).bit_length()
            case "__builtin_clzll" | "clz64" if arguments:
                return 64 - self.value(arguments[0]).bit_length()
            case "__builtin_ctz" | "__builtin_ctzll" | "ctz32" | "ctz64" if arguments:
                value = self.value(arguments[0])
                return (value & -value).bit_length() - 1
        raise Unresolved(f"a call of {name}")

    def block(self, tokens: Sequence[Token]) -> int:
        """The value of a statement expression of declarations with values and a last expression."""
        statements: list[list[str]] = [[]]
        depth = 0
        for token in without_lines(tokens):
            if token in "({[":
                depth += 1
            elif token in ")}]":
                depth -= 1
            if token == ";" and depth == 0:
                statements.append([])
            else:
                statements[-1].append(token)
        statements = [statement for statement in statements if statement]
        if not statements:
            raise Unresolved("an empty block")
        before = dict(self.locals)
        try:
            for statement in statements[:-1]:
                if statement[0] in ("_Static_assert", "QEMU_BUILD_BUG_ON", "static_assert"):
                    continue
                parser = ExpressionParser(statement, self.is_type)
                kind = parser.specifiers()
                while True:
                    _, name = parser.declarator(kind)
                    parser.need("=")
                    tree = parser.expression()
                    # What is declared here can have the name of what it is made of.
                    self.locals[name] = ("number", self.value(tree))
                    if not parser.take(","):
                        break
            return self.value(self.parse(statements[-1]))
        finally:
            self.locals = before

    def enumeration(self, item: Item) -> dict[str, int | str]:
        """The constants of an enum; a text is the reason why one has no value."""
        unit = self.unit
        assert unit is not None
        shared = unit.sources.enumerations
        key = (item, unit.target.name)
        known = shared.get(key)
        if known is not None:
            unit.used |= known[1]
            return known[0]
        values: dict[str, int | str] = {}
        with unit.taking() as uses:
            # It is there from the beginning: one constant can be made of another.
            shared[key] = (values, uses)
            tokens = without_lines(unit.expand(unit.tokens(unit.text(item), 0, False)))
            following: int | str = 0
            for entry in split(tokens, ","):
                if not entry:
                    continue
                if len(entry) > 2 and "=" in entry:
                    equals = entry.index("=")
                    try:
                        following = self.value(self.parse(entry[equals + 1 :]))
                    except Unresolved as error:
                        following = str(error)
                values[entry[0]] = following
                if isinstance(following, int):
                    following += 1
        return values

    # Types.

    def size(self, kind: Tree) -> int:
        """Bytes of a type in memory."""
        return self.measure(kind)[0]

    def measure(self, kind: Tree) -> tuple[int, int]:
        """Size and alignment of a type, in bytes."""
        self.depth += 1
        try:
            if self.depth > MAX_DEPTH * 5:
                raise Unresolved("a type that holds itself, or nests too deeply")
            kind = self.plain(kind)
            match kind[0]:
                case "named":
                    size = BUILTIN[kind[1]]
                    return size, size
                case "pointer":
                    return 8, 8
                case "array":
                    size, align = self.measure(kind[1])
                    if kind[2] is None:
                        return 0, align
                    return size * self.value(kind[2]), align
                case "enum":
                    return 4, 4
                case "function":
                    raise Unresolved("the size of a function")
                case "members":
                    return self.measure_members(kind[1])
            raise Unresolved(f"the size of a {kind[0]}")
        finally:
            self.depth -= 1

    def measure_members(self, inside: Members) -> tuple[int, int]:
        """Size and alignment of a struct or union."""
        bits = 0
        most = 0
        aligned = 1
        for _, member in inside.members:
            size, align = self.measure(member.kind)
            if inside.packed:
                align = 1
            aligned = max(aligned, align)
            if inside.is_union:
                most = max(most, size)
            elif member.bits is not None:
                unit = size * 8
                crosses = not inside.packed and bits // unit != (bits + member.bits - 1) // unit
                if member.bits == 0 or crosses:
                    bits = -(-bits // unit) * unit
                bits += member.bits
            else:
                bits = -(-bits // (align * 8)) * align * 8 + size * 8
        size = most if inside.is_union else -(-bits // 8)
        return -(-size // aligned) * aligned, aligned

    def plain(self, kind: Tree) -> Tree:
        """A type without names for it: ("named", builtin), ("pointer", ...), ("array", ...), ("enum",),
        ("function",) or ("members", Members).
        """
        for _ in range(MAX_DEPTH):
            if kind[0] == "named":
                name = kind[1]
                unit = self.unit
                item = None if unit is None else unit.find(unit.sources.types.get(name))
                if item is not None:
                    kind = self.typedef(item)
                    continue
                if name in BUILTIN:
                    return kind
                if unit is not None:
                    # The typedef is often made by a macro, such as OBJECT_DECLARE_TYPE.
                    for word in ("struct", "union", "enum"):
                        if unit.find(unit.sources.types.get(f"{word} {name}")) is not None:
                            kind = ("struct", f"{word} {name}")
                            break
                    else:
                        raise Unresolved(f"the type {name}, which the tree does not declare here")
                    continue
                raise Unresolved(f"the type {name}")
            if kind[0] == "typeof":
                kind = self.type_of(kind[1])
                continue
            if kind[0] == "struct":
                if kind[1].startswith("enum "):
                    return ("enum",)
                unit = self.unit
                item = None if unit is None else unit.find(unit.sources.types.get(kind[1]))
                if item is None:
                    raise Unresolved(f"{kind[1]}, which the tree does not declare here")
                return ("members", self.declared(item))
            if kind[0] == "inline":
                if kind[1] == "enum":
                    return ("enum",)
                return ("members", self.members(kind[2], kind[1] == "union", kind[3]))
            return kind
        raise Unresolved("a type that is named by itself")

    def heads(self, name: str) -> tuple[str, ...]:
        """The name of a struct, and of those that lie at its beginning, the outermost first; "?" is one not known.

        Typedefs are followed to the tag, so that two names of one struct give the same.
        """
        kind: Tree = ("struct", name) if name.startswith(("struct ", "union ")) else ("named", name)
        names: list[str] = []
        try:
            for _ in range(MAX_DEPTH):
                kind, shown = self._tagged(kind)
                plain = self.plain(kind)
                if plain[0] == "array":
                    kind = plain[1]
                    continue
                if plain[0] != "members" or not plain[1].members:
                    break
                if shown:
                    names.append(shown)
                kind = plain[1].members[0][1].kind
        except Unresolved:
            names.append("?")
        return tuple(names)

    def _tagged(self, kind: Tree) -> tuple[Tree, str]:
        """A type with its typedefs followed, and the name that it then has."""
        shown = ""
        for _ in range(MAX_DEPTH):
            if kind[0] == "struct":
                return kind, str(kind[1])
            if kind[0] != "named":
                break
            shown = str(kind[1])
            item = None if self.unit is None else self.unit.find(self.unit.sources.types.get(shown))
            if item is None:
                return kind, f"struct {shown}"
            kind = self.typedef(item)
        return kind, shown

    def typedef(self, item: Item) -> Tree:
        """The type that a typedef is of."""
        unit = self.unit
        assert unit is not None
        shared = unit.sources.typedefs
        known = shared.get(item)
        if known is not None:
            unit.used |= known[1]
            return known[0]
        with unit.taking() as uses:
            tokens = unit.expand(unit.tokens(item.head.replace("@", "__at__"), 0, False))
            parser = ExpressionParser(tokens, self.is_type)
            kind, _ = parser.declarator(parser.specifiers())
        if kind[0] == "struct":
            kind = ("struct", kind[1].replace("__at__", "@"))
        shared[item] = (kind, frozenset(uses))
        return kind

    def declared(self, item: Item) -> Members:
        """What is in a struct or union of a file."""
        unit = self.unit
        assert unit is not None
        shared = unit.sources.structs
        key = (item, unit.target.name)
        known = shared.get(key)
        if known is not None:
            unit.used |= known[1]
            cached: Members = known[0]
            return cached
        with unit.taking((item.path, key_of(item))) as uses:
            tokens = unit.expand(unit.tokens(unit.text(item), 0, False))
            packed = "PACKED" in item.head or "packed" in item.head
            inside: Members = self.members(tokens, item.kind == "union", packed)
        shared[key] = (inside, frozenset(uses))
        return inside

    def members(self, tokens: Sequence[Token], is_union: bool, packed: bool) -> Members:
        """What the declarations between braces declare."""
        parser = ExpressionParser(tokens, self.is_type)
        made: list[tuple[str, Member]] = []
        while parser.at < len(parser.tokens):
            if parser.take(";"):
                continue
            if parser.next == "_Static_assert":
                parser.at += 1
                parser.braces("(", ")")
                continue
            base = parser.specifiers()
            if parser.next == ";":
                made.append(("", Member(base, None)))
                continue
            while True:
                kind, name = parser.declarator(base)
                bits = None
                if parser.take(":"):
                    bits = self.value(parser.expression())
                made.append((name, Member(kind, bits)))
                if not parser.take(","):
                    break
            while parser.next == "__attribute__":
                parser.at += 1
                parser.braces("(", ")")
            if parser.next != ";":
                raise Unresolved(f"a declaration with {parser.next or 'its end'!r} in it")
        return Members(tuple(made), is_union, packed)

    def member(self, kind: Tree, name: str) -> Tree:
        """The type of a member of a struct."""
        plain = self.plain(kind)
        if plain[0] != "members":
            raise Unresolved(f"the member {name} of what is no struct")
        found_kind = self._member(plain[1], name, 0)
        if found_kind is None:
            raise Unresolved(f"no member {name}")
        return found_kind

    def _member(self, inside: Members, name: str, depth: int) -> Tree | None:
        for member_name, member in inside.members:
            if member_name == name:
                return member.kind
            if not member_name and depth < MAX_DEPTH:
                try:
                    plain = self.plain(member.kind)
                except Unresolved:
                    continue
                inner = self._member(plain[1], name, depth + 1) if plain[0] == "members" else None
                if inner is not None:
                    return inner
        return None

    def at(self, struct: str, path: str) -> Tree:
        """The type, without names for it, of a struct's member as `offsetof` has it: "regs[2].value". Raises
        `Unresolved`.
        """
        kind: Tree = ("struct", struct) if struct.startswith(("struct ", "union ")) else ("named", struct)
        for part in path.split("."):
            name, *indices = part.split("[")
            kind = self.plain(self.member(kind, name))
            for _ in indices:
                if kind[0] not in ("array", "pointer"):
                    raise Unresolved(f"an element of {name}, which is no array")
                kind = self.plain(kind[1])
        return kind

    def type_of(self, tree: Tree) -> Tree:
        """The type of an expression."""
        kind = tree[0]
        if kind in ("cast", "literal"):
            return tuple(tree[1])
        if kind == "member":
            around = self.plain(self.type_of(tree[1]))
            if around[0] in ("pointer", "array") and tree[3]:
                around = self.plain(around[1])
            if around[0] != "members":
                raise Unresolved(f"the member {tree[2]} of what is no struct")
            inner = self._member(around[1], tree[2], 0)
            if inner is None:
                raise Unresolved(f"no member {tree[2]}")
            return inner
        if kind == "index" or (kind == "unary" and tree[1] == "*"):
            around = self.plain(self.type_of(tree[1] if kind == "index" else tree[2]))
            if around[0] not in ("array", "pointer"):
                raise Unresolved("an element of what is no array")
            return tuple(around[1])
        if kind == "unary" and tree[1] == "&":
            return ("pointer", self.type_of(tree[2]))
        if kind == "name":
            return self.type_of_variable(tree[1])
        if kind == "string":
            return ("array", ("named", "char"), ("number", len(tree[1]) + 1))
        if kind == "number" or (kind == "unary" and tree[1] in "+-~!"):
            return ("named", "int")
        if kind in ("binary", "choice"):
            return self.type_of(tree[2])
        raise Unresolved(f"the type of a {kind}")

    def type_of_variable(self, name: str) -> Tree:
        """The type of a variable of a file: an array without a length has that of its initialiser."""
        unit = self.unit
        item = None if unit is None else unit.find(unit.sources.variables.get(name))
        if unit is None or item is None:
            raise Unresolved(f"{name}, which is no variable of the tree here")
        head = item.head.rpartition("=")[0]
        parser = ExpressionParser(unit.expand(unit.tokens(head, 0, False)), self.is_type)
        kind, _ = parser.declarator(parser.specifiers())
        if kind[0] == "array" and kind[2] is None:
            tokens = without_lines(unit.expand(unit.tokens(unit.text(item), 0, False)))
            kind = ("array", kind[1], ("number", _elements(self, tokens)))
        return kind

    def size_of_value(self, tree: Tree) -> int:
        """`sizeof` of an expression."""
        if tree[0] == "name" and self.is_type(tree[1]):
            return self.size(("named", tree[1]))
        return self.size(self.type_of(tree))

    def offset(self, kind: Tree, path: str) -> int:
        """`offsetof` of a member without indices."""
        raise Unresolved(f"the place of {path} in memory")


def split(tokens: Sequence[str], separator: str) -> list[list[str]]:
    """Rows of tokens between separators that stand in no brackets."""
    rows: list[list[str]] = [[]]
    depth = 0
    for token in tokens:
        if token in ("(", "{", "["):
            depth += 1
        elif token in (")", "}", "]"):
            depth -= 1
        if token == separator and depth == 0:
            rows.append([])
        else:
            rows[-1].append(token)
    return rows


def _elements(constants: Constants, tokens: Sequence[str]) -> int:
    """How long an array with this initialiser is."""
    most = 0
    at = 0
    for entry in split(tokens, ","):
        if not entry:
            continue
        if entry[0] == "[":
            end = entry.index("]")
            inside = entry[1:end]
            # A GNU range, [a ... b].
            if "..." in inside:
                inside = inside[inside.index("...") + 1 :]
            at = constants.value(constants.parse(inside))
        at += 1
        most = max(most, at)
    return most
