"""A tree of snippets is read as a compiler would see it, and what cannot be told is said."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from vmstate.errors import VMStateError
from vmstate.source.linking import Linked
from vmstate.source.model import SourceDescription, UnitResult
from vmstate.source.reading import SourceTree, read_tree
from vmstate.source.target import read_options
from vmstate.source.tree import commit_of

BEEPER = Path(__file__).resolve().parents[2] / "fixtures" / "source" / "beeper"
HEADER = (BEEPER / "include" / "migration" / "vmstate.h").read_text(encoding="utf-8")

Make = Callable[..., SourceTree]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Read a tree of the header of the snippets and one file."""

    def read(text: str, target: str = "x86_64", **files: str) -> SourceTree:
        for name, inside in {"include/migration/vmstate.h": HEADER, "hw/x.c": text, **files}.items():
            path = tmp_path / name.replace("__", "/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(inside, encoding="utf-8")
        return read_tree(str(tmp_path), target=target)

    return read


def described(fields: str, before: str = "", more: str = "") -> str:
    """A file with one description."""
    return f"""#include "migration/vmstate.h"
{before}
static const VMStateDescription vmstate_x = {{
    .name = "x",
    .version_id = 3,
    .minimum_version_id = 2,{more}
    .fields = (const VMStateField[]) {{
        {fields}
        VMSTATE_END_OF_LIST()
    }}
}};
"""


def only(tree: SourceTree) -> SourceDescription:
    """The one description of a tree."""
    assert tree.problems == ()
    (vmsd,) = tree.descriptions()
    return vmsd


def test_the_tree_of_the_documents() -> None:
    tree = read_tree(str(BEEPER))
    assert str(tree.release) == "10.0"
    assert tree.problems == ()
    (vmsd,) = (each for each in tree.descriptions() if each.name == "beeper")
    shown = [(field.name, field.size, field.version, field.exists, field.info or field.vmsd) for field in vmsd.fields]
    assert shown == [
        ("mode", 1, 0, None, "vmstate_info_uint8"),
        ("regs", 20, 0, None, "vmstate_beeper_regs"),
        ("tune", 4, 0, "beeper_has_tune", "vmstate_info_uint32"),
        ("name", 16, 0, None, "vmstate_info_buffer"),
        ("volume", 4, 2, None, "vmstate_info_uint32"),
    ]
    assert vmsd.fields[2].line == 48
    assert (vmsd.fields[0].struct, vmsd.fields[0].member) == ("BeeperState", "mode")
    linked = Linked(tree)
    ((name, unit, device),) = linked.devices()
    assert (name, device) == ("beeper", vmsd)
    dump = linked.dump(unit, vmsd)
    assert dump["Fields"][1]["Description"]["Fields"][1] == {
        "field": "envelope",
        "version_id": 0,
        "field_exists": False,
        "num": 8,
        "size": 2,
    }
    assert [sub["name"] for sub in dump["Subsections"]] == ["beeper/echo"]


def test_a_result_is_the_same_after_json() -> None:
    for unit in read_tree(str(BEEPER)).units:
        assert UnitResult.of_json(unit.as_json()) == unit


def test_a_revision_is_read_without_being_checked_out(tmp_path: Path) -> None:
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
    subprocess.run([*git[:3], "init", "-q"], check=True)
    subprocess.run(["cp", "-r", f"{BEEPER}/.", str(tmp_path)], check=True)
    subprocess.run([*git, "add", "."], check=True)
    subprocess.run([*git, "commit", "-q", "-m", "x"], check=True)
    (tmp_path / "hw" / "audio" / "beeper.c").write_text("what is not committed\n", encoding="utf-8")
    # Nothing of the repository is run, whatever its configuration says.
    mark = tmp_path / "was-run"
    subprocess.run([*git[:3], "config", "core.fsmonitor", f"touch {mark}"], check=True)
    tree = read_tree(f"{tmp_path}@HEAD")
    assert [vmsd.name for vmsd in tree.descriptions()] == ["beeper/regs", "beeper/echo", "beeper"]
    assert not mark.exists()
    with pytest.raises(VMStateError, match="no commit 'nowhere'"):
        read_tree(f"{tmp_path}@nowhere")


@pytest.mark.slow
def test_a_release_without_its_tag_is_the_commit_that_gave_it_its_number(tmp_path: Path) -> None:
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
    subprocess.run([*git[:3], "init", "-q"], check=True)
    commits = {}
    for version in ("10.0.50", "10.1.0", "10.1.50", "10.2.0"):
        (tmp_path / "VERSION").write_text(f"{version}\n", encoding="utf-8")
        subprocess.run([*git, "add", "."], check=True)
        subprocess.run([*git, "commit", "-q", "-m", version], check=True)
        done = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True)
        commits[version] = done.stdout.strip()
    assert commit_of(str(tmp_path), "10.1", "it") == commit_of(str(tmp_path), "10.1.0", "it") == commits["10.1.0"]
    assert commit_of(str(tmp_path), "10.2", "it") == commits["10.2.0"]
    for missing in ("10.0", "10.1.0-rc1", "1.0.1"):
        with pytest.raises(VMStateError, match=f"no commit '{missing}'"):
            commit_of(str(tmp_path), missing, "it")
    subprocess.run([*git, "tag", "v10.1.0", "HEAD"], check=True)
    assert commit_of(str(tmp_path), "10.1", "it") == commits["10.2.0"]


