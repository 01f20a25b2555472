"""A device of a tree as a declaration in this library's words; what the source does not decide is a TODO in it.

Names, numbers, order and conditions are facts, and nothing else of the tree goes into the text.
"""

from __future__ import annotations

import ast
import json
import keyword
import re

from vmstate.errors import VMStateError
from vmstate.source.linking import MAX_DEPTH, Linked
from vmstate.source.model import SourceDescription, SourceField, UnitResult

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
        "VMState",
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

COUNTS = "(1, 2, 3, 4, 5, 6, 7, 8, 0, 16, 32, 64, 128, 255, 256, 512, 1024)"
SIZES = "(16, 1, 2, 4, 8, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 65536, 131072)"
"""The values with which a fact is tried that says how many elements, or bytes, there are."""

MSIX_SIZES = str(tuple(n * 16 + (n + 7) // 8 for n in (*range(1, 12), 16, 17, 32, 33, 64, 65, 128, 256)))
"""Bytes of the table and the pending bits of so many vectors (hw/pci/msix.c: msix_save)."""

LISTS = {"qtailq": "qtailq", "qlist": "qlist"}
ALWAYS = frozenset(("VMState", "description"))


class Declaration:
    """The text of a declaration, with how many facts are missing in it.

    `left_out` is how many fields it has not, since they have to be written by hand; `facts` are those that it names,
    with how many values each can have. `root` is the description where the name alone does not say which.
    """

    def __init__(self, linked: Linked, device: str, root: tuple[UnitResult, SourceDescription] | None = None) -> None:
        self.left_out = 0
        self.facts: dict[str, int] = {}
        self.linked = linked
        self.device = device
        self.words = set(ALWAYS)
        self.classes: dict[tuple[str, str], str] = {}
        self.blocks: list[str] = []
        self.missing = 0
        root = root or self._root()
        self._class(*root, 0)
        self.path = root[1].path

    def _root(self) -> tuple[UnitResult, SourceDescription]:
        chosen = self.linked.vmsd_of_type(self.device)
        if chosen is not None:
            return chosen
        named = [
            (unit, vmsd)
            for unit in self.linked.tree.units
            for vmsd in unit.descriptions
            if self.device in (vmsd.name, vmsd.symbol)
        ]
        if not named:
            raise VMStateError(f"the tree has no device and no description {self.device!r}", file=self.linked.tree.name)
        return named[0]

    @property
    def text(self) -> str:
        """The whole module."""
        revision = f"{self.linked.tree.name} ({self.linked.tree.release or 'release unknown'})"
        words = ", ".join(sorted(self.words))
        head = f'"""From {revision}, {self.path}: {self.missing or "nothing"} to be done by hand."""'
        start = f"{head}\n\nfrom __future__ import annotations\n\nfrom vmstate.declare import {words}\n"
        return "\n\n".join([start, *self.blocks])

    def _class(self, unit: UnitResult, vmsd: SourceDescription, depth: int) -> str:
        key = (vmsd.path, vmsd.symbol)
        if key in self.classes:
            return self.classes[key]
        if depth > MAX_DEPTH:
            raise VMStateError(f"{vmsd.name!r} nests too deeply", file=vmsd.path)
        name = _class_name(vmsd.name or vmsd.symbol)
        while name in self.classes.values():
            name += "_"
        self.classes[key] = name
        attributes: dict[str, str] = {}
        lines = []
        for field in vmsd.fields:
            if "VMS_MUST_EXIST" not in field.flags:
                lines += self._field(unit, field, attributes, depth)
        for symbol in vmsd.subsections:
            inner = self.linked.description(symbol, unit)
            if inner is not None:
                inner_name = self._class(*inner, depth + 1)
                self.words.add("subsection")
                attribute = _attribute(inner[1].name.rpartition("/")[2], attributes)
                lines.append(f"{attribute}: {inner_name} | None = subsection({inner_name})")
        versions = f"version_id={vmsd.version}, minimum_version_id={vmsd.minimum}"
        if all(line.startswith("#") for line in lines):
            lines.append("pass")
        body = "\n    ".join(lines)
        self.blocks.append(f"@description({_quoted(vmsd.name)}, {versions})\nclass {name}(VMState):\n    {body}\n")
        return name

    def _field(self, unit: UnitResult, field: SourceField, attributes: dict[str, str], depth: int) -> list[str]:
        attribute = _attribute(field.name, attributes)
        todo: list[str] = []
        made = self._word(unit, field, attributes, depth, todo)
        options = [] if field.name in (attribute, "unused") else [f"name={_quoted(field.name)}"]
        kind, word, arguments = made if made is not None else ("None", "", [])
        if field.exists is not None:
            kind = f"{kind} | None"
            options.append(f"exists={self._condition(field.exists, attributes, todo)}")
        elif field.version:
            options.append(f"version={field.version}")
        lines = [f"# TODO {each}" for each in todo]
        self.missing += len(todo)
        if made is None:
            self.left_out += 1
            return lines
        self.words.add(word)
        attributes[field.member or field.name] = attribute
        return [*lines, f"{attribute}: {kind} = {word}({', '.join([*arguments, *options])})"]

    def _condition(self, function: str, attributes: dict[str, str], todo: list[str]) -> str:
        """The expression of a predicate, or a fact of its name."""
        if function in SHARED:
            self.words.update(word for word in ("fact", "not_") if f"{word}(" in SHARED[function])
            self.facts["pcie"] = 2
            return SHARED[function]
        known = self.linked.functions.get(function)
        text = None if known is None else known.returns
        if text is not None and all(path in attributes for path in re.findall(r"this\.([\w.]+)", text)):
            self.words.update(word for word in ("this", "version_id") if re.search(rf"\b{word}\b", text))
            return re.sub(r"this\.([\w.]+)", lambda path: f"this.{attributes[path[1]]}", text)
        todo.append(f"predicate {function}(){f': {text}' if text else ''}")
        self.words.add("fact")
        self.facts[function] = 2
        return f'fact("{function}", (False, True))'

    def _count(self, field: SourceField, member: str | None, values: str, todo: list[str]) -> str:
        """A number of elements or bytes that no byte before it says: a fact."""
        what = "count" if values == COUNTS else "size"
        todo.append(f"{field.name!r}: its {what}, {member}, is not on the wire before it: a fact")
        self.words.add("fact")
        struct = (field.struct or "").removeprefix("struct ")
        # Two structs of a device can have a member of one name.
        name = re.sub(r"\W+", "_", f"{struct}_{member or f'{what}_of_{field.name}'}").strip("_")
        self.facts[name] = len(ast.literal_eval(values))
        return f'fact("{name}", {values})'

    def _word(
        self, unit: UnitResult, field: SourceField, attributes: dict[str, str], depth: int, todo: list[str]
    ) -> tuple[str, str, list[str]] | None:
        """The type of the value, the word, and its arguments; None where it has to be written by hand."""
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
            return value, word, [self._count(field, field.size_from, SIZES, todo), *multiple]
        if kind == "pci config" and field.size is not None:
            return "bytes", "buffer", [str(field.size), 'info="pci config"']
        if kind == "pci irq state":
            self.words.add("uint32")
            return "list[int]", "array", ["uint32", str(PCI_PINS)]
        if kind == "unused_buffer" and field.size is not None:
            return "None", "unused", [str(field.size * (field.count or 1))]
        if inner is not None:
            name = self._class(*inner, depth + 1)
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
        elif kind == "msix state":
            return "bytes", "vbuffer", [self._count(field, "msix_state", MSIX_SIZES, todo)]
        else:
            todo.append(f"{field.name!r}: written by hand, VMStateInfo {kind!r}")
            return None
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
            count = self._count(field, field.count_from, COUNTS, todo)
            return f"list[{value}]", "varray", [element, f"count={count}", *multiply]
        if inner is not None:
            if "VMS_VSTRUCT" in flags:
                return value, "vstruct", [element, str(field.struct_version)]
            return value, "struct", [element]
        return value, element, []


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
