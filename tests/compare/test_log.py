"""`vmstate explain --log`: what real QEMUs printed, in words, and libvirt's log of a domain."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, cast

import explain_cases as cases
import pytest
from recorded import FIXTURES

from vmstate import explain, load
from vmstate.cli import main
from vmstate.compare import log_lines
from vmstate.compare.explained import Explained, LogLine
from vmstate.compare.log import Log, LogStart, explaining_ids, read_log
from vmstate.compare.log_lines import lines_of
from vmstate.stream.registry import known_names, shipped_descriptions
from vmstate.vmsd.release import Release

ANSWERS = cases.said_of()
WHEN = "2024-01-10 12:00:00.123+0000"
VERSIONS = "libvirt version: 9.0.0, package: 9.0.0-4 (Debian), qemu version: 7.2.7Debian 1:7.2, kernel: 6.1.0"
START = rf"""{WHEN}: starting up {VERSIONS}, hostname: two
LC_ALL=C \
PATH=/usr/sbin:/usr/bin \
/usr/bin/qemu-system-x86_64 \
-name guest=web,debug-threads=on \
-S \
-object '{{"qom-type":"secret","id":"masterKey0","format":"raw","file":"/var/lib/libvirt/qemu/domain-1-web/key"}}' \
-machine pc-q35-7.2,usb=off,memory-backend=pc.ram \
-device '{{"driver":"virtio-net-pci","netdev":"hostnet0","id":"net 0"}}' \
-incoming defer \
-msg timestamp=on
"""
TIME = "2024-01-10T12:00:01.123456Z qemu-system-x86_64: "
REFUSED = [
    "Features 0x1c0010130afffaf unsupported. Allowed features: 0x10179bfffef",
    "Failed to load virtio-net:virtio",
    "error while loading state for instance 0x0 of device '0000:00:02.0/virtio-net'",
    "load of migration failed: Operation not permitted",
]
LIBVIRT = (
    START.replace("-incoming defer \\\n", "").replace("7.2", "6.2")
    + f"{TIME}terminating on signal 15 from pid 1 (/usr/sbin/libvirtd)\n"
    + START
    + "char device redirected to /dev/pts/1 (label charserial0)\n"
    + "".join(f"{TIME}{line}\n" for line in REFUSED)
    + "frobnicated the widget\n"
    + "2024-01-10 12:00:02.345+0000: shutting down, reason=failed\n"
)


def read(text: str) -> Log:
    return read_log(text.encode())


def test_what_libvirt_puts_in_front_of_the_first_line() -> None:
    """As `virsh` and libvirtd's log tell it, of a host that does not take a register."""
    told = "2023-05-04T10:10:10.123Z qemu-system-x86_64: warning: host doesn't support requested feature: MSR(48FH).x"
    for front in (
        "error: internal error: qemu unexpectedly closed the monitor: ",
        "2024-01-10 12:00:00.1+0000: 7: error : qemuProcessReportLogError:1913 : internal error: "
        "QEMU unexpectedly closed the monitor (vm='web'): ",
    ):
        assert [line.text for line in read(f"{front}{told}\n").lines] == [told.partition("x86_64: ")[2]]
    aborts, footer = read(
        "../target/i386/kvm/kvm.c:3213: kvm_buf_set_msrs: Assertion `ret == cpu->kvm_msr_buf->nmsrs' failed.\n"
        "load of migration failed: Invalid argument: Section footer error, section_id: 25\n"
    ).lines
    assert "-cpu" in (aborts.advice or "") and "icount" not in (aborts.advice or "")
    assert footer.says == "the load failed over what is in the stream; the lines in front of it say why"


def test_every_line_that_a_qemu_printed_when_it_refused_is_known() -> None:
    for name, answer in ANSWERS.items():
        lines = list(lines_of(answer["stderr"].splitlines()))
        assert [line.text for line in lines if line.says is None] == [], name
        assert any(line.refuses for line in lines) is not answer["accepted"], name


