"""`vmstate.explain`, against what real QEMU said of each case.

The cases are in fixtures/explain/machines; tests/explain_cases.py records them.
"""

from __future__ import annotations

import base64
import hashlib
import json
import lzma
import os
import shutil
import tracemalloc
from collections.abc import Iterator
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import explain_cases as cases
import pytest
from explain_cases import CASES, FOLDER, MACHINES, Case
from recorded import FIXTURES, plain

from vmstate import Explanation, assign, explain, load
from vmstate.cli import main
from vmstate.codec.codec import Codec
from vmstate.compare import Target, open_target, section
from vmstate.compare.findings import BREAKS, COSMETIC
from vmstate.compare.log_lines import lines_of
from vmstate.compare.schemas import dump_schema
from vmstate.compare.target import read_target, write_target
from vmstate.devices.arm.registers import register_name
from vmstate.errors import VMStateError
from vmstate.qemu.provenance import SUFFIX, read_provenance
from vmstate.rules import evaluate, messages
from vmstate.rules.pci_config import Masks, Region
from vmstate.schema.plain import MOST_VALUES

SAID = cases.said_of()
NAMES = [case.name for case in CASES]
SHARE = 0.95
IN_CI = 12
"""Each of so many cases is loaded in real QEMU once more, unless VMSTATE_EXPLAIN_ALL is set."""


@lru_cache(maxsize=16)
def target(name: str) -> Target:
    return cases.target_named(name)


@cache
def explained(case: Case) -> Explanation:
    stream = cases.changed(cases.stream_of(case.source), case.changes)
    return explain(stream, target(case.destination), log=SAID[case.name]["stderr"].encode())


def breaking(explanation: Explanation) -> list[Any]:
    return [finding for finding in explanation.findings if finding.severity == BREAKS]


# Truth.


def test_there_are_enough_cases_of_either_kind_and_of_every_release() -> None:
    assert len(set(NAMES)) == len(NAMES) >= 100
    assert SAID.keys() == set(NAMES)
    assert min(sum(entry["accepted"] is want for entry in SAID.values()) for want in (True, False)) >= 40
    for release in cases.RELEASES:
        for side in ("source", "destination"):
            assert sum(MACHINES[getattr(case, side)].release == release for case in CASES) >= 5, (release, side)


SAMPLED = [pytest.param(case, marks=[pytest.mark.slow] if number % 6 else []) for number, case in enumerate(CASES)]
"""All cases, of which every sixth is not slow."""


@pytest.mark.parametrize("case", SAMPLED, ids=NAMES)
def test_the_verdict_and_what_is_named(case: Case) -> None:
    explanation = explained(case)
    accepted = SAID[case.name]["accepted"]
    assert explanation.verdict == ("loads" if accepted else "fails"), explanation.findings
    assert bool(case.names) is not accepted
    told = "\n".join(f"{finding.section} {finding.path} {finding.message}" for finding in breaking(explanation))
    for name in case.names:
        assert name in told, told
    for finding in breaking(explanation):
        assert finding.advice and finding.qemu_error, finding


@pytest.mark.slow
def test_the_line_is_the_one_that_qemu_printed() -> None:
    refused = [case for case in CASES if not SAID[case.name]["accepted"]]
    right = [case for case in refused if str(explained(case).qemu_error) in SAID[case.name]["stderr"]]
    wrong = {case.name: explained(case).qemu_error for case in refused if case not in right}
    assert len(right) >= SHARE * len(refused), wrong


@pytest.mark.slow
def test_what_is_found_first_is_in_the_section_that_qemu_names() -> None:
    for case in CASES:
        lines = [line for line in lines_of(SAID[case.name]["stderr"].splitlines()) if line.section not in (None, "ram")]
        if lines:
            first = breaking(explained(case))[0]
            assert lines[0].section == (first.section or "").partition("#")[0], case.name


@pytest.mark.slow
def test_what_breaks_has_a_place_in_the_stream() -> None:
    for case in CASES:
        size = len(cases.changed(cases.stream_of(case.source), case.changes)) if case.changes else 1 << 40
        for finding in breaking(explained(case)):
            assert finding.section == "configuration" or 0 < (finding.offset or 0) < size, (case.name, finding)


