"""The rooms of the library: imports point down only, and importing it stays cheap."""

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "vmstate"

TOP_TO_BOTTOM = (
    "pytest_plugin",
    "cli",
    "lab",
    "fuzz",
    "early",
    "qemu",
    "compare",
    "query",
    "stream",
    "schema",
    "codec",
    "vmsd",
    "errors",
    "lazy",
)
# The public face re-exports from every layer, so only what stands above all may import it.
PUBLIC = "vmstate"
# Two rooms of the face are modules of their own.
FACE = ("declare", "events")

HEAVY = ("construct", "deepdiff", "rich", "hypothesis", "importlib.metadata", "numpy")


def module_name(file: Path) -> str:
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def package_of(file: Path) -> list[str]:
    return list(file.relative_to(ROOT).parent.parts)


def imported(file: Path, source: str) -> Iterator[tuple[int, str]]:
    """Line and absolute dotted name of everything a module imports, wherever in it."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            package = package_of(file)
            prefix = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*prefix, *([node.module] if node.module else [])])
            for alias in node.names:
                yield node.lineno, f"{base}.{alias.name}"


def layer(name: str) -> str | None:
    """The layer that a dotted name belongs to; None for what is not of this package."""
    first, _, rest = name.partition(".")
    if first != "vmstate":
        return None
    part = rest.partition(".")[0]
    return part if part in TOP_TO_BOTTOM else PUBLIC


def is_above(target: str | None, own: str) -> bool:
    if target is None:
        return False
    if target == PUBLIC:
        return own != "cli"  # the commands use the public face, as anyone else's would
    return TOP_TO_BOTTOM.index(target) < TOP_TO_BOTTOM.index(own)


def violations(file: Path, source: str) -> list[str]:
    own = layer(module_name(file))
    assert own is not None
    found = []
    for line, name in imported(file, source):
        where = f"{file.relative_to(ROOT)}:{line}: {own} imports {name}"
        if name.startswith("vmstate.devices"):
            found.append(f"{where}: the device library is found by entry point, never imported")
        if own != PUBLIC and is_above(layer(name), own):
            found.append(f"{where}: that layer is above")
    return found


FILES = sorted(file for file in PACKAGE.rglob("*.py") if file.relative_to(PACKAGE).parts[0] != "devices")


@pytest.mark.parametrize("file", FILES, ids=module_name)
def test_imports_point_down(file: Path) -> None:
    assert violations(file, file.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("entry", sorted(p.name for p in PACKAGE.iterdir()))
def test_every_room_has_a_layer(entry: str) -> None:
    no_layer = {"__init__.py", "__main__.py", "__pycache__", "py.typed", "golden.tar.xz", "devices"}
    assert entry in no_layer or Path(entry).stem in (*TOP_TO_BOTTOM, *FACE)


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("codec/decode.py", "from vmstate.stream import reader"),
        ("codec/decode.py", "from ..stream.reader import Reader"),
        ("codec/decode.py", "from .. import stream"),
        ("codec/decode.py", "import vmstate"),
        ("codec/decode.py", "from vmstate.declare import uint8"),
        ("codec/decode.py", "def f():\n    import vmstate.query.rx"),
        ("query/rx.py", "from vmstate import VirtIONetDevice"),
        ("cli/info.py", "import vmstate.devices.virtio_net"),
        ("__init__.py", "from vmstate.devices import registry"),
    ],
)
def test_the_check_sees_upward_imports(file: str, source: str) -> None:
    assert len(violations(PACKAGE / file, source)) == 1


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("stream/reader.py", "from ..errors import StreamError"),
        ("stream/reader.py", "from .containers import open_input"),
        ("cli/info.py", "import vmstate"),
        ("__init__.py", "from vmstate.cli import main"),
        ("declare.py", "from vmstate.codec.simulate import load_state"),
        ("errors.py", "import attrs"),
    ],
)
def test_the_check_allows_downward_imports(file: str, source: str) -> None:
    assert violations(PACKAGE / file, source) == []


def test_importing_vmstate_is_cheap() -> None:
    """What only some verbs need is loaded by them (importlib.metadata alone costs 34 ms)."""
    code = (
        "import json, sys; before = set(sys.modules); import vmstate; "
        "print(json.dumps(sorted(set(sys.modules) - before)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert set(json.loads(done.stdout)).isdisjoint(HEAVY)
