"""What a guest sees besides the state that is sent: defaults of properties, fields of machine classes, features of CPU
models, and what functions put into the configuration space of PCI devices.

Nothing of it is in a description, and a change of any for a machine type that was released is what most breaks come
from: the guest finds other hardware after it was moved.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import islice

from vmstate.source.expressions import without_lines
from vmstate.source.initialiser import Entry, entries, in_braces, symbol_of, text_of
from vmstate.source.lexer import Item, SourceFile, Token
from vmstate.source.lifetimes import are_conditional, arguments_of
from vmstate.source.model import Visible
from vmstate.source.preprocessor import Unit, Unresolved

PROPERTIES_OF_CLASS = re.compile(r"(?:device_class_set_props(?:_n)?\s*\([^,;]*,\s*|->props\s*=\s*)(\w+)")
"""The array of properties that a class_init gives its class."""

ADDED = re.compile(r'\bobject_(?:class_)?property_add\w*\s*\(\s*[^,;"]{1,80},\s*"([^"\n]*)"')
MACHINE_CLASS = re.compile(r"\b\w*MachineClass\s*\*\s*(\w+)\b")
ASSIGNED = re.compile(r"\b(\w+)->(\w+(?:\.\w+)*)\s*=\s*([^;={}]{1,80});")
NUMBER = re.compile(r"true|false|-?\d\w*|[A-Z][A-Z0-9_]+")

OF_MACHINE = re.compile(r"\w+_\d+_\d+(?:_\d+)?_(?:machine_|class_)?options|\w+_machine_v?\d+_\d+(?:_\d+)?_\w*options")
OF_RELEASE = re.compile(
    r"\b(\w+_compat_\d+_\d+(?:_\d+)?|\w+_COMPAT_\d+_\d+(?:_\d+)?|\w+_\d+_\d+(?:_\d+)?_\w*options)\b"
)
"""Functions of a machine type with a version; lists and functions of such."""

NOT_SEEN = frozenset(
    """
    desc family alias max_cpus min_cpus is_default deprecation_reason default_display default_nic no_floppy no_cdrom
    no_parallel no_serial no_sdcard block_default_type default_boot_order default_machine_opts units_per_default_bus
    default_ram_size default_ram_id default_cpus has_hotpluggable_cpus
    """.split()  # noqa: SIM905 (a list of as many strings is harder to read)
)
"""Fields of a machine class that only say what is there without options, or how it is called."""

SPACE = re.compile(
    r"\b(pci_register_bar|msi_init|msix_init|msix_init_exclusive_bar|pcie_endpoint_cap_init|pcie_endpoint_cap_v1_init|"
    r"pcie_cap_init|pcie_cap_v1_init|pcie_aer_init|pcie_ari_init|pcie_ats_init|pcie_acs_init|pcie_dev_ser_num_init|"
    r"pcie_pasid_init|pcie_pri_init|pcie_sriov_pf_init|pci_pm_init|pci_add_capability|pcie_add_capability|shpc_init|"
    r"virtio_add_feature|pci_set_(?:byte|word|long|quad)|pci_(?:byte|word|long)_test_and_set_mask|"
    r"pci_(?:byte|word|long)_test_and_clear_mask|pci_config_set_\w+)\s*\("
)
AREA = re.compile(r"\b(?:\w+(?:->|\.))+(config|wmask|w1cmask|cmask)\b|^\s*(wmask|w1cmask|cmask|pci_conf|config)\b")
TERM = re.compile(r"[^+]+")

MAX_CALLS = 4000
"""Calls of one file that are looked at: QEMU has some hundred at most."""

MAX_EXPRESSION = 200
"""Characters of an argument that is looked at for a constant."""

Number = Callable[[Sequence[Token]], int | None]
"""The value of an expression that is a constant."""

SETTERS = frozenset(("pci_set_byte", "pci_set_word", "pci_set_long", "pci_set_quad"))
MASKED = re.compile(r"pci_(?:byte|word|long)_test_and_(set|clear)_mask\Z")


def properties(unit: Unit, number: Number, item: Item) -> Iterator[Visible]:
    """The properties of an array, each with its default. Raises `Unresolved`."""
    for row in entries(unit.expand(unit.tokens(unit.text(item), item.line)), item.line):
        inside = in_braces(row.tokens)
        if not inside:
            continue
        members = {entry.member or _member_of(entry.tokens): entry for entry in entries(inside, row.line)}
        if "name" not in members:
            continue
        try:
            name = text_of(members["name"].tokens)
        except Unresolved:
            continue
        info = symbol_of(members["info"].tokens) if "info" in members else None
        place = _offset_of(members["offset"].tokens) if "offset" in members else None
        bit = number(members["bitnr"].tokens) if "bitnr" in members else None
        default = members.get("defval.u") or members.get("defval.i") or members.get("defval")
        value = None if default is None else number(_after_equals(default.tokens))
        shown = None if value is None else str(value)
        yield Visible("property", item.name, name, shown, item.path, row.line, info=info, member=place, bit=bit)


def properties_of_code(file: SourceFile) -> Iterator[Visible]:
    """The properties that functions add to a class or an object, without an array."""
    for added in islice(ADDED.finditer(file.text), MAX_CALLS):
        yield Visible("property", "by code", added[1], None, file.path, file.line_of(added.start()))


def _member_of(tokens: Sequence[Token]) -> str:
    """The designator .a.b of an entry."""
    plain = [str(token) for token in without_lines(tokens)[:5]]
    if len(plain) == 5 and plain[0] == "." and plain[2] == "." and plain[4] == "=":
        return f"{plain[1]}.{plain[3]}"
    return ""


def _after_equals(tokens: Sequence[Token]) -> list[Token]:
    plain = list(tokens)
    return plain[plain.index("=") + 1 :] if _member_of(tokens) else plain


def _offset_of(tokens: Sequence[Token]) -> str | None:
    """The member of the first offsetof."""
    words = [str(token) for token in without_lines(tokens)]
    for start in (index for index, word in enumerate(words) if word in ("offsetof", "__builtin_offsetof")):
        depth = 0
        parts: list[str] = []
        comma = False
        for word in words[start + 1 :]:
            depth += {"(": 1, ")": -1}.get(word, 0)
            if depth == 0:
                break
            if comma:
                parts.append(word)
            comma = comma or (word == "," and depth == 1)
        return "".join(parts) or None
    return None


def models(unit: Unit, number: Number, item: Item) -> Iterator[Visible]:
    """The words of features of each CPU model of x86, and what its versions set. Raises `Unresolved`."""
    for row in entries(unit.expand(unit.tokens(unit.text(item), item.line)), item.line):
        inside = in_braces(row.tokens)
        name = ""
        for entry in entries(inside or (), row.line):
            plain = without_lines(entry.tokens)
            if entry.member == "name":
                name = text_of(entry.tokens)
            elif entry.member == "" and [str(token) for token in plain[:3]] == [".", "features", "["] and "=" in plain:
                word = "".join(str(token) for token in plain[1 : plain.index("=")])
                value = number(list(plain[plain.index("=") + 1 :]))
                shown = None if value is None else hex(value)
                yield Visible("cpu", name, word, shown, item.path, entry.line)
            elif entry.member in ("level", "xlevel", "family", "model", "stepping"):
                value = number(entry.tokens)
                yield Visible("cpu", name, entry.member, None if value is None else str(value), item.path, entry.line)
            elif entry.member == "versions":
                yield from _versions(name, entry, item.path)


def _versions(name: str, entry: Entry, path: str) -> Iterator[Visible]:
    for version in entries(in_braces(entry.tokens) or (), entry.line):
        members = {each.member: each for each in entries(in_braces(version.tokens) or (), version.line)}
        if "version" not in members or "props" not in members:
            continue
        number = "".join(str(token) for token in without_lines(members["version"].tokens))
        for each in entries(in_braces(members["props"].tokens) or (), version.line):
            pair = entries(in_braces(each.tokens) or (), each.line)
            if len(pair) == 2:
                yield Visible("cpu", name, f"v{number}.{text_of(pair[0].tokens)}", text_of(pair[1].tokens), path,
                              each.line)  # fmt: skip


def machine_fields(unit: Unit, number: Number, file: SourceFile) -> Iterator[Visible]:
    """The fields of machine classes that functions set to a constant."""
    if "MachineClass" not in file.text:
        return
    left = MAX_CALLS
    for item in file.items:
        body = file.text[item.start : item.end]
        names = set(MACHINE_CLASS.findall(item.head + body)) if item.kind == "function" and left else ()
        for name, field, text, place in islice(_assignments(body, names), left):
            left -= 1
            if field not in NOT_SEEN and NUMBER.fullmatch(text):
                value = number(unit.tokens(text, 0))
                if value is not None:
                    line = file.line_of(item.start + place)
                    yield Visible("machine", item.name, field, str(value), file.path, line, member=name)


def lists_of_machines(file: SourceFile) -> Iterator[Visible]:
    """The lists for older machine types that functions of machine types with a version take, and which of these they
    call: a row for each, and one without a name for the function itself.
    """
    for item in file.items:
        if item.kind != "function" or OF_MACHINE.fullmatch(item.name) is None:
            continue
        line = file.line_of(item.start)
        body = file.text[item.start : item.end]
        yield Visible("lists", item.name, "", None, file.path, line)
        for name in dict.fromkeys(islice(OF_RELEASE.findall(body), MAX_CALLS)):
            yield Visible("lists", item.name, name, None, file.path, line)


def _assignments(body: str, names: Collection[str]) -> Iterator[tuple[str, str, str, int]]:
    for assigned in ASSIGNED.finditer(body) if names else ():
        if assigned[1] in names:
            yield assigned[1], assigned[2], assigned[3].strip(), assigned.start()


def configuration_space(unit: Unit, number: Number, file: SourceFile) -> Iterator[Visible]:
    """What functions put into the configuration space of a device, and what a guest may write there.

    `name` is the area (config, wmask, w1cmask, cmask) with the offset, or the call; `value` are its constants, with *
    for what is none, and "?" behind them where it is done under a condition.
    """
    left = MAX_CALLS
    for item in file.items:
        if item.kind != "function" or left <= 0:
            continue
        body = file.text[item.start : item.end]
        calls = list(islice(SPACE.finditer(body), left))
        left -= len(calls)
        for call, conditional in zip(calls, are_conditional(body, [call.start() for call in calls]), strict=True):
            arguments = arguments_of(body, call.end())
            if arguments is None:
                continue
            name, value = call[1], ", ".join(_constant(argument, number, unit) for argument in arguments[1:])
            masked = MASKED.match(name)
            if (name in SETTERS or masked is not None) and len(arguments) == 2:
                area = AREA.search(arguments[0])
                if area is None:
                    continue
                word = area[1] or area[2]
                place = _sum(AREA.sub("", arguments[0], count=1), number, unit)
                name = f"{'config' if word == 'pci_conf' else word}[{place}]"
                value = ("" if masked is None else {"set": "|", "clear": "&~"}[masked[1]]) + value
            line = file.line_of(item.start + call.start())
            yield Visible("pci", item.name, name, value + ("?" if conditional else ""), file.path, line)


def _constant(text: str, number: Number, unit: Unit) -> str:
    # A row of names, one below the other, is mostly blanks.
    text = " ".join(text.split())
    value = number(unit.tokens(text, 0)) if len(text) < MAX_EXPRESSION else None
    return "*" if value is None else hex(value)


def _sum(text: str, number: Number, unit: Unit) -> str:
    """The constants of a sum, with a * for the rest of it."""
    total = 0
    unknown = ""
    for term in TERM.findall(text):
        if term.strip():
            value = number(unit.tokens(term, 0)) if len(term) < MAX_EXPRESSION else None
            if value is None:
                unknown = "*+"
            else:
                total += value
    return f"{unknown}{total:#x}"
