"""What the lists for older machine types make of conditions: whether a field or a subsection is sent for one of these.

A machine type of release N gets the properties of the lists of N and of all later releases, the newest first, and the
last counts (hw/core/machine.c: `compat_props_add` in the options of each release). A condition that is an expression
over members that such properties set is then true or false; any other is not known.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from vmstate.source.linking import MAX_DEPTH, Linked
from vmstate.source.model import CompatEntry, SourceFunction, Visible

LIST = re.compile(r"(\w+?)_v?(\d+)_(\d+)(?:_(?:class_)?options|_machine_options)?")
RELEASE = re.compile(r"[^\d.]*?(\d{1,3})\.(\d{1,3})\Z")
FAMILIES = {
    "hw_compat": ("",),
    "pc_compat": ("pc-",),
    "pc_q35_compat": ("pc-q35-",),
    "pc_i440fx_compat": ("pc-i440fx-",),
    "pc_piix_compat": ("pc-i440fx-",),
    "ccw_machine": ("s390-ccw-virtio-",),
    "ccw_compat": ("s390-ccw-virtio-",),
    "spapr_machine": ("pseries-",),
    "spapr_compat": ("pseries-",),
    "virt_machine": ("virt-",),
    "virt_compat": ("virt-",),
}
"""What a list is called before its release -> the beginnings of the machine types that it is for."""

VERSION = "version_id"
"""What conditions call the version of the struct that they are of."""

WHOLE = -1
"""The bits of a member that a property sets as a whole."""

TRUE = frozenset(("on", "true", "yes"))
FALSE = frozenset(("off", "false", "no"))


def list_version(name: str) -> tuple[str, tuple[int, ...]]:
    """The family of a list (hw_compat, pc_compat) and the release in its name, () where it has none."""
    parts = LIST.fullmatch(name)
    return (name, ()) if parts is None else (parts[1], (int(parts[2]), int(parts[3])))


class MachineProperties:
    """The properties that the lists of a tree give the devices of a machine type."""

    def __init__(self, linked: Linked, machine: str) -> None:
        self.linked = linked
        self.machine = machine
        listed = RELEASE.search(machine.rpartition("-")[2]) if "-" in machine else None
        self.release = (int(listed[1]), int(listed[2])) if listed is not None else None
        entries = list(self._entries())
        self.entries = [entry for entry in entries if self._is_for(entry)]
        """The entries in force, in the order in which they are set."""
        self.every = {(entry.driver, entry.property) for entry in entries}
        self._arrays: dict[tuple[str, str], list[Visible]] = {}
        for unit in linked.tree.units:
            for row in unit.visible:
                if row.kind == "property":
                    self._arrays.setdefault((unit.path, row.owner), []).append(row)
        self._members: dict[str, dict[str, tuple[int, int]]] = {}

    def _entries(self) -> Iterator[CompatEntry]:
        """All entries of lists of releases, the newest release first."""
        every = [entry for unit in self.linked.tree.units for entry in unit.compat if list_version(entry.list)[1]]
        yield from sorted(every, key=lambda entry: list_version(entry.list)[1], reverse=True)

    def _is_for(self, entry: CompatEntry) -> bool:
        family, version = list_version(entry.list)
        beginnings = FAMILIES.get(family, (family.partition("_")[0],))
        return self.release is not None and version >= self.release and self.machine.startswith(beginnings)

    def members(self, device: str) -> dict[str, tuple[int, int]]:
        """Member of a device's struct -> which of its bits are known for this machine type, and what they are."""
        known = self._members.get(device)
        if known is None:
            known = self._members[device] = self._members_of(device)
        return known

    def _members_of(self, device: str) -> dict[str, tuple[int, int]]:
        chain: list[str] = []
        rows: list[Visible] = []
        current: str | None = device
        for _ in range(MAX_DEPTH):
            kind = self.linked.types.get(current or "")
            if kind is None:
                break
            chain.append(kind[1].name)
            for array in kind[1].properties:
                rows += self._arrays.get((kind[0].path, array), ())
            current = kind[1].parent
        made: dict[str, tuple[int, int]] = {}
        for row in rows:
            value = self._value(row, chain)
            if row.member is None or value is None:
                continue
            if row.info in ("qdev_prop_bit", "qdev_prop_bit64"):
                if row.bit is None or not 0 <= row.bit < 64:
                    continue
                mask, bits = made.get(row.member, (0, 0))
                bit = 1 << row.bit
                made[row.member] = (mask | bit, bits | bit if value else bits & ~bit)
            else:
                made[row.member] = (WHOLE, value)
        return made

    def _value(self, row: Visible, chain: list[str]) -> int | None:
        """The value of a property for the machine type; None where a user or a board may have another."""
        in_force = [entry for entry in self.entries if entry.property == row.name]
        of_device = [entry for entry in in_force if entry.driver in chain]
        if of_device:
            return _number(of_device[-1].value)
        # What no user sets has its default, unless a list sets it for a device that hands it on to this one.
        for_migration = row.name.startswith("x-") or "migrat" in row.name
        is_listed = any((driver, row.name) in self.every for driver in chain)
        if not for_migration or not is_listed or in_force or row.value is None:
            return None
        return int(row.value)

    def is_sent(self, device: str, function: SourceFunction | None) -> bool | None:
        """What a condition of a device's description says for the machine type; None where that is not known."""
        if function is None or function.returns is None or not self._is_of(device, function):
            return None
        members = self.members(device)
        return _holds(function.returns, members) if members else None

    def _is_of(self, device: str, function: SourceFunction) -> bool:
        """Whether a condition can be given the struct of a device, as far as that is seen."""
        instance = self.linked.instance_of_type(device)
        if not instance or not function.given:
            return True
        return instance[0] in function.given or function.given[0] in instance


