"""The rooms of the library: imports point down only, and importing it stays cheap."""

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import pytest

from vmstate import declare

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "vmstate"

TOP_TO_BOTTOM = (
    "pytest_plugin",
    "forensics",
    "cli",
    "fleet",
    "report",
    "lab",
    "fuzz",
    "early",
    "qemu",
    "compare",
    "source",
    "rules",
    "query",
    "saved",
    "stream",
    "schema",
    "codec",
    "vmsd",
    "files",
    "lazy",
    "errors",
)
# The public face re-exports from every layer, so only what stands above all may import it.
PUBLIC = "vmstate"
# Two rooms of the face are modules of their own.
FACE = ("declare", "events")

HEAVY = ("construct", "deepdiff", "rich", "hypothesis", "importlib.metadata", "numpy")


# What a layer asks a layer above for, inside the function that needs it.
ASKED_FOR = {
    ("vmstate.vmsd.description", "vmstate.codec.codec.Codec"),
    ("vmstate.stream.stream", "vmstate.query.ask.ask"),
}

# Every room may import these: the table in the documents leaves them out.
FOR_ALL = {"errors", "lazy"}


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


def is_above(target: str | None, importer: str) -> bool:
    if target is None:
        return False
    if target == PUBLIC:
        return importer != "cli"  # the commands use the public face, as anyone else's would
    return TOP_TO_BOTTOM.index(target) < TOP_TO_BOTTOM.index(importer)


def violations(file: Path, source: str) -> list[str]:
    importer = layer(module_name(file))
    assert importer is not None
    wrong = []
    for line, name in imported(file, source):
        where = f"{file.relative_to(ROOT)}:{line}: {importer} imports {name}"
        if name.startswith("vmstate.devices"):
            wrong.append(f"{where}: the device library is found by entry point, never imported")
        if importer != PUBLIC and is_above(layer(name), importer) and (module_name(file), name) not in ASKED_FOR:
            wrong.append(f"{where}: that layer is above")
    return wrong


FILES = sorted(file for file in PACKAGE.rglob("*.py") if file.relative_to(PACKAGE).parts[0] != "devices")


@pytest.mark.parametrize("file", FILES, ids=module_name)
def test_imports_point_down(file: Path) -> None:
    assert violations(file, file.read_text(encoding="utf-8")) == []


def imported_at_once(nodes: Iterable[ast.stmt]) -> Iterator[ast.Import | ast.ImportFrom]:
    """The imports that run when a module is imported."""
    for node in nodes:
        match node:
            case ast.Import() | ast.ImportFrom():
                yield node
            case ast.If(test=ast.Name("TYPE_CHECKING")):
                yield from imported_at_once(node.orelse)
            case ast.If() | ast.Try() | ast.With() | ast.ClassDef():
                blocks = (getattr(node, name, ()) for name in ("body", "orelse", "finalbody"))
                yield from imported_at_once(child for block in blocks for child in block)
                yield from imported_at_once(
                    child for handler in getattr(node, "handlers", ()) for child in handler.body
                )


def dependencies(sources: Mapping[Path, str]) -> dict[str, set[str]]:
    """Module -> the modules of these that it imports when it is imported itself."""
    modules = {module_name(file) for file in sources}
    graph: dict[str, set[str]] = {}
    for file, source in sources.items():
        top = ast.Module(list(imported_at_once(ast.parse(source).body)), [])
        # `from package import name`: the name can be a module or stand in the package.
        names = {name for _, name in imported(file, ast.unparse(top))}
        targets = {name if name in modules else name.rpartition(".")[0] for name in names}
        graph[module_name(file)] = targets & modules - {module_name(file)}
    return graph


def circle(graph: Mapping[str, set[str]]) -> list[str]:
    """Modules that import each other in a circle, the first at both ends; none where there is no circle."""
    done: set[str] = set()

    def walk(module: str, path: list[str]) -> list[str]:
        if module in path:
            return [*path[path.index(module) :], module]
        if module in done:
            return []
        for target in sorted(graph[module]):
            if way := walk(target, [*path, module]):
                return way
        done.add(module)
        return []

    return next((way for module in sorted(graph) if (way := walk(module, []))), [])


def test_no_modules_import_each_other_in_a_circle() -> None:
    sources = {file: file.read_text(encoding="utf-8") for file in FILES}
    library = (PACKAGE / "devices").resolve()
    for file in library.rglob("*.py"):
        sources[PACKAGE / "devices" / file.relative_to(library)] = file.read_text(encoding="utf-8")
    graph = dependencies(sources)
    assert len(graph) > 250
    assert circle(graph) == []


def test_a_circle_is_seen() -> None:
    sources = {
        PACKAGE / "codec" / "one.py": "from vmstate.codec import two",
        PACKAGE / "codec" / "two.py": "try:\n    from vmstate.codec.three import Three\nexcept ImportError:\n    pass",
        PACKAGE / "codec" / "three.py": "from vmstate.codec.one import One",
    }
    assert circle(dependencies(sources)) == [
        "vmstate.codec.one",
        "vmstate.codec.two",
        "vmstate.codec.three",
        "vmstate.codec.one",
    ]
    late = "def f():\n    from vmstate.codec.one import One"
    typed = "if TYPE_CHECKING:\n    from vmstate.codec.one import One"
    for harmless in (late, typed):
        assert circle(dependencies({**sources, PACKAGE / "codec" / "three.py": harmless})) == []