@pytest.mark.slow
def test_the_offset_of_a_configuration_byte_is_that_of_the_byte() -> None:
    seen = 0
    for case in CASES:
        for finding in breaking(explained(case)):
            if finding.id.startswith("pci-config:"):
                data = cases.changed(cases.stream_of(case.source), case.changes)
                assert f"is {data[finding.offset]:#04x} in the stream" in finding.message, (case.name, finding)
                seen += 1
    assert seen > 20


@pytest.mark.slow
def test_a_stream_of_the_destination_is_nearly_as_good() -> None:
    """Without what was asked of it: what the host offers, the release, its -dump-vmstate text."""
    wrong = []
    chosen = [case for place, case in enumerate(CASES) if place % 3 == 0]
    for case in chosen:
        stream = cases.changed(cases.stream_of(case.source), case.changes)
        alone = explain(stream, load(cases.stream_of(case.destination)))
        if alone.verdict != ("loads" if SAID[case.name]["accepted"] else "fails"):
            # Only what no stream says can be missed, and then it is told that it was taken for granted.
            assert case.changes and any("offers" in text for text in alone.assumed), case.name
            wrong.append(case.name)
    assert len(wrong) <= 0.1 * len(chosen), wrong


# The log.


@pytest.mark.parametrize(
    "some", [pytest.param(CASES[::12], id="some"), pytest.param(CASES, id="all", marks=pytest.mark.slow)]
)
def test_lines_of_a_log_are_joined_with_findings(some: list[cases.Case]) -> None:
    assert any(not SAID[case.name]["accepted"] for case in some)
    for case in some:
        explanation = explained(case)
        if SAID[case.name]["accepted"]:
            assert explanation.log == ()
            continue
        assert explanation.log, case.name
        ids = {finding.id for finding in explanation.findings}
        assert all(finding.explained_by in ids for finding in explanation.log if finding.explained_by is not None)
        assert any(finding.explained_by == breaking(explanation)[0].id for finding in explanation.log), (
            case.name,
            explanation.log,
        )


@pytest.mark.parametrize(("idstr", "switch"), [("hpet", "hpet"), ("pckbd", "i8042"), ("acpi_build", "acpi")])
def test_what_a_board_has_by_an_option_of_the_machine_is_advised_so(idstr: str, switch: str) -> None:
    data = plain(FIXTURES / "qemu-7.2-q35-virtio-net.mig.xz")
    with load(data) as stream:
        stream.parts.remove(stream[idstr])
        explanation = explain(data, stream.to_bytes())
    (finding,) = [finding for finding in explanation.findings if finding.rule == "section-unknown"]
    assert finding.section == idstr and finding.advice is not None and f"-machine {switch}=on" in finding.advice


def test_a_log_of_another_device_is_not_explained() -> None:
    log = b"qemu-kvm: error while loading state for instance 0x0 of device '0000:00:1d.0/ehci'\nunrelated\n"
    explanation = explain(load(cases.stream_of("tap4")), target("tap2"), log=log)
    assert [(finding.line.section, finding.line.instance_id, finding.explained_by) for finding in explanation.log] == [
        ("0000:00:1d.0/ehci", 0, None),
        (None, None, None),
    ]


# PCI configuration.


def configuration(**bytes_at: int) -> bytes:
    config = bytearray(256)
    config[0:4] = b"\xf4\x1a\x00\x10"
    for place, value in bytes_at.items():
        config[int(place.removeprefix("at_"), 16)] = value
    return bytes(config)