def test_an_option_that_is_none_is_refused() -> None:
    assert read_options(["CONFIG_A=n", "CONFIG_B"]) == {"CONFIG_A": False, "CONFIG_B": True}
    for word in ("FOO", "A=n", "CONFIG_A=maybe", "CONFIG_"):
        with pytest.raises(VMStateError, match="no option of a configuration"):
            read_options([word])


@pytest.mark.parametrize(
    ("before", "fields", "shown"),
    [
        ("#define N (1 << 3)\nstruct S { uint16_t a[N]; };", "VMSTATE_UINT16_ARRAY(a, struct S, N),", ("a", 2, 8)),
        ("enum { A, B = 5, C };\nstruct S { int a; };", "VMSTATE_UINT16_ARRAY(a, S, C),", ("a", 2, 6)),
        (
            "static const int table[] = { 1, 2, [7] = 3 };\n#define ARRAY_SIZE(x) (sizeof(x) / sizeof((x)[0]))",
            "VMSTATE_UINT16_ARRAY(a, S, ARRAY_SIZE(table)),",
            ("a", 2, 8),
        ),
        ("struct S { struct { uint32_t x; uint8_t y; } a[2]; };", "VMSTATE_BUFFER(a, struct S),", ("a", 16, None)),
        (
            "typedef struct S { union { uint8_t b; uint64_t c; }; uint8_t a[sizeof(void *) + 1]; } S;",
            "VMSTATE_BUFFER(a, S),",
            ("a", 9, None),
        ),
        ("#define EACH(f) VMSTATE_UINT8(f##_reg[1 + 2], S)", "EACH(a),", ("a_reg[1 + 2]", 1, None)),
        ("#if defined(CONFIG_WIN32) || 0\n#define W 1\n#else\n#define W 2\n#endif", "VMSTATE_UINT16_ARRAY(a, S, W),",
         ("a", 2, 2)),
        ("#define MAX(a, b) ({ typeof(a) _a = (a), _b = (b); _a > _b ? _a : _b; })",
         "VMSTATE_UINT16_ARRAY(a, S, MAX(3, 4)),", ("a", 2, 4)),
        ("#define REG32(n, at) enum { A_##n = (at), R_##n = (at) / 4 };\nREG32(X, 0x10)\nREG32(Y, 0x14)\n",
         "VMSTATE_UINT16_ARRAY(a, S, R_Y + 1),", ("a", 2, 6)),
        ("#define W 1", "#undef W\n#define W 7\nVMSTATE_UINT16_ARRAY(a, S, W),\n#undef W\n#define W 9", ("a", 2, 7)),
    ],
)  # fmt: skip
def test_constants_and_types(make: Make, before: str, fields: str, shown: tuple[str, int, int | None]) -> None:
    (field,) = only(make(described(fields, before))).fields
    assert (field.name, field.size, field.count) == shown


