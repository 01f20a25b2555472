"""A tree that was read once is not read again, and one that differs only as far as it does."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from vmstate.source import cache
from vmstate.source.reading import read_tree

BEEPER = Path(__file__).resolve().parents[2] / "fixtures" / "source" / "beeper"


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    shutil.copytree(BEEPER, tmp_path / "tree")
    (tmp_path / "tree" / "hw" / "none.c").write_text("int nothing;\n", encoding="utf-8")
    return tmp_path / "tree"


def test_what_was_read_is_kept(tree: Path) -> None:
    first = read_tree(str(tree), cached=True)
    second = read_tree(str(tree), cached=True)
    assert (first.read, second.read) == (3, 0)
    assert first.units == second.units
    # Another configuration is another result.
    assert read_tree(str(tree), cached=True, options={"CONFIG_X": False}).read == 3


def test_a_header_that_was_changed_is_read_again(tree: Path) -> None:
    read_tree(str(tree), cached=True)
    header = tree / "include" / "hw" / "beeper.h"
    header.write_text(header.read_text(encoding="utf-8").replace("4 << 1", "4 << 2"), encoding="utf-8")
    after = read_tree(str(tree), cached=True)
    assert after.read == 1
    (regs,) = (vmsd for vmsd in after.descriptions() if vmsd.name == "beeper/regs")
    assert regs.fields[1].count == 16


OF_MACROS = """#include "migration/vmstate.h"
%s#include "hw/shared.h"
static const VMStateDescription vmstate_%s = {
    .name = "%s",
    .fields = (VMStateField[]) { VMSTATE_UINT8(mode, Shared), VMSTATE_END_OF_LIST() }
};
"""


def test_what_a_unit_took_does_not_depend_on_which_units_were_read_before_it(tree: Path) -> None:
    """A struct is worked out once for all; the macros that the first of them sees are not what the others took."""
    folder = tree / "include" / "hw"
    (folder / "made.h").write_text("#define REGISTER(name) enum { R_##name = 4 };\nREGISTER(COUNT)\nint after;\n")
    (folder / "shared.h").write_text("typedef struct { uint8_t mode; uint8_t more : R_COUNT; } Shared;\n")
    (tree / "hw" / "a.c").write_text(OF_MACROS % ('#include "hw/made.h"\n', "a", "a"))
    (tree / "hw" / "b.c").write_text(OF_MACROS % ("", "b", "b"))
    first, second = (next(unit for unit in read_tree(str(tree)).units if unit.path == f"hw/{name}.c") for name in "ab")
    assert "include/hw/made.h" in first.files and "include/hw/made.h" in first.whole
    assert "include/hw/made.h" not in second.files and "REGISTER" not in second.names


@pytest.mark.parametrize("content", [b"", b"x" * 100, b"\x78\x01"])
def test_a_spoilt_cache_is_none(tree: Path, content: bytes) -> None:
    first = read_tree(str(tree), cached=True)
    (file,) = Path(cache.folder()).iterdir()
    file.write_bytes(content)
    assert read_tree(str(tree), cached=True).units == first.units


def test_no_more_than_a_few_trees_are_kept(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "MAX_KEPT", 2)
    for number in range(4):
        read_tree(str(tree), cached=True, options={f"CONFIG_{number}": True})
    assert len(list(Path(cache.folder()).iterdir())) == 2


def test_a_cache_that_cannot_be_written_is_no_reason_to_fail(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/dev/null/nowhere")
    assert read_tree(str(tree), cached=True).read == 3


HEADER = "include/hw/beeper.h"
CAPACITY = "include/hw/capacity.h"
TWO = {
    CAPACITY: "#define CAPACITY 3\n#define CAPACITY_OF_NOTHING 9\n",
    "include/hw/holder.h": """#include "hw/capacity.h"
typedef struct Held { uint8_t bytes[CAPACITY + 1]; } Held;
typedef struct First { uint8_t a; Held held; } First;
""",
    **{
        f"hw/audio/{name}.c": f"""#include "migration/vmstate.h"
#include "hw/holder.h"
static const VMStateDescription vmstate_{name} = {{
    .name = "{name}",
    .version_id = {version},
    .fields = (const VMStateField[]) {{
        VMSTATE_BUFFER(held, First),
        VMSTATE_END_OF_LIST()
    }}
}};
"""
        # The first has asked for CAPACITY when it comes to what Held is, which the second takes from it.
        for name, version in (("a", "CAPACITY"), ("b", "1"))
    },
}
"""Two files with a struct whose size another header decides."""


@pytest.fixture
def repository(tree: Path) -> Path:
    """The tree as a first commit."""
    for path, text in TWO.items():
        (tree / path).write_text(text, encoding="utf-8")
    subprocess.run(["git", "-C", str(tree), "init", "-q"], check=True)
    commit(tree)
    return tree


def commit(tree: Path) -> None:
    git = ["git", "-C", str(tree), "-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
    subprocess.run([*git, "add", "."], check=True)
    subprocess.run([*git, "commit", "-q", "-m", "x"], check=True)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("path", "old", "new", "read"),
    [
        # Nothing that anybody has taken: a comment, a name that nobody asks for, one that is new.
        (HEADER, "enum {", "/* steps */\n\nenum {", 0),
        (CAPACITY, "NOTHING 9", "NOTHING 8", 0),
        (CAPACITY, "#define CAPACITY_OF", "#define CAPACITY_OF_ALL 1\n#define CAPACITY_OF", 0),
        # What was taken, where it is used and where only something is made of it.
        (HEADER, "4 << 1", "4 << 2", 1),
        (HEADER, "BEEPER_OFF,", "BEEPER_OFF, BEEPER_NEW,", 1),
        (CAPACITY, "CAPACITY 3", "CAPACITY 5", 2),
        (CAPACITY, "#define CAPACITY 3", "#define CAPACITY 3\n#undef CAPACITY\n#define CAPACITY 4", 2),
        # What concerns all that include it: another file, a name that becomes a macro.
        (HEADER, "#define TYPE", '#include "hw/capacity.h"\n#define TYPE', 1),
        (HEADER, "#define TYPE", "#define tune volume\n#define TYPE", 1),
    ],
)
def test_a_header_concerns_those_that_took_what_changed(
    repository: Path, path: str, old: str, new: str, read: int
) -> None:
    before = read_tree(f"{repository}@HEAD")
    text = (repository / path).read_text(encoding="utf-8")
    assert old in text
    (repository / path).write_text(text.replace(old, new), encoding="utf-8")
    commit(repository)
    after = read_tree(f"{repository}@HEAD", known=before)
    assert (after.read, before.read) == (read, 5)
    assert after.units == read_tree(f"{repository}@HEAD").units
