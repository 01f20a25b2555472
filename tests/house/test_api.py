"""The public face: every room has the names that its `__all__` tells, at run time and for type checkers."""

from __future__ import annotations

import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest
from documents import ROOMS

FOR_EVERYBODY = 40
"""The most names that the package itself has."""


def tree_of(room: ModuleType) -> ast.Module:
    assert room.__file__ is not None
    return ast.parse(Path(room.__file__).read_text(encoding="utf-8"))


def typed_imports(room: ModuleType) -> set[tuple[str, str]]:
    """(module, name) of what stands where only type checkers look."""
    return {
        (node.module or "", alias.name)
        for block in tree_of(room).body
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING"
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }


def lazy_table(room: ModuleType) -> set[tuple[str, str]]:
    """(module, name) of what is imported when it is asked for."""
    calls = [
        node
        for node in ast.walk(tree_of(room))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "names_on_demand"
    ]
    tables = [ast.literal_eval(call.args[1]) for call in calls]
    return {(place, name) for table in tables for place, names in table.items() for name in names}


@pytest.mark.parametrize("name", ROOMS)
def test_a_room_has_the_names_that_it_tells(name: str) -> None:
    room = import_module(name)
    assert len(set(room.__all__)) == len(room.__all__)
    for public in room.__all__:
        assert getattr(room, public) is not None, public
        # A function that is called as its module is would be hidden by it.
        assert not isinstance(getattr(room, public), ModuleType), public
    assert set(room.__all__) <= set(dir(room))
    assert not hasattr(room, "nothing")


@pytest.mark.parametrize("name", ROOMS)
def test_the_lazy_table_and_the_typed_imports_agree(name: str) -> None:
    room = import_module(name)
    assert lazy_table(room) == typed_imports(room)
    assert {public for _, public in lazy_table(room)} <= set(room.__all__)


def test_a_name_has_one_place() -> None:
    """What a room has is in no other, and no name is two things in two rooms."""
    places: dict[str, list[object]] = {}
    for name in ROOMS:
        room = import_module(name)
        for public in room.__all__:
            places.setdefault(public, []).append(getattr(room, public))
    assert {name for name, values in places.items() if len(set(map(id, values))) > 1} == set()
    repeated = {name for name, values in places.items() if len(values) > len(set(map(id, values)))}
    errors = set(import_module("vmstate.errors").__all__)
    # Every exception is in vmstate.errors; events and descriptions need what everybody needs, too.
    assert repeated - errors == {"DONE", "NEED_DATA", "VMStateDescription"}


def test_the_package_itself_stays_small() -> None:
    vmstate = import_module("vmstate")
    assert len(vmstate.__all__) <= FOR_EVERYBODY
    assert len(Path(vmstate.__file__ or "").read_text(encoding="utf-8").splitlines()) < 200


def test_everything_can_be_imported_at_once() -> None:
    code = "from vmstate import *; from vmstate.declare import *; from vmstate.early import *; load; uint8; Snapshot"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_codec_is_bound_without_being_imported_by_hand() -> None:
    code = """
from vmstate.declare import description, uint8

@description("x")
class X:
    a: int = uint8()

print(X.vmsd.decode(b"1"))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == "X(a=49)\n", done.stderr


def test_the_decorator_is_no_module() -> None:
    code = "import vmstate.stream.stream; from vmstate.declare import boolean, description; description('x')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
