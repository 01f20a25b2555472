"""Descriptions of devices that are written in Rust: names, versions, sizes and order, from the text alone.

What a field sends follows from its type, by the trait VMState. Which types have it, and how, is read from the tree's
own calls of `impl_vmstate_scalar!`, `impl_vmstate_transparent!`, `impl_vmstate_pointer!`, `impl_vmstate_c_struct!`,
`impl_vmstate_forward!`, `impl_vmstate_bitsized!` and `impl_vmstate_struct!`, and from impl blocks; what a type becomes
when it is migrated from `ToMigrationState`, derived or by hand. These macros themselves are the vocabulary, as are
`vmstate_of!` and the others that make a field (vmstate.rs in rust/migration/src, before 10.2 in rust/qemu-api/src).

A crate is a unit. The option of the build that decides whether it is built stands in its meson.build.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from typing import Any

from vmstate.errors import VMStateError
from vmstate.source.model import (
    Problem,
    SourceDescription,
    SourceField,
    SourceFunction,
    SourceType,
    UnitResult,
    Visible,
)
from vmstate.source.preprocessor import Unresolved
from vmstate.source.rust_items import (
    MAX_DEPTH,
    Attributes,
    Code,
    Constant,
    Function,
    Impl,
    Items,
    Kind,
    Span,
    Struct,
    code_of,
    items_of,
    kind_of,
    substituted,
    text_of_literal,
)
from vmstate.source.rust_values import Conditions, Numbers
from vmstate.source.tree import Tree
from vmstate.vmsd.data import Data

TOLD = re.compile(rb"VMState|vmstate_|ToMigrationState|ObjectType|TYPE_NAME|TYPE_[A-Z]|bits!|bitsize|\bconst [A-Z]")
"""What a file of Rust has that is of interest."""

OPTION = re.compile(r"\w*devices_ss\.add\(\s*when:\s*'(CONFIG_\w+)'")
DEVICES = re.compile(r"\w*devices_ss\.add\(")
DEFINED = re.compile(rb'^[ \t]*#[ \t]*define[ \t]+(TYPE_\w+)[ \t]+"([^"\n]*)"', re.M)
C_HEADERS = ("include/hw/", "include/qom/")

INFOS = re.compile(r"vmstate_info_\w+\Z")
POINTER_BYTES = 8
SIZES = {
    "bool": 1,
    "usize": 8,
    "isize": 8,
    **{f"{sign}{bits}": bits // 8 for sign in "iu" for bits in (8, 16, 32, 64, 128)},
}
COUNTED = {"u8": "VMS_VARRAY_UINT8", "u16": "VMS_VARRAY_UINT16", "u32": "VMS_VARRAY_UINT32"}
HOOKS = ("pre_load", "post_load", "pre_save", "post_save")
INFO_OF_PROPERTY = {
    "bool": "qdev_prop_bool",
    "u8": "qdev_prop_uint8",
    "u16": "qdev_prop_uint16",
    "u32": "qdev_prop_uint32",
    "u64": "qdev_prop_uint64",
    "usize": "qdev_prop_usize",
}
"""What C calls a property of a type."""
MAX_BYTES = 6 << 20
"""Bytes of all files of Rust: QEMU has less than one MiB."""
MAX_WORK = 200_000
"""Types that are looked at in one crate, at most: what refers to itself ends there."""


class State(Data):
    """How a type implements VMState.

    `how` is "scalar" (`symbol`: the info), "c_struct" (the description in C), "struct" (a description in Rust, or an
    expression that is one), "transparent", "pointer", "forward", "bitsized" or "by hand" (an impl block).
    """

    how: str
    path: str
    subject: Kind
    parameter: str = ""
    symbol: str = ""
    value: Span | None = None
    impl: Impl | None = None


def crate_of(path: str) -> str:
    """The folder of a crate in which a file stands: what has the folder src."""
    return path.partition("/src/")[0]


class RustSources:
    """All files of Rust that matter in a tree, and what is where in them."""

    def __init__(self, tree: Tree, problems: list[Problem]) -> None:
        self.tree = tree
        self.problems = problems
        self.paths = [path for path in sorted(tree.blobs) if is_rust(path)]
        self.files: dict[str, Items] = {}
        self.structs: dict[str, list[Struct]] = {}
        self.derived: dict[str, list[Struct]] = {}
        """Names of the structs that derive(ToMigrationState) makes -> of which."""
        self.constants: dict[str, list[tuple[str, str, Constant]]] = {}
        """Name -> path, the type whose impl block it is in or "", and the constant."""
        self.functions: dict[str, list[tuple[str, Function]]] = {}
        """Type::name, or the name alone -> path and function."""
        self.aliases: dict[str, list[tuple[str, Span]]] = {}
        self.states: dict[str, list[State]] = {}
        self.migrated: dict[str, list[tuple[str, Kind, Impl]]] = {}
        """Head of a type -> path, the type, and its impl of ToMigrationState."""
        read = 0
        for path in self.paths:
            data = tree.read(path)
            read += len(data)
            if read > MAX_BYTES:
                raise VMStateError(f"more than {MAX_BYTES >> 20} MiB of Rust", file=tree.name)
            if TOLD.search(data) is None:
                continue
            try:
                self.index(items_of(path, data))
            except Unresolved as error:
                problems.append(Problem(path, 0, path, str(error)))

    def index(self, items: Items) -> None:
        """Put what a file has where it is looked for."""
        self.files[items.path] = items
        path = items.path
        for struct in items.structs:
            self.structs.setdefault(struct.name, []).append(struct)
            if struct.attributes.derives("ToMigrationState"):
                row = struct.attributes.of("migration_state") or ()
                renamed = next((row[at + 2] for at, token in enumerate(row[:-2]) if token == "rename"), None)
                self.derived.setdefault(renamed or f"{struct.name}Migration", []).append(struct)
        for constant in items.constants:
            self.constants.setdefault(constant.name, []).append((path, "", constant))
        for function in items.functions:
            self.functions.setdefault(function.name, []).append((path, function))
        for alias in items.aliases:
            self.aliases.setdefault(alias.name, []).append((path, alias.kind))
        for impl in items.impls:
            subject = kind_of(impl.subject)
            for constant in impl.constants:
                self.constants.setdefault(constant.name, []).append((path, subject.name, constant))
            for function in impl.functions:
                self.functions.setdefault(f"{subject.name}::{function.name}", []).append((path, function))
            head = head_of(subject)
            if impl.trait == "VMState":
                self.states.setdefault(head, []).append(State("by hand", path, subject, impl=impl))
            elif impl.trait == "ToMigrationState":
                self.migrated.setdefault(head, []).append((path, subject, impl))
        for call in items.calls:
            if call.name.startswith("impl_vmstate_"):
                state = self.state_of(call.name.removeprefix("impl_vmstate_"), call.inside, path)
                if state is None:
                    reason = f"{call.name}!, which is not known"
                    self.problems.append(Problem(path, call.line, call.inside.text[:60], reason))
                else:
                    self.states.setdefault(head_of(state.subject), []).append(state)

    def state_of(self, how: str, inside: Span, path: str) -> State | None:
        """What a call of a macro says of a type."""
        parts = inside.parts()
        if not parts:
            return None
        match how:
            case "scalar" if len(parts) > 1:
                return State(how, path, kind_of(parts[1]), symbol=parts[0].tokens[-1])
            case "transparent" | "pointer":
                tokens = inside.tokens
                place = tokens.index("where") if "where" in tokens else len(tokens)
                parameter = tokens[place + 1] if place + 1 < len(tokens) else ""
                return State(how, path, kind_of(Span(inside.code, inside.start, inside.start + place)), parameter)
            case "c_struct" if len(parts) > 1:
                return State(how, path, kind_of(parts[0]), symbol=parts[1].tokens[-1])
            case "forward" | "bitsized":
                return State(how, path, kind_of(parts[0]))
            case "struct" if len(parts) > 1:
                return State(how, path, kind_of(parts[0]), value=parts[1])
        return None


def is_rust(path: str) -> bool:
    """Whether a file is of a crate, and not of its tests."""
    return path.endswith(".rs") and "/src/" in path and "/tests/" not in path


def head_of(kind: Kind) -> str:
    """What a type is looked up by."""
    return {"array": "[;]", "slice": "[]", "pointer": "*", "reference": "&", "tuple": "()"}.get(kind.form, kind.name)


def units_of(tree: Tree) -> Iterator[UnitResult]:
    """A unit for each crate that has something, and one for what cannot be told of the rest.

    Raises `VMStateError` where the tree cannot be read.
    """
    problems: list[Problem] = []
    sources = RustSources(tree, problems)
    for crate in sorted({crate_of(path) for path in sources.files}):
        unit = Crate(sources, crate).run()
        if unit.descriptions or unit.types or unit.problems:
            yield unit
    # It also remembers, for the next time, which files there were.
    yield UnitResult("rust", "", tuple(sources.paths), problems=tuple(problems))


class Crate:
    """Reads what one crate describes."""

    def __init__(self, sources: RustSources, crate: str) -> None:
        self.sources = sources
        self.crate = crate
        self.used: dict[str, None] = {}
        self.made: dict[str, SourceDescription] = {}
        self.functions: dict[str, SourceFunction] = {}
        self.problems: list[Problem] = []
        self.work = 0

    def run(self) -> UnitResult:
        """All that is in the crate."""
        paths = [path for path in self.sources.files if crate_of(path) == self.crate]
        build = f"{self.crate}/meson.build"
        text = ""
        if build in self.sources.tree.blobs:
            self.used[build] = None
            text = self.sources.tree.read(build).decode("utf-8", "replace")
        option = OPTION.search(text)
        types: list[SourceType] = []
        visible: list[Visible] = []
        for path in paths:
            items = self.sources.files[path]
            for constant in items.constants:
                if head_of(kind_of(constant.kind)).startswith("VMStateDescription") and constant.value is not None:
                    self.description(constant.name, path, constant.line, constant.value, {})
            for state in (state for states in self.sources.states.values() for state in states):
                if state.how == "struct" and state.path == path:
                    self.symbol_of_struct(state)
        if DEVICES.search(text) is not None or self.made:
            for path in paths:
                types += self.types(path, visible)
        files = (*self.sources.paths, *self.used)
        parts = (tuple(self.made.values()), (), tuple(self.functions.values()), tuple(types))
        return UnitResult(
            f"{self.crate}/src",
            "",
            tuple(dict.fromkeys(files)),
            *parts,
            visible=tuple(visible),
            problems=tuple(self.problems),
            option=None if option is None else option[1],
        )

    def problem(self, path: str, line: int, what: str, reason: object) -> None:
        """Note something that cannot be told."""
        self.problems.append(Problem(path, line, what, str(reason)))

    # Names.

    def near(self, rows: list[Any], path_of: Any) -> Any:
        """Of what has a name that of this crate, else the only one there is; None where that is not one."""
        inside = [row for row in rows if crate_of(path_of(row)) == self.crate]
        rows = inside or rows
        return rows[0] if len(rows) == 1 or inside else None

    def constant(self, parts: list[str], given: dict[str, Kind]) -> tuple[str, Constant] | None:
        """The constant of a path, with the file that it is in."""
        parts = [part for part in parts if part not in ("crate", "super")]
        rows = self.sources.constants.get(parts[-1], [])
        owner = ""
        if len(parts) > 1 and parts[-2][:1].isupper():
            owner = given["Self"].name if parts[-2] == "Self" and "Self" in given else parts[-2]
        rows = [row for row in rows if row[1] == owner and row[2].value is not None]
        row = self.near(rows, lambda row: row[0])
        return None if row is None else (row[0], row[2])

    def number(self, span: Span, given: dict[str, Kind], depth: int = 0) -> int:
        """The value of an expression. Raises `Unresolved`."""

        def named(parts: list[str], inner: int) -> int | None:
            if depth + inner > MAX_DEPTH:
                raise Unresolved("constants that refer to each other without end")
            known = self.constant(parts, given)
            return (
                None
                if known is None or known[1].value is None
                else self.number(known[1].value, given, depth + inner + 1)
            )

        def size(kind: Span) -> int | None:
            return self.size(substituted(kind_of(kind), given), depth + 1)

        return Numbers(span, named, size).value()

    def size(self, kind: Kind, depth: int = 0) -> int | None:
        """The bytes of a type in memory, where it is a number, a pointer, or made of these alone; else None."""
        if depth > MAX_DEPTH:
            return None
        if kind.form in ("pointer", "reference"):
            return POINTER_BYTES
        if kind.form == "array" and kind.elements is not None:
            inner = self.size(kind.arguments[0], depth + 1)
            return None if inner is None else inner * self.number(kind.elements, {}, depth + 1)
        if kind.form != "path":
            return None
        if len(kind.path) == 1 and kind.name in SIZES:
            return SIZES[kind.name]
        state = self.state(kind)
        match "" if state is None else state.how:
            case "pointer":
                return POINTER_BYTES
            case "bitsized":
                return SIZES[self.underlying(kind)]
            case "transparent" if state is not None:
                inside = bound(state.subject, kind, (state.parameter,)).get(state.parameter)
                return None if inside is None else self.size(inside, depth + 1)
        return None

    # Types.

    def step(self) -> None:
        """Count a piece of work. Raises `Unresolved` where it is too much."""
        self.work += 1
        if self.work > MAX_WORK:
            raise Unresolved("types that refer to each other without end")

    def field_kind(self, kind: Kind, member: str, depth: int = 0) -> Kind:
        """The type of a member of a type. Raises `Unresolved`."""
        self.step()
        first, _, rest = member.partition(".")
        struct = self.near(self.sources.structs.get(kind.name, []), lambda row: row.path)
        result = None
        if struct is not None:
            given = dict(zip(struct.parameters, kind.arguments, strict=False)) | {"Self": kind}
            result = next((substituted(kind_of(span), given) for name, span, _ in struct.fields if name == first), None)
        else:
            origin = self.near(self.sources.derived.get(kind.name, []), lambda row: row.path)
            if origin is None:
                raise Unresolved(f"the struct {kind}, which is not seen here")
            result = next((self.converted(span, row) for name, span, row in origin.fields if name == first), None)
        if result is None:
            raise Unresolved(f"the struct {kind} has no member {first!r}")
        if rest and depth < MAX_DEPTH:
            return self.field_kind(result, rest, depth + 1)
        return result

    def converted(self, span: Span, attributes: Attributes) -> Kind | None:
        """What a field of a struct with derive(ToMigrationState) becomes; None where it is left out."""
        row = attributes.of("migration_state") or ()
        if "omit" in row:
            return None
        for word in ("into", "try_into"):
            if word in row:
                target = row[row.index(word) + 2 :]
                name = "".join(target[: target.index(")")] if ")" in target else target)
                return Kind("path", name.rpartition("::")[2], (), tuple(name.split("::")))
        kind = kind_of(span)
        return kind if "clone" in row else Kind("member", "Migrated", (kind,))

    def migrated(self, kind: Kind, depth: int = 0) -> Kind:
        """What a type becomes when it is migrated, as ToMigrationState says. Raises `Unresolved`."""
        self.step()
        if depth > MAX_DEPTH:
            raise Unresolved("types that nest too deeply")
        struct = self.near(self.sources.structs.get(kind.name, []), lambda row: row.path)
        if struct is not None and struct.attributes.derives("ToMigrationState"):
            row = struct.attributes.of("migration_state") or ()
            renamed = next((row[at + 2] for at, token in enumerate(row[:-2]) if token == "rename"), None)
            name = renamed or f"{struct.name}Migration"
            return Kind("path", name, (), (name,))
        impl = self.near(self.sources.migrated.get(head_of(kind), []), lambda row: row[0])
        if impl is not None:
            target = next((span for name, span in impl[2].types if name == "Migrated"), None)
            if target is not None:
                given = bound(impl[1], kind, impl[2].parameters) | {"Self": kind}
                result = substituted(kind_of(target), given)
                if result.form == "array" and kind.form == "array":
                    result = result._replace(elements=kind.elements)
                return self.resolved(result, depth + 1)
        state = self.state(kind)
        if state is not None and state.how == "bitsized":
            return Kind("path", self.underlying(kind), (), (self.underlying(kind),))
        if state is not None and state.how == "scalar":
            return kind
        raise Unresolved(f"what {kind} becomes when it is migrated")

    def resolved(self, kind: Kind, depth: int = 0) -> Kind:
        """A type without members of others in it. Raises `Unresolved`."""
        self.step()
        if depth > MAX_DEPTH:
            raise Unresolved("types that nest too deeply")
        if kind.form == "member":
            inner = self.resolved(kind.arguments[0], depth + 1)
            if kind.name != "Migrated":
                raise Unresolved(f"the type {kind}")
            return self.migrated(inner, depth + 1)
        if kind.form == "path" and not kind.arguments and kind.name not in self.sources.structs:
            alias = self.near(self.sources.aliases.get(kind.name, []), lambda row: row[0])
            if alias is not None and self.state(kind) is None:
                return self.resolved(kind_of(alias[1]), depth + 1)
        return kind._replace(arguments=tuple(self.resolved(each, depth + 1) for each in kind.arguments))

    def state(self, kind: Kind) -> State | None:
        """How a type implements VMState; None where that is not seen."""
        rows = self.sources.states.get(head_of(kind), [])
        state: State | None = self.near(rows, lambda row: row.path)
        return state if state is not None or not rows else rows[0]

    def underlying(self, kind: Kind) -> str:
        """The number that has the bits of a type with #[bitsize(N)]. Raises `Unresolved`."""
        struct = self.near(self.sources.structs.get(kind.name, []), lambda row: row.path)
        row = None if struct is None else struct.attributes.of("bitsize")
        bits = next((int(token) for token in row or () if token.isdigit()), 0)
        for size in (8, 16, 32, 64, 128):
            if 0 < bits <= size:
                return f"u{size}"
        raise Unresolved(f"{kind}, whose number of bits is not seen")

    def base(self, kind: Kind, depth: int = 0) -> dict[str, Any]:
        """What a field of a type is, as members of a `SourceField`. Raises `Unresolved`."""
        self.step()
        if depth > MAX_DEPTH:
            raise Unresolved("types that nest too deeply")
        kind = self.resolved(kind)
        if kind.form == "array":
            values = self.base(kind.arguments[0], depth + 1)
            if kind.elements is None or "VMS_ARRAY" in values["flags"]:
                raise Unresolved(f"an array of arrays, {kind}")
            return self.as_array(values, self.number(kind.elements, {}))
        state = self.state(kind)
        if state is None:
            raise Unresolved(f"{kind}, which has no VMState that is seen here")
        self.used[state.path] = None
        match state.how:
            case "scalar":
                if INFOS.match(state.symbol) is None:
                    raise Unresolved(f"{state.symbol}, which is no VMStateInfo")
                name = kind.name
                return {
                    "info": state.symbol,
                    "size": SIZES.get(name),
                    "flags": ("VMS_SINGLE",),
                    "counted": COUNTED.get(name),
                }
            case "c_struct":
                return {"vmsd": state.symbol, "flags": ("VMS_STRUCT",)}
            case "struct":
                return {"vmsd": self.symbol_of_struct(state), "flags": ("VMS_STRUCT",)}
            case "bitsized":
                name = self.underlying(kind)
                return self.base(Kind("path", name, (), (name,)), depth + 1)
            case "forward":
                return self.base(self.field_kind(kind, "0"), depth + 1)
            case "transparent" | "pointer":
                given = bound(state.subject, kind, (state.parameter,))
                if state.parameter not in given:
                    raise Unresolved(f"{kind}, whose inner type is not told")
                values = self.base(given[state.parameter], depth + 1)
                return self.as_pointer(values) if state.how == "pointer" else values
        return self.by_hand(kind, state, depth)

    def by_hand(self, kind: Kind, state: State, depth: int) -> dict[str, Any]:
        """A type whose VMState is an impl block: that of a number, of a struct, or of what it is made of."""
        impl = state.impl
        assert impl is not None
        value = next((constant.value for constant in impl.constants if constant.name == "BASE"), None)
        if value is None:
            raise Unresolved(f"the VMState of {kind}, which has no BASE")
        tokens = value.tokens
        given = bound(state.subject, kind, impl.parameters) | {"Self": kind}
        if "vmsd" in tokens:
            name = self.described_by(Span(value.code, value.start + tokens.index("vmsd") + 2, value.end), kind, given)
            return {"vmsd": name, "flags": ("VMS_STRUCT",)}
        info = next((token for token in tokens if INFOS.match(token)), None)
        if info is not None:
            return {"info": info, "size": self.size(kind), "flags": ("VMS_SINGLE",)}
        if "BASE" in tokens and "<" in tokens:
            inner = substituted(kind_of(Span(value.code, value.start + tokens.index("<") + 1, value.end)), given)
            values = self.base(inner, depth + 1)
            if "with_pointer_flag" in tokens:
                return self.as_pointer(values)
            return values
        raise Unresolved(f"the VMState of {kind}, which is written by hand")

    def described_by(self, span: Span, kind: Kind, given: dict[str, Kind]) -> str:
        """The description that `addr_of!(*Self::NAME)` means: that of this very type, made for it."""
        path: list[str] = []
        for at, token in enumerate(span.tokens):
            if token == ",":
                break
            if token not in ("*", "&", "(", ")", "::", "!") and (token[0].isalpha() or token[0] == "_"):
                path = [*path, token] if at and span.tokens[at - 1] == "::" else [token]
        known = self.constant(path, given) if path else None
        if known is None or known[1].value is None:
            if path[:1] in (["bindings"], ["vmstate"]) or (len(path) == 1 and path[0].islower()):
                # One of C.
                return path[-1]
            raise Unresolved(f"the description {'::'.join(path)}, which is not seen here")
        symbol = str(kind) if "Self" in path else path[-1]
        self.description(symbol, known[0], known[1].line, known[1].value, given)
        return symbol

    def as_array(self, values: dict[str, Any], count: int) -> dict[str, Any]:
        """An array of a field."""
        flags = tuple(flag for flag in values["flags"] if flag not in ("VMS_SINGLE", "VMS_POINTER"))
        more = ("VMS_ARRAY_OF_POINTER", "VMS_ARRAY") if "VMS_POINTER" in values["flags"] else ("VMS_ARRAY",)
        size = {"size": POINTER_BYTES} if "VMS_ARRAY_OF_POINTER" in more else {}
        return values | size | {"flags": (*flags, *more), "count": count, "counted": None}

    def as_pointer(self, values: dict[str, Any]) -> dict[str, Any]:
        """A field behind a pointer."""
        return values | {"flags": (*values["flags"], "VMS_POINTER"), "counted": None}

    # Descriptions.

    def symbol_of_struct(self, state: State) -> str:
        """The description of `impl_vmstate_struct!`: its name where it has one, else that of the type."""
        value = state.value
        assert value is not None
        tokens = [token for token in value.tokens if token not in ("&", "crate", "::", "super")]
        if len(tokens) == 1:
            return tokens[0]
        if crate_of(state.path) == self.crate:
            self.description(str(state.subject), state.path, value.line, value, {"Self": state.subject})
        return str(state.subject)

    def description(self, symbol: str, path: str, line: int, value: Span, given: dict[str, Kind]) -> None:
        """The description that an expression is, under a name."""
        if symbol in self.made:
            return
        # What is inside may be of the type itself.
        self.made[symbol] = SourceDescription(symbol, path, line, static=False)
        values: dict[str, Any] = {}
        hooks: list[str] = []
        untold: list[str] = []
        known = len(self.problems)
        twice: list[str] = []
        seen: set[str] = set()
        for member, argument, at in members_of(value):
            if member in seen and member != "build":
                twice.append(member)
            seen.add(member)
            try:
                if member in HOOKS:
                    hooks.append(member)
                else:
                    values |= self.member(member, argument, symbol, path, given)
            except Unresolved as error:
                untold.append(member)
                self.problem(path, at, f"{symbol}.{member}", error)
            if member == "fields" and len(self.problems) > known:
                untold.append("fields")
            known = len(self.problems)
        if "name" not in seen:
            self.problem(path, line, symbol, "a description whose name is not seen in Rust")
        self.made[symbol] = SourceDescription(
            symbol, path, line, static=False, hooks=tuple(hooks), twice=tuple(twice), untold=tuple(untold), **values
        )

    def member(self, member: str, argument: Span, symbol: str, path: str, given: dict[str, Kind]) -> dict[str, Any]:
        """What one member of a description, or one call of its builder, says. Raises `Unresolved`."""
        match member:
            case "name":
                name = text_of_literal(argument.tokens)
                if name is None:
                    known = self.constant(path_of(argument), given) if path_of(argument) else None
                    name = None if known is None or known[1].value is None else text_of_literal(known[1].value.tokens)
                if name is None:
                    raise Unresolved("a name that is no text")
                return {"name": name}
            case "version_id" | "minimum_version_id":
                return {"version" if member == "version_id" else "minimum": self.number(argument, given)}
            case "unmigratable" | "early_setup":
                return {member: "false" not in argument.tokens}
            case "priority":
                return {"priority": argument.tokens[-1] if argument.tokens else None}
            case "needed":
                return {"needed": self.function(argument, path, given)}
            case "fields":
                return {"has_fields": True, "fields": tuple(self.fields(argument, symbol, path, given)), "ended": True}
            case "subsections":
                return {"subsections": tuple(self.subsections(argument))}
            case "" | "build" | "as_ref" | "get" | "unplug_pending" | "dev_unplug_pending":
                return {}
        raise Unresolved("what this says is not known")

    def subsections(self, argument: Span) -> Iterator[str]:
        """The names of the descriptions in `vmstate_subsections!`."""
        inside = inside_of_macro(argument, "vmstate_subsections")
        if inside is None:
            raise Unresolved("subsections that are no vmstate_subsections!")
        for part in inside.parts():
            names = path_of(part)
            if not names:
                raise Unresolved(f"a subsection that is {part.text[:60]!r}")
            yield names[-1]

    def fields(self, argument: Span, symbol: str, path: str, given: dict[str, Kind]) -> Iterator[SourceField]:
        """The fields of `vmstate_fields!`, or of a constant that is one."""
        inside = None
        for _ in range(MAX_DEPTH):
            inside = inside_of_macro(argument, "vmstate_fields") or inside_of_macro(argument, "vmstate_fields_ref")
            if inside is not None:
                break
            known = self.constant(path_of(argument), given) if path_of(argument) else None
            if known is None or known[1].value is None:
                break
            argument = known[1].value
        if inside is None:
            raise Unresolved("fields that are no vmstate_fields!")
        for part in inside.parts():
            try:
                yield self.field(part, path, given)
            except Unresolved as error:
                self.problem(path, part.line, f"{symbol}: {part.text[:60]}", error)

    def field(self, span: Span, path: str, given: dict[str, Kind], depth: int = 0) -> SourceField:
        """A field from the call of a macro, and from what is called on its result. Raises `Unresolved`."""
        tokens, code = span.code.tokens, span.code
        at = span.start
        while at < span.end and tokens[at] != "!":
            at += 1
        if at >= span.end:
            known = self.constant(path_of_generic(span), given) if path_of_generic(span) and depth < MAX_DEPTH else None
            if known is None or known[1].value is None:
                raise Unresolved("a field that is no call of a macro")
            return self.field(known[1].value, path, given, depth + 1)
        bracket = at + 1
        inside = Span(code, bracket + 1, code.closing.get(bracket, span.end))
        values = self.macro(tokens[at - 1], inside, path, given)
        place = code.closing.get(bracket, span.end) + 1
        while place < span.end:
            if tokens[place] != "." or place + 2 >= span.end or tokens[place + 2] != "(":
                raise Unresolved(f"a field with {tokens[place]!r} behind it")
            argument = Span(code, place + 3, code.closing.get(place + 2, span.end))
            values = self.called(tokens[place + 1], argument, values, given)
            place = code.closing.get(place + 2, span.end) + 1
        values.pop("counted", None)
        return SourceField(line=span.line, path=None, **values)

    def called(self, name: str, argument: Span, values: dict[str, Any], given: dict[str, Kind]) -> dict[str, Any]:
        """A field after a method of VMStateField. Raises `Unresolved`."""
        match name:
            case "with_version_id":
                return values | {"version": self.number(argument, given)}
            case "with_pointer_flag":
                return self.as_pointer(values)
            case "with_array_flag":
                return self.as_array(values, self.number(argument, given))
            case "with_varray_multiply":
                flags = (*values["flags"], "VMS_MULTIPLY_ELEMENTS")
                return values | {"flags": flags, "count": self.number(argument, given)}
        raise Unresolved(f"{name}(), which is not known")

    def macro(self, name: str, inside: Span, path: str, given: dict[str, Kind]) -> dict[str, Any]:
        """The field that a macro makes. Raises `Unresolved`."""
        parts = inside.parts()
        match name:
            case "vmstate_unused" if len(parts) == 1:
                size = self.number(parts[0], given)
                return {"name": "unused", "info": "vmstate_info_unused_buffer", "size": size, "flags": ("VMS_BUFFER",)}
            case "vmstate_validate" if len(parts) == 3:
                text = self.member("name", parts[1], "", path, given)["name"]
                flags = ("VMS_MUST_EXIST", "VMS_ARRAY")
                return {"name": text, "flags": flags, "count": 0, "exists": self.function(parts[2], path, given)}
            case "vmstate_clock" if len(parts) == 2:
                values = {"vmsd": "vmstate_clock", "flags": ("VMS_STRUCT", "VMS_POINTER")}
                return self.place(parts[0], parts[1], given) | values
            case "vmstate_struct" if len(parts) >= 4:
                return self.struct_field(parts, path, given)
            case "vmstate_of" if len(parts) >= 2:
                values = self.place(parts[0], parts[1], given)
                kind = self.field_kind(substituted(kind_of(parts[0]), given), str(values["member"]))
                values |= self.base(kind)
                values = self.varying(parts[0], parts[1], values, given, True)
                if len(parts) > 2:
                    values["exists"] = self.function(parts[2], path, given)
                return values
        raise Unresolved(f"{name}! with {len(parts)} arguments, which is not known")

    def struct_field(self, parts: list[Span], path: str, given: dict[str, Kind]) -> dict[str, Any]:
        """`vmstate_struct!(STRUCT, FIELD[0 .. N * F], &VMSD, TYPE, TEST)`, as there was before 10.2."""
        values = self.place(parts[0], parts[1], given)
        names = path_of(parts[2])
        if not names:
            raise Unresolved(f"a description that is {parts[2].text[:60]!r}")
        values |= {"vmsd": names[-1], "flags": ("VMS_STRUCT",)}
        values = self.varying(parts[0], parts[1], values, given, False)
        if len(parts) > 4:
            values["exists"] = self.function(parts[4], path, given)
        return values

    def place(self, struct: Span, member: Span, given: dict[str, Kind]) -> dict[str, Any]:
        """The name of a field, with its struct and its member."""
        tokens = member.tokens
        names = tokens[: tokens.index("[")] if "[" in tokens else tokens
        name = "".join(names)
        kind = substituted(kind_of(struct), given)
        # That it is there says that this is a struct and its member, and not something else.
        self.field_kind(kind, name)
        return {"name": name, "struct": str(kind), "member": name}

    def varying(
        self, struct: Span, member: Span, values: dict[str, Any], given: dict[str, Kind], is_array: bool
    ) -> dict[str, Any]:
        """A field with as many elements as another member says, where it is told so: `field[0 .. count * factor]`."""
        tokens = member.tokens
        if "[" not in tokens:
            return values
        bracket = member.start + tokens.index("[")
        inside = member.inside(bracket)
        words = inside.tokens
        if words[:2] != ["0", ".."] or len(words) < 3:
            raise Unresolved(f"elements that are {inside.text!r}")
        star = words.index("*") if "*" in words else len(words)
        name = "".join(words[2:star])
        counted = self.base(self.field_kind(substituted(kind_of(struct), given), name)).get("counted")
        if counted is None or (is_array and "VMS_ARRAY" not in values["flags"]):
            raise Unresolved(f"a number of elements in {name!r}, which is no number for it")
        flags = tuple(flag for flag in values["flags"] if flag != "VMS_ARRAY")
        values = values | {"flags": (*flags, counted), "count_from": name, "count": 0}
        if star < len(words):
            factor = Span(inside.code, inside.start + star + 1, inside.end)
            values |= {"flags": (*values["flags"], "VMS_MULTIPLY_ELEMENTS"), "count": self.number(factor, given)}
        return values

    # Functions.

    def function(self, argument: Span, path: str, given: dict[str, Kind]) -> str:
        """The name of a function, `Type::name`; what it says is noted. Raises `Unresolved`."""
        names = path_of(argument)
        if names[:1] == ["Some"]:
            names = names[1:]
        if not names:
            raise Unresolved(f"a function that is {argument.text[:60]!r}")
        if names[0] == "Self" and "Self" in given:
            names[0] = given["Self"].name
        key = "::".join(names[-2:]) if len(names) > 1 and names[-2][:1].isupper() else names[-1]
        if key not in self.functions:
            row = self.near(self.sources.functions.get(key, []), lambda row: row[0])
            if row is None:
                raise Unresolved(f"the function {key}(), which is not seen here")
            body = row[1].body
            digest = hashlib.sha256(body.text.encode("utf-8", "replace")).hexdigest()[:16]
            owner = key.rpartition("::")[0] or _cast_to(body.tokens)

            def asked(name: str) -> Span | None:
                method = self.near(self.sources.functions.get(f"{owner}::{name}", []), lambda row: row[0])
                return None if method is None else method[1].body

            returns = Conditions(body, "self", asked).text()
            self.functions[key] = SourceFunction(key, row[0], row[1].line, returns, digest)
        return key

    # Device classes.

    def types(self, path: str, visible: list[Visible]) -> Iterator[SourceType]:
        """The device classes of a file, with their properties."""
        items = self.sources.files[path]
        for impl in items.impls:
            if impl.trait != "ObjectType":
                continue
            subject = kind_of(impl.subject).name
            constant = next((constant for constant in impl.constants if constant.name == "TYPE_NAME"), None)
            try:
                name = self.type_name(constant)
            except (Unresolved, VMStateError) as error:
                self.problem(path, impl.line, f"{subject}: the name of a device class", error)
                continue
            parent = vmsd = None
            properties: tuple[str, ...] = ()
            for block in (impl for items in self.crate_items() for impl in items.impls):
                if kind_of(block.subject).name != subject:
                    continue
                if block.trait == "ObjectImpl":
                    kind = next((span for name, span in block.types if name == "ParentType"), None)
                    parent = None if kind is None else self.parent_name(kind_of(kind), path, impl.line)
                elif block.trait == "DeviceImpl":
                    vmsd = self.vmsd_of_impl(block)
                    properties = self.properties_of(block, subject, visible)
            yield SourceType(name, path, impl.line, parent, vmsd=vmsd, properties=properties)

    def crate_items(self) -> Iterator[Items]:
        """The files of the crate."""
        for path, items in self.sources.files.items():
            if crate_of(path) == self.crate:
                yield items

    def type_name(self, constant: Constant | None, depth: int = 0) -> str:
        """The text of TYPE_NAME: written there, or a constant, or a name of C's. Raises `Unresolved`."""
        if constant is None or constant.value is None or depth > MAX_DEPTH:
            raise Unresolved("it has no TYPE_NAME")
        text = text_of_literal(constant.value.tokens)
        if text is not None:
            return text.removesuffix("\\0")
        name = next((token for token in reversed(constant.value.tokens) if token.startswith("TYPE_")), None)
        if name is None:
            raise Unresolved("a TYPE_NAME that is no text")
        row = self.near(self.sources.constants.get(name, []), lambda row: row[0])
        if row is not None:
            return self.type_name(row[2], depth + 1)
        return self.c_name(name)

    def c_name(self, name: str) -> str:
        """The text of a TYPE_X that a header of C defines. Raises `Unresolved`."""
        tree = self.sources.tree
        for path in sorted(tree.blobs):
            if path.startswith(C_HEADERS) and path.endswith(".h"):
                data = tree.read(path)
                if name.encode("utf-8", "replace") in data:
                    for defined, text in DEFINED.findall(data):
                        if defined == name.encode("utf-8", "replace"):
                            self.used[path] = None
                            return str(text.decode("utf-8", "replace"))
        raise Unresolved(f"{name}, which no header defines")

    def parent_name(self, kind: Kind, path: str, line: int) -> str | None:
        """The name of the class above: that of the type in Rust."""
        for file in self.sources.files.values():
            for impl in file.impls:
                if impl.trait == "ObjectType" and kind_of(impl.subject).name == kind.name:
                    constant = next((constant for constant in impl.constants if constant.name == "TYPE_NAME"), None)
                    try:
                        return self.type_name(constant)
                    except Unresolved as error:
                        self.problem(path, line, f"{kind}: the name of a device class", error)
                        return None
        return None

    def vmsd_of_impl(self, impl: Impl) -> str | None:
        """The description that a device's impl block names."""
        for constant in impl.constants:
            if constant.name == "VMSTATE" and constant.value is not None and constant.value.tokens != ["None"]:
                names = path_of(constant.value)
                return names[-1] if names else None
        for function in impl.functions:
            if function.name == "vmsd" and function.body.tokens != ["None"]:
                names = path_of(function.body)
                return names[-1] if names else None
        return None

    def properties_of(self, impl: Impl, subject: str, visible: list[Visible]) -> tuple[str, ...]:
        """The properties of a device: those of #[property(...)], and those of `declare_properties!`."""
        struct = self.near(self.sources.structs.get(subject, []), lambda row: row.path)
        rows = []
        for name, span, attributes in () if struct is None else struct.fields:
            row = attributes.of("property")
            if row is None:
                continue
            words = _named_arguments(row[2:-1])
            shown = text_of_literal(words.get("rename", ())) or name.replace("_", "-")
            kind = kind_of(span)
            rows.append(self.property(subject, shown, name, kind.name, words, struct.path, struct.line))
        for function in impl.functions:
            names = path_of(function.body) if function.name == "properties" else []
            for items in self.crate_items() if names else ():
                for call in items.calls:
                    parts = call.inside.parts() if call.name == "declare_properties" else []
                    if parts and parts[0].tokens == [names[-1]]:
                        rows += [
                            row for part in parts[1:] if (row := self.defined(subject, part, items.path)) is not None
                        ]
        visible += rows
        return (subject,) if rows else ()

    def property(
        self, owner: str, shown: str, member: str, kind: str, words: dict[str, tuple[str, ...]], path: str, line: int
    ) -> Visible:
        """A property with its default and its bit, where these are told."""
        numbers = {}
        for word in ("default", "bit"):
            tokens = list(words.get(word, ()))
            if tokens:
                span = Span(_code(path, tokens, line), 0, len(tokens))
                try:
                    numbers[word] = self.number(span, {})
                except Unresolved as error:
                    self.problem(path, line, f"{owner}: the property {shown!r}", error)
        bit = numbers.get("bit")
        info = "qdev_prop_bit" if bit is not None else INFO_OF_PROPERTY.get(kind)
        value = str(numbers["default"]) if "default" in numbers else None
        return Visible("property", owner, shown, value, path, line, info=info, member=member, bit=bit)

    def defined(self, owner: str, part: Span, path: str) -> Visible | None:
        """A property of `define_property!(NAME, STRUCT, FIELD, INFO, TYPE, bit = B, default = D)`."""
        inside = inside_of_macro(part, "define_property")
        parts = [] if inside is None else inside.parts()
        shown = text_of_literal(parts[0].tokens) if len(parts) > 3 else None
        if shown is None:
            return None
        words = _named_arguments([token for each in parts[4:] for token in (*each.tokens, ",")])
        kind = parts[4].tokens[-1] if len(parts) > 4 else ""
        return self.property(owner, shown, parts[2].tokens[-1], kind, words, path, part.line)


