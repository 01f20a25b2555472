"""Write docs/api.md from the docstrings of the public names: `make api`. A test holds the page against the tree.

What stands first in a docstring is what the page has; the types are those of the source.
"""

from __future__ import annotations

import ast
import inspect
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "api.md"

ROOMS = (
    *("vmstate", "vmstate.declare", "vmstate.events", "vmstate.stream", "vmstate.rules", "vmstate.saved"),
    *("vmstate.schema", "vmstate.compare", "vmstate.query", "vmstate.early", "vmstate.lab", "vmstate.fuzz"),
    "vmstate.errors",
)
HEAD = """\
# API

The public names, room by room, with the docstrings of the source. `make api` writes this page. How they are used is in
[python.md](python.md).
"""


def signature(source: ast.FunctionDef, name: str) -> str:
    """The parameters of a function as they are declared, without `self`."""
    arguments = source.args
    for row in (arguments.posonlyargs, arguments.args):
        if row and row[0].arg in ("self", "cls"):
            del row[0]
    returns = f" -> {ast.unparse(source.returns)}" if source.returns is not None else ""
    return f"{name}({ast.unparse(arguments)}){returns}"


class Source:
    """The declarations of a module, by name."""

    def __init__(self, module: str) -> None:
        tree = ast.parse(Path(inspect.getfile(import_module(module))).read_text(encoding="utf-8"))
        self.functions: dict[str, ast.FunctionDef] = {}
        self.classes: dict[str, ast.ClassDef] = {}
        self.words: dict[str, str] = {}
        self.texts: dict[str, str] = {}
        for node, behind in zip(tree.body, [*tree.body[1:], ast.Pass()], strict=True):
            if isinstance(node, ast.FunctionDef):
                self.functions.setdefault(node.name, node)
            elif isinstance(node, ast.ClassDef):
                self.classes[node.name] = node
            target = node.target if isinstance(node, ast.AnnAssign) else None
            if isinstance(node, ast.Assign):
                target = node.targets[0]
            if isinstance(target, ast.Name):
                if isinstance(node, ast.AnnAssign):
                    self.words[target.id] = ast.unparse(node.annotation)
                if isinstance(behind, ast.Expr) and isinstance(behind.value, ast.Constant):
                    self.texts[target.id] = inspect.cleandoc(str(behind.value.value))


@cache
def source_of(module: str) -> Source:
    """A module's declarations, read once."""
    return Source(module)


def home_of(room: ModuleType, name: str) -> str:
    """The module that a name is defined in."""
    for node in ast.walk(ast.parse(Path(room.__file__ or "").read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and any(alias.name == name for alias in node.names):
            value = getattr(room, name)
            defined = getattr(value, "__module__", None)
            return defined if isinstance(value, type) and defined else node.module
    return room.__name__


def text_of(node: ast.FunctionDef | ast.ClassDef) -> str:
    return ast.get_docstring(node) or ""


def entry(room: ModuleType, name: str) -> list[str]:
    """The lines of one name."""
    source = source_of(home_of(room, name))
    value: Any = getattr(room, name)
    if name in source.classes:
        node = source.classes[name]
        lines = [f"### {room.__name__}.{name}", "", text_of(node) or "No more than its bases say.", ""]
        rows = []
        for member in node.body:
            if isinstance(member, ast.AnnAssign) and isinstance(member.target, ast.Name):
                if not member.target.id.startswith("_"):
                    rows.append((f"{member.target.id}: {ast.unparse(member.annotation)}", ""))
            elif isinstance(member, ast.FunctionDef) and not member.name.startswith("_") and text_of(member):
                wraps = {ast.unparse(decorator) for decorator in member.decorator_list}
                first = text_of(member).partition("\n\n")[0].replace("\n", " ")
                if wraps & {"property", "cached_property", "builtins.property"}:
                    returns = ast.unparse(member.returns) if member.returns is not None else ""
                    rows.append((f"{member.name}: {returns}", first))
                else:
                    rows.append((signature(member, member.name), first))
        lines += [f"* `{head}`{f': {text}' if text else ''}" for head, text in rows]
        return [*lines, ""] if rows else lines
    if name in source.functions:
        functions = source.functions[name]
        real = inspect.unwrap(value)
        node = next(
            (
                candidate
                for candidate in ast.walk(ast.parse(Path(inspect.getfile(real)).read_text(encoding="utf-8")))
                if isinstance(candidate, ast.FunctionDef) and candidate.name == name and text_of(candidate)
            ),
            functions,
        )
        return [f"### {room.__name__}.{name}", "", f"`{signature(node, name)}`", "", text_of(node), ""]
    kind = source.words.get(name, "")
    text = source.texts.get(name, "")
    if kind.startswith("Word["):
        text = value.__doc__ or ""
    typed = [f"`{name}: {kind}`", ""] if kind else []
    return [f"### {room.__name__}.{name}", "", *typed, *([text, ""] if text else [])]


def page() -> str:
    """The whole page."""
    lines = [HEAD]
    for name in ROOMS:
        room = import_module(name)
        lines += [f"## {name}", "", (room.__doc__ or "").partition("\n\n")[0].strip(), ""]
        for public in sorted(room.__all__, key=str.lower):
            lines += entry(room, public)
    return "\n".join(lines).rstrip() + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