def test_the_branches_of_conditions(make: Make) -> None:
    fields = "#ifdef TARGET_X86_64\nVMSTATE_UINT8(a, S),\n#else\nVMSTATE_UINT32(a, S),\n#endif\n"
    assert only(make(described(fields))).fields[0].size == 1
    assert only(make(described(fields), target="ppc64")).fields[0].size == 4


def test_a_macro_may_make_the_whole_description(make: Make) -> None:
    text = described("").split("static const")[0] + (
        "#define MAKE(n) static const VMStateDescription vmstate_##n = { .name = #n, .version_id = 4, \\\n"
        ".fields = (const VMStateField[]) { VMSTATE_UINT8(n, S), VMSTATE_END_OF_LIST() } }\nMAKE(abc);\nint x;\n"
    ).replace("MAKE", "MAKE_IT")
    vmsd = only(make(text))
    assert (vmsd.symbol, vmsd.name, vmsd.version, vmsd.fields[0].name) == ("vmstate_abc", "abc", 4, "abc")


@pytest.mark.parametrize(
    ("before", "fields", "reason"),
    [
        ("", "VMSTATE_UINT16_ARRAY(a, S, NOWHERE),", "x.c:8: vmstate_x: a: num: NOWHERE, which the tree does not"),
        ("", "VMSTATE_UINT16_ARRAY(a, S, 1 / 0),", "division by zero"),
        ("", "VMSTATE_UINT16_ARRAY(a, S, f(1)),", "a call of f"),
        ("", "VMSTATE_BUFFER(a, Unknown),", "Unknown"),
        ("", "VMSTATE_UINT8(a),", "given 1 arguments, and takes 2"),
        ("", "VMSTATE_SOMETHING(a, S),", "a field that is"),
        ("struct S { struct S a; };", "VMSTATE_BUFFER(a, struct S),", "holds itself"),
        ("enum { A = B, B = A };", "VMSTATE_UINT16_ARRAY(a, S, B),", "which the tree does not define here"),
        pytest.param("#define F(x) x x x x x x x x\n#define E F(F(F(F(F(F(F(F(F(1)))))))))",
                     "VMSTATE_UINT16_ARRAY(a, S, E),", "become more than", marks=pytest.mark.slow),
        ("", "VMSTATE_UINT16_ARRAY(a, S, " + "(" * 5000 + "1" + ")" * 5000 + "),", "nests"),
    ],
)  # fmt: skip
def test_what_cannot_be_told_is_said(make: Make, before: str, fields: str, reason: str) -> None:
    tree = make(described(fields, before))
    assert any(reason in str(problem) for problem in tree.problems), tree.problems


def test_includes_in_a_circle_and_macros_of_themselves_end(make: Make) -> None:
    files = {"include__a.h": '#include "b.h"\n#define A B\n', "include__b.h": '#include "a.h"\n#define B A\n'}
    tree = make(described("VMSTATE_UINT16_ARRAY(a, S, A),", '#include "a.h"'), **files)
    assert "A, which the tree does not define" in str(tree.problems[0])


@pytest.mark.parametrize("text", ["\0" * 1000, "/*" * 1000, "{" * 50_000, '"' * 50_000, "#if 1\n" * 50_000, "}" * 9])
def test_what_is_no_c_is_no_fault(make: Make, text: str) -> None:
    assert list(make("VMStateDescription x; " + text).descriptions()) == []