def _cast_to(tokens: list[str]) -> str:
    """The type that a function casts C's pointer to: `.cast::<T>()`."""
    place = tokens.index("cast") if "cast" in tokens else len(tokens)
    return tokens[place + 3] if tokens[place + 1 : place + 3] == ["::", "<"] and place + 3 < len(tokens) else ""


def _code(path: str, tokens: list[str], line: int) -> Code:
    code = code_of(path, " ".join(tokens))
    return code._replace(lines=[line] * len(code.tokens))


def _named_arguments(tokens: Any) -> dict[str, tuple[str, ...]]:
    """`a = x, b = y` by name."""
    named: dict[str, tuple[str, ...]] = {}
    name = ""
    depth = 0
    row: list[str] = []
    for token in (*tokens, ","):
        depth += (token in ("(", "[", "{")) - (token in (")", "]", "}"))
        if token == "," and depth <= 0:
            if name:
                named[name] = tuple(row)
            name, row = "", []
        elif token == "=" and not name and len(row) == 1:
            name, row = row[0], []
        else:
            row.append(token)
    return named


def bound(pattern: Kind, kind: Kind, parameters: tuple[str, ...]) -> dict[str, Kind]:
    """What the parameters of an impl block are for a type."""
    given: dict[str, Kind] = {}
    if pattern.form == "path" and len(pattern.path) == 1 and pattern.name in parameters and not pattern.arguments:
        return {pattern.name: kind}
    for left, right in zip(pattern.arguments, kind.arguments, strict=False):
        given |= bound(left, right, parameters)
    return given


