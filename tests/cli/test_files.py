"""Several files for one verb: each by itself, JSON a line each, and the worst exit code."""

from __future__ import annotations

import argparse
import json
from importlib import import_module
from pathlib import Path

import pytest
from recorded import plain

from vmstate.cli import VERBS, Parser, main

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures"
CARD = str(FIXTURES / "qemu-7.2-q35-virtio-net-filters.mig.xz")
SAME = str(FIXTURES / "qemu-7.2-q35-virtio-net.mig.xz")
BARE = str(FIXTURES / "recorded" / "qemu-7.2-microvm-bare-cold.mig.xz")


@pytest.mark.parametrize(
    ("words", "key"),
    [
        (["info", "--format", "json"], "machine"),
        (["verify", "--format", "json"], "ok"),
        (["show", "--format", "json"], "sections"),
        (["explain", "--against", CARD, "--format", "json"], "verdict"),
    ],
)
def test_json_is_a_line_for_each_file(words: list[str], key: str, capsys: pytest.CaptureFixture[str]) -> None:
    main([words[0], CARD, BARE, *words[1:]])
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(lines) == 2
    assert all(key in line for line in lines)


def test_info_of_several_is_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", CARD, BARE]) == 0
    head, *rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert head[:4] == ["file", "machine", "memory", "sections"]
    assert [(row[0], row[1], row[4]) for row in rows] == [(CARD, "pc-q35-7.2", "35"), (BARE, "microvm", "13")]


def test_the_worst_exit_code_counts_and_the_others_go_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spoilt = bytearray(plain(CARD))
    # The second byte of the first footer's section id.
    spoilt[spoilt.index(b"\x7e\x00\x00\x00\x02", 100) + 1] = 0xFF
    (tmp_path / "spoilt.mig").write_bytes(spoilt)
    assert main(["verify", BARE, str(tmp_path / "spoilt.mig"), str(tmp_path / "nowhere"), CARD]) == 2
    out, err = capsys.readouterr()
    assert [line.partition(": ")[2].partition(":")[0] for line in out.splitlines()] == ["verifies", "verifies"]
    assert len(err.splitlines()) == 2
    assert f"{tmp_path}/nowhere: no such file or directory" in err
    assert main(["explain", CARD, BARE, "--against", CARD]) == 1


def test_a_value_of_several_files(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", CARD, BARE, "globalstate.runstate"]) == 0
    assert [line.partition(": ")[0] for line in capsys.readouterr().out.splitlines()] == [CARD, BARE]
    assert main(["show", CARD, BARE, "globalstate.runstate", "--format", "json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["file"] for line in lines] == [CARD, BARE]
    assert bytes.fromhex(lines[1]["value"]).rstrip(b"\0") == b"prelaunch"
    assert main(["show", CARD, BARE, "rtl8139"]) == 2


def test_a_query_of_several_files(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["query", CARD, SAME, "query-status", "--format", "json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["file"] for line in lines] == [CARD, SAME]
    assert all(line["return"]["running"] for line in lines)


def test_thin_streams_go_into_a_folder_by_their_names(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a").mkdir()
    first, second = tmp_path / "first.mig", tmp_path / "second.mig"
    first.write_bytes(plain(CARD))
    second.write_bytes(plain(BARE))
    assert main(["thin", str(first), str(second), "-o", str(tmp_path / "a")]) == 0
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == ["first.mig", "second.mig"]
    assert main(["thin", str(first), str(second), "-o", str(tmp_path / "b")]) == 2
    assert main(["thin", str(first), str(tmp_path / "a" / "first.mig"), "-o", str(tmp_path / "a")]) == 2
    assert "two of the files are called 'first.mig'" in capsys.readouterr().err


def test_every_argument_has_a_help() -> None:
    def arguments_of(parser: argparse.ArgumentParser, name: str) -> list[str]:
        without: list[str] = []
        for action in parser._actions:
            if isinstance(action, argparse._SubParsersAction):
                for verb, inner in action.choices.items():
                    without += arguments_of(inner, f"{name} {verb}")
            elif not action.help:
                without.append(f"{name} {action.dest}")
        return without

    for verb in VERBS:
        parser = Parser(prog=verb)
        import_module(f"vmstate.cli.{verb}").arguments(parser)
        assert arguments_of(parser, verb) == []


def test_the_tree_names_the_features_that_a_driver_accepted(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", CARD, "virtio-net"]) == 0
    line = next(line for line in capsys.readouterr().out.splitlines() if "accepted features" in line)
    assert "|MRG_RXBUF|" in line
    assert line.endswith("(0x10130af8024)")
    assert main(["show", CARD, "virtio-net.virtio.status"]) == 0
    assert capsys.readouterr().out == "ACKNOWLEDGE|DRIVER|DRIVER_OK|FEATURES_OK (0xf)\n"
