"""A device of a tree as a declaration in this library's words; what the source does not decide is a TODO in it.

Names, numbers, order and conditions are facts, and nothing else of the tree goes into the text.
"""

from __future__ import annotations

import ast
import json
import keyword
import re
from collections.abc import Iterator

from vmstate.errors import VMStateError
from vmstate.source.by_hand import (
    BLOCKS,
    INFOS,
    MSIX_BYTES,
    PLACEHOLDER,
    SAVES,
    SECTIONS,
    VIRTIO,
    VIRTIO_BODY,
)
from vmstate.source.linking import MAX_DEPTH, Linked
from vmstate.source.model import SourceDescription, SourceField, UnitResult
from vmstate.source.predicates import FEATURES
from vmstate.vmsd.description import MigrationPriority

SCALARS = {
    "bool": ("boolean", "bool"), "timer": ("timer", "int"), "CPU_Double_U": ("cpudouble", "int"),
    "int32 le": ("int32_le", "int"), "int32 equal": ("int32_equal", "int"),
    **{f"{sign}int{bits}": (f"{sign}int{bits}", "int") for sign in ("", "u") for bits in (8, 16, 32, 64)},
    **{f"uint{bits} equal": (f"uint{bits}_equal", "int") for bits in (8, 16, 32)},
    # QEMU's name for it.
    "int64 equal": ("uint64_equal", "int"),
    # What fw_cfg had at version 1 (hw/nvram/fw_cfg.c).
    "int32_as_uint16": ("uint16", "int"),
}  # fmt: skip
"""Name of an info -> word, type of the value."""

WORDS = frozenset(
    (
        "array", "array_of_pointer", "bitmap", "buffer", "description", "fact", "field", "struct", "subsection", "this",
        "unused", "varray", "vbuffer", "vstruct", "not_", "with_tmp", "qtailq", "qlist", "version_id", "up", "root",
        "VMState", "IDSTR", "begins", "ceil_div", "choose", "chunks", "gtree", "info", "keyed_list", "le16", "len_",
        "linked", "min_", "one_of", "otherwise", "uint32_host", "uint64_host",
        *(word for word, _ in SCALARS.values()),
    )
)  # fmt: skip
"""Names that an attribute must not take away from what stands below it."""

SIZED = {"buffer": ("bytes", "vbuffer"), "bitmap": ("int", "bitmap")}
"""Name of an info whose size another member says -> type of the value, word."""

PCI_PINS = 4
"""The interrupt pins of a PCI device (hw/pci/pci.c: get_pci_irq_state)."""

SHARED = {
    "migrate_is_pcie": 'fact("pcie", (False, True))',
    "migrate_is_not_pcie": 'not_(fact("pcie", (False, True)))',
}
"""Predicates that all devices on a bus share, and that no byte decides (hw/pci/pci.c)."""

PCIE = SHARED["migrate_is_pcie"]

COUNTS = "(1, 2, 3, 4, 5, 6, 7, 8, 0, 16, 32, 64, 128, 255, 256, 512, 1024)"
SIZES = "(16, 0, 1, 2, 4, 8, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 65536, 131072)"
"""The values with which a fact is tried that says how many elements, or bytes, there are."""

FIRST, LIKELY, USUAL, DENSE = TRIED = ("first", "likely", "usual", "dense")
DENSE_LIMIT = 250

BITS = str((*range(0, 2048, 64), *(1 << power for power in range(11, 18))))
"""The values with which the number of bits of a bitmap is tried, which come in words of 64."""

