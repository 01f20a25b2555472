"""The provenance of a stream: where it stands, what it says, and that nothing else is taken for it."""

from __future__ import annotations

import json
import lzma
from pathlib import Path
from typing import Any

import pytest
from recorded import BARE, MICROVM, plain

from vmstate import lab
from vmstate.cli import main
from vmstate.errors import MachineError, StreamError
from vmstate.qemu.provenance import identity, provenance_path, read_provenance, write_provenance
from vmstate.schema.plain import MOST_VALUES

KNOWN: dict[str, Any] = {
    "kind": "provenance",
    "vmstate": 1,
    "file": "guest.mig",
    "argv": ["qemu-system-x86_64", "-M", "microvm"],
    "memory": [{"id": "m0", "size": 4096, "file": "guest.mig.m0.ram", "added": False}],
}
DOCUMENT = {"kind": "document", "vmstate": 1, "version": 3, "parts": []}
FOREIGN = {
    "a multitude": b'{"kind": "provenance", "vmstate": 1, "answers": {"a": [' + b"{}," * MOST_VALUES + b"1]}}",
    "an object": json.dumps({"name": "guest", "argv": ["rm"]}).encode(),
    "a document": json.dumps(DOCUMENT).encode(),
    "a list": b"[1, 2]",
    "a number": b"3",
    "no JSON": b"{",
    "no text": bytes(range(256)),
    "nothing": b"",
    "nested": b"[" * 100_000,
    "what was a provenance": json.dumps({**KNOWN, "kind": None}).encode(),
}


@pytest.fixture
def guest(tmp_path: Path) -> Path:
    """A stream with its provenance beside it."""
    path = tmp_path / "guest.mig"
    path.write_bytes(plain(BARE))
    write_provenance(path, {**KNOWN, **identity(path)})
    return path


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("guest.mig", "guest.mig.provenance.json"),
        ("guest.mig.xz", "guest.mig.provenance.json"),
        ("guest.mig.zst", "guest.mig.provenance.json"),
        ("guest.mig.xz.xz", "guest.mig.xz.provenance.json"),
        ("guest", "guest.provenance.json"),
        ("guest.json", "guest.json.provenance.json"),
    ],
)
def test_it_stands_beside_the_plain_name(name: str, place: str) -> None:
    assert provenance_path(name) == place
    assert provenance_path(Path("folder.xz") / name) == str(Path("folder.xz") / place)


def test_compressing_a_stream_does_not_lose_it(guest: Path) -> None:
    known = read_provenance(guest)
    packed = guest.with_name("guest.mig.xz")
    packed.write_bytes(lzma.compress(guest.read_bytes(), preset=0))
    guest.unlink()
    assert known is not None and read_provenance(packed) == known
    # It is of the plain bytes, whatever they are packed in.
    assert identity(packed) == {**identity(packed), "size": known["size"], "sha256": known["sha256"]}


