"""Sections that nothing else describes are decoded by QEMU's source, and only where their bytes come out again."""

from __future__ import annotations

import json
import lzma
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from recorded import FIXTURES
from source_table import recorded

import vmstate
from vmstate.cli import main
from vmstate.compare.source_sections import SourceDescriptions, describe_by_source
from vmstate.errors import VMStateError
from vmstate.source.linking import Linked
from vmstate.source.reading import read_tree

BEEPER = FIXTURES / "source" / "beeper"
DATA = b"\1\0\0\1\xb8" + bytes(range(16)) + b"\0\0\0\5" + b"0123456789abcdef" + b"\0\0\0\x0b"

MakeStream = Callable[[bytes], Path]


@pytest.fixture
def make_stream(tmp_path: Path) -> MakeStream:
    """A stream with one section of a beeper, without a vmdesc."""

    def make(payload: bytes) -> Path:
        name = b"0000:00:01.0/beeper"
        head = b"\4\0\0\0\7" + bytes([len(name)]) + name + b"\0\0\0\0\0\0\0\2"
        machine = b"\7\0\0\0\4none"
        path = tmp_path / "beeper.mig"
        path.write_bytes(b"QEVM\0\0\0\3" + machine + head + payload + b"\x7e\0\0\0\7\0")
        return path

    return make


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_a_section_is_described(make_stream: MakeStream, capsys: pytest.CaptureFixture[str]) -> None:
    path = make_stream(DATA)
    with vmstate.load(path) as stream:
        assert stream["beeper"].described_by == "none"
        assert describe_by_source(stream, str(BEEPER)) == 1
        section = stream["beeper"]
        assert (section.described_by, section.state.regs.pitch, section.state.volume) == ("source", 440, 11)
        section.state.volume = 12
        assert section.vmsd is not None
        assert section.vmsd.encode(section.state) == DATA[:-1] + b"\x0c"
    assert main(["show", str(path), "beeper.tune", "--source", str(BEEPER)]) == 0
    assert capsys.readouterr().out == "5\n"


def test_a_page_tells_where_in_the_tree_it_is_described(make_stream: MakeStream, tmp_path: Path) -> None:
    pytest.importorskip("jinja2", reason="needs Jinja2: install qemu-vmstate[report]")
    path, page = make_stream(DATA), tmp_path / "page.html"
    assert main(["report", str(path), "-o", str(page), "--source", str(BEEPER)]) == 0
    text = page.read_text(encoding="utf-8")
    assert re.search(r"the source tree: vmstate_\w+ in [\w/]*beeper\.c<", text) and "<b>tune</b>" in text
    assert main(["report", str(path), "-o", str(page)]) == 0
    assert "nothing describes these bytes" in page.read_text(encoding="utf-8")


@pytest.mark.parametrize("payload", [DATA[:-1], DATA + b"\0", b""])
def test_what_does_not_fit_stays_as_it_is(make_stream: MakeStream, payload: bytes) -> None:
    with vmstate.load(make_stream(payload)) as stream:
        assert describe_by_source(stream, str(BEEPER)) == 0
        assert stream["beeper"].described_by == "none"
        assert bytes(stream["beeper"].state) == payload


def test_what_has_to_be_written_by_hand_is_not_taken(make_stream: MakeStream, tmp_path: Path) -> None:
    shutil.copytree(BEEPER, tmp_path / "tree")
    file = tmp_path / "tree" / "hw" / "audio" / "beeper.c"
    text = file.read_text(encoding="utf-8")
    by_hand = '{ .name = "tree", .info = &vmstate_info_tree, .flags = VMS_SINGLE },'
    file.write_text(text.replace("VMSTATE_UINT32_V(volume, BeeperState, 2),", by_hand), encoding="utf-8")
    with vmstate.load(make_stream(DATA[:-4])) as stream:
        assert describe_by_source(stream, str(tmp_path / "tree")) == 0


PUT = """
static int put_two(QEMUFile *f, void *pv, size_t size, const VMStateField *field, JSONWriter *vmdesc)
{
    BeeperState *s = pv;
    qemu_put_be32(f, s->volume);
    qemu_put_byte(f, 1);
    return 0;
}
static const VMStateInfo vmstate_info_two = { .name = "two", .put = put_two };
"""


@pytest.mark.parametrize(
    ("change", "puts"),
    [
        (("", ""), (4, 1)),
        (("qemu_put_byte(f, 1)", "qemu_put_sbe64s(f, &s->x)"), (4, 8)),
        (("qemu_put_byte", "if (s->mode) qemu_put_byte"), ()),
        (("qemu_put_byte(f, 1)", "put_more(f, s)"), ()),
        (("qemu_put_byte", "QTAILQ_FOREACH(x, y, next) qemu_put_byte"), ()),
    ],
)
def test_a_hand_written_info_that_only_puts_numbers(
    tmp_path: Path, make_stream: MakeStream, change: tuple[str, str], puts: tuple[int, ...]
) -> None:
    shutil.copytree(BEEPER, tmp_path / "tree")
    file = tmp_path / "tree" / "hw" / "audio" / "beeper.c"
    text = file.read_text(encoding="utf-8").replace(
        "static bool beeper_has", PUT.replace(*change) + "static bool beeper_has"
    )
    field = '{ .name = "two", .info = &vmstate_info_two, .flags = VMS_SINGLE },'
    file.write_text(text.replace("VMSTATE_UINT32_V(volume, BeeperState, 2),", field), encoding="utf-8")
    tree = read_tree(str(tmp_path / "tree"))
    assert [info.puts for unit in tree.units for info in unit.infos if info.name == "two"] == [puts]
    size = sum(puts) or 5
    with vmstate.load(make_stream(DATA[:-4] + b"\7" * size)) as stream:
        assert describe_by_source(stream, str(tmp_path / "tree")) == bool(puts)
    assert len(list(Linked(tree).devices())) == 1