def test_nothing_is_traced_where_nothing_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a value stands is looked up when a finding asks: tracing takes longer than all the rest."""
    traced: list[Any] = []
    for name in ("trace", "trace_state"):
        trace = getattr(Codec, name)

        def noted(codec: Codec, *given: Any, trace: Any = trace, **known: Any) -> Any:
            traced.append(codec)
            return trace(codec, *given, **known)

        monkeypatch.setattr(Codec, name, noted)
    for module in (section, evaluate):
        monkeypatch.setattr(module, "place_in", lambda *given, **known: traced.append(given))
    stream, destination = cases.stream_of("bare"), load(cases.stream_of("bare"))
    assign(destination, "i8254.channels[1].count=7")
    traced.clear()
    assert explain(stream, destination).verdict == "loads"
    assert traced == []


def test_masks_of_the_header() -> None:
    masks = Masks(configuration())
    read = bytearray(configuration(at_04=0x07, at_0c=0x10, at_3c=0x0B, at_07=0x20, at_40=0x55))
    assert list(masks.differences(bytes(read))) == []
    read[0x02] = 0x41
    assert [byte.at for byte in masks.differences(bytes(read))] == [2]
    assert masks.name_of(2) == "device id + 0x0"


def test_masks_of_base_addresses() -> None:
    config = configuration(at_10=0x01, at_14=0x0C)
    masks = Masks(config, (Region(0, "io", 64), Region(1, "memory", 0x4000)))
    moved = bytearray(config)
    moved[0x10:0x14] = (0xC041).to_bytes(4, "little")
    moved[0x14:0x1C] = (0xFE000000000C | 0x4000).to_bytes(8, "little")
    assert list(masks.differences(bytes(moved))) == []
    moved[0x10] = 0x21
    assert [(byte.at, byte.wmask) for byte in masks.differences(bytes(moved))] == [(0x10, 0xC0)]


def test_masks_of_capabilities() -> None:
    config = configuration(
        at_06=0x10, at_34=0x40, at_40=0x11, at_41=0x50, at_42=0x02, at_50=0x09, at_52=0x14, at_53=0x05
    )
    masks = Masks(config)
    changed = bytearray(config)
    changed[0x43] = 0xC0  # MSI-X on, and all masked
    changed[0x54] = 0x04  # virtio's window
    changed[0x60:0x64] = b"\1\2\3\4"
    assert list(masks.differences(bytes(changed))) == []
    changed[0x42] = 0x03
    (refused,) = masks.differences(bytes(changed))
    assert messages.pci_config(refused).endswith("i=0x42 read: 3 device: 2 cmask: ff wmask: 0 w1cmask:0")
    assert masks.name_of(0x42) == "MSI-X capability + 0x2"


def test_a_capability_list_that_goes_round_ends() -> None:
    config = configuration(at_06=0x10, at_34=0x40, at_40=0x05, at_41=0x40)
    assert list(Masks(config).differences(config)) == []


@pytest.mark.parametrize("file", ["qemu-7.2-q35-virtio-net-mq4.mig.xz", "qemu-11.1-q35-smp4-rootports.mig.xz"])
def test_what_a_guest_wrote_goes_over(file: str) -> None:
    """A booted guest's stream into itself as it would be before: nothing that a guest may write is refused."""
    explanation = explain(load(plain(file)), load(plain(file)))
    assert explanation.verdict == "loads", explanation.findings


# Other destinations.


def test_a_dump_says_versions_and_subsections() -> None:
    dump = FIXTURES / "dump-vmstate" / "qemu-7.2-q35.json.xz"
    explanation = explain(load(plain("qemu-7.2-q35-virtio-net.mig.xz")), str(dump))
    assert explanation.verdict == "loads", [finding for finding in explanation.findings if finding.severity != COSMETIC]
    assert len(explanation.assumed) >= 2
    stream = cases.changed(cases.stream_of("e1000"), ("version e1000=9",))
    explanation = explain(stream, str(dump))
    assert explanation.verdict == "fails"
    (first,) = breaking(explanation)
    assert first.section == "0000:00:03.0/e1000"


def test_a_recorded_destination_is_read_as_it_was_written(tmp_path: Path) -> None:
    recorded = target("port")
    write_target(tmp_path / "again.json", recorded)
    two = open_target(str(tmp_path / "again.json"))
    assert (two.release, two.host_features, two.regions, two.command) == (
        recorded.release,
        recorded.host_features,
        recorded.regions,
        recorded.command,
    )
    assert recorded.host_features and recorded.regions and two.machine == "pc-q35-7.2"
    assert two.stream is not None and two.stream.to_bytes() == cases.stream_of("port")


