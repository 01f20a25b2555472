"""The early engine knows no device: items and bits of devices stand in the device library's tables alone."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ENGINE = ROOT / "vmstate" / "early"
LIBRARY = ROOT / "devices"

# Attributes of virtio states that the engine once knew by name, and bits of virtio.
WORDS = {"device_endian", "indirections_table", "virtio", "virtio-net", "net", "vq"}
BITS = {"NEEDS_RESET", "RING_RESET", "RING_PACKED", "ACCESS_PLATFORM", "VERSION_1"}


@cache
def item_names() -> set[str]:
    """The names of all items of the library: the first argument of each `Item(...)`."""
    return {
        str(node.args[0].value)
        for file in LIBRARY.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "Item"
        and isinstance(node.args[0], ast.Constant)
    }


def is_enumeration(node: ast.AST) -> bool:
    return isinstance(node, ast.ClassDef) and any(
        isinstance(base, ast.Name) and base.id == "StrEnum" for base in node.bases
    )


def nodes_in(node: ast.AST) -> Iterator[ast.AST]:
    """Everything but the values of enumerations."""
    for child in ast.iter_child_nodes(node):
        if not is_enumeration(child):
            yield child
            yield from nodes_in(child)


def devices_known(source: str) -> list[str]:
    """Line and word of each name of an item that is a string, and each name of a bit that is bound."""
    words = item_names() | WORDS
    known = []
    for node in nodes_in(ast.parse(source)):
        match node:
            case ast.Constant(value=str(word)) if word in words:
                known.append(f"{node.lineno}: {word}")
            case ast.Name(id=word, ctx=ast.Store()) if word in BITS:
                known.append(f"{node.lineno}: {word}")
    return known


def test_there_are_items() -> None:
    assert {"mac", "rss", "queue_indices", "device_status", "requests", "inflight"} <= item_names()


@pytest.mark.parametrize("file", sorted(ENGINE.rglob("*.py")), ids=lambda file: str(file.relative_to(ENGINE)))
def test_the_engine_knows_no_device(file: Path) -> None:
    assert devices_known(file.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "source",
    ['x = delta.table["queue_indices"]', "NEEDS_RESET = 1 << 6", 'if "rss" in changed:\n    pass'],
)
def test_a_device_in_the_engine_is_seen(source: str) -> None:
    assert len(devices_known(source)) == 1


def test_roles_are_no_devices() -> None:
    assert devices_known('class Role(StrEnum):\n    INDICES = "queue_indices"') == []