def test_a_tree_that_is_none(make_stream: MakeStream, capsys: pytest.CaptureFixture[str]) -> None:
    path = make_stream(DATA)
    with vmstate.load(path) as stream, pytest.raises(VMStateError, match="no such folder"):
        describe_by_source(stream, "nowhere")
    assert main(["show", str(path), "--source", "nowhere"]) == 2
    assert "no such folder" in capsys.readouterr().err


def test_every_verb_that_reads_takes_a_tree(
    make_stream: MakeStream, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With a tree each says what is in the section, and without what it said before."""
    path = make_stream(DATA)
    later = tmp_path / "later.mig"
    later.write_bytes(path.read_bytes().replace(b"\0\0\0\x0b", b"\0\0\0\x0c"))
    rows = {
        ("info", str(path)): ("none          0000:00:01.0/beeper", "source        0000:00:01.0/beeper"),
        ("verify", str(path)): ("1 section, 0 described", "1 section, 1 described"),
        ("find", str(path), "volume"): ("nothing is named 'volume'", "0000:00:01.0/beeper.volume = 11 (0xb)"),
        ("diff", str(path), str(later)): ("0000:00:01.0/beeper", "volume"),
    }
    for words, (without, by_tree) in rows.items():
        main([*words])
        plain = capsys.readouterr().out
        assert (without in plain, by_tree in plain) == (True, False), words
        main([*words, "--source", str(BEEPER)])
        assert by_tree in capsys.readouterr().out, words
        assert main([*words, "--source", str(tmp_path / "none")]) == 2
        assert "no such folder" in capsys.readouterr().err


def test_a_document_says_where_its_descriptions_stand(
    make_stream: MakeStream, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, document, back = make_stream(DATA), tmp_path / "beeper.json", tmp_path / "back.mig"
    assert main(["decode", str(path), "-o", str(document), "--source", str(BEEPER)]) == 0
    entry = next(part for part in json.loads(document.read_text())["parts"] if part["part"] == "section")
    assert (entry["described_by"], entry["state"]["regs"]["pitch"]) == ("source", 440)
    assert entry["source"]["file"] == "hw/audio/beeper.c"
    assert main(["encode", str(document), "-o", str(back), "--source", str(BEEPER)]) == 0
    assert back.read_bytes() == path.read_bytes()
    text = document.read_text()
    document.write_text(text.replace('"volume": 11', '"volume": 12'))
    assert main(["encode", str(document), "-o", str(back), "--source", str(BEEPER)]) == 0
    assert back.read_bytes() == path.read_bytes().replace(DATA, DATA[:-1] + b"\x0c")
    capsys.readouterr()
    assert main(["encode", str(document), "-o", str(back)]) == 2
    assert "described by QEMU's source (expected the tree that `decode` was given" in capsys.readouterr().err
    for place in ('"name": "vmstate_buzzer"', '"name": 1', '"name": null, "counts": []'):
        document.write_text(text.replace('"name": "vmstate_beeper"', place))
        assert main(["encode", str(document), "-o", str(back), "--source", str(BEEPER)]) == 2
        assert "the tree has no such description" in capsys.readouterr().err


@pytest.mark.slow
def test_a_machine_that_the_library_does_not_know() -> None:
    """virt of m68k, of 7.2, without a vmdesc, with virtio devices on its MMIO transport."""
    data = lzma.decompress((FIXTURES / "source" / "7.2-m68k-virt.stream.xz").read_bytes())
    source = SourceDescriptions(recorded("7.2"))
    with vmstate.load(data) as stream, vmstate.load(data, library=False) as bare:
        unknown = [section for section in stream.sections if section.described_by == "none"]
        assert {section.name for section in unknown} == {
            "cpu", "goldfish_pic", "goldfish_tty", "m68k-irqc", "virt-ctrl"
        }  # fmt: skip
        assert describe_by_source(stream, source) == len(unknown) == 10
        assert (stream["cpu"].state.sr, stream["cpu"].state.fpu.fregs[0].tmp.tmp_exp) == (0x2700, 0x7FFF)
        assert stream.to_bytes() == data
        # Without the library all else is described, too, but for what a later 7.2 changed.
        assert describe_by_source(bare, source) == 16
        assert {section.name for section in bare.sections if section.described_by == "none"} == {"goldfish_rtc"}
        known, told = stream["virtio-net"].state.virtio, bare["virtio-net"].state.virtio
        assert (bytes(told.device.mac), told.config) == (bytes(known.net.mac), known.config)
        assert told.transport.guest_page_shift == known.transport.guest_page_shift
        assert [queue.num for queue in told.vq] == [queue.num for queue in known.vq]
        assert bare.to_bytes() == data