def test_the_recorded_destinations_are_those_of_their_provenance() -> None:
    recorded = {path.name for path in FOLDER.glob("*.json") if not path.name.endswith(SUFFIX)}
    assert recorded == {*(f"{name}.json" for name in MACHINES), cases.ANSWERS.name}
    for name in MACHINES:
        known = read_provenance(FOLDER / f"{name}.json")
        data = (FOLDER / f"{name}.json").read_bytes()
        assert known is not None and known["file"] == f"{name}.json"
        assert (hashlib.sha256(data).hexdigest(), len(data)) == (known["sha256"], known["size"]), name


# Bad input.


def damaged(tmp_path: Path) -> Iterator[tuple[str, bytes]]:
    good = (FOLDER / "bare.json").read_text()
    top = json.loads(good)
    yield "cut", good[: len(good) // 2].encode()
    for name, change in {
        "version": {"vmstate-target": 99},
        "packed": {"stream": "AAAA"},
        "no stream": {"stream": None},
        "features": {"features": [{"section": "x"}]},
        "regions": {"regions": {"x": [[1]]}},
        "release": {"release": "new"},
        "infinite": {"release": [7, float("inf")]},
    }.items():
        yield name, json.dumps({**top, **change}).encode()


def test_recorded_destinations_that_are_none_are_refused(tmp_path: Path) -> None:
    for name, text in damaged(tmp_path):
        with pytest.raises(VMStateError):
            read_target(text, name)


@pytest.mark.parametrize("key", ["dump", "compat_properties", "other", None])
@pytest.mark.slow
def test_many_values_in_a_destination_are_refused_before_they_are_read(key: str | None) -> None:
    """Made of little that does not repeat itself, they pass for what xz makes of a good text."""
    many = ",".join(str(number * 2654435761 % (1 << 32)) for number in range(MOST_VALUES + 1))
    known = json.loads((FOLDER / "bare.json").read_text())
    packed = base64.b64encode(lzma.compress(f'{{"a": [{many}]}}'.encode(), preset=0)).decode()
    text = json.dumps({**known, key: [0] * (MOST_VALUES + 1) if key == "other" else packed}).encode()
    with pytest.raises(VMStateError, match=r"out of proportion \(expected at most 262,144 values\)"):
        dump_schema(f'{{"a": [{many}]}}'.encode(), "dump") if key is None else read_target(text, "bomb")


@pytest.mark.slow
@pytest.mark.parametrize("key", ["stream", "dump"])
@pytest.mark.parametrize("head", [b"", b"QEVM\0\0\0\3", b"{"])
def test_a_bomb_in_a_recorded_destination(key: str, head: bytes) -> None:
    packed = base64.b64encode(lzma.compress(head + bytes(200 << 20), preset=0)).decode()
    text = json.dumps({**json.loads((FOLDER / "bare.json").read_text()), key: packed}).encode()
    tracemalloc.start()
    try:
        with pytest.raises(VMStateError, match=r"^bomb: .*(not a migration stream|out of proportion|are accepted)"):
            read_target(text, "bomb")
        assert tracemalloc.get_traced_memory()[1] < 64 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "words",
    [
        ["explain", "STREAM"],
        ["explain", "STREAM", "--against"],
        ["explain", "STREAM", "--against", "nowhere.json"],
        ["explain", "STREAM", "--against", "FOLDER/answers.json"],
        ["explain", "nowhere.mig", "--against", "FOLDER/bare.json"],
        ["explain", "FOLDER/answers.json", "--against", "FOLDER/bare.json"],
        ["explain", "STREAM", "--against", "FOLDER/bare.json", "--log", "nowhere.log"],
        ["explain", "-", "--against", "-"],
        ["explain", "STREAM", "--against", "--", "no-such-qemu", "-M", "none"],
        ["explain", "STREAM", "--against", "x", "--", "qemu-system-x86_64"],
        ["explain", "--against", "FOLDER/bare.json"],
    ],
    ids=" ".join,
)
def test_what_cannot_be_used_is_one_line(words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stream = tmp_path / "stream.mig"
    stream.write_bytes(cases.stream_of("bare"))
    words = [word.replace("STREAM", str(stream)).replace("FOLDER", str(FOLDER)) for word in words]
    assert main(words) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("vmstate: ") and err.count("\n") == 1


def test_a_stream_that_ends_early_fails_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stream = tmp_path / "cut.mig"
    stream.write_bytes(cases.stream_of("bare")[:5000])
    assert main(["explain", str(stream), "--against", str(FOLDER / "bare.json")]) == 1
    assert "cut off" in capsys.readouterr().out


# The command.


def test_the_command_says_it_in_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stream, log = tmp_path / "stream.mig", tmp_path / "qemu.log"
    stream.write_bytes(cases.stream_of("tap4"))
    log.write_text(SAID["tap4 -> tap2"]["stderr"])
    words = ["explain", str(stream), "--against", str(FOLDER / "tap2.json"), "--log", str(log), "--format", "json"]
    assert main(words) == 1
    top = json.loads(capsys.readouterr().out)
    assert top["verdict"] == "fails" and top["qemu_error"] == "2 != 4"
    (finding,) = (finding for finding in top["findings"] if finding["severity"] == BREAKS)
    assert finding["path"] == "virtio.net.max_queue_pairs" and finding["direction"] == "forward"
    assert finding["id"] == "value-equal:0000:00:02.0/virtio-net:virtio.net.max_queue_pairs"
    keys = {"id", "severity", "direction", "section", "path", "offset", "message", "when", "qemu_error"}
    assert keys <= finding.keys()
    assert stream.read_bytes()[finding["offset"] : finding["offset"] + 2] == b"\0\4"
    assert top["log"][0]["explained_by"] == finding["id"]


def test_the_command_says_it_in_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stream = tmp_path / "stream.mig"
    stream.write_bytes(cases.stream_of("with-rng"))
    assert main(["explain", str(stream), "--against", str(FOLDER / "with-rng.json")]) == 0
    assert "loads in" in capsys.readouterr().out
    assert main(["explain", str(stream), "--against", str(FOLDER / "slot3.json")]) == 1
    out = capsys.readouterr().out
    assert "QEMU prints: Unknown savevm section or instance '0000:00:02.0/virtio-net' 0" in out
    assert "0000:00:03.0/virtio-net" in out and "to do:" in out


# Real QEMU.


def is_chosen(place: int) -> bool:
    return bool(os.environ.get("VMSTATE_EXPLAIN_ALL")) or place % IN_CI == 0


@pytest.mark.qemu
@pytest.mark.parametrize(
    "case", [case for place, case in enumerate(CASES) if is_chosen(place)], ids=lambda case: case.name
)
def test_real_qemu_says_so_again(case: Case, tmp_path: Path) -> None:
    machine = MACHINES[case.destination]
    qemu = cases.qemu_of_release(machine.release)
    if qemu is None:
        pytest.skip(f"needs {cases.PROGRAM} {machine.release}: install it, or name its root in VMSTATE_QEMU_ROOTS")
    if "-netdev tap" in machine.words and not os.access("/dev/net/tun", os.W_OK):
        pytest.skip("needs /dev/net/tun, and leave to make a tap device")
    cases.firmware_files(str(tmp_path))
    stream = cases.changed(cases.stream_of(case.source), case.changes)
    accepted, printed = cases.loaded(stream, machine, str(tmp_path), qemu)
    assert accepted is SAID[case.name]["accepted"], printed
    explanation = explain(stream, target(case.destination))
    assert explanation.verdict == ("loads" if accepted else "fails")


@pytest.mark.qemu
def test_a_destination_is_started_and_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if cases.system_release() != "7.2":
        pytest.skip(f"needs {cases.PROGRAM} 7.2 as the system's")
    cases.firmware_files(str(tmp_path))
    name = "no-mrg_rxbuf"
    stream = tmp_path / "stream.mig"
    stream.write_bytes(cases.changed(cases.stream_of("q35-7.2-7.2"), cases.accepts(5, 15, 16, 32)))
    record = tmp_path / "destination.json"
    command = cases.argv_of(MACHINES[name], str(tmp_path))
    assert main(["explain", str(stream), "--record", str(record), "--against", "--", *command]) == 1
    assert "VIRTIO_NET_F_MRG_RXBUF (bit 15)" in capsys.readouterr().out
    again, recorded = open_target(str(record)), target(name)
    assert again.host_features == recorded.host_features and again.regions == recorded.regions


# Processors.


ARM = FIXTURES / "qemu-7.2-aarch64-virt-virtio-net-pci.mig.xz"


def of_another_processor(name: str, value: int | None) -> bytes:
    """The stream with another value in a register, or without it: under a number that no processor has."""
    with load(ARM) as stream:
        indexes = stream.find("cpu.cpreg_vmstate_indexes")[2]
        at = [register_name(index) for index in indexes].index(name)
        if value is None:
            assign(stream, f"cpu.cpreg_vmstate_indexes[{at}]={indexes[at] - 1}", force=True)
        else:
            assign(stream, f"cpu.cpreg_vmstate_values[{at}]={value:#x}", force=True)
        return stream.to_bytes()


@pytest.mark.parametrize(
    ("name", "value", "verdict", "words"),
    [
        (
            "ID_MMFR0_EL1",
            0x10201105,
            "fails",
            "ID_MMFR0_EL1=0x10201105 (the memory system)",
        ),
        ("PMCEID1_EL0", 1, "fails", "PMCEID1_EL0=0x1 (performance monitors: pmu=)"),
        ("AFSR0_EL1", None, "fails", "the destination's CPU has not the registers S3_0_C5_C0_7"),
        ("VBAR_EL1", 0x1234, "loads", ""),
        ("CSSELR_EL1", 1, "loads", ""),
    ],
)
def test_the_registers_of_an_arm_processor(name: str, value: int | None, verdict: str, words: str) -> None:
    """The vector base and CSSELR are the guest's; what identifies the processor is not."""
    data = of_another_processor(name, value)
    explanation = explain(data, ARM)
    assert explanation.verdict == verdict, explanation.findings
    if verdict == "fails":
        (finding,) = breaking(explanation)
        assert finding.section == "cpu" and words in finding.message and "-cpu" in str(finding.advice)
        assert finding.qemu_error == "error while loading state for instance 0x0 of device 'cpu'"
        assert finding.path in ("cpreg_vmstate_indexes", "cpreg_vmstate_values") and finding.offset is not None
    assert explain(ARM, ARM).verdict == "loads"


@pytest.mark.qemu
@pytest.mark.skipif(shutil.which("qemu-system-aarch64") is None, reason="needs qemu-system-aarch64 (qemu-system-arm)")
def test_real_processors(tmp_path: Path) -> None:
    from vmstate.lab import capture_started, load_into_qemu, target_of

    def argv(cpu: str) -> list[str]:
        return ["qemu-system-aarch64", "-M", "virt", "-cpu", cpu, *["-accel", "tcg", "-m", "16", "-nodefaults", "-S"]]

    path = tmp_path / "a57.mig"
    capture_started(path, argv("cortex-a57"))
    for cpu in ("cortex-a57", "cortex-a72", "cortex-a57,pmu=off"):
        accepted = load_into_qemu(path, argv(cpu)).accepted
        assert accepted is (cpu == "cortex-a57")
        assert explain(path, target_of(argv(cpu), features=False)).verdict == ("loads" if accepted else "fails")
    # Registers of levels that the destination has not: their number may be lower than its own, not higher.
    more = tmp_path / "el2.mig"
    capture_started(more, [word.replace("virt", "virt,virtualization=on") for word in argv("cortex-a57")])
    explanation = explain(more, target_of(argv("cortex-a57"), features=False))
    refused = load_into_qemu(more, argv("cortex-a57"))
    assert explanation.findings[0].path == "cpreg_vmstate_array_len"
    assert str(explanation.qemu_error) in str(refused.error) and "expecting positive value" in str(
        explanation.qemu_error
    )


# What a started destination has beside its stream.


def test_the_number_of_processors_that_there_can_be() -> None:
    """Of a machine whose guest has not run, no stream says it: the registers are sent once firmware has used them."""
    guest = FIXTURES / "qemu-7.2-q35-virtio-net.mig.xz"
    with load(FIXTURES / "qemu-7.2-q35-virtio-net-cold.mig.xz") as stream:
        same, more = (explain(guest, Target("it", stream=stream, facts={"possible_cpus": count})) for count in (1, 2))
    # The two were recorded with other devices in them, and that is told of both.
    assert not [finding for finding in breaking(same) if "ICH9LPC" in str(finding.section)]
    (new_finding,) = [finding for finding in breaking(more) if finding not in breaking(same)]
    assert new_finding.section == "0000:00:1f.0/ICH9LPC" and new_finding.path == "pm.cpuhp.cpuhp_state.devs"
    assert new_finding.message.startswith("possible_cpus is 1 in the stream and 2 on the destination")
    assert new_finding.qemu_error == "Missing section footer for 0000:00:1f.0/ICH9LPC"


def test_processors_that_a_destination_could_have_stand_in_its_acpi_tables() -> None:
    """A section that does not send the registers of processors says nothing of -smp 1,maxcpus=2; the MADT does."""
    guest = FIXTURES / "qemu-7.2-q35-virtio-net.mig.xz"
    with load(FIXTURES / "qemu-7.2-q35-default-devices.mig.xz") as stream:
        next(section for section in stream.sections if "ICH9LPC" in section.name).state["pm"]["ich9_pm/cpuhp"] = None
        alone = stream.to_bytes()
    # One of the interrupts that it overrides is made a processor, and an entry of nothing.
    override = bytes.fromhex("020a0005050000000d00")
    assert alone.count(override) == 1
    two = alone.replace(override, bytes.fromhex("0008010100000000") + b"\7\2")
    path = "pm.cpuhp.cpuhp_state.devs"
    assert [
        [
            finding.message
            for finding in breaking(explain(guest, Target("it", stream=load(data))))
            if finding.path == path
        ]
        for data in (alone, two)
    ] == [[], ["possible_cpus is 1 in the stream and 2 on the destination, which decides what is sent"]]
    # What the destination itself has said counts more.
    asked = Target("it", stream=load(two), facts={"possible_cpus": 1})
    assert not [finding for finding in breaking(explain(guest, asked)) if finding.path == path]


def test_more_processors_than_the_stream_has_room_for() -> None:
    """A destination's own stream that does not send the registers says at least how many processors there are."""
    guest = FIXTURES / "qemu-7.2-q35-virtio-net.mig.xz"
    with load(FIXTURES / "qemu-7.2-q35-smp4-rootports.mig.xz") as stream:
        next(section for section in stream.sections if "ICH9LPC" in section.name).state["pm"]["ich9_pm/cpuhp"] = None
        breaks = breaking(explain(guest, Target("it", stream=load(stream.to_bytes()))))
    (finding,) = (finding for finding in breaks if finding.path == "pm.cpuhp.cpuhp_state.devs")
    assert finding.message.startswith("possible_cpus is 1 in the stream and 4 on the destination")
    assert finding.qemu_error == "Missing section footer for 0000:00:1f.0/ICH9LPC"


def test_a_recorded_destination_has_its_facts(tmp_path: Path) -> None:
    with load(ARM) as stream:
        write_target(tmp_path / "target.json", Target("arm", stream=stream, facts={"possible_cpus": 3}))
    text = (tmp_path / "target.json").read_bytes()
    assert read_target(text, "arm").facts == {"possible_cpus": 3}
    # Those that were recorded before there were any have none.
    top = json.loads(text)
    del top["facts"]
    assert read_target(json.dumps(top).encode(), "arm").facts == {}


@pytest.mark.qemu
@pytest.mark.skipif(
    cases.system_release() is None, reason="needs qemu-system-x86_64 (Debian: apt install qemu-system-x86)"
)
def test_what_a_capture_added_is_added_to_the_destination(tmp_path: Path) -> None:
    """A memory backend, and a serial port for the console: as when it is loaded."""
    argv = ["qemu-system-x86_64", "-M", "q35", "-accel", "tcg", "-m", "16", "-nodefaults", "-S"]
    path = tmp_path / "guest.mig"
    assert main(["capture", "-o", str(path), "--without-ram", "--", *argv, "-serial", "null"]) == 0
    known = json.loads((tmp_path / "guest.mig.provenance.json").read_text())
    (tmp_path / "guest.mig.provenance.json").write_text(json.dumps({**known, "argv": argv, "console": True}))
    for command, no in ((["load", str(path), "--"], 2), (["explain", str(path), "--against", "--"], 1)):
        assert main([*command, *argv]) == 0
        assert main([*command, *argv, "-device", "virtio-rng-pci"]) == 0
        assert main([*command, *argv[:2], "pc", *argv[3:]]) == no
