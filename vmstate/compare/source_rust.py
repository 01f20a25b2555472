"""Devices that QEMU has in C and in Rust: whether both send the same, and what a change breaks where Rust serves them.

Which of the two is built is an option (`vmstate.source.target.HAVE_RUST`), and a stream of the one has to load in the
other. Names of fields do not matter: they are not on the wire, and Rust puts structs around what C has side by side.
"""

from __future__ import annotations

from collections.abc import Iterator

from vmstate.compare.from_source import AS_IN_MEMORY, COUNTED, SIZES
from vmstate.compare.source_lint import RULES, LintFinding, changes
from vmstate.source.linking import MAX_DEPTH, Linked
from vmstate.source.model import SourceDescription, UnitResult
from vmstate.source.reading import SourceTree, is_crate
from vmstate.vmsd.data import NamedTuple

RULE = "rust-differs"


class Piece(NamedTuple):
    """What is sent by one field: equal where the bytes are; `name` and `line` are for the reader."""

    what: tuple[object, ...]
    name: str
    line: int


def has_rust(tree: SourceTree) -> bool:
    """Whether a tree has anything in Rust that sends."""
    return any(is_crate(unit) and unit.types for unit in (*tree.units, *tree.twins))


def rust_defects(tree: SourceTree) -> list[LintFinding]:
    """Where a device in Rust sends other things than the same in C."""
    if not has_rust(tree):
        return []
    in_c, in_rust = Linked(tree.served_by("c")), Linked(tree.served_by("rust"))
    findings: dict[str, LintFinding] = {}
    for unit in in_rust.tree.units:
        for kind in unit.types if is_crate(unit) else ():
            left, right = in_c.vmsd_of_type(kind.name), in_rust.vmsd_of_type(kind.name)
            if left is None or kind.name not in in_rust.types:
                continue
            if right is None:
                message = f"{left[1].name!r} is sent by C ({left[1].path}), and Rust has no description"
                finding = _finding(kind.path, kind.line, kind.name, left[1].name, message)
                findings.setdefault(finding.id, finding)
                continue
            for finding in _differing(in_c, *left, in_rust, *right):
                findings.setdefault(finding.id, finding)
    return list(findings.values())


def rust_changes(before: SourceTree, after: SourceTree) -> list[LintFinding]:
    """What a change breaks where Rust serves all that it can: what is said of files of Rust alone."""
    if not has_rust(before) or not has_rust(after):
        return []
    findings = changes(Linked(before.served_by("rust")), Linked(after.served_by("rust")))
    return [finding for finding in findings if finding.path.endswith(".rs")]


def _finding(path: str, line: int, symbol: str, name: str, message: str, field: str | None = None) -> LintFinding:
    return LintFinding(RULE, RULES[RULE][0], path, line, symbol, name, field, message)


def _differing(
    in_c: Linked,
    c_unit: UnitResult,
    left: SourceDescription,
    in_rust: Linked,
    rust_unit: UnitResult,
    right: SourceDescription,
    depth: int = 0,
) -> Iterator[LintFinding]:
    """What differs between the description of C (`left`) and that of Rust: the first place, and the subsections."""
    place = (right.path, right.line, right.symbol, right.name)
    if (left.name, left.version, left.minimum) != (right.name, right.version, right.minimum):
        told = [f"{each.name!r} version {each.version} (from {each.minimum} on)" for each in (left, right)]
        yield _finding(*place, f"C sends {told[0]}, and Rust {told[1]}")
    if not (_is_told(in_c, c_unit, left) and _is_told(in_rust, rust_unit, right)):
        return
    ours = _pieces(in_c, c_unit, left, left.version, 0)
    theirs = _pieces(in_rust, rust_unit, right, right.version, 0)
    for number, piece in enumerate(theirs):
        if number >= len(ours):
            yield _finding(
                right.path, piece.line, *place[2:], f"Rust sends {_shown(piece)}, and C nothing more", piece.name
            )
            break
        if piece.what != ours[number].what:
            message = f"C sends {_shown(ours[number])}, and Rust {_shown(piece)}"
            yield _finding(right.path, piece.line, *place[2:], message, piece.name)
            break
    else:
        if len(ours) > len(theirs):
            piece = ours[len(theirs)]
            yield _finding(*place, f"C sends {_shown(piece)}, and Rust nothing more", piece.name)
    if depth > MAX_DEPTH:
        return
    was = {each[1].name: each for symbol in left.subsections if (each := in_c.description(symbol, c_unit))}
    now = {each[1].name: each for symbol in right.subsections if (each := in_rust.description(symbol, rust_unit))}
    for name in sorted(was.keys() ^ now.keys()):
        which = "C" if name in was else "Rust"
        yield _finding(*place, f"the subsection {name!r} is one of {which} alone", name)
    for name in sorted(was.keys() & now.keys()):
        yield from _differing(in_c, *was[name], in_rust, *now[name], depth + 1)


def _is_told(linked: Linked, unit: UnitResult, vmsd: SourceDescription, depth: int = 0) -> bool:
    """Whether all fields of a description, and of those in it, are known."""
    if "fields" in vmsd.untold or depth > MAX_DEPTH:
        return False
    inside = [linked.description(field.vmsd, unit) for field in vmsd.fields if field.vmsd is not None]
    return all(inner is not None and _is_told(linked, *inner, depth + 1) for inner in inside)


def _pieces(linked: Linked, unit: UnitResult, vmsd: SourceDescription, version: int, depth: int) -> list[Piece]:
    """What is sent at a version, with structs opened that are sent once."""
    made: list[Piece] = []
    checked = {field.exists for field in vmsd.fields if "VMS_MUST_EXIST" in field.flags}
    for field in vmsd.fields:
        if "VMS_MUST_EXIST" in field.flags or (field.exists is None and field.version > version):
            continue
        # Where loading fails without it, it is no condition.
        is_conditional = field.exists is not None and field.exists not in checked
        is_counted = bool(COUNTED.intersection(field.flags))
        count = field.count if "VMS_ARRAY" in field.flags else None
        inner = None if field.vmsd is None else linked.description(field.vmsd, unit)
        if inner is not None and depth < MAX_DEPTH:
            inside = _pieces(linked, *inner, inner[1].version, depth + 1)
            if count is None and not is_counted and not is_conditional and field.info is None:
                # Rust's wrappers stand in other files: the field itself is where a reader looks.
                lines = field.line if inner[1].path != vmsd.path else 0
                made += [Piece(each.what, each.name, lines or each.line) for each in inside]
                continue
            rows = tuple(each.what for each in inside)
            made.append(Piece((count, is_counted, is_conditional, rows), field.name, field.line))
            continue
        info = None if field.info is None else linked.info(field.info, unit)
        kind = field.info if info is None else info.name
        size = SIZES.get(kind or "")
        if kind in AS_IN_MEMORY and field.size_from is None:
            size = field.size
        made.append(Piece((kind if size is None else size, count, is_counted, is_conditional), field.name, field.line))
    return made


def _shown(piece: Piece) -> str:
    """A piece for a reader."""
    if len(piece.what) == 4 and isinstance(piece.what[3], tuple):
        return f"the structs {piece.name!r}"
    size, count, is_counted, _ = piece.what
    text = f"{piece.name!r} of {size} bytes" if isinstance(size, int) else f"{piece.name!r} as {size}"
    if count is not None:
        text += f", {count} times"
    return text + (", as many as a member says" if is_counted else "")