def test_what_is_asked_for_above_is_not_imported_at_once() -> None:
    for asker, asked in ASKED_FOR:
        file = ROOT.joinpath(*asker.split(".")).with_suffix(".py")
        source = file.read_text(encoding="utf-8")
        assert asked in {name for _, name in imported(file, source)}, f"{asker} does not ask for {asked} any more"
        top = ast.Module(list(imported_at_once(ast.parse(source).body)), [])
        assert asked not in {name for _, name in imported(file, ast.unparse(top))}


def rooms_imported() -> dict[str, set[str]]:
    """Room -> the rooms that it imports, anywhere in it."""
    rooms: dict[str, set[str]] = {room: set() for room in TOP_TO_BOTTOM}
    for file in FILES:
        room = layer(module_name(file))
        if room not in rooms:
            continue
        for _, name in imported(file, file.read_text(encoding="utf-8")):
            target = layer(name)
            if target not in (None, PUBLIC, room) and (module_name(file), name) not in ASKED_FOR:
                rooms[room].add(str(target))
    return rooms


def test_the_table_of_layers_is_what_stands() -> None:
    """docs/architecture.md has every room from top to bottom, and in its last column what the room imports."""
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    section = text.partition("\n## Layers\n")[2].partition("\n## ")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line[:1] == "|"]
    table = {row[0].strip("`"): row[-1] for row in rows[2:]}
    rooms = [room for room in table if room in TOP_TO_BOTTOM]
    assert rooms == [room for room in TOP_TO_BOTTOM if (PACKAGE / room).exists() or (PACKAGE / f"{room}.py").exists()]
    for room, targets in rooms_imported().items():
        expected = [f"`{name}`" for name in TOP_TO_BOTTOM if name in targets - FOR_ALL]
        assert re.findall(r"`[^`]*`", table[room]) == expected, f"{room} imports {', '.join(expected)}"


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
        ("stream/stream.py", "from vmstate.saved.opening import open_input"),
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
        ("stream/reader.py", "from .ends import Ends"),
        ("cli/info.py", "import vmstate"),
        ("__init__.py", "from vmstate.cli import main"),
        ("declare.py", "from vmstate.codec.simulate import load_state"),
        ("errors.py", "import attrs"),
    ],
)
def test_the_check_allows_downward_imports(file: str, source: str) -> None:
    assert violations(PACKAGE / file, source) == []


def test_the_library_is_declared_with_what_every_other_library_has() -> None:
    library = (PACKAGE / "devices").resolve()
    beside = [
        f"{file.relative_to(library)}:{line}: {name}"
        for file in sorted(library.rglob("*.py"))
        for line, name in imported(PACKAGE / "devices" / file.relative_to(library), file.read_text(encoding="utf-8"))
        if name.startswith("vmstate.vmsd.") and name.rpartition(".")[2] in declare.__all__
    ]
    assert beside == []


def test_importing_vmstate_is_cheap() -> None:
    """What only some verbs need is loaded by them (importlib.metadata alone costs 34 ms)."""
    code = (
        "import json, sys; before = set(sys.modules); import vmstate; "
        "print(json.dumps(sorted(set(sys.modules) - before)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert set(json.loads(done.stdout)).isdisjoint(HEAVY)
    assert {name for name in json.loads(done.stdout) if name.startswith("vmstate")} == {"vmstate", "vmstate.lazy"}


# What the standard library had to give for `vmstate info` of a compressed stream when this was first written.
NEEDED_FOR_INFO = {
    "__future__",
    "_bz2",
    "_compression",
    "_locale",
    "_lzma",
    "_struct",
    "_typing",
    "argparse",
    "atexit",
    "bz2",
    "collections.abc",
    "contextlib",
    "errno",
    "fnmatch",
    "gc",
    "gettext",
    "importlib",
    "importlib._bootstrap",
    "importlib._bootstrap_external",
    "locale",
    "lzma",
    "math",
    "mmap",
    "shutil",
    "struct",
    "typing",
    "typing.io",
    "typing.re",
    "warnings",
    "zlib",
}
SOURCE_FOR_INFO = 520_000
"""Bytes of our own source that it may read: a file that is split costs nothing, one that is added does."""


@pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="another Python needs other modules for the same")
def test_info_imports_no_more_than_it_did() -> None:
    stream = ROOT / "fixtures" / "qemu-7.2-q35-virtio-net.mig.xz"
    code = (
        "import contextlib, io, json, os, sys; before = set(sys.modules); from vmstate.cli import main\n"
        f"with contextlib.redirect_stdout(io.StringIO()): main(['info', {str(stream)!r}])\n"
        "print(json.dumps({n: getattr(sys.modules[n], '__file__', None) for n in set(sys.modules) - before}))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    modules = json.loads(done.stdout)
    ours = {name for name in modules if name.partition(".")[0] == "vmstate"}
    assert modules.keys() - ours <= NEEDED_FOR_INFO
    assert sum(Path(modules[name]).stat().st_size for name in ours) <= SOURCE_FOR_INFO