def holds_at(version: int, function: SourceFunction | None) -> bool | None:
    """What a condition that goes by the version of its struct says at one; None where that does not decide it."""
    if function is None or function.returns is None or VERSION not in function.returns:
        return None
    return _holds(function.returns, {f"{VERSION}()": (WHOLE, version)})


def _holds(returns: str, members: dict[str, tuple[int, int]]) -> bool | None:
    """What an expression of `vmstate.source.predicates` says of members; None where it depends on others."""
    try:
        value = _evaluated(ast.parse(returns, mode="eval").body, members)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    return None if value is None else bool(value)


def _number(text: str) -> int | None:
    if text in TRUE:
        return 1
    if text in FALSE:
        return 0
    try:
        return int(text, 0)
    except ValueError:
        return None


def _evaluated(tree: ast.expr, members: dict[str, tuple[int, int]]) -> int | None:
    """The value of an expression of `vmstate.source.predicates`; None where it depends on what is not known."""
    if isinstance(tree, ast.Constant) and isinstance(tree.value, int):
        return int(tree.value)
    if isinstance(tree, ast.Attribute):
        mask, value = members.get(_path(tree), (0, 0))
        return value if mask == WHOLE else None
    if isinstance(tree, ast.Name) and tree.id == VERSION:
        # No member has this name.
        mask, value = members.get(f"{VERSION}()", (0, 0))
        return value if mask == WHOLE else None
    if isinstance(tree, ast.UnaryOp) and isinstance(tree.op, ast.USub):
        inner = _evaluated(tree.operand, members)
        return None if inner is None else -inner
    if isinstance(tree, ast.Compare) and len(tree.ops) == 1:
        left, right = _evaluated(tree.left, members), _evaluated(tree.comparators[0], members)
        return None if left is None or right is None else _compared(tree.ops[0], left, right)
    if isinstance(tree, ast.BinOp):
        return _combined(tree, members)
    return None


def _combined(tree: ast.BinOp, members: dict[str, tuple[int, int]]) -> int | None:
    left, right = _evaluated(tree.left, members), _evaluated(tree.right, members)
    if isinstance(tree.op, ast.BitAnd):
        if left == 0 or right == 0:
            return 0
        if isinstance(tree.left, ast.Attribute) and right is not None:
            # Of a member with bits only those have to be known that are asked for.
            mask, value = members.get(_path(tree.left), (0, 0))
            return value & right if mask & right == right else None
        return None if left is None or right is None else left & right
    if isinstance(tree.op, ast.BitOr):
        if left is not None and right is not None:
            return left | right
        # Of conditions one that holds is enough.
        return 1 if left or right else None
    if left is None or right is None:
        return None
    if isinstance(tree.op, ast.LShift | ast.RShift):
        if not 0 <= right < 64:
            return None
        return left << right if isinstance(tree.op, ast.LShift) else left >> right
    if isinstance(tree.op, ast.Add):
        return left + right
    if isinstance(tree.op, ast.Sub):
        return left - right
    return left * right if isinstance(tree.op, ast.Mult) else None


def _compared(operator: ast.cmpop, left: int, right: int) -> int | None:
    match operator:
        case ast.Eq():
            return int(left == right)
        case ast.NotEq():
            return int(left != right)
        case ast.Lt():
            return int(left < right)
        case ast.LtE():
            return int(left <= right)
        case ast.Gt():
            return int(left > right)
        case ast.GtE():
            return int(left >= right)
    return None


def _path(tree: ast.expr) -> str:
    """The members behind `this.`."""
    parts: list[str] = []
    while isinstance(tree, ast.Attribute):
        parts.append(tree.attr)
        tree = tree.value
    return ".".join(reversed(parts))