def members_of(value: Span) -> Iterator[tuple[str, Span, int]]:
    """The members of a description in braces, or the calls of its builder, each with its line."""
    tokens, closing = value.code.tokens, value.code.closing
    brace = next((at for at in range(value.start, value.end) if tokens[at] in ("{", "(")), None)
    if brace is not None and tokens[brace] == "{":
        for part in value.inside(brace).parts():
            if tokens[part.start] == "..":
                continue
            if tokens[part.start + 1 : part.start + 2] == [":"]:
                yield tokens[part.start], Span(value.code, part.start + 2, part.end), part.line
        return
    at = value.start
    while at < value.end:
        if tokens[at] == "." and tokens[at + 2 : at + 3] == ["("] and at + 2 in closing:
            last = closing[at + 2]
            yield tokens[at + 1], Span(value.code, at + 3, last), value.code.lines[at + 1]
            at = last + 1
        else:
            at = closing.get(at, at) + 1


def inside_of_macro(span: Span, name: str) -> Span | None:
    """What is in the brackets of a macro that a piece of a file calls."""
    tokens = span.code.tokens
    for at in range(span.start, span.end - 2):
        if tokens[at] == name and tokens[at + 1] == "!":
            return span.inside(at + 2)
        if tokens[at] in ("(", "{", "["):
            return None
    return None


def path_of(span: Span) -> list[str]:
    """The names of a path, with & and Some() around it left out; [] where it is something else."""
    names = []
    for token in span.tokens:
        if token[0].isalpha() or token[0] in "_":
            names.append(token)
        elif token not in ("::", "&", "(", ")", "*", ","):
            return []
    return [name for name in names if name not in ("crate", "Some", "addr_of")]


def path_of_generic(span: Span) -> list[str]:
    """The names of a path, without the arguments of types in it."""
    names: list[str] = []
    depth = 0
    for token in span.tokens:
        depth += {"<": 1, ">": -1}.get(token, 0)
        if depth == 0 and (token[0].isalpha() or token[0] == "_"):
            names.append(token)
        elif token not in ("::", "<", ">", "&") and depth == 0:
            return []
    return names
