"""Facts out of one file: descriptions, infos, predicates, device classes, registrations, compat lists."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any

from vmstate.source.constants import Constants
from vmstate.source.expressions import Tree, without_lines
from vmstate.source.initialiser import Entry, entries, in_braces, symbol_of, text_of
from vmstate.source.lexer import Item, Token
from vmstate.source.lifetimes import arguments_of, has_end, kept_after_end, memory_made
from vmstate.source.model import (
    CompatEntry,
    Problem,
    Registration,
    SourceDescription,
    SourceField,
    SourceFunction,
    SourceInfo,
    SourceType,
    UnitResult,
    Visible,
)
from vmstate.source.predicates import given_of, translated, with_usual_names
from vmstate.source.preprocessor import Unit, Unresolved
from vmstate.source.sources import WHOLE, Sources
from vmstate.source.target import Target
from vmstate.source.visible import (
    PROPERTIES_OF_CLASS,
    Number,
    configuration_space,
    lists_of_machines,
    machine_fields,
    models,
    properties,
    properties_of_code,
)

VERSIONS = ("version_id", "minimum_version_id")
HOOKS = ("pre_load", "post_load", "pre_save", "post_save", "dev_unplug_pending", "pre_load_errp", "post_load_errp",
         "pre_save_errp", "load_state_old")  # fmt: skip

NUMBERS = {
    "version_id": "version",
    "struct_version_id": "struct_version",
    "size": "size",
    "num": "count",
    "start": "start",
}
SYMBOLS = {"info": "info", "vmsd": "vmsd", "field_exists": "exists"}
"""Members of a `VMStateField`, and the names that they have here."""

FLAG = re.compile(r"VMS_[A-Z0-9_]+\Z")
PLAIN_INFO = re.compile(r"vmstate_info_(?:u?int(?:8|16|32|64)\w*|bool|buffer|timer)\Z")
"""Infos that take what the flags say that a field is; any other may look for itself."""

NAMES_OF_CLASSES = ("name", "base_name", "generic_name", "transitional_name", "non_transitional_name")
"""Members of a TypeInfo, and of a VirtioPCIDeviceTypeInfo: a class, and those below it."""
VMSD_OF_CLASS = re.compile(r"\b(\w+)->vmsd\s*=\s*(?:\([^()]*\)\s*)?&?\s*\(?(\w+)")
SAVE_OF_CLASS = re.compile(r"\b\w+->save\s*=\s*&?\s*(\w+)")
DEVICE_CLASS = re.compile(r"\bDeviceClass\s*\*\s*(\w+)")
PREDICATE = re.compile(r"^bool\s+(\w+)\s*\(\s*void\s*\*\s*opaque\s*(?:,\s*int\s+\w+\s*)?\)\s*\{", re.M)
OLD_CLASS = re.compile(r"\b\w*(?:Device|Slave)Info\b")
OLD_MEMBER = re.compile(r"\.(?:qdev\.)?(name|vmsd|size)\s*=\s*((?:[^,(]|\([^()]*\))+),")
"""Device classes before there was TypeInfo: what is called SysBusDeviceInfo, PCIDeviceInfo, and the like."""
INNER_LIST = re.compile(r"\bGlobalProperty\s+\w+\s*\[\s*\]\s*=\s*\{")
MACRO_LIST = re.compile(r"\b[A-Z]\w*COMPAT_\d+_\d+(?:_\d+)?\b")
MAX_LISTS = 100
"""Lists in the functions of one file that are looked at: QEMU has five."""
MAX_FUNCTION = 64 << 10
"""Characters of a function in which a list is looked for."""
PUTS = re.compile(r"\bqemu_put_(?:be|sbe)?(16|32|64|byte|s8|8s)s?\s*\(\s*f\s*,")
GETS = re.compile(r"\bqemu_get_(?:be|sbe)?(16|32|64|byte|ubyte|sbyte|s8|8s)s?\s*\(\s*f\b")
BYTES = {"byte": 1, "ubyte": 1, "sbyte": 1, "s8": 1, "8s": 1}
OF_FILE = re.compile(r"\bf\b")
BRANCHES = re.compile(r"\b(?:if|else|for|while|do|switch|goto|\w*FOREACH\w*)\b|^\s*#", re.M)
NUMBERS_OF_FILE = {"put": PUTS, "get": GETS}
"""Members of a `VMStateInfo`, and the calls that write and read numbers in their functions."""
MAX_PUT = 4000
"""Characters of a function that writes a few numbers, at most."""
ASSIGNED = re.compile(r"(?:->|\.)(\w+)\s*=\s*([^;={}]{1,80});")
FIFO = "vmstate_fifo8"
FIFO_MADE = re.compile(r"\bfifo(?:8|32)_create\s*\(\s*&[^,;]{0,80}?\b(\w+)(?:\[\w+\])?\s*,([^;{}]{1,80})\)\s*;")
"""Where a Fifo8 is made, or a Fifo32, which has one inside, and for how many elements (util/fifo8.c, fifo32.h)."""
OF_PARENT = re.compile(r"\w+->parent->(\w+)\s*([-+]\s*\d{1,9})?")
"""A member of what something is made for, in a struct that is made to be sent (VMSTATE_WITH_TMP)."""
MEMBER = re.compile(r"\w+(?:->|\.)(\w+)")
PROPERTY_SET = re.compile(
    r"\b(?:qdev_prop_set_uint(?:8|16|32)|object_property_set_u?int)\s*\([^;\"]{1,120}\"([\w-]{1,40})\"\s*,\s*([^,;)]{1,80})"
)
"""A property that a board gives a device it makes."""
MAX_ASSIGNED = 20000
"""Assignments of one file that are looked at."""
MAX_COUNTS = 200
"""Assignments of one file that are kept."""
PROPERTIES = re.compile(r"\bProperty\b")
SIZE_OF = re.compile(r"sizeof\s*\(\s*((?:struct\s+)?\w+)\s*\)")
REGISTERED = re.compile(
    r"\b(vmstate_register|vmstate_register_any|vmstate_register_with_alias_id|vmstate_replace_hack_for_ppc|"
    r"register_savevm_live|register_savevm)\s*\("
)


class Extractor:
    """Reads one file for one target."""

    def __init__(self, sources: Sources, path: str, target: Target) -> None:
        self.unit = Unit(sources, path, target)
        self.constants = Constants(self.unit)
        self.path = path
        self.problems: list[Problem] = []
        self.file = sources.file(path)
        self._flags: list[tuple[str, int]] | None = None
        self.predicates: dict[str, None] = {}
        self.needs: dict[str, str] = {}
        """Descriptions that are sent where a function says so, as arrays of VMStateSubsection had it."""
        self.bodies = {
            item.name: self.unit.text(item) for item in self.file.items if item.kind == "function" and "(" in item.head
        }
        self.memory = memory_made(self.bodies.values())

    def run(self) -> UnitResult:
        """All that is in the file."""
        descriptions: list[SourceDescription] = []
        infos: list[SourceInfo] = []
        types: list[SourceType] = []
        compat: list[CompatEntry] = []
        visible: list[Visible] = []
        unit = self.unit
        if self.file.unclosed:
            self.problem(self.file.unclosed, self.path, "a brace that nothing closes; what is behind it is not read")
        for item in self.items():
            head = item.head
            unit.line = item.line if item.path == self.path else 0
            if "VMStateDescription" in head:
                if "[" not in head:
                    descriptions.append(self.description(item, unit.tokens(unit.text(item), item.line)))
                elif "*" not in head:
                    descriptions += self.array_of_descriptions(item)
                continue
            if "VMStateInfo" in head and "[" not in head:
                infos.append(self.info(item))
            elif "TypeInfo" in head:
                types += self.types(item)
            elif "GlobalProperty" in head and "[" in head:
                compat += self.compat_list(item)
            elif "[" in head and PROPERTIES.search(head):
                visible += self.rows(properties, item)
            elif "X86CPUDefinition" in head and "[" in head:
                visible += self.rows(models, item)
            elif OLD_CLASS.search(head):
                types += self.old_types(item)
        unit.line = 0
        for item in self.inner_lists():
            compat += self.compat_list(item)
        compat += self.macro_lists()
        descriptions += self.invoked()
        descriptions = [
            vmsd.replace(needed=self.needs[vmsd.symbol]) if vmsd.symbol in self.needs else vmsd for vmsd in descriptions
        ]
        registrations = tuple(self.registrations())
        visible += properties_of_code(self.file)
        visible += machine_fields(unit, self.value_of, self.file)
        visible += lists_of_machines(self.file)
        visible += configuration_space(unit, self.value_of, self.file)
        functions = tuple(self.functions())
        structs = dict.fromkeys(field.struct for vmsd in descriptions for field in vmsd.fields if field.struct)
        heads = tuple((name, *self.heads(name)) for name in structs if name is not None)
        uses = self.constants.uses()
        return UnitResult(
            self.path,
            unit.target.name,
            tuple(sorted({path for path, _ in uses})),
            tuple(descriptions),
            tuple(infos),
            functions,
            tuple(types),
            registrations,
            tuple(compat),
            heads,
            tuple(visible),
            tuple(self.counts(descriptions)),
            tuple(self.problems),
            names=" ".join(sorted({name for _, name in uses if name != WHOLE})),
            whole=tuple(sorted({path for path, name in uses if name == WHOLE and path != self.path})),
        )

    def items(self) -> Iterator[Item]:
        """The variables of the file, and of the pieces (.c.inc) that it includes, which are built here."""
        sources = self.unit.sources
        for path in self.unit.order:
            if path != self.path and not path.endswith((".inc", ".c", ".inc.h")):
                continue
            if path != self.path:
                self.unit.used.add((path, WHOLE))
            for item in sources.file(path).items:
                if item.kind == "variable" and self.unit.holds(item.clauses):
                    yield item

    def rows(self, read: Callable[[Unit, Number, Item], Iterator[Visible]], item: Item) -> list[Visible]:
        """What is in an array; one that cannot be told is noted."""
        made: list[Visible] = []
        try:
            made.extend(read(self.unit, self.value_of, item))
        except Unresolved as error:
            self.problem(item.line, item.name, error, item.path)
        return made

    def value_of(self, tokens: Sequence[Token]) -> int | None:
        """The value of some tokens, where they are a constant."""
        try:
            return self.constants.value(self.constants.expression(tokens))
        except (Unresolved, RecursionError):
            return None

    def problem(self, line: int, what: str, reason: object, path: str | None = None) -> None:
        """Note something that cannot be told."""
        self.problems.append(Problem(path or self.path, line, what, str(reason)))

    # Descriptions.

    def description(self, item: Item, tokens: Sequence[Token], symbol: str | None = None) -> SourceDescription:
        """A `VMStateDescription` from what is between its braces."""
        symbol = symbol or item.name
        path = item.path
        values: dict[str, Any] = {}
        twice: list[str] = []
        hooks: list[str] = []
        untold: list[str] = []
        measured: list[str] = []
        seen: set[str] = set()
        try:
            expanded = self.unit.expand(tokens)
        except Unresolved as error:
            self.problem(item.line, symbol, error, path)
            return SourceDescription(symbol, path, item.line)
        for entry in entries(expanded, item.line):
            member = entry.member
            if member in seen:
                twice.append(member)
            seen.add(member)
            try:
                if member == "fields":
                    values["has_fields"] = True
                    values["fields"], values["ended"], is_whole = self.fields(symbol, entry, path)
                    untold += [] if is_whole else [member]
                elif member in HOOKS:
                    hook = symbol_of(entry.tokens)
                    if hook is not None:
                        hooks.append(f"{member}={hook}")
                        self.predicates.setdefault(hook)
                else:
                    values.update(self.member_of_description(entry))
                    if member in VERSIONS and "sizeof" in entry.tokens:
                        measured.append(member)
            except Unresolved as error:
                untold.append(member)
                self.problem(entry.line, f"{symbol}.{member}", error, path)
        if "name" not in seen:
            self.problem(item.line, symbol, "a description whose name is not in its initialiser", path)
        return SourceDescription(
            symbol,
            path,
            item.line,
            static="static" in item.head,
            hooks=tuple(hooks),
            twice=tuple(twice),
            untold=tuple(untold),
            measured=tuple(measured),
            **values,
        )

    def array_of_descriptions(self, item: Item) -> Iterator[SourceDescription]:
        """The descriptions of an array of them, as that of the values and the keys of a tree: NAME[0], NAME[1]."""
        try:
            rows = entries(self.unit.expand(self.unit.tokens(self.unit.text(item), item.line)), item.line)
        except Unresolved as error:
            self.problem(item.line, item.name, error, item.path)
            return
        for number, row in enumerate(rows):
            inside = in_braces(row.tokens)
            if inside is not None:
                yield self.description(item, [row.line, *inside], f"{item.name}[{number}]")

    def member_of_description(self, entry: Entry) -> dict[str, Any]:
        """What one member of a `VMStateDescription` says. Raises `Unresolved`."""
        match entry.member:
            case "name":
                return {"name": text_of(entry.tokens)}
            case "version_id":
                return {"version": self.number(entry)}
            case "minimum_version_id":
                return {"minimum": self.number(entry)}
            case "unmigratable" | "early_setup":
                return {entry.member: bool(self.number(entry))}
            case "priority":
                return {"priority": symbol_of(entry.tokens)}
            case "needed":
                needed = symbol_of(entry.tokens)
                if needed:
                    self.predicates[needed] = None
                return {"needed": needed}
            case "subsections":
                return {"subsections": tuple(self.subsections(entry))}
            case "":
                raise Unresolved("a member without its name")
        return {}

    def number(self, entry: Entry) -> int:
        """The value of an entry."""
        return self.constants.value(self.constants.parse(entry.tokens))

    def array_of(self, entry: Entry, kind: str) -> list[Entry]:
        """The entries of an array that is written in place or is a variable."""
        inside = in_braces(entry.tokens)
        if inside is not None:
            return entries(inside, entry.line)
        name = symbol_of(entry.tokens)
        if name is None:
            return []
        item = self.unit.find(self.unit.sources.variables.get(name))
        if item is None or kind not in item.head:
            raise Unresolved(f"{name}, which is no array of {kind} here")
        tokens = self.unit.expand(self.unit.tokens(self.unit.text(item), item.line, item.path == self.path))
        return entries(tokens, item.line)

    def subsections(self, entry: Entry) -> Iterator[str]:
        """The C names of the descriptions of an array of pointers."""
        kind = "VMStateSubsection" if "VMStateSubsection" in entry.tokens else "VMStateDescription"
        for element in self.array_of(entry, kind):
            inside = in_braces(element.tokens)
            if inside is not None:
                # Until 2014 an element had the description and what says whether it is sent.
                members = {member.member: symbol_of(member.tokens) for member in entries(inside, element.line)}
                symbol, needed = members.get("vmsd"), members.get("needed")
                if symbol is None:
                    return
                if needed is not None:
                    self.needs[symbol] = needed
                    self.predicates[needed] = None
                yield symbol
                continue
            name = symbol_of(element.tokens)
            if name is None or name == "0":
                return
            yield name

    def fields(self, symbol: str, entry: Entry, path: str) -> tuple[tuple[SourceField, ...], bool, bool]:
        """The fields of an array, whether it has an end, and whether all of them could be told."""
        made: list[SourceField] = []
        is_whole = True
        for element in self.array_of(entry, "VMStateField"):
            inside = in_braces(element.tokens)
            if inside is None:
                words = " ".join(without_lines(element.tokens))
                self.problem(element.line, symbol, f"a field that is {words[:60]!r}", path)
                is_whole = False
                continue
            members = entries(inside, element.line)
            field = self.field(symbol, members, element.line, path)
            if field is None:
                return tuple(made), True, is_whole
            made.append(field)
        return tuple(made), False, is_whole

    def field(self, symbol: str, members: list[Entry], line: int, path: str) -> SourceField | None:
        """A field from its members; None for the end marker."""
        raw = {entry.member: entry for entry in members}
        if "name" not in raw or (symbol_of(raw["name"].tokens) is None and "NULL" in raw["name"].tokens):
            return None
        try:
            name = text_of(raw["name"].tokens)
        except Unresolved as error:
            name = "?"
            self.problem(line, f"{symbol}: the name of a field", error, path)
        values: dict[str, Any] = {}
        for member, entry in raw.items():
            try:
                values.update(self.member_of_field(member, entry))
            except Unresolved as error:
                if self.is_on_wire(member, raw):
                    self.problem(line, f"{symbol}: {name}: {member}", error, path)
        if values.get("exists"):
            self.predicates[values["exists"]] = None
        flags = values.get("flags", ())
        if "VMS_ALLOC" not in flags and ("VMS_POINTER" in flags or "VMS_ARRAY_OF_POINTER" in flags):
            always = self.memory.get(str(values.get("member")).rpartition(".")[2])
            values["memory"] = None if always is None else "always" if always else "sometimes"
        info = values.get("info")
        if ("vmsd" in values) if info is None else PLAIN_INFO.match(info):
            values["against"] = self.against_flags(values.get("struct"), values.get("member"), flags)
        return SourceField(name, line=line, **values)

    def against_flags(self, struct: str | None, member: str | None, flags: Sequence[str]) -> str | None:
        """What a member is where flags take it for the other: a pointer, or none."""
        if struct in (None, "?") or not member or "VMS_ARRAY_OF_POINTER" in flags:
            return None
        try:
            kind = self.constants.at(str(struct), member)[0]
        except (Unresolved, RecursionError):
            return None
        if kind == "pointer":
            return None if "VMS_POINTER" in flags else "a pointer"
        return "no pointer" if "VMS_POINTER" in flags and kind in ("array", "named", "members", "enum") else None

    def heads(self, name: str) -> tuple[str, ...]:
        """A struct and those at its beginning, as `UnitResult.heads` has them."""
        try:
            return self.constants.heads(name)
        except RecursionError:
            return ("?",)

    def member_of_field(self, member: str, entry: Entry) -> dict[str, Any]:
        """What one member of a `VMStateField` says. Raises `Unresolved`."""
        if member in NUMBERS:
            return {NUMBERS[member]: self.number(entry)}
        if member in SYMBOLS:
            return {SYMBOLS[member]: symbol_of(entry.tokens)}
        if member == "flags":
            return {"flags": self.flags(entry)}
        if member in ("num_offset", "size_offset"):
            place = _place(self.constants.parse(entry.tokens))
            return {"count_from" if member == "num_offset" else "size_from": place[1] if place else None}
        if member == "offset":
            place = _place(self.constants.parse(entry.tokens))
            return {} if place is None else {"struct": place[0], "member": place[1]}
        if member == "err_hint":
            return {"err_hint": text_of(entry.tokens)} if any('"' in str(token) for token in entry.tokens) else {}
        if member == "":
            raise Unresolved("a member without its name")
        return {}

    def is_on_wire(self, member: str, raw: dict[str, Entry]) -> bool:
        """Whether what a member says is needed to know the bytes of a field: its place in memory is not."""
        if member in ("offset", "start", "err_hint"):
            return False
        if member != "size":
            return True
        info = symbol_of(raw["info"].tokens) if "info" in raw else None
        return "vmsd" not in raw and info in ("vmstate_info_buffer", "vmstate_info_unused_buffer")

    def flags(self, entry: Entry) -> tuple[str, ...]:
        """The names of the flags that an expression of VMS_X is."""
        names = [str(token) for token in without_lines(entry.tokens) if FLAG.match(str(token))]
        if names and all(token in ("|", "(", ")") or FLAG.match(token) for token in without_lines(entry.tokens)):
            return tuple(dict.fromkeys(names))
        raise Unresolved("flags that are no names of VMStateFlags")

    def invoked(self) -> Iterator[SourceDescription]:
        """Descriptions that a macro at the top of the file makes."""
        unit = self.unit
        for call in self.file.invocations:
            body = unit.body(call.name)
            if body is None or "VMStateDescription" not in body.macro.body or not unit.holds(call.clauses):
                continue
            try:
                expanded = unit.expand(unit.tokens(call.text, call.line))
            except Unresolved as error:
                self.problem(call.line, call.name, error)
                continue
            tokens = [token for token in expanded if isinstance(token, str)]
            index = 0
            while "VMStateDescription" in tokens[index:]:
                index = tokens.index("VMStateDescription", index) + 1
                if index + 2 < len(tokens) and tokens[index + 1] == "=":
                    inside = in_braces(tokens[index + 2 :])
                    if inside is not None:
                        before = tokens[max(0, index - 4) : index]
                        head = "static" if "static" in before else ""
                        item = Item("variable", tokens[index], head, 0, 0, (), self.path, call.line)
                        yield self.description(item, [call.line, *inside])

    def info(self, item: Item) -> SourceInfo:
        """A `VMStateInfo`."""
        name = ""
        sizes: dict[str, tuple[int, ...]] = {}
        try:
            for entry in entries(self.unit.expand(self.unit.tokens(self.unit.text(item), item.line)), item.line):
                if entry.member == "name":
                    name = text_of(entry.tokens)
                elif entry.member in NUMBERS_OF_FILE:
                    sizes[entry.member] = self.numbers_of(symbol_of(entry.tokens), NUMBERS_OF_FILE[entry.member])
        except Unresolved as error:
            self.problem(item.line, item.name, error, item.path)
        puts = sizes.get("put") or sizes.get("get", ())
        return SourceInfo(item.name, item.path, item.line, name, "static" in item.head, puts)

    def numbers_of(self, function: str | None, calls: re.Pattern[str]) -> tuple[int, ...]:
        """The sizes of the numbers that a function writes or reads one after another; () where there is more to it."""
        item = self.unit.find(self.unit.sources.functions.get(function or ""))
        text = "" if item is None else self.unit.text(item)
        if not text or len(text) > MAX_PUT:
            return ()
        # What has the size of a target's long is a macro.
        text = " ".join(map(str, without_lines(self.unit.expand(self.unit.tokens(text, 0, False)))))
        found = list(calls.finditer(text))
        # Where a branch or a loop decides, or another function uses the file, it is not told here.
        if not found or BRANCHES.search(text, 0, found[-1].start()) or len(found) != len(OF_FILE.findall(text)):
            return ()
        return tuple(BYTES.get(call[1]) or int(call[1]) // 8 for call in found)

    def counts(self, descriptions: Sequence[SourceDescription]) -> Iterator[tuple[str, int | str]]:
        """What functions give the members that say how many elements, or bytes, there are."""
        fields = [field for vmsd in descriptions for field in vmsd.fields]
        members = {_last(name) for field in fields for name in (field.count_from, field.size_from) if name}
        fifos = {_last(field.member.removesuffix(".fifo")) for field in fields if field.member and field.vmsd == FIFO}
        seen: dict[tuple[str, int | str], None] = {}
        for pattern, wanted in ((ASSIGNED, members), (FIFO_MADE, fifos)):
            for assigned in pattern.finditer(self.file.text) if wanted else ():
                if assigned[1] in wanted and len(seen) < MAX_COUNTS:
                    parent = OF_PARENT.fullmatch(assigned[2].strip())
                    if parent is not None:
                        seen[assigned[1], " ".join(f"{parent[1]} {parent[2] or ''}".split())] = None
                    else:
                        seen.update(((assigned[1], value), None) for value in self.constants_of(assigned[2]))
        for called in islice(PROPERTY_SET.finditer(self.file.text), MAX_COUNTS):
            value = self._number(called[2])
            if value is not None and value > 0:
                seen[f'"{called[1]}"', value] = None
        yield from seen

    def constants_of(self, text: str) -> Iterator[int]:
        """The value of an expression; of a member those that functions of the file give it."""
        member = MEMBER.fullmatch(text.strip())
        texts = [text]
        if member is not None:
            assigned = islice(ASSIGNED.finditer(self.file.text), MAX_ASSIGNED)
            texts = [each[2] for each in assigned if each[1] == member[1]]
        for each in texts:
            value = self._number(each)
            if value is not None and value > 0:
                yield value

    # Predicates.

    def functions(self) -> Iterator[SourceFunction]:
        """The functions that say whether fields and subsections are sent, as far as they are seen here."""
        # Those that other files use, too.
        self.predicates.update(dict.fromkeys(PREDICATE.findall(self.file.text)))
        for name in self.predicates:
            item = self.unit.find(self.unit.sources.functions.get(name))
            if item is None:
                continue
            text = self.unit.text(item)
            digest = hashlib.sha256(" ".join(text.split()).encode("utf-8", "replace")).hexdigest()[:16]
            returns = translated(self.unit, self.constants, with_usual_names(item.head, text))
            given = given_of(text)
            heads = () if given is None else self.heads(given)
            yield SourceFunction(name, item.path, item.line, returns, digest, heads)

    # Device classes.

    def types(self, item: Item) -> Iterator[SourceType]:
        """The device classes of a `TypeInfo`, or an array of them."""
        unit = self.unit
        try:
            made = entries(unit.expand(unit.tokens(unit.text(item), item.line)), item.line)
        except Unresolved as error:
            self.problem(item.line, item.name, error, item.path)
            return
        rows = [made]
        if "[" in item.head:
            rows = [entries(in_braces(entry.tokens) or (), entry.line) for entry in made]
        for row in rows:
            known = {entry.member: entry for entry in row}
            named = [known[member] for member in NAMES_OF_CLASSES if member in known]
            if not named:
                continue
            line = named[0].line
            try:
                name, *below = [text_of(entry.tokens) for entry in named]
                parent = None if "name" in known else "virtio-pci"
                parent = text_of(known["parent"].tokens) if "parent" in known else parent
            except Unresolved as error:
                self.problem(line, f"{item.name}: the name of a device class", error, item.path)
                continue
            vmsd = inner = save = None
            arrays: tuple[str, ...] = ()
            if "class_init" in known:
                function = symbol_of(known["class_init"].tokens)
                if function is not None:
                    vmsd, inner, save = self.vmsd_of(function)
                    arrays = self.properties_of(function)
            abstract = bool(below) or ("abstract" in known and "0" not in known["abstract"].tokens)
            size = (
                SIZE_OF.search(" ".join(map(str, without_lines(known["instance_size"].tokens))))
                if "instance_size" in known
                else None
            )
            instance = () if size is None else self.heads(size[1])
            yield SourceType(name, item.path, line, parent, abstract, vmsd, inner, instance, arrays, save)
            for each in below:
                yield SourceType(each, item.path, line, name)

    def old_types(self, item: Item) -> Iterator[SourceType]:
        """The device class of an initialiser of the time before TypeInfo."""
        text = self.unit.text(item)
        known = {member: value.strip() for member, value in reversed(OLD_MEMBER.findall(text))}
        name = self._text(known["name"]) if "name" in known else None
        if name is not None and "vmsd" in known:
            size = SIZE_OF.search(known.get("size", ""))
            instance = () if size is None else self.heads(size[1])
            yield SourceType(name, item.path, item.line, vmsd=known["vmsd"].strip("&() "), instance=instance)

    def vmsd_of(self, function: str) -> tuple[str | None, str | None, str | None]:
        """The description that a class_init gives its class, that which it gives a class between, as virtio's, and the
        function that writes by hand for the latter.
        """
        item = self.unit.find(self.unit.sources.functions.get(function))
        if item is None:
            return None, None, None
        text = self.unit.text(item)
        classes = set(DEVICE_CLASS.findall(text))
        vmsd = inner = None
        for assignment in VMSD_OF_CLASS.finditer(text):
            if assignment[1] in classes or assignment[1] == "dc":
                vmsd = assignment[2]
            else:
                inner = assignment[2]
        save = SAVE_OF_CLASS.search(text)
        return vmsd, inner, None if save is None else save[1]

    def properties_of(self, function: str) -> tuple[str, ...]:
        """The arrays of properties that a class_init gives its class."""
        item = self.unit.find(self.unit.sources.functions.get(function))
        return () if item is None else tuple(PROPERTIES_OF_CLASS.findall(self.unit.text(item)))

    # Registrations and compat lists.

    def registrations(self) -> Iterator[Registration]:
        """The sections that functions of the file register."""
        text = self.file.text
        for call in REGISTERED.finditer(text):
            start = text.rfind("\n", 0, call.start()) + 1
            if text[start : start + 1] not in (" ", "\t"):
                # The declaration or definition of the function itself.
                continue
            arguments = arguments_of(text, call.end())
            if arguments is None:
                continue
            line = self.file.line_of(call.start())
            registration = self.registration(call[1], arguments, line)
            around = self.function_at(call.start())
            if around is not None and registration.vmsd is not None:
                registration = registration.replace(kept=kept_after_end(self.bodies, around, registration.vmsd))
            elif (
                around is not None
                and "unregister_savevm" not in text
                and registration.function.startswith("register_savevm")
            ):
                registration = registration.replace(kept=has_end(self.bodies, around))
            yield registration

    def function_at(self, place: int) -> str | None:
        """The name of the function in whose body a place of the file is."""
        for item in self.file.items:
            if item.kind == "function" and item.start <= place < item.end:
                return item.name
        return None

    def registration(self, function: str, arguments: list[str], line: int) -> Registration:
        """One call."""
        if function.startswith("register_savevm"):
            if len(arguments) < 3:
                return Registration(function, self.path, line)
            return Registration(
                function,
                self.path,
                line,
                idstr=self._text(arguments[0]),
                instance=self._number(arguments[1]),
                version=self._number(arguments[2]),
            )
        # Until 2010 the device was not given, only the instance.
        references = [re.match(r"&\s*(\w+)\s*\Z", argument) for argument in arguments]
        place = next((index for index, each in enumerate(references) if each is not None), 0)
        vmsd = references[place] if references else None
        instance = self._number(arguments[place - 1]) if place and function != "vmstate_register_any" else None
        return Registration(function, self.path, line, vmsd=vmsd[1] if vmsd else None, instance=instance)

    def _text(self, text: str) -> str | None:
        try:
            return text_of(self.unit.expand(self.unit.tokens(text, 0)))
        except Unresolved:
            return None

    def _number(self, text: str) -> int | None:
        return self.value_of(self.unit.tokens(text, 0))

    def inner_lists(self) -> Iterator[Item]:
        """The lists of properties that stand in functions, each under the name of its function."""
        text = self.file.text
        left = MAX_LISTS if "GlobalProperty" in text else 0
        for item in self.file.items if left else ():
            if item.kind != "function" or item.end - item.start > MAX_FUNCTION:
                continue
            for mark in INNER_LIST.finditer(text, item.start, item.end):
                left -= 1
                if left < 0:
                    return
                line = self.file.line_of(mark.start())
                end = text.find("};", mark.end(), item.end)
                if end >= 0:
                    yield Item("variable", item.name, "GlobalProperty []", mark.end(), end, (), self.path, line)

    def macro_lists(self) -> Iterator[CompatEntry]:
        """The entries of lists that are macros, as until 3.1: each its own, without those of the lists in it."""
        waiting = list(dict.fromkeys(MACRO_LIST.findall(self.file.text)))
        for name in waiting:
            body = self.unit.body(name)
            if body is None or body.macro.parameters is not None:
                continue
            text = body.macro.body.replace("\\\n", " ")
            waiting += dict.fromkeys(inner for inner in MACRO_LIST.findall(text) if inner not in waiting)
            if len(waiting) > MAX_LISTS:
                return
            yield from self.list_entries(name.lower(), MACRO_LIST.sub("", text), body.macro.path, body.macro.line)

    def compat_list(self, item: Item) -> Iterator[CompatEntry]:
        """The entries of a list of properties."""
        return self.list_entries(item.name, self.unit.text(item), item.path, item.line)

    def list_entries(self, name: str, text: str, path: str, line: int) -> Iterator[CompatEntry]:
        """The entries of a text, under the name of their list."""
        unit = self.unit
        try:
            rows = entries(unit.expand(unit.tokens(text, line)), line)
        except Unresolved as error:
            self.problem(line, name, error, path)
            return
        for row in rows:
            values = {}
            names = ["driver", "property", "value"]
            for number, entry in enumerate(entries(in_braces(row.tokens) or (), row.line)):
                try:
                    member = entry.member or (names[number] if number < 3 else "")
                    if member in names:
                        values[member] = text_of(entry.tokens)
                except Unresolved as error:
                    self.problem(row.line, name, error, path)
            if len(values) >= 3:
                yield CompatEntry(name, values["driver"], values["property"], values["value"], path, row.line)


def _last(member: str) -> str:
    return member.rpartition(".")[2].partition("[")[0]


def _place(tree: Tree) -> tuple[str, str] | None:
    """The struct and the member of the first offsetof in an expression."""
    if tree[0] == "offsetof":
        kind = tree[1]
        return (str(kind[1]), str(tree[2])) if kind[0] in ("named", "struct") else ("?", str(tree[2]))
    for part in tree[1:]:
        if isinstance(part, tuple):
            inner = _place(part) if part and isinstance(part[0], str) else None
            if inner is not None:
                return inner
    return None
