"""What a tree cannot make of us: descriptions in themselves, and more than anybody can have written."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from recorded import FIXTURES

from vmstate.cli import main
from vmstate.errors import VMStateError
from vmstate.source import sources
from vmstate.source.linking import Linked
from vmstate.source.reading import read_tree

BEEPER = FIXTURES / "source" / "beeper"
HEAD = '#include "migration/vmstate.h"\ntypedef struct A { uint8_t b; } A;\n'


def description(number: int, fields: str) -> str:
    """A description in C: v0, v1, ..., of x0, x1, ..."""
    return (
        f'static const VMStateDescription v{number} = {{ .name = "x{number}", .version_id = 1, '
        f".fields = (VMStateField[]) {{ {fields} VMSTATE_END_OF_LIST() }} }};\n"
    )


def tree_with(folder: Path, text: str) -> Path:
    shutil.copytree(BEEPER, folder)
    (folder / "hw" / "x.c").write_text(HEAD + text)
    return folder


DEVICE = """
static void x_class_init(void *klass) { DeviceClass *dc = klass; dc->vmsd = &v0; }
static const TypeInfo x_info = { .name = "x", .class_init = x_class_init };
"""
TWICE = "VMSTATE_STRUCT(b, A, 0, v{0}, A), VMSTATE_STRUCT(b, A, 0, v{0}, A),"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (description(0, TWICE.format(0)), 1),
        (description(0, TWICE.format(1)) + description(1, TWICE.format(0)), 2),
        ("".join(description(n, TWICE.format(n + 1)) for n in range(39)) + description(39, "VMSTATE_UINT8(b, A),"), 0),
    ],
    ids=["in itself", "in each other", "2 to the 39th"],
)
def test_a_description_without_end_is_none(
    tmp_path: Path, text: str, told: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever opens what is in it comes to an end, and that it is in itself is told."""
    tree = tree_with(tmp_path / "a", text + DEVICE)
    linked = Linked(read_tree(str(tree)))
    assert "x" in linked.types
    assert [name for name, _, _ in linked.devices()] == ["beeper"]
    newer = shutil.copytree(tree, tmp_path / "b")
    place = newer / "hw" / "x.c"
    place.write_text(place.read_text().replace("version_id = 1", "version_id = 2"))
    main(["compat", str(tree), str(newer), "--both"])
    capsys.readouterr()
    assert main(["source", "lint", str(newer), "--no-cache"]) == (1 if told else 0)
    assert capsys.readouterr().out.count("[in-itself]") == told


def test_what_is_in_many_is_no_circle(tmp_path: Path) -> None:
    """The same description at several places, and deep."""
    text = "".join(description(n, TWICE.format(n + 1)) for n in range(8)) + description(8, "VMSTATE_UINT8(b, A),")
    linked = Linked(read_tree(str(tree_with(tmp_path / "a", text + DEVICE))))
    assert sorted(name for name, _, _ in linked.devices()) == ["beeper", "x"]


def test_too_many_declarations_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "MAX_ITEMS", 100)
    with pytest.raises(VMStateError, match="more than 100 declarations"):
        read_tree(str(tree_with(tmp_path / "a", "VMStateDescription a;\n" + "#define A 1\n" * 200)))


@pytest.mark.parametrize("text", ["static const VMStateDescription vmstate_x = {\n    .name = ", "{" * 100_000])
def test_what_does_not_parse_is_told(tmp_path: Path, text: str) -> None:
    """A brace that nothing closes: what is before it is read."""
    before = 'static const VMStateDescription vmstate_first = { .name = "first", .version_id = 1 };\n'
    folder = tmp_path / "hw"
    (tmp_path / "include" / "migration").mkdir(parents=True)
    folder.mkdir()
    (tmp_path / "include" / "migration" / "vmstate.h").touch()
    (folder / "x.c").write_text(before + text, encoding="utf-8")
    tree = read_tree(str(tmp_path))
    assert [vmsd.name for vmsd in tree.descriptions()] == ["first"]
    assert [(problem.line, problem.reason) for problem in tree.problems] == [
        (2, "a brace that nothing closes; what is behind it is not read")
    ]