@pytest.mark.parametrize("content", FOREIGN.values(), ids=FOREIGN)
@pytest.mark.parametrize("name", ["guest.mig.json", "guest.json", "guest.mig.xz.json"])
def test_a_foreign_file_beside_a_stream_disturbs_nothing(name: str, content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "guest.mig"
    path.write_bytes(plain(BARE))
    (tmp_path / name).write_bytes(content)
    assert read_provenance(path) is None
    assert main(["verify", str(path)]) == 0
    assert main(["thin", str(path), "-o", str(tmp_path / "thin.mig")]) == 0
    assert main(["set", str(path), "ioapic#0.id=1", "-o", str(tmp_path / "set.mig")]) == 0
    assert (tmp_path / name).read_bytes() == content
    assert sorted(file.name for file in tmp_path.iterdir()) == sorted({"guest.mig", name, "thin.mig", "set.mig"})
    with pytest.raises(MachineError, match="nothing says which QEMU to start"):
        lab.load_into_qemu(path)


@pytest.mark.parametrize("content", FOREIGN.values(), ids=FOREIGN)
def test_what_stands_in_its_place_and_is_none_is_refused(
    content: bytes, guest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path(provenance_path(guest)).write_bytes(content)
    with pytest.raises(StreamError, match="provenance"):
        read_provenance(guest)
    for verb, *words in (("set", "ioapic#0.id=1"), ("thin",), ("decode",)):
        output = tmp_path / "output"
        assert main([verb, str(guest), *words, "-o", str(output)]) == 2
        message = capsys.readouterr().err
        assert message.count("\n") == 1 and "guest.mig.provenance.json" in message
        assert not output.exists()


@pytest.mark.parametrize(
    "change",
    [
        {"argv": 3},
        {"argv": "qemu"},
        {"argv": [3]},
        {"capabilities": {"x": 1}},
        {"guest": "ls"},
        {"folder": 3},
        {"memory": {}},
        {"memory": [3]},
        {"memory": [{"id": "m0", "size": "16M", "file": "x"}]},
        {"memory": [{"id": "m0", "size": 1, "file": "x\0"}]},
        {"changed": 3},
        {"vmstate": 2},
        {"vmstate": "1"},
        {"kind": "document"},
        {"kind": ["provenance"]},
    ],
    ids=str,
)
def test_a_provenance_that_cannot_be_used_says_so(change: dict[str, Any], guest: Path) -> None:
    Path(provenance_path(guest)).write_text(json.dumps(KNOWN | change))
    with pytest.raises(StreamError) as caught:
        read_provenance(guest)
    assert str(caught.value).count("\n") == 0 and "provenance" in caught.value.message
    if change == {"kind": "document"}:
        assert caught.value.found == "a document"


def test_a_document_and_a_provenance_are_not_taken_for_each_other(
    guest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["encode", provenance_path(guest), "-o", str(tmp_path / "again.mig")]) == 2
    message = capsys.readouterr().err
    assert "this is no document of a stream" in message and "found a provenance" in message
    assert not (tmp_path / "again.mig").exists()
    # Under the old name of a provenance.
    document = tmp_path / "guest.mig.json"
    assert main(["decode", str(guest), "-o", str(document)]) == 0
    assert json.loads(document.read_text())["kind"] == "document"
    known = read_provenance(guest)
    assert known is not None and known["kind"] == "provenance"


def test_set_says_what_was_changed_and_of_what(guest: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    first, second = tmp_path / "elsewhere" / "first.mig", tmp_path / "second.mig"
    assert main(["set", str(guest), "ioapic#0.id=1", "-o", str(first)]) == 0
    assert main(["set", str(first), "ioapic#1.id=2", "-o", str(second)]) == 0
    before, known = read_provenance(guest), read_provenance(second)
    assert before is not None and known is not None
    assert {key: known[key] for key in ("file", "size", "sha256")} == identity(second)
    assert known["original"] == identity(guest) and "original" not in before
    assert [(edit["path"], edit["before"], edit["after"]) for edit in known["changed"]] == [("id", 0, 1), ("id", 0, 2)]
    assert known["argv"] == KNOWN["argv"]
    carried = read_provenance(first)
    # The memory stays where it is.
    assert carried is not None and carried["memory"][0]["file"] == "../guest.mig.m0.ram"
    assert known["memory"][0]["file"] == "guest.mig.m0.ram"


def test_thin_says_so(tmp_path: Path) -> None:
    path, target = tmp_path / "guest.mig.xz", tmp_path / "thin.mig"
    path.write_bytes(lzma.compress(plain(MICROVM), preset=0))
    write_provenance(path, {**KNOWN, **identity(path)})
    assert main(["thin", str(path), "-o", str(target)]) == 0
    known = read_provenance(target)
    assert known is not None and known["thinned"] is True
    assert known["size"] == target.stat().st_size < known["original"]["size"] == len(plain(MICROVM))


def test_decode_and_encode_carry_it(guest: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    document, again = tmp_path / "elsewhere" / "guest.json", tmp_path / "again.mig"
    assert main(["decode", str(guest), "-o", str(document)]) == 0
    beside = read_provenance(document)
    assert beside is not None and beside["file"] == "guest.mig"
    assert beside["memory"][0]["file"] == "../guest.mig.m0.ram"
    assert main(["encode", str(document), "-o", str(again)]) == 0
    known, before = read_provenance(again), read_provenance(guest)
    assert again.read_bytes() == guest.read_bytes()
    assert before is not None and known == {**before, "file": "again.mig"}
    # A document that was changed: another stream than QEMU wrote.
    text = json.loads(document.read_text())
    text["parts"].append({"part": "trailing", "data": "00"})
    document.write_text(json.dumps(text))
    assert main(["encode", str(document), "-o", str(again)]) == 0
    known = read_provenance(again)
    assert known is not None and known["original"] == identity(guest)


# What is malformed


FULL: dict[str, Any] = {
    **KNOWN,
    "size": 5,
    "sha256": "00",
    "recorded": "2026-01-01T00:00:00Z",
    "recorder": "vmstate 1",
    "qemu_version": "7.2.1",
    "qemu_build": "Debian",
    "folder": "/",
    "capabilities": ["x-ignore-shared"],
    "transport": "fd",
    "console": False,
    "guest": ["ls"],
    "migration": {"status": "completed"},
    "answers": {"query-status": {}},
    "original": {"file": "x", "size": 1, "sha256": "0"},
    "changed": [{"section": "s", "path": "p", "before": 0, "after": 1}],
    "thinned": False,
}


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


ODD: list[Any] = [
    *(
        3,
        -1,
        1.5,
        True,
        "x",
        "",
        "a\0b",
        "\ud800",
        None,
        "x" * (1 << 17),
        ["x" * (1 << 17)],
        [],
        {},
        [3],
        [None],
        [[]],
        [{}],
        ["\0"],
        ["\udfff"],
        {"x": 1},
        1 << 70,
    ),
    *(1 << 70, nested(70), nested(400), {"a": nested(100)}),
    *([{"id": "m", "size": 1}], [{"id": "", "size": 1, "file": "f"}], [{"id": "m", "size": -1, "file": "f"}]),
    *([{"id": "../m", "size": 1, "file": "f"}], [{"id": "m", "size": True, "file": "f"}], [{"id": "m", "size": 1}, 3]),
    *([{"id": "m", "size": 1, "file": "\ud800"}], [{"id": ["m"], "size": 1, "file": "f"}], float("nan")),
]


@pytest.mark.parametrize("key", list(FULL))
def test_malformed_ones_are_one_line_or_usable(
    key: str, guest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Hundreds: each key with each odd value. What is refused is so before any output; what is not is carried along."""
    for number, value in enumerate(ODD):
        Path(provenance_path(guest)).write_text(json.dumps({**FULL, key: value}))
        output = tmp_path / f"out{number}.mig"
        code = main(["set", str(guest), "ioapic#0.id=1", "-o", str(output)])
        error = capsys.readouterr().err
        assert (code, error.count("\n")) in ((0, 0), (2, 1)), (key, value, error)
        assert output.exists() == Path(provenance_path(output)).exists() == (code == 0)
        assert code == 0 or "provenance" in error
        # Whether it is usable or not, nothing is started that does not end in one line.
        assert main(["load", str(guest), "--qemu", "false", "--trust", "--limit", "5"]) == 2
        error = capsys.readouterr().err
        assert "internal error" not in error
        assert error.splitlines()[-1].startswith("vmstate: ")


def test_it_is_never_an_output(guest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = Path(provenance_path(guest)).read_bytes()
    document = tmp_path / "x.json"
    assert main(["decode", str(guest), "-o", str(document)]) == 0
    place = provenance_path(guest)
    for words in (
        ["set", str(guest), "ioapic#0.id=1", "-o", place],
        ["thin", str(guest), "-o", place],
        ["thin", str(guest), "--scrub", "-o", place],
        ["decode", str(guest), "-o", place],
        ["encode", str(document), "-o", place],
        ["set", str(guest), "ioapic#0.id=1", "-o", str(tmp_path / "new.provenance.json")],
    ):
        assert main(words) == 2
        assert "this is the name of a provenance" in capsys.readouterr().err
    assert Path(place).read_bytes() == before
    assert not (tmp_path / "new.provenance.json").exists()


@pytest.mark.parametrize("content", [b"a diary", b"{}", json.dumps(DOCUMENT).encode()])
def test_a_file_of_the_user_in_its_place_stays(
    content: bytes, guest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / "out.mig.provenance.json"
    place.write_bytes(content)
    for words in (["set", str(guest), "ioapic#0.id=1"], ["thin", str(guest)], ["decode", str(guest)]):
        assert main([*words, "-o", str(tmp_path / "out.mig")]) == 2
        assert capsys.readouterr().err.count("\n") == 1
        assert not (tmp_path / "out.mig").exists()
    assert place.read_bytes() == content
    place.unlink()
    place.mkdir()
    assert main(["thin", str(guest), "-o", str(tmp_path / "out.mig")]) == 2
    assert not (tmp_path / "out.mig").exists()


def test_that_of_another_stream_stays(guest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """other.mig and other.mig.xz have one place for it."""
    packed = tmp_path / "other.mig.xz"
    packed.write_bytes(lzma.compress(plain(BARE), preset=0))
    write_provenance(packed, {**KNOWN, **identity(packed)})
    before = Path(provenance_path(packed)).read_bytes()
    for source in (guest, packed):
        assert main(["set", str(source), "ioapic#0.id=1", "-o", str(tmp_path / "other.mig")]) == 2
        assert "the provenance of other.mig.xz stands where" in capsys.readouterr().err
    assert not (tmp_path / "other.mig").exists()
    assert Path(provenance_path(packed)).read_bytes() == before
    # Its own is replaced with the stream.
    assert main(["set", str(guest), "ioapic#0.id=1", "-o", str(guest)]) == 0
    known = read_provenance(guest)
    assert known is not None and known["changed"]