def test_every_line_about_what_is_beside_the_devices_is_known() -> None:
    truth = json.loads((FIXTURES / "framing" / "truth.json").read_text())
    texts = {text for answer in truth["answers"] for text in answer["lines"]}
    assert len(texts) > 60
    # The libraries of 7.2 print "(null)" for a command that has no name.
    assert [line.text for line in lines_of(sorted(texts)) if line.says is None] == []


@pytest.mark.slow
def test_the_lines_of_the_rules_are_known() -> None:
    """What a rule says that QEMU prints is a line that is told in words."""
    errors = {
        rule.qemu_error
        for name in known_names()
        for vmsd in shipped_descriptions(name)
        for part in vmsd.walk()
        for rule in (*part.rules, *(rule for field in part.fields for rule in field.checks))
        if rule.qemu_error is not None
    }
    assert len(errors) > 8
    for error in errors:
        text = error.format(**dict.fromkeys(("value", "local", "index", "value_bits", "local_bits", "section"), 1))
        (line,) = lines_of([text])
        assert line.says is not None and line.refuses, error


def test_features_are_named_by_the_device_that_a_later_line_names() -> None:
    line = next(line for line in read(LIBVIRT).lines if line.text.startswith("Features"))
    assert line.says is not None and line.advice is not None
    assert line.says.startswith(
        "the driver accepted VIRTIO_NET_F_GUEST_USO4 (bit 54), VIRTIO_NET_F_GUEST_USO6 (bit 55)"
    )
    assert "device 0000:00:02.0/virtio-net does not offer" in line.says
    assert "guest_uso4, guest_uso6, host_uso" in line.advice
    (alone,) = lines_of([REFUSED[0].replace("0x1c0010130afffaf", "0x410130afffef")])
    assert alone.says is not None and "VIRTIO_F_" not in alone.says and "bit 46" in alone.says


def test_the_features_of_11_are_those_that_are_offered() -> None:
    text = (
        "Features 0x00000000000000000000000130afffa7 unsupported. Allowed features: 0x00000000000000000000000000000021"
    )
    first, _ = lines_of([text, REFUSED[2]])
    assert first.says is not None
    assert first.says.endswith("It offers VIRTIO_NET_F_CSUM (bit 0), VIRTIO_NET_F_MAC (bit 5)")


def test_how_libvirt_started_it() -> None:
    log = read(LIBVIRT)
    start = log.start
    assert start is not None and log.earlier == 1
    assert start.release == Release(7, 2) and start.machine_type == "pc-q35-7.2" and start.is_destination
    assert start.when == WHEN and start.environment == {"LC_ALL": "C", "PATH": "/usr/sbin:/usr/bin"}
    assert start.command[:4] == ("/usr/bin/qemu-system-x86_64", "-name", "guest=web,debug-threads=on", "-S")
    place = start.command.index("-device") + 1
    assert json.loads(start.command[place]) == {"driver": "virtio-net-pci", "netdev": "hostnet0", "id": "net 0"}
    assert start.command[-2:] == ("-msg", "timestamp=on")
    assert [line.text for line in log.lines] == [
        "char device redirected to /dev/pts/1 (label charserial0)",
        *REFUSED,
        "frobnicated the widget",
        "shutting down, reason=failed",
    ]
    assert [line.says is None for line in log.lines] == [False] * 5 + [True, False]
    assert [line.refuses for line in log.lines] == [False] + [True] * 4 + [False] * 2


def test_the_start_that_counts_is_the_last_that_was_refused() -> None:
    log = read(LIBVIRT + START.replace("pc-q35-7.2", "pc-q35-5.2") + f"{TIME}terminating on signal 15\n")
    assert log.start is not None and log.start.machine_type == "pc-q35-7.2"
    calm = read(START + START.replace("pc-q35-7.2", "pc-q35-5.2"))
    assert calm.start is not None and calm.start.machine_type == "pc-q35-5.2" and not calm.refuses


