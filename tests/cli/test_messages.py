"""What the command says to somebody who does not know it yet: each message tells what is there and what is wanted."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from recorded import plain

from vmstate.cli import main

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures"
CARD = str(FIXTURES / "qemu-7.2-q35-virtio-net.mig.xz")
QUEUES = str(FIXTURES / "qemu-7.2-q35-virtio-net-mq4.mig.xz")
MMIO = str(FIXTURES / "qemu-7.2-microvm-virtio-net-mmio.mig.xz")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files that people give in place of the right ones."""
    folder = tmp_path_factory.mktemp("files")
    (folder / "a.json").write_text('{"a": 1}\n')
    (folder / "list.json").write_text("[1, 2]\n")
    (folder / "empty").write_text("")
    (folder / "words").write_text("hello\n")
    (folder / "card.mig").write_bytes(plain(CARD))
    return folder


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["query", CARD], "which command is to be answered? (expected one of query-pci,"),
        (["explain", CARD, "--against", "it's x"], "the command line cannot be read: No closing quotation"),
        (["explain", "--source", "it's x", "--against", CARD], "the command line cannot be read: No closing quotation"),
        (["explain", CARD, "--against", "echo my.mig"], "no such file, and this is no command line of QEMU"),
        (["query", CARD, "x-query-virtio-statuss"], "did you mean x-query-virtio-status?"),
        (
            ["query", "x-query-virtio", CARD],
            "the command stands behind the files (expected vmstate query FILE COMMAND)",
        ),
        (["show", CARD, "virtio-net.virtio.features"], "(expected virtio-net.features)"),
        (["show", CARD, "virtio-net.negotiated_features"], "(expected features or virtio.guest_features)"),
        (
            ["info", "a.json"],
            'not a migration stream, but JSON at offset 0x0 (expected "QEVM", 5145564d; `vmstate encode`',
        ),
        (
            ["info", "words"],
            "not a migration stream, but text at offset 0x0 (expected \"QEVM\", 5145564d, found 'hell', 68",
        ),
        (["report", "a.json", "-o", "page.html"], "the lines of `vmstate matrix` or `vmstate fleet scan`"),
        (["report", "list.json", "-o", "page.html"], "the lines of `vmstate matrix` or `vmstate fleet scan`"),
        (["report", "words", "-o", "page.html"], "not a migration stream, but text"),
        (["explain", CARD, "--against", "a.json"], "expected a stream, a recorded destination, a vmdesc, or the text"),
        (["explain", CARD, "--against", "empty"], "the file is empty (expected a stream, a recorded destination"),
        (["explain", CARD, "--against", "words"], "QEMU wrote no such file (expected a stream, a recorded destination"),
        (
            ["encode", "card.mig", "-o", "out"],
            "this is a stream already (expected the JSON that `vmstate decode` wrote)",
        ),
        (["encode", CARD, "-o", "out"], "this is a stream already"),
        (["encode", "empty", "-o", "out"], "the file is empty (expected the JSON"),
        (["encode", "a.json", "-o", "out"], "expected what `vmstate decode` writes"),
        (["set", CARD, "virtio-net.mac=zz", "-o", "out"], "expected a value such as 00:00:00:00:00:00, found 'zz'"),
        (["set", CARD, "virtio-net.mac=52:54:00:12:34", "-o", "out"], "expected a value such as 00:00:00:00:00:00"),
        (["early", "plan", CARD, QUEUES], f"only {CARD} (early) has slirp#0"),
        (["early", "plan", QUEUES, CARD], f"only {CARD} (final) has slirp#0"),
        (
            ["early", "plan", CARD, MMIO],
            f"the machine type is pc-q35-7.2 in {CARD} (early) and microvm in {MMIO} (final)",
        ),
    ],
)
def test_what_is_wrong_and_what_is_wanted(
    words: list[str], message: str, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    assert main(words) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert message in err
    assert not (folder / "out").exists() and not (folder / "page.html").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["matrix", CARD, "--workers", "0"], "argument --workers: expected a whole number, 1 or more, found '0'"),
        (
            ["fleet", "scan", ".", "--chunk", "many"],
            "argument --chunk: expected a whole number, 1 or more, found 'many'",
        ),
        (["bench", "migrate", "--runs", "-1"], "argument --runs: expected a whole number, 1 or more, found '-1'"),
        (["bench", "migrate", "--warm-up", "-1"], "argument --warm-up: expected a whole number, 0 or more, found '-1'"),
        (["bench", "vhost-user", "--runs", "0", "--", "x"], "argument --runs: expected a whole number, 1 or more"),
    ],
)
def test_a_number_that_is_none_names_its_option(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(words)
    assert caught.value.code == 2
    assert message in capsys.readouterr().err


def test_a_word_of_features_is_told_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", CARD, "virtio-net.virtio.guest_features"]) == 0
    part, _, whole = capsys.readouterr().out.partition(", a part of ")
    assert part == "816807972 (0x30af8024)"
    assert whole.endswith(" (0x10130af8024)\n")
    assert main(["show", CARD, "virtio-net.virtio.virtio.features64.guest_features"]) == 0
    assert capsys.readouterr().out == whole
    names = set(whole.rpartition(" ")[0].split("|"))
    assert main(["show", CARD, "virtio-net.features"]) == 0
    assert set(capsys.readouterr().out.rpartition(" ")[0].split("|")) == names
    assert main(["show", CARD, "virtio-net.virtio.guest_features", "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out) == 816807972


def test_each_fact_that_differs_has_its_own_line_and_place(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", CARD, "--against", QUEUES, "--format", "json"]) == 1
    found = json.loads(capsys.readouterr().out)["findings"]
    layout = {finding["path"]: finding for finding in found if finding["id"].startswith("layout:")}
    pairs, vectors = layout["virtio.net.max_queue_pairs"], layout["virtio.transport.msix_table"]
    assert pairs["qemu_error"] == "4 != 0"
    assert vectors["qemu_error"] == "Missing section footer for 0000:00:01.0/virtio-net"
    # The number of pairs is not in the stream: its place is behind the flag for UFO, a byte.
    assert main(["find", CARD, "has_ufo", "--format", "json"]) == 0
    places = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    (flag,) = (place for place in places if place["path"].endswith("has_ufo.has_ufo"))
    assert pairs["offset"] == flag["offset"] + 1
