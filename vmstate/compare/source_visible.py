"""What a change of QEMU's source lets a guest see: other defaults of properties, fields of machine classes, features of
CPU models, and another configuration space.

A guest of an older machine type must find what it had. So each change needs an entry in the newest list for older
machine types, or a line in what these do; one without is told, and so is what is wrong with these lists. A machine type
takes the list of its release and, mostly by calling what makes the next newer one, those of all later ones. An entry
for a property that its device has not got ends QEMU, and one whose device is none is never looked at. Facts from
hw/core/machine.c, the options of each release in hw/i386, hw/arm, hw/ppc and hw/s390x, and docs/devel/migration.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator

from vmstate.compare.source_lint import ASK, BREAKS, RULES, LintFinding, compat_entries, of_entry
from vmstate.source.linking import MAX_DEPTH, Linked
from vmstate.source.model import CompatEntry, Visible

VERSIONED = re.compile(r"_\d+_\d+(?:_|\Z)")
"""What a function has in its name that is of one machine type with a version, or of those before it."""

RELEASE = re.compile(r"_v?(\d+)_(\d+)(?:_\d+)?(?=_|\Z)")

TRUE = frozenset(("on", "true", "yes", "1"))
FALSE = frozenset(("off", "false", "no", "0"))
SWITCHES = frozenset(("qdev_prop_bit", "qdev_prop_bit64", "qdev_prop_bool"))
UNSET = frozenset(str(value) for bits in (16, 32, 64) for value in ((1 << bits) - 1, -1))
"""Defaults with all bits set: no values, and what counts is what code makes of them."""

MOST = 4
"""Names that one finding tells."""

OF_CODE = "by code"
"""The owner of a property that code adds to its class, without an array."""


def visible_changes(before: Linked, after: Linked) -> list[LintFinding]:
    """What a guest of an older machine type can see of what changed."""
    return [*_Visible(before, after).run()]


class _Visible:
    """Two trees held against each other."""

    def __init__(self, before: Linked, after: Linked) -> None:
        self.before = before
        self.after = after
        known = compat_entries(before)
        self.entries = [entry for key, entry in compat_entries(after).items() if key not in known]
        """Entries for older machine types that are new."""
        self.old = _by_kind(before)
        self.new = _by_kind(after)

    def run(self) -> Iterator[LintFinding]:
        """All findings."""
        yield from self.defaults()
        yield from self.removed_properties()
        yield from self.machine_fields()
        yield from self.models()
        yield from self.spaces()

    # Properties.

    def defaults(self) -> Iterator[LintFinding]:
        """Properties with another default, and new ones that are on."""
        old = {(row.path, row.owner, row.name): row for row in self.old["property"]}
        # One that is new in a file whose devices are the same is of a device that had none.
        devices = {unit.path: {kind.name for kind in unit.types} for unit in self.before.tree.units}
        same = {unit.path for unit in self.after.tree.units
                if devices.get(unit.path) == {kind.name for kind in unit.types}}  # fmt: skip
        arrays = {(row.path, row.owner) for row in self.old["property"]}
        arrays |= {(row.path, row.owner) for row in self.new["property"] if row.path in same}
        everywhere = {(row.owner, row.name): row for row in self.old["property"]}
        for row in self.new["property"]:
            known = old.get((row.path, row.owner, row.name)) or everywhere.get((row.owner, row.name))
            if row.value is None or row.owner == OF_CODE:
                continue
            if known is None:
                if row.value == "0" or (row.path, row.owner) not in arrays or self.restored(row, "0"):
                    continue
                is_feature = row.info in SWITCHES and row.member is not None and "features" in row.member
                if row.info not in SWITCHES and any(entry.property == row.name for entry in self.entries):
                    continue
                message = f"{row.name!r} is new and {_shown(row)}, and no entry for older machine types says otherwise"
                yield _of(row, "property-new", message, BREAKS if is_feature else ASK)
            elif known.value is not None and known.value != row.value:
                left = self.left_out(row, known.value)
                if left is None:
                    continue
                is_asked = row.path.startswith("migration/") or row.name.startswith("x-vfio")
                severity = ASK if is_asked or known.value in UNSET else BREAKS
                message = (
                    f"{row.name!r} was {_shown(known)} by default, and is {_shown(row)}, and no entry "
                    f"for older machine types sets what it was{f' for {_some(left)}' if left else ''}"
                )
                yield _of(row, "property-default", message, severity)

    def restored(self, row: Visible, value: str) -> bool:
        """Whether a new entry for older machine types gives a property the value that it had."""
        return self.left_out(row, value) is None

    def left_out(self, row: Visible, value: str) -> list[str] | None:
        """The classes with a property that no new entry for older machine types gives the value that it had: [] where
        there is no such entry at all, None where there is one for each, or for something that is none of these.
        """
        drivers = {entry.driver for entry in self.entries if entry.property == row.name
                   and _is_equal(entry.value, value)}  # fmt: skip
        if not drivers:
            return []
        lines = {name: _line_of(self.before, name) for name, (_, kind) in self.before.types.items()
                 if not kind.abstract and name in self.after.types}  # fmt: skip
        arrays = {name for name, (unit, kind) in self.before.types.items()
                  if unit.path == row.path and row.owner in kind.properties}  # fmt: skip
        classes = {name: line for name, line in lines.items() if not arrays.isdisjoint(line)}
        if not drivers <= set().union(*classes.values()):
            return None
        return sorted(name for name, line in classes.items() if drivers.isdisjoint(line)) or None

    def removed_properties(self) -> Iterator[LintFinding]:
        """Properties that a device had and has not."""
        old, new = _of_classes(self.before), _of_classes(self.after)
        by_code = {row.name for row in self.new["property"] if row.owner == OF_CODE}
        every_entry = list(compat_entries(self.after).values())
        lost: dict[tuple[str, ...], list[str]] = {}
        for name in sorted(old.keys() & new.keys()):
            gone = tuple(sorted(old[name] - new[name] - by_code))
            if gone:
                lost.setdefault(gone, []).append(name)
        for gone, names in lost.items():
            kind = self.after.types[names[0]][1]
            asked = _asked_for(every_entry, names, gone)
            told = f"{_some(names)} has no longer {_some([repr(name) for name in gone])}"
            message = f"{told}, which {asked.list} sets" if asked else f"{told}: does a command line set it?"
            severity = BREAKS if asked else ASK
            yield LintFinding("property-removed", severity, kind.path, kind.line, names[0], names[0], gone[0], message)

    # Machine classes and CPU models.

    def machine_fields(self) -> Iterator[LintFinding]:
        """Fields of machine classes that all machine types have otherwise."""
        folders = {row.path.rpartition("/")[0] for row in self.new["machine"] if VERSIONED.search(row.owner)}
        known = {(row.path, row.owner, row.name, row.value) for row in self.old["machine"]}
        kept = {row.name for row in self.new["machine"] if VERSIONED.search(row.owner)
                and (row.path, row.owner, row.name, row.value) not in known}  # fmt: skip
        new = {(row.path, row.owner, row.name): row for row in self.new["machine"]}
        values = {(row.name, row.value) for row in self.new["machine"] if not VERSIONED.search(row.owner)}
        functions = {(row.path, row.owner) for row in self.old["machine"]}
        paths = {unit.path for unit in self.after.tree.units}
        old = {(row.path, row.owner, row.name): row for row in self.old["machine"]}
        for key, row in old.items():
            after = new.get(key)
            if VERSIONED.search(row.owner) or row.path.rpartition("/")[0] not in folders or row.path not in paths:
                continue
            was = row.value
            now = "0" if after is None else after.value
            if was == now or row.name in kept or (after is None and (row.name, was) in values):
                continue
            is_gone = " any more" if after is None else ""
            shown = f"is not set{is_gone}" if after is None else f"is {now}"
            message = f"{row.name} was {was} in {row.owner}(), and {shown}: older machine types do not set it"
            yield _of(after or row, "machine-field", message)
        for key, row in new.items():
            if key in old or (row.path, row.owner) not in functions or row.value == "0" or row.name in kept:
                continue
            moved = any(each.name == row.name and each.value == row.value for each in self.old["machine"])
            if not VERSIONED.search(row.owner) and row.path.rpartition("/")[0] in folders and not moved:
                message = f"{row.name} is now {row.value} in {row.owner}(): older machine types do not set it"
                yield _of(row, "machine-field", message, ASK)

    def models(self) -> Iterator[LintFinding]:
        """CPU models of x86 with other features."""
        old = {(row.owner, row.name): row for row in self.old["cpu"]}
        new = {(row.owner, row.name): row for row in self.new["cpu"]}
        names = {row.owner for row in self.old["cpu"]} & {row.owner for row in self.new["cpu"]}
        versions = {(row.owner, row.name.partition(".")[0]) for row in self.old["cpu"] if row.name.startswith("v")}
        for key in sorted({*old, *new}):
            was, now = old.get(key), new.get(key)
            row = now or was
            if row is None or row.owner not in names or (was and now and was.value == now.value):
                continue
            version, dot, _ = row.name.partition(".")
            if dot and was is None and (row.owner, version) not in versions:
                continue
            if was is None and not dot and now is not None and now.value in ("0", "0x0"):
                continue
            if any(entry.driver.startswith(row.owner) for entry in self.entries):
                continue
            before, after = (each.value if each is not None else "not set" for each in (was, now))
            message = f"{row.name} was {before}, and is {after}; no entry for older machine types is about the model"
            yield _of(row, "cpu-feature", message)

    # Configuration space.

    def spaces(self) -> Iterator[LintFinding]:
        """What functions of a file put into configuration space."""
        old, new = _spaces(self.old["pci"]), _spaces(self.new["pci"])
        for path in sorted(old.keys() & new.keys()):
            gone, added = old[path] - new[path], new[path] - old[path]
            told: dict[str, list[str]] = {}
            for word, counted in (("no longer", gone), ("now", added)):
                for owner, name, value in counted:
                    told.setdefault(owner, []).append(f"{word} {name} = {value}")
            changed = gone | added
            rows = (*self.new["pci"], *self.old["pci"])
            places = [row for row in rows if row.path == path and (row.owner, row.name, row.value) in changed]
            moved = Counter((name, value) for _, name, value in gone) == Counter((n, v) for _, n, v in added)
            for owner, parts in {} if moved else told.items():
                message = f"{owner}(): {'; '.join(parts[:MOST])}{' and more' if len(parts) > MOST else ''}"
                place = next(row for row in places if row.owner == owner)
                yield _of(place, "pci-space", f"{message}: do older machine types keep what they had?")


def _by_kind(linked: Linked) -> dict[str, list[Visible]]:
    kinds: dict[str, list[Visible]] = {"property": [], "machine": [], "cpu": [], "pci": [], "lists": []}
    for unit in linked.tree.units:
        for row in unit.visible:
            kinds[row.kind].append(row)
    return kinds


def _spaces(rows: Iterable[Visible]) -> dict[str, Counter[tuple[str, str, str | None]]]:
    """Path -> what is put there, by function, as often as it is."""
    spaces: dict[str, Counter[tuple[str, str, str | None]]] = {}
    for row in rows:
        spaces.setdefault(row.path, Counter())[row.owner, row.name, row.value] += 1
    return spaces


def _of_classes(linked: Linked) -> dict[str, frozenset[str]]:
    """Device class -> the names of its properties, with those of the classes above it."""
    arrays: dict[tuple[str, str], set[str]] = {}
    for unit in linked.tree.units:
        for row in unit.visible:
            if row.kind == "property":
                arrays.setdefault((unit.path, row.owner), set()).add(row.name)
    made: dict[str, frozenset[str]] = {}
    for name in linked.types:
        names: set[str] = set()
        current: str | None = name
        for _ in range(MAX_DEPTH):
            known = linked.types.get(current or "")
            if known is None:
                break
            for array in known[1].properties:
                names |= arrays.get((known[0].path, array), set())
            current = known[1].parent
        made[name] = frozenset(names)
    return made


def _asked_for(entries: Iterable[CompatEntry], names: Iterable[str], gone: Iterable[str]) -> CompatEntry | None:
    """An entry for older machine types that sets one of some properties of one of some devices."""
    devices, properties = set(names), set(gone)
    return next((entry for entry in entries if entry.driver in devices and entry.property in properties), None)


def _is_equal(text: str, value: str) -> bool:
    """Whether the text of an entry is the value of a default."""
    if text in TRUE:
        return value not in ("0", "2")
    if text in FALSE:
        # Of ON_OFF_AUTO off is 2.
        return value in ("0", "2")
    try:
        return int(text, 0) == int(value)
    except ValueError:
        # A name of an enum, or a size with a unit: that it is there is all that can be told.
        return True


def _shown(row: Visible) -> str:
    if row.info in SWITCHES:
        return "off" if row.value == "0" else "on"
    return str(row.value)


def _some(names: list[str]) -> str:
    return ", ".join(names[:MOST]) + (f" and {len(names) - MOST} more" if len(names) > MOST else "")


def _of(row: Visible, rule: str, message: str, severity: str = "") -> LintFinding:
    return LintFinding(rule, severity or RULES[rule][0], row.path, row.line, row.owner, row.owner, row.name, message)


# Lists.


def list_defects(linked: Linked) -> Iterator[LintFinding]:
    """Lists that one machine type takes for another's, and entries that stand twice."""
    families: dict[tuple[str, str], dict[tuple[int, int], list[Visible]]] = {}
    for unit in linked.tree.units:
        for row in unit.visible:
            if row.kind == "lists":
                family, release = _release(row.owner)
                families.setdefault((row.path, family), {}).setdefault(release, []).append(row)
        counted = Counter((entry.list, entry.driver, entry.property) for entry in unit.compat)
        for entry in unit.compat:
            if counted.pop((entry.list, entry.driver, entry.property), 0) > 1:
                yield of_entry("compat-twice", entry, f"{entry.driver}.{entry.property} stands twice in {entry.list}")
    for releases in families.values():
        if not any("ompat" in row.name.lower() for rows in releases.values() for row in rows):
            # What else there is to set for each of them, in functions without a list.
            continue
        newest = max(releases)
        for release, rows in releases.items():
            shown = ".".join(map(str, release))
            owner = rows[0]
            for row in rows:
                if row.name and "ompat" in row.name.lower() and _release(row.name)[1] < release:
                    message = f"{owner.owner}() is of {shown}, and takes {row.name}, which is for older machine types"
                    yield _of(row, "compat-of-older", message)
            taken = {_release(row.name)[1] for row in rows if row.name}
            if release != newest and not any(each >= release for each in taken):
                message = f"{owner.owner}() takes neither the list of {shown} nor what newer machine types do"
                yield _of(owner, "machine-without-list", message)