@pytest.mark.parametrize(
    "text",
    [
        "",
        f"{WHEN}: starting up",
        f"{WHEN}: starting up\n/usr/bin/qemu-kvm 'not closed",
        f"{WHEN}: starting up\nLC_ALL=C \\",
        "\0\xff" * 20,
        f"{WHEN}: starting up\nrm -rf /",
        "'" * 100_000,
        "a:" * 100_000,
        "qemu" * 100_000 + "\n" + "incoming " * 100_000,
    ],
)
def test_a_log_that_is_none_is_read_all_the_same(text: str) -> None:
    log = read_log(text.encode(errors="surrogateescape")) if text else read_log(b"\n")
    assert log.start is None and not log.refuses


def test_lines_of_anything_are_passed_over_and_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is no log costs no search for each kind of line in each line, nor memory for a long line."""
    searched: list[str] = []

    class Counted:
        def __init__(self, pattern: re.Pattern[str]) -> None:
            self.pattern = pattern

        def search(self, text: str, start: int, end: int) -> re.Match[str] | None:
            searched.append(text)
            return self.pattern.search(text, start, end)

    kinds = [
        type(known)(known.needed, cast(Any, Counted(known.pattern)), known.says, known.advice, known.refuses)
        for known in log_lines._KNOWN
    ]
    monkeypatch.setattr(log_lines, "_KNOWN", kinds)
    rubbish = [f"x{number}(" + "ab_" * 100 for number in range(1000)]
    log = read("\n".join([*rubbish, REFUSED[1], "y" * 1_000_000]))
    assert len(searched) <= 2 * len(rubbish) < len(kinds) * len(rubbish)
    assert len(log.lines) == len(rubbish) + 2 and log.refuses
    assert log.lines[-1].text == "y" * 8000 + "... (992,000 characters more)"


def test_what_is_looked_for_first_stands_in_every_line_of_its_kind() -> None:
    needed = {known.needed for known in log_lines._KNOWN}
    assert {'Unknown ramblock "', "section or instance '", " mismatch: ", "load of migration failed", ""} <= needed
    for answer in ANSWERS.values():
        for text in str(answer).splitlines():
            for known in log_lines._KNOWN:
                assert known.pattern.search(text) is None or known.needed in text


CPREG = "handle_cpreg_{}_in_incoming_stream: system register {} "


@pytest.mark.parametrize(
    ("text", "words", "refuses"),
    [
        (
            CPREG.format("only", "0x1013c080")
            + "in the incoming stream but unknown on the destination: fail migration",
            "the stream has the register SCTLR_EL1 (0x1013c080) of the source's processor",
            True,
        ),
        (
            "warning: " + CPREG.format("missing", "0x200f0010") + "expected by the destination but not in the incoming "
            "stream: skip it",
            "the destination's processor has the register p15,2,c0,c0,0 (0x200f0010), which is not in the stream",
            False,
        ),
        ("State blocked by non-migratable device '/fe.0.001e/x-terminal3270'", "the device /fe.0.001e/x-term", True),
        ("Migration is disabled when VirtFS export path '/x' is mounted in the guest using mount_tag 'y'", "/x", True),
        ("-M pc-q35-42.0: unsupported machine type", "no machine type of that name", False),
        ('unsupported machine type: "pc-q35-42.0"', "no machine type of that name", False),
        ("Use -machine help to list supported machines", "which types QEMU has", False),
        ("cannot set up guest memory 'pc.ram': Cannot allocate memory", "(Cannot allocate memory)", False),
        ("-incoming tcp:0:4444: Failed to find an available port: Address already in use", "cannot listen", False),
        ("-incoming unix:/a: Failed to bind socket to /a: Permission denied", "(Permission denied)", False),
        ("-drive file=/x: Could not open '/x': No such file or directory", "names /x, which it cannot open", False),
        ("-device a,id=b: warning: PCI: slot 1 is not valid for a", "QEMU warns", False),
        ("WARNING: Image format was not specified for 'null-co://' and probing guessed raw.", "QEMU warns", False),
        ("ALSA lib pcm.c:2660:(snd_pcm_open_noupdate) Unknown PCM default", "not about a load", False),
        ("2024-01-10 12:00:00.1+0000: Domain id=1 is tainted: host-cpu", "does not vouch for (host-cpu)", False),
    ],
)
def test_a_line_that_a_real_qemu_prints_beside_others(text: str, words: str, refuses: bool) -> None:
    (line,) = lines_of([text])
    assert line.says is not None and words in line.says and line.refuses == refuses


def test_a_log_that_begins_with_zeros() -> None:
    """As one does that was cut while QEMU had it open."""
    (line,) = read("\0" * 5000 + f"{TIME}{REFUSED[3]}\n").lines
    assert line.text == REFUSED[3] and line.refuses


def test_a_machine_type_in_any_form() -> None:
    for words, machine in ((["-M", "pc"], "pc"), (["--machine", "type=q35,usb=off"], "q35"), (["-m", "1"], None)):
        assert LogStart(("qemu", *words), {}, None, WHEN).machine_type == machine


def test_alone_in_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "web.log"
    path.write_text(LIBVIRT)
    assert main(["explain", "--log", str(path)]) == 1
    shown = capsys.readouterr().out
    assert "QEMU 7.2, pc-q35-7.2; it waits for a stream" in shown
    assert "1 earlier start in it, not told here" in shown
    assert "VIRTIO_NET_F_HOST_USO (bit 56)" in shown
    assert "  frobnicated the widget\n    not known to us\n" in shown
    assert main(["explain", "--log", str(path), "--format", "json"]) == 1
    top = json.loads(capsys.readouterr().out)
    assert top["refused"] and top["start"]["release"] == "7.2" and top["lines"][5]["says"] is None
    path.write_text("nothing of note\n")
    assert main(["explain", "--log", str(path)]) == 0


def test_a_line_is_about_what_it_quotes_before_what_it_names() -> None:
    def finding(rule: str, section: str | None, path: str | None, error: str | None = None) -> Explained:
        return Explained(rule, "breaks", section, path, None, "", "forward", None, qemu_error=error)

    quoted = finding("quoted", None, None, "is not there")
    named, other_instance = finding("named", "ide#1", "a"), finding("elsewhere", "ide#2", "b")
    subject = finding("subject", "pckbd", "kbd/extra")
    line = LogLine("device is not there", section="ide", instance_id=1, subject="kbd/extra")
    ids = list(explaining_ids(line, [subject, other_instance, named, quoted]))
    assert ids == [quoted.id, named.id, subject.id]


def test_a_line_against_the_verdict_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stream = cases.stream_of("bare")
    explanation = explain(stream, load(stream), log="".join(f"{TIME}{line}\n" for line in REFUSED).encode())
    assert explanation.verdict == "loads"
    assert [(line.explained_by, line.contradicts) for line in explanation.log] == [(None, True)] * 4
    as_dict: dict[str, Any] = explanation.as_dict()
    assert all(line["contradicts"] for line in as_dict["log"])
    guest, log = tmp_path / "guest.mig", tmp_path / "qemu.log"
    guest.write_bytes(stream)
    log.write_text("\n".join([*REFUSED, "frobnicated"]))
    assert main(["explain", str(guest), "--against", str(guest), "--log", str(log)]) == 0
    shown = capsys.readouterr().out
    assert shown.count("which contradicts the verdict") == 4
    assert "  frobnicated\n    not known to us\n" in shown


def test_more_lines_than_are_shown_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "web.log"
    path.write_text("frobnicated\n" * 203)
    assert main(["explain", "--log", str(path)]) == 0
    assert "and 3 more lines" in capsys.readouterr().out
