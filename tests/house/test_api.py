"""The public API: every name is there, and the table that brings it says the same as the imports that type it."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import vmstate


def test_every_public_name_is_there() -> None:
    for name in vmstate._PLACE_OF:
        assert getattr(vmstate, name) is not None, name


def test_the_lazy_table_and_the_typed_imports_agree() -> None:
    tree = ast.parse(Path(vmstate.__file__).read_text())
    typed = {
        (node.module, alias.name)
        for block in tree.body
        if isinstance(block, ast.If)
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    table = {(place, name) for place, names in vmstate._PLACES.items() for name in names}
    assert table == typed


def test_codec_is_bound_without_being_imported_by_hand() -> None:
    code = """
from vmstate.vmsd.declare import description, uint8

@description("x")
class X:
    a: int = uint8()

print(X.vmsd.decode(b"1"))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == "X(a=49)\n", done.stderr


def test_the_decorator_is_no_module() -> None:
    code = "import vmstate.stream.stream; from vmstate import boolean, description; description('x')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_names_of_early_migration() -> None:
    """Each is what its module has, and a module is imported only for its own names."""
    from vmstate import early

    for name in early.__all__:
        found = getattr(early, name)
        assert found.__name__ == name
        assert found.__module__.startswith("vmstate.early.")
    assert not hasattr(early, "nothing")