def list_changes(before: Linked, after: Linked) -> Iterator[LintFinding]:
    """New entries for a device, or a property of it, that is not there."""
    known = compat_entries(before)
    added = [entry for key, entry in compat_entries(after).items() if key not in known]
    if not added:
        return
    properties = _of_classes(after)
    kinds = _by_kind(after)
    every = {row.name for row in kinds["property"]}
    by_code = {row.name for row in kinds["property"] if row.owner == OF_CODE}
    models = {row.owner for row in kinds["cpu"]}
    for entry in added:
        names = properties.get(entry.driver)
        if names is None:
            meant = _meant(entry.driver, after, models)
            if meant is not None:
                yield of_entry("compat-unknown", entry, f"there is no device {entry.driver!r}: is {meant} meant?")
        elif names and entry.property not in names and entry.property not in by_code:
            # Where none has it, it is made in a way that is not seen, as features of CPUs are; or it is a slip.
            if entry.property not in every and not entry.driver.endswith("-cpu"):
                yield of_entry("compat-unknown", entry, f"no device has a property {entry.property!r}")
            below = [name for name in properties if entry.property in properties[name]
                     and entry.driver in _line_of(after, name)[1:]]  # fmt: skip
            if below:
                message = f"{entry.driver!r} has no {entry.property!r}, which only {', '.join(below[:3])} has"
                yield of_entry("compat-unknown", entry, message)


def _meant(driver: str, linked: Linked, models: set[str]) -> str | None:
    """A name that is there, which a driver that is not there looks like."""
    if f"{driver}-device" in linked.types:
        return f"{driver}-device"
    close = max((name for name in models if driver.startswith(name)), key=len, default="")
    return f"{close}-..." if close and not driver.startswith(f"{close}-") else None


def _line_of(linked: Linked, name: str) -> list[str]:
    """A class, and those above it."""
    line = [name]
    for _ in range(MAX_DEPTH):
        known = linked.types.get(line[-1])
        if known is None or known[1].parent is None:
            break
        line.append(known[1].parent)
    return line


def _release(name: str) -> tuple[str, tuple[int, int]]:
    """What a name is without its release, and the release."""
    dated = RELEASE.search(name)
    return (name, (0, 0)) if dated is None else (RELEASE.sub("", name, count=1), (int(dated[1]), int(dated[2])))
