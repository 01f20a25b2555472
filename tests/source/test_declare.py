"""What `source declare` writes is a declaration: it can be imported, and is the layout of the source."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from vmstate.cli import main
from vmstate.errors import VMStateError
from vmstate.source.declare import Declaration
from vmstate.source.linking import Linked
from vmstate.source.reading import read_tree

BEEPER = Path(__file__).resolve().parents[2] / "fixtures" / "source" / "beeper"
FIELD = "        VMSTATE_BUFFER(name, BeeperState),\n"


def declared(tree: Path, device: str = "beeper") -> tuple[dict[str, Any], str]:
    """The names of a declaration that was run, and its text."""
    text = Declaration(Linked(read_tree(str(tree))), device).text
    names: dict[str, Any] = {"__name__": "declared"}
    exec(compile(text, "declared", "exec", dont_inherit=True), names)
    return names, text


def test_a_device_that_is_complete() -> None:
    names, text = declared(BEEPER)
    assert "TODO" not in text
    data = bytes([1]) + b"\0\0\1\xb8" + bytes(range(16)) + b"\0\0\0\5" + b"0123456789abcdef" + b"\0\0\0\x0b"
    state = names["Beeper"].vmsd.decode(data)
    assert (state.mode, state.regs.pitch, state.tune, state.volume) == (1, 440, 5, 11)
    assert names["Beeper"].vmsd.encode(state) == data
    # The predicate is that of the source: without a tune four bytes are not there.
    assert names["Beeper"].vmsd.decode(b"\0" + data[1:21] + data[25:]).tune is None


@pytest.mark.parametrize(
    ("before", "after", "todo"),
    [
        ("s->mode == BEEPER_TUNE", "s->mode == now()", "# TODO predicate beeper_has_tune()"),
        ("s->mode == BEEPER_TUNE", "s->echo == 1", "# TODO predicate beeper_has_tune(): (this.echo == 1)"),
        (FIELD, '{ .name = "tree", .info = &vmstate_info_tree, .flags = VMS_SINGLE },\n',
         "written by hand, VMStateInfo"),
        (FIELD, '{ .name = "a", .info = &vmstate_info_uint8, .flags = VMS_VARRAY_UINT32, .num_offset = '
         "offsetof(BeeperState, none) },\n", "'a': its count, none, is not on the wire"),
    ],
)  # fmt: skip
def test_what_is_missing_is_said(tmp_path: Path, before: str, after: str, todo: str) -> None:
    shutil.copytree(BEEPER, tmp_path / "tree")
    file = tmp_path / "tree" / "hw" / "audio" / "beeper.c"
    text = file.read_text(encoding="utf-8")
    assert before in text
    file.write_text(text.replace(before, after), encoding="utf-8")
    _, written = declared(tmp_path / "tree")
    assert todo in written
    assert written.splitlines()[0].endswith(': 1 to be done by hand."""')


def test_bytes_and_bits_of_which_another_member_says_how_many(tmp_path: Path) -> None:
    """The size of what is multiplied, and what is compared with the destination's in 64 bits."""
    shutil.copytree(BEEPER, tmp_path / "tree")
    file = tmp_path / "tree" / "hw" / "audio" / "beeper.c"
    sized = '{{ .name = "{0}", .info = &vmstate_info_{0}, .size = {1}, .flags = VMS_VBUFFER{2}, {3} }},\n'
    size = ".size_offset = offsetof(BeeperState, {})"
    added = (
        sized.format("buffer", 0, "", size.format("mode"))
        + sized.format("bitmap", 0, "", size.format("mode"))
        + sized.format("buffer", 4, " | VMS_MULTIPLY", size.format("mode"))
        + sized.format("buffer", 0, "", size.format("none"))
    )
    info = 'const VMStateInfo vmstate_info_bitmap = { .name = "bitmap" };\n'
    file.write_text(info + file.read_text(encoding="utf-8").replace(FIELD, added), encoding="utf-8")
    _, written = declared(tmp_path / "tree")
    assert 'buffer_: bytes = vbuffer(this.mode, name="buffer")' in written
    assert 'bitmap_: int = bitmap(this.mode, name="bitmap")' in written
    assert 'buffer__2: bytes = vbuffer(this.mode, multiply=4, name="buffer")' in written
    assert "# TODO 'buffer': its size, none, is not on the wire before it: a fact" in written


def test_the_name_of_a_word_and_a_body_of_nothing_but_what_is_missing(tmp_path: Path) -> None:
    shutil.copytree(BEEPER, tmp_path / "tree")
    file = tmp_path / "tree" / "hw" / "audio" / "beeper.c"
    text = file.read_text(encoding="utf-8").replace("VMSTATE_UINT8(mode,", "VMSTATE_UINT8(uint8,")
    text = text.replace("VMSTATE_UINT8(echo, BeeperState)", '{ .name = "tree", .info = &vmstate_info_tree }')
    file.write_text(text, encoding="utf-8")
    names, written = declared(tmp_path / "tree")
    assert 'uint8_: int = uint8(name="uint8")' in written
    assert names["Beeper"].vmsd.fields[0].name == "uint8"
    assert names["BeeperEcho"].vmsd.fields == ()


def test_a_device_that_is_not_there() -> None:
    with pytest.raises(VMStateError, match="no device and no description 'buzzer'"):
        declared(BEEPER, "buzzer")
    # Not even where a description has no name in its initialiser.
    with pytest.raises(VMStateError, match="no device and no description ''"):
        declared(BEEPER, "")


@pytest.mark.parametrize(
    ("member", "written", "head"),
    [
        (".priority = MIG_PRI_IOMMU", "priority=MigrationPriority.IOMMU", "nothing to be done by hand."),
        (".priority = MIG_PRI_NEW", "# TODO its priority, MIG_PRI_NEW", "1 to be done by hand."),
        (
            ".unmigratable = 1",
            "unmigratable=True",
            "nothing to be done by hand. QEMU does not migrate a machine with it.",
        ),
        (".early_setup = true", "early_setup=True", "nothing to be done by hand."),
    ],
)
def test_when_it_is_loaded_and_whether_it_is_sent(tmp_path: Path, member: str, written: str, head: str) -> None:
    shutil.copytree(BEEPER, tmp_path / "tree")
    file = tmp_path / "tree" / "hw" / "audio" / "beeper.c"
    text = file.read_text(encoding="utf-8").replace("    .version_id = 2,", f"    .version_id = 2,\n    {member},")
    file.write_text(text, encoding="utf-8")
    _, text = declared(tmp_path / "tree")
    assert written in text
    assert text.splitlines()[0].endswith(f': {head}"""')


def test_the_verb_writes_a_file(tmp_path: Path) -> None:
    out = tmp_path / "beeper.py"
    assert main(["source", "declare", str(BEEPER), "beeper", "--no-cache", "-o", str(out)]) == 0
    assert out.read_text(encoding="utf-8").startswith(f'"""From {BEEPER} (10.0), hw/audio/beeper.c: nothing')