MSIX_SIZES = str(tuple(n * 16 + (n + 7) // 8 for n in (0, *range(1, 12), 16, 17, 25, 32, 33, 64, 65, 128)))
"""Bytes of the table and the pending bits of so many vectors (hw/pci/msix.c: msix_save)."""

PRIORITY = "MIG_PRI_"

LISTS = {"qtailq": "qtailq", "qlist": "qlist"}
ALWAYS = frozenset(("VMState", "description"))
TEXT = re.compile(r'"[^"\n]*"')
NAME = re.compile(r"(?<![\w.])([A-Za-z_]\w*)(?!\w)(?!\s*(?:=[^=]|:))")
"""A name in an expression: neither an attribute of something, nor the name of an argument or of what is declared."""
BLOCK_NAMES = frozenset(name for text in BLOCKS.values() for name in re.findall(r"^class (\w+)", text, re.M))


class Scope:
    """A description that is being written: its members, and where it lies in those around it.

    `attributes` is member -> attribute, `structs` member -> (attribute, class). `place` are the members that lead to
    it, `outer` is what it is a part of. `space` is the configuration space of the PCI device that the field around it
    is of, as an expression.
    """

    def __init__(
        self, unit: UnitResult, place: tuple[str, ...] = (), outer: Scope | None = None, space: str = ""
    ) -> None:
        self.unit = unit
        self.place = place
        self.outer = outer
        self.space = space
        self.attributes: dict[str, str] = {}
        self.structs: dict[str, tuple[str, str]] = {}

    def chain(self) -> Iterator[Scope]:
        """It, and all around it."""
        scope: Scope | None = self
        while scope is not None:
            yield scope
            scope = scope.outer

    @property
    def features(self) -> str:
        """The features that the driver of a virtio device has accepted, which all around has; "" in other devices."""
        return f"{'up.' * len(list(self.chain()))}guest_features" if self.place[:1] == (VIRTIO,) else ""

    def place_of(self, member: str) -> str | None:
        """Where a member is in what was read before, as an expression: `this.a`, or `up.b_a` of what is around it."""
        if member in self.attributes:
            return f"this.{self.attributes[member]}"
        outside = f"{self.place[-1]}.{member}" if self.place else ""
        if self.outer is not None and outside in self.outer.attributes:
            return f"up.{self.outer.attributes[outside]}"
        return None


class Declaration:
    """The text of a declaration, with how many facts are missing in it.

    `left_out` are the fields that it has not, since they have to be written by hand, with the reason; `facts` are those
    that it names, with how many values each can have. `name` is the class of the device. `root` is the description
    where the name alone does not say which. `tried` says which values a count can have that is not on the wire: where
    the source has constants or defaults the `FIRST` or all of these alone (`LIKELY`), `USUAL` ones too, or all that are
    small (`DENSE`).
    """

    def __init__(
        self,
        linked: Linked,
        device: str,
        root: tuple[UnitResult, SourceDescription] | None = None,
        *,
        tried: str = USUAL,
    ) -> None:
        self.tried = tried
        self.left_out: list[str] = []
        self.facts: dict[str, int] = {}
        self.linked = linked
        self.device = device
        self.words = set(ALWAYS)
        self.classes: dict[tuple[str, ...], str] = {}
        self.blocks: list[str] = []
        self.missing = 0
        self._written: set[str] = set()
        self._counts: dict[tuple[tuple[str, ...], str, str], str] = {}
        self._counted = 0
        """How often a count was one that no byte says: a class with such a count is written for each place."""
        self._spaces: dict[str, dict[str | None, str]] = {}
        """Class -> the attributes that are a configuration space, by their conditions."""
        self._properties: dict[tuple[str, str], dict[str, int]] | None = None
        """(Folder, member) -> the properties that set it, with their defaults."""
        self._set: dict[str, set[int]] = {}
        """Property -> what boards set it to."""
        root = root or self._root()
        self.name = self._class(*root, 0, Scope(root[0]))
        self.path = root[1].path
        self.unmigratable = root[1].unmigratable

    def _root(self) -> tuple[UnitResult, SourceDescription]:
        chosen = self.linked.vmsd_of_type(self.device)
        if chosen is not None:
            return chosen
        named = [
            (unit, vmsd)
            for unit in self.linked.tree.units
            for vmsd in unit.descriptions
            if self.device in (vmsd.name, vmsd.symbol)
        ] or [row for row in self.linked.registered_by_hand() if row[1].name == self.device]
        if not named or not self.device:
            raise VMStateError(f"the tree has no device and no description {self.device!r}", file=self.linked.tree.name)
        return named[0]

    @property
    def counts(self) -> int:
        """How many counts there are that no byte says."""
        return len(self._counts)

    @property
    def text(self) -> str:
        """The whole module."""
        revision = f"{self.linked.tree.name} ({self.linked.tree.release or 'release unknown'})"
        words = ", ".join(sorted(self.words))
        refused = " QEMU does not migrate a machine with it." if self.unmigratable else ""
        head = f'"""From {revision}, {self.path}: {self.missing or "nothing"} to be done by hand.{refused}"""'
        start = f"{head}\n\nfrom __future__ import annotations\n\nfrom vmstate.declare import {words}\n"
        return "\n\n".join([start, *self.blocks])

    def _class(self, unit: UnitResult, vmsd: SourceDescription, depth: int, scope: Scope) -> str:
        key: tuple[str, ...] = (vmsd.path, vmsd.symbol)
        if key not in self.classes:
            key = (*key, *scope.place, scope.space)
        if key in self.classes:
            return self.classes[key]
        if depth > MAX_DEPTH:
            raise VMStateError(f"{vmsd.name!r} nests too deeply", file=vmsd.path)
        name = _class_name(vmsd.name or vmsd.symbol)
        while name in self.classes.values() or name in BLOCK_NAMES:
            name += "_"
        self.classes[key] = name
        counted = self._counted
        lines = []
        for field in vmsd.fields:
            if field.exists is None and field.version > vmsd.version:
                lines.append(f"# {_quoted(field.name)} is from version {field.version} on: QEMU never sends it")
            elif "VMS_MUST_EXIST" not in field.flags:
                lines += self._field(vmsd, field, scope, name, depth)
        for symbol in vmsd.subsections:
            inner = self.linked.description(symbol, unit)
            if inner is not None:
                inner_name = self._class(*inner, depth + 1, Scope(inner[0], scope.place, scope))
                self.words.add("subsection")
                attribute = _attribute(inner[1].name.rpartition("/")[2], scope.attributes)
                lines.append(f"{attribute}: {inner_name} | None = subsection({inner_name})")
        if vmsd.symbol in SECTIONS:
            lines += self._pieces(unit, depth, *SECTIONS[vmsd.symbol])
        self._write(name, vmsd, lines)
        if self._counted == counted:
            self.classes[vmsd.path, vmsd.symbol] = name
        return name

    def _write(self, name: str, vmsd: SourceDescription, lines: list[str]) -> None:
        options = [f"version_id={vmsd.version}", f"minimum_version_id={vmsd.minimum}"]
        if vmsd.priority is not None:
            priority = vmsd.priority.removeprefix(PRIORITY)
            if priority in MigrationPriority.__members__:
                self.words.add("MigrationPriority")
                options.append(f"priority=MigrationPriority.{priority}")
            else:
                self.missing += 1
                lines.insert(0, f"# TODO its priority, {vmsd.priority}")
        options += [f"{member}=True" for member in ("early_setup", "unmigratable") if getattr(vmsd, member)]
        if all(line.startswith("#") for line in lines):
            lines.append("pass")
        body = "\n    ".join(lines)
        self.blocks.append(
            f"@description({', '.join([_quoted(vmsd.name), *options])})\nclass {name}(VMState):\n    {body}\n"
        )

    def _field(
        self, vmsd: SourceDescription, field: SourceField, scope: Scope, class_name: str, depth: int
    ) -> list[str]:
        attributes = scope.attributes
        attribute = _attribute(field.name, attributes)
        todo: list[str] = []
        made = self._word(vmsd, field, scope, depth, todo)
        options = [] if field.name in (attribute, "unused") else [f"name={_quoted(field.name)}"]
        kind, word, arguments = made if made is not None else ("None", "", [])
        if field.exists is not None:
            kind = f"{kind} | None"
            options.append(f"exists={self._condition(field.exists, scope, todo)}")
        elif field.version:
            options.append(f"version={field.version}")
        lines = [f"# TODO {each}" for each in todo]
        self.missing += len(todo)
        if made is None:
            self.left_out += todo[-1:]
            return lines
        self.words.add(word)
        member = field.member or field.name
        attributes[member] = attribute
        if word == "struct":
            scope.structs[member] = (attribute, arguments[0])
        if 'info="pci config"' in arguments:
            self._spaces.setdefault(class_name, {})[field.exists] = attribute
        return [*lines, f"{attribute}: {kind} = {word}({', '.join([*arguments, *options])})"]

    def _condition(self, function: str, scope: Scope, todo: list[str]) -> str:
        """The expression of a predicate, or a fact of its name."""
        if function in SHARED:
            self.words.update(word for word in ("fact", "not_") if f"{word}(" in SHARED[function])
            self.facts["pcie"] = 2
            return SHARED[function]
        known = self.linked.functions.get(function)
        # What was a fact where no byte had decided it yet is that fact behind such bytes too.
        text = None if known is None or function in self.facts else known.returns
        if text is not None and text.isdigit():
            self.words.add("not_")
            return f"not_({int(text == '0')})"
        places = {path: scope.place_of(path) for path in re.findall(r"this\.([\w.]+)", text or "")}
        if text is not None and None not in places.values() and (FEATURES not in text or scope.features):
            text = re.sub(r"this\.([\w.]+)", lambda path: str(places[path[1]]), text)
            text = text.replace(FEATURES, scope.features)
            self._take_words(text)
            return text
        todo.append(f"predicate {function}(){f': {text}' if text else ''}")
        self.words.add("fact")
        self.facts[function] = 2
        return f'fact("{function}", (False, True))'

    def _count(self, field: SourceField, member: str | None, values: str, scope: Scope, todo: list[str]) -> str:
        """A number of elements or bytes that no byte before it says: a fact."""
        what = "count" if values == COUNTS else "size"
        todo.append(f"{field.name!r}: its {what}, {member}, is not on the wire before it: a fact")
        self.words.add("fact")
        self._counted += 1
        struct = (field.struct or "").removeprefix("struct ")
        # Two structs of a device can have a member of one name, and one struct can lie at two places.
        name = re.sub(r"\W+", "_", f"{struct}_{member or f'{what}_of_{field.name}'}").strip("_")
        key = (scope.place, struct, member or field.name)
        if key not in self._counts:
            taken = set(self._counts.values())
            number = 2
            chosen = name
            while chosen in taken:
                chosen, number = f"{name}_{number}", number + 1
            self._counts[key] = chosen
        parent = self._of_parent(member or "", scope)
        if parent is not None:
            todo.pop()
            self._take_words(parent)
            return parent
        likely = self._likely(member or "", scope)
        usual = tuple(range(DENSE_LIMIT)) if self.tried == DENSE else ast.literal_eval(values)
        if likely and self.tried in (FIRST, LIKELY):
            usual = ()
            likely = likely[:1] if self.tried == FIRST else likely
        tried = tuple(dict.fromkeys((*likely, *usual)))
        name = self._counts[key]
        self.facts[name] = len(tried)
        return f'fact("{name}", {tried})'

    def _of_parent(self, member: str, scope: Scope) -> str | None:
        """A count that a function makes of a member of what it is made for, sent before (VMSTATE_WITH_TMP)."""
        for known, value in scope.unit.counts:
            if known == _last(member) and isinstance(value, str) and scope.outer is not None:
                name, _, more = value.partition(" ")
                if name in scope.outer.attributes:
                    return f"otherwise(up.{scope.outer.attributes[name]} {more}, 0)".replace(" ,", ",")
        return None

    def _likely(self, member: str, scope: Scope) -> list[int]:
        """What a member can be that says how many there are: the constants that functions give it, the default of its
        property, and what boards set that to.
        """
        wanted, size = [(scope.unit, _last(member))], 1
        if member == "capacity" and scope.place:
            # A fifo is made by those that have it. One of words is one of bytes inside.
            name = _last(scope.place[-1].removesuffix(".fifo"))
            size = 4 if scope.place[-1].endswith(".fifo") else 1
            wanted = [(around.unit, name) for around in scope.chain()]
        rows = [row for unit, name in wanted for row in unit.counts if row[0] == name]
        constants = [value * size for _, value in rows if isinstance(value, int)]
        return constants + self._of_properties(scope.unit.path.rpartition("/")[0], _last(member))

    def _of_properties(self, folder: str, member: str) -> list[int]:
        if self._properties is None:
            self._properties, self._set = {}, {}
            for unit in self.linked.tree.units:
                for row in unit.visible:
                    if row.kind == "property" and row.member and row.value is not None and int(row.value) > 0:
                        # A class and those that are made of it have their properties in the files of one folder.
                        key = (unit.path.rpartition("/")[0], _last(row.member))
                        self._properties.setdefault(key, {})[row.name] = int(row.value)
                for name, value in unit.counts:
                    if name.startswith('"') and isinstance(value, int):
                        self._set.setdefault(name[1:-1], set()).add(value)
        defaults = self._properties.get((folder, member), {})
        return [*defaults.values(), *(value for name in defaults for value in sorted(self._set.get(name, ())))]

    # What is written by hand.

    def _pieces(
        self, unit: UnitResult, depth: int, blocks: tuple[str, ...], texts: tuple[str, ...], *place: str
    ) -> list[str]:
        """Texts of `vmstate.source.by_hand`, and before them what they need. Raises `VMStateError` where the tree has
        not got that. `place` is where the descriptions of the texts lie.
        """
        for block in blocks:
            if block not in self._written:
                self._written.add(block)
                self.blocks.append(self._filled(BLOCKS[block].strip("\n") + "\n", unit, depth))
        return [self._filled(text, unit, depth, *place) for text in texts]

    def _filled(self, text: str, unit: UnitResult, depth: int, *place: str) -> str:
        def part(mark: re.Match[str]) -> str:
            word = mark[1]
            if word.startswith("msix:"):
                return self._msix(
                    self._space(word.removeprefix("msix:"), self._named("vmstate_pci_device", unit, depth))
                )
            return self._named(word, unit, depth, *place)

        filled = PLACEHOLDER.sub(part, text)
        self._take_words(filled)
        for name in re.findall(r'\bfact\("(\w+)"\)', filled):
            self.facts[name] = 2
        return filled

    def _take_words(self, text: str) -> None:
        self.words.update(WORDS.intersection(NAME.findall(TEXT.sub('""', text))))

    def _named(self, symbol: str, unit: UnitResult, depth: int, *place: str) -> str:
        inner = self.linked.description(symbol, unit) or self.linked.anywhere(symbol)
        if inner is None:
            raise VMStateError(f"the tree has no {symbol}", file=unit.path)
        return self._class(*inner, depth + 1, Scope(inner[0], (*place, symbol)))

    def _space(self, place: str, class_name: str) -> str:
        """The configuration space of the PCI device at a place, as an expression; "" where the class has none."""
        known = self._spaces.get(class_name, {})
        if set(known) == {"migrate_is_pcie", "migrate_is_not_pcie"}:
            return f"choose({PCIE}, {place}.{known['migrate_is_pcie']}, {place}.{known['migrate_is_not_pcie']})"
        return f"{place}.{next(iter(known.values()))}" if len(known) == 1 else ""

    def _msix(self, space: str) -> str:
        text = MSIX_BYTES.replace("{space}", space)
        self._take_words(text)
        return " ".join(text.split()).replace("( ", "(").replace(" )", ")")

    def _virtio(self, vmsd: SourceDescription, scope: Scope, depth: int) -> str:
        """The class of what a virtio device writes: of its kind what its device class says."""
        kinds = [kind for kind in scope.unit.types if kind.vmsd == vmsd.symbol]
        inner = next((kind.inner for kind in kinds if kind.inner), None)
        save = next((kind.save for kind in kinds if kind.save), None)
        if save is not None and save not in SAVES:
            raise VMStateError(f"written by hand, {save}()")
        lines = self._pieces(scope.unit, depth, VIRTIO_BODY, ())
        if save is not None:
            lines += self._pieces(scope.unit, depth, *SAVES[save])
        if inner is not None:
            lines += self._pieces(scope.unit, depth, (), (f"device: {{{inner}}} = struct({{{inner}}})",), VIRTIO)
        lines += self._pieces(scope.unit, depth, (), ("virtio: {vmstate_virtio} = struct({vmstate_virtio})",))
        name = "VirtioBody"
        while name in self.classes.values():
            name += "_"
        self.classes[(vmsd.path, vmsd.symbol, VIRTIO)] = name
        body = "\n    ".join(lines)
        self.blocks.append(f'@description("virtio body")\nclass {name}(VirtioLegacy):\n    {body}\n')
        return name

    def _word(
        self, vmsd: SourceDescription, field: SourceField, scope: Scope, depth: int, todo: list[str]
    ) -> tuple[str, str, list[str]] | None:
        """The type of the value, the word, and its arguments; None where it has to be written by hand."""
        unit, attributes = scope.unit, scope.attributes
        info = None if field.info is None else self.linked.info(field.info, unit)
        kind = field.info if info is None else info.name
        inner = None if field.vmsd is None else self.linked.description(field.vmsd, unit)
        flags = field.flags
        if kind == "buffer" and field.size is not None and field.size_from is None:
            return "bytes", "buffer", [str(field.size)]
        if kind in SIZED and field.size_from is not None:
            value, word = SIZED[kind]
            is_multiple = "VMS_MULTIPLY" in flags and field.size is not None and field.size > 1
            multiple = [f"multiply={field.size}"] if is_multiple else []
            if field.size_from in attributes:
                self.words.add("this")
                return value, word, [f"this.{attributes[field.size_from]}", *multiple]
            values = SIZES if kind == "buffer" else BITS
            return value, word, [self._count(field, field.size_from, values, scope, todo), *multiple]
        if kind == "pci config" and field.size is not None:
            return "bytes", "buffer", [str(field.size), 'info="pci config"']
        if kind == "pci irq state":
            self.words.add("uint32")
            return "list[int]", "array", ["uint32", str(PCI_PINS)]
        if kind == "unused_buffer" and field.size is not None:
            return "None", "unused", [str(field.size * (field.count or 1))]
        if kind == "gtree" and field.vmsd is not None:
            return self._tree(unit, field, scope, depth)
        if inner is not None:
            beside = scope.structs.get(field.member or "")
            space = "" if beside is None else self._space(f"up.{beside[0]}", beside[1])
            place = (*scope.place, field.member or field.name)
            name = self._class(*inner, depth + 1, Scope(inner[0], place, scope, space))
            if kind in LISTS:
                return f"list[{name}]", LISTS[kind], [name]
            if kind == "tmp":
                return name, "with_tmp", [name]
            element = value = name
        elif kind in SCALARS:
            element, value = SCALARS[kind]
        elif info is not None and len(info.puts) == 1:
            element, value = f"uint{info.puts[0] * 8}", "int"
        elif info is not None and info.puts and not any(flag.startswith("VMS_VARRAY") for flag in flags):
            return "bytes", "buffer", [str(sum(info.puts) * (field.count or 1)), f"info={_quoted(info.name)}"]
        elif kind == "msix state" and scope.space:
            return "bytes", "buffer", [self._msix(scope.space), 'info="msix state"']
        elif kind == "msix state":
            return "bytes", "vbuffer", [self._count(field, "msix_state", MSIX_SIZES, scope, todo)]
        else:
            return self._by_hand(vmsd, field, kind or "", scope, depth, todo)
        if "VMS_ARRAY" in flags and field.count is not None:
            self.words.add(element if inner is None else "struct")
            word = "array_of_pointer" if "VMS_ARRAY_OF_POINTER" in flags else "array"
            return f"list[{value}]", word, [element, str(field.count)]
        if any(flag.startswith("VMS_VARRAY") for flag in flags):
            self.words.add(element if inner is None else "struct")
            multiply = [f"multiply={field.count}"] if "VMS_MULTIPLY_ELEMENTS" in flags else []
            if field.count_from in attributes:
                self.words.add("this")
                return f"list[{value}]", "varray", [element, f"count=this.{attributes[field.count_from]}", *multiply]
            count = self._count(field, field.count_from, COUNTS, scope, todo)
            return f"list[{value}]", "varray", [element, f"count={count}", *multiply]
        if inner is not None:
            if "VMS_VSTRUCT" in flags:
                return value, "vstruct", [element, str(field.struct_version)]
            return value, "struct", [element]
        return value, element, []

    def _tree(
        self, unit: UnitResult, field: SourceField, scope: Scope, depth: int
    ) -> tuple[str, str, list[str]] | None:
        """A tree: of an array of two descriptions the first is of the values and the second of the keys."""
        pair = [self.linked.description(f"{field.vmsd}[{number}]", unit) for number in (0, 1)]
        value = pair[0] or self.linked.description(field.vmsd or "", unit)
        if value is None:
            return None
        place = (*scope.place, field.member or field.name)
        name = self._class(*value, depth + 1, Scope(value[0], place, scope))
        if pair[1] is None:
            return f"list[tuple[int, {name}]]", "gtree", [name]
        key = self._class(*pair[1], depth + 1, Scope(pair[1][0], place, scope))
        return f"list[tuple[{key}, {name}]]", "gtree", [name, f"key={key}"]

    def _by_hand(
        self, vmsd: SourceDescription, field: SourceField, kind: str, scope: Scope, depth: int, todo: list[str]
    ) -> tuple[str, str, list[str]] | None:
        """What a `VMStateInfo` writes by functions of its own, where it is known here."""
        try:
            if kind == VIRTIO:
                name = self._virtio(vmsd, scope, depth)
                return name, "info", [_quoted(kind), name]
            if kind in INFOS:
                shape = INFOS[kind]
                word, _, arguments = self._pieces(scope.unit, depth, shape.blocks, (shape.word,))[0].partition("(")
                return shape.value, word, [arguments[:-1]] if arguments != ")" else []
        except VMStateError as error:
            todo.append(f"{field.name!r}: {error.message}")
            return None
        todo.append(f"{field.name!r}: written by hand, VMStateInfo {kind!r}")
        return None


def _last(member: str) -> str:
    return member.rpartition(".")[2].partition("[")[0]


def _attribute(name: str, attributes: dict[str, str]) -> str:
    plain = re.sub(r"\W+", "_", name.rpartition(".")[2]).strip("_") or "field"
    if plain[0].isdigit() or keyword.iskeyword(plain) or plain == "unused":
        plain = f"_{plain}"
    if plain in WORDS:
        plain = f"{plain}_"
    taken = set(attributes.values())
    number = 2
    chosen = plain
    while chosen in taken:
        chosen, number = f"{plain}_{number}", number + 1
    attributes[f"@{chosen}"] = chosen
    return chosen


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _class_name(name: str) -> str:
    words = re.findall(r"[A-Za-z0-9]+", name)
    text = "".join(word[0].upper() + word[1:] for word in words) or "Description"
    return f"Device{text}" if text[0].isdigit() else text
