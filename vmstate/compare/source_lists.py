"""What is wrong with the lists of properties for older machine types, and with who takes them.

A machine type takes the list of its own release and of all later ones, mostly by calling what makes the next newer one
(hw/core/machine.c, and the options of each release in hw/i386, hw/arm, hw/ppc and hw/s390x). An entry whose device has
no such property ends QEMU when the device is made, and one whose device is none is never looked at.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from vmstate.compare.source_lint import RULES, LintFinding, compat_entries, of_entry
from vmstate.compare.source_visible import OF_CODE, of_classes
from vmstate.source.linking import MAX_DEPTH, Linked
from vmstate.source.model import Visible

RELEASE = re.compile(r"_v?(\d+)_(\d+)(?:_\d+)?(?=_|\Z)")


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
        newest = max(releases)
        for release, rows in releases.items():
            shown = ".".join(map(str, release))
            owner = rows[0]
            for row in rows:
                if row.name and "ompat" in row.name.lower() and _release(row.name)[1] < release:
                    message = f"{owner.owner}() is of {shown}, and takes {row.name}, which is for older machine types"
                    yield _of_row("compat-of-older", row, message)
            taken = {_release(row.name)[1] for row in rows if row.name}
            if release != newest and not any(each >= release for each in taken):
                message = f"{owner.owner}() takes neither the list of {shown} nor what newer machine types do"
                yield _of_row("machine-without-list", owner, message)


def list_changes(before: Linked, after: Linked) -> Iterator[LintFinding]:
    """New entries for a device, or a property of it, that is not there."""
    known = compat_entries(before)
    added = [entry for key, entry in compat_entries(after).items() if key not in known]
    if not added:
        return
    properties = of_classes(after)
    by_code = {row.name for unit in after.tree.units for row in unit.visible if row.owner == OF_CODE}
    models = {row.owner for unit in after.tree.units for row in unit.visible if row.kind == "cpu"}
    for entry in added:
        names = properties.get(entry.driver)
        if names is None:
            meant = _meant(entry.driver, after, models)
            if meant is not None:
                yield of_entry("compat-unknown", entry, f"there is no device {entry.driver!r}: is {meant} meant?")
        elif names and entry.property not in names and entry.property not in by_code:
            # Where none has it, it is made in a way that is not seen.
            below = [name for name in properties if entry.property in properties[name]
                     and _is_below(after, name, entry.driver)]  # fmt: skip
            if below:
                message = f"{entry.driver!r} has no {entry.property!r}, which only {', '.join(below[:3])} has"
                yield of_entry("compat-unknown", entry, message)


def _meant(driver: str, linked: Linked, models: set[str]) -> str | None:
    """A name that is there, which a driver that is not there looks like."""
    if f"{driver}-device" in linked.types:
        return f"{driver}-device"
    close = [name for name in models if driver.startswith(name)]
    exact = any(driver[len(name)] == "-" for name in close if len(driver) > len(name))
    return f"{max(close, key=len)}-..." if close and not exact else None


def _is_below(linked: Linked, name: str, parent: str) -> bool:
    for _ in range(MAX_DEPTH):
        known = linked.types.get(name)
        if known is None or known[1].parent is None:
            return False
        name = known[1].parent
        if name == parent:
            return True
    return False


def _release(name: str) -> tuple[str, tuple[int, int]]:
    """What a name is without its release, and the release."""
    found = RELEASE.search(name)
    return (name, (0, 0)) if found is None else (RELEASE.sub("", name, count=1), (int(found[1]), int(found[2])))


def _of_row(rule: str, row: Visible, message: str) -> LintFinding:
    return LintFinding(rule, RULES[rule][0], row.path, row.line, row.owner, row.owner, row.name or None, message)
