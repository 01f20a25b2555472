"""`vmstate.explain` on pairs of a stream and a destination without what was asked of it: fixtures/explain."""

from __future__ import annotations

import json
import lzma
import re
import shutil
from functools import lru_cache
from typing import Any

import pytest
from recorded import FIXTURES, plain

from vmstate import Explanation, explain
from vmstate.cli import main
from vmstate.compare import Schema, open_schema

FOLDER = FIXTURES / "explain"
RECORDED = json.loads((FOLDER / "cases.json").read_text())
CASES: list[dict[str, Any]] = RECORDED["cases"]
ARGV = {stream["name"]: stream["argv"] for stream in RECORDED["streams"]}


def stream(name: str) -> bytes:
    return lzma.decompress((FOLDER / f"{name}.stream.xz").read_bytes())


@lru_cache(maxsize=4)
def dump(release: str) -> Schema:
    return open_schema(str(FIXTURES / f"dump-vmstate/qemu-{release}-pc-q35-5.2.json.xz"))


@lru_cache(maxsize=64)
def explained(name: str) -> Explanation:
    return against(next(case for case in CASES if case["case"] == name))


def against(case: dict[str, Any], **more: Any) -> Explanation:
    machine = ARGV[case["destination"]][ARGV[case["destination"]].index("-M") + 1].partition(",")[0]
    known = dump(case["release"])
    schema = Schema(known.name, known.kind, machine, known.sections)
    return explain(stream(case["source"]), schema, values=stream(case["destination"]), **more)


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, id=case["case"], marks=[] if number % 3 == 0 else pytest.mark.slow)
        for number, case in enumerate(CASES)
    ],
)
def test_the_verdict_is_what_qemu_did(case: dict[str, Any]) -> None:
    assert explained(case["case"]).verdict == ("loads" if case["loads"] else "fails")


def test_enough_was_tried() -> None:
    assert len(CASES) >= 40
    assert sum(not case["loads"] for case in CASES) >= 20


@pytest.mark.parametrize("case", [case for case in CASES if not case["loads"]], ids=lambda case: case["case"])
def test_what_fails_is_named(case: dict[str, Any]) -> None:
    """The first finding is of the section, the RAM block or the machine type that QEMU's own message names."""
    first = explained(case["case"]).findings[0]
    printed = " ".join(case["error"])
    named = re.search(r"Unknown ramblock \"([^\"]*)\"|Size mismatch: (.*): 0x|(Machine type)", printed)
    device = re.search(r"instance '([^']*)' (\d+)|footer for (\S+)|of device '([^']*)'|for '([^']*)' v\d", printed)
    if named is not None:
        assert (named[1] or named[2] or named[3]) in (first.path, str(first.qemu_error)[:12])
        return
    assert device is not None, printed
    instance = f"#{device[2]}" if device[2] not in (None, "0") else ""
    assert first.section == (device[1] or device[3] or device[4] or device[5]) + instance
    assert first.offset is not None


@pytest.mark.parametrize("case", [case for case in CASES if not case["loads"]], ids=lambda case: case["case"])
def test_qemus_line_is_foretold(case: dict[str, Any]) -> None:
    """Where QEMU's last words say more than which device it was."""
    printed = "\n".join(case["error"])
    foretold = explained(case["case"]).qemu_error
    assert foretold is not None
    if "Failed to load PCIDevice:config" in printed:
        # QEMU's last words, which were kept, do not have the line itself.
        assert foretold.startswith("get_pci_config_device: Bad config data: i=0x")
    else:
        assert foretold in printed


def test_a_log_is_joined() -> None:
    case = next(case for case in CASES if case["case"] == "more memory")
    explanation = against(case, log="\n".join(case["error"]).encode())
    assert explanation.log[0].line.text.endswith("Size mismatch: pc.ram: 0x1000000 != 0x2000000: Invalid argument")
    assert explanation.log[0].explained_by == explanation.findings[0].id
    case = next(case for case in CASES if case["case"] == "same card")
    log = b"qemu: Features 0x1 unsupported. Allowed features: 0x0\nqemu: Failed to load virtio-net:virtio\n"
    log += b"qemu: error while loading state for instance 0x0 of device '0000:00:03.0/virtio-net'\n"
    explanation = against(case, log=log)
    assert explanation.verdict == "loads"
    assert [finding.explained_by for finding in explanation.log] == [None] * 3
    assert explanation.log[2].line.section == "0000:00:03.0/virtio-net"


@pytest.mark.parametrize(
    "action",
    [
        "7.2-idle",
        "11.1-mac-change",
        *(
            pytest.param(action, marks=pytest.mark.slow)
            for action in ("7.2-vlan-add", "7.2-mq4-rss-on", "7.2-driver-reload")
        ),
    ],
)
def test_a_machine_takes_its_own_stream(action: str) -> None:
    early, final = (plain(f"pairs/qemu-{action}-{moment}.mig.xz") for moment in ("early", "final"))
    assert explain(early, final).verdict == "loads"
    assert explain(final, early).verdict == "loads"


def test_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    case = next(case for case in CASES if case["case"] == "fewer vectors")
    files = [str(FOLDER / f"{case[side]}.stream.xz") for side in ("source", "destination")]
    assert main(["explain", files[0], "--against", files[1], "--format", "json"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert document["verdict"] == "fails"
    finding = document["findings"][0]
    assert {"id", "severity", "direction", "section", "path", "offset", "message", "when", "qemu_error"} <= set(finding)
    assert "MSI-X" in finding["message"]
    assert main(["explain", files[0], "--against", files[0]]) == 0
    assert "loads in" in capsys.readouterr().out
    for arguments in ([files[0]], [files[0], "--against", "no-such-file"], ["no-such-file", "--against", files[0]]):
        assert main(["explain", *arguments]) == 2
        assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.qemu
@pytest.mark.skipif(shutil.which("qemu-system-x86_64") is None, reason="needs a real QEMU: install qemu-system-x86")
@pytest.mark.parametrize(("more", "verdict"), [((), "loads"), (("-m", "32"), "fails")])
def test_against_a_command_line(
    more: tuple[str, ...], verdict: str, tmp_path: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    from vmstate.qemu.capture import capture_started

    argv = ["qemu-system-x86_64", "-nodefaults", "-display", "none", "-accel", "tcg", "-m", "16", "-M", "q35", "-S"]
    path = str(tmp_path / "source.mig")
    capture_started(path, argv)
    assert main(["explain", path, "--format", "json", "--against", "--", *argv, *more]) == (verdict != "loads")
    assert json.loads(capsys.readouterr().out)["verdict"] == verdict