def test_a_file_that_is_too_large_is_told(make: Make, tmp_path: Path) -> None:
    make("")
    with open(tmp_path / "hw" / "big.c", "wb") as file:
        os.truncate(file.fileno(), 100 << 20)
    (problem,) = read_tree(str(tmp_path)).problems
    assert str(problem) == "hw/big.c:0: hw/big.c: a file of 104857600 bytes, which is not read"


@pytest.mark.parametrize(("name", "message"), [("nowhere", "no such folder"), ("nowhere@x", "no such repository")])
def test_what_is_no_tree(name: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(VMStateError, match=message):
        read_tree(str(tmp_path / name))


def test_a_folder_without_vmstate_is_no_tree(tmp_path: Path) -> None:
    with pytest.raises(VMStateError, match="no source tree of QEMU"):
        read_tree(str(tmp_path))
    with pytest.raises(VMStateError, match="git"):
        read_tree(f"{tmp_path}@HEAD")


def test_a_large_folder_that_is_no_tree_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "some").mkdir()
    (tmp_path / "some" / "x.c").write_text("", encoding="utf-8")
    monkeypatch.setattr(os, "walk", lambda folder: pytest.fail("it was walked through"))
    with pytest.raises(VMStateError, match="no source tree of QEMU"):
        read_tree(str(tmp_path))


@pytest.mark.slow
@pytest.mark.parametrize(
    "text",
    [
        "void f(void)\n{\n" + "static GlobalProperty c[] = {" * 2000 + "};\n}\n",
        "void f(MachineClass *mc)\n{\n" + "mc->a = 1;" * 20_000 + "}\n",
        "void f(void)\n{\n" + "pci_set_byte(dev->wmask + 1, ((((" * 20_000 + ";\n}\n",
    ],
)
def test_what_is_there_too_often_is_looked_at_so_often_only(make: Make, text: str) -> None:
    (unit,) = make("static TypeInfo x;\n" + text).units
    assert len(unit.visible) <= 4000
    assert len(unit.problems) <= 100


def test_subsections_as_they_were_before_2014(make: Make) -> None:
    tree = make(
        """#include "migration/vmstate.h"
static bool more_needed(void *opaque) { return true; }
static const VMStateDescription vmstate_more = { .name = "x/more", .version_id = 1 };
static const VMStateDescription vmstate_x = {
    .name = "x", .version_id = 1,
    .subsections = (VMStateSubsection[]) { { .vmsd = &vmstate_more, .needed = more_needed, }, { } }
};
"""
    )
    more, x = tree.descriptions()
    assert (x.subsections, more.needed) == (("vmstate_more",), "more_needed")


def test_predicates_that_other_files_use_are_read(make: Make) -> None:
    tree = make(
        described("VMSTATE_UINT8(a, S)")
        + "bool far_away(void *opaque, int version_id)\n{\n    S *s = opaque;\n    return s->a;\n}\n"
    )
    (function,) = tree.units[0].functions
    assert (function.name, function.returns) == ("far_away", "this.a")


@pytest.mark.parametrize(("folder", "bits"), [("target-sparc", 64), ("target/sparc", 64), ("target/m68k", 32)])
def test_a_tree_without_lists_of_targets_has_those_of_its_folders(tmp_path: Path, folder: str, bits: int) -> None:
    """Until 5.1: what is in the folder of a CPU is read for its widest target."""
    (tmp_path / "include" / "migration").mkdir(parents=True)
    (tmp_path / "include" / "migration" / "vmstate.h").write_text("")
    (tmp_path / "VERSION").write_text("2.5.0\n")
    (tmp_path / folder).mkdir(parents=True)
    text = "#if TARGET_LONG_BITS == 64 && defined(TARGET_SPARC64)\n#define V 64\n#else\n#define V 32\n#endif\n"
    text += 'const VMStateDescription vmstate_cpu = { .name = "cpu", .version_id = V };\n'
    (tmp_path / folder / "machine.c").write_text(text)
    (vmsd,) = read_tree(str(tmp_path)).descriptions()
    assert vmsd.version == bits
