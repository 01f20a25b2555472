"""Streams that differ in what is of no device, and what real QEMUs say of each: fixtures/framing.

    python tests/support/framing_cases.py       records what is not in truth.json; QEMU 7.2 of the system, 5.2, 10.0,
                                                11.1 of roots

A base is the stream of a machine of one release, saved before a guest ran. A case changes the base of each release and
gives it to the QEMU of the same release, started with some options and migration capabilities. The destinations are
recorded as `vmstate explain --record` does, so that the cases can be explained where no QEMU is.
"""

from __future__ import annotations

import json
import os
import re
import struct
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from explain_cases import firmware_files, qemu_of_release

from vmstate.compare.target import Target, open_target, write_target
from vmstate.errors import MachineError, VMStateError
from vmstate.lab.target import target_of
from vmstate.qemu.machine import Machine, Qemu, find_qemu
from vmstate.qemu.migration import set_capabilities
from vmstate.saved.loading import load
from vmstate.stream.events import EndOfStream

FOLDER = Path(__file__).resolve().parents[2] / "fixtures" / "framing"
TRUTH = FOLDER / "truth.json"
RELEASES = ("5.2", "7.2", "10.0", "11.1")
PROGRAM = "qemu-system-x86_64"
PLAIN = "-M none -m 1"
PC = "-M pc -m 16 -bios DIR/bios64"
AUDIO = f"{PC} -audiodev none,id=a"
Q35 = "-M q35 -m 16 -bios DIR/bios64"
Q35_AUDIO = f"{Q35} -audiodev none,id=a"
MICROVM = "-M microvm -m 16 -bios DIR/bios64"
UUID = f"{PLAIN} -uuid 99999999-9999-9999-9999-999999999999"
NO_RAM = "-M none"
NO_FOOTERS = f"{PLAIN} -global migration.send-section-footer=off"
NO_CONFIGURATION = "-M none,suppress-vmdesc=on -m 1 -global migration.send-configuration=off"
NO_GLOBALSTATE = f"{PLAIN} -global migration.store-global-state=off"
POSTCOPY = f"{PLAIN} -global migration.x-postcopy-ram=on"
IDENTICAL = f"{PLAIN} -uuid 11111111-2222-3333-4444-555555555555"

PPC = "qemu-system-ppc64"
PSERIES = "-bios DIR/bios64 -m 256 -M pseries"
LEVELS = ("", ",cap-cfpc=broken", ",cap-ibs=fixed-na", ",cap-large-decr=off", ",cap-hpt-max-page-size=16M")
S390 = "-m 16 -M s390-ccw-virtio-2.9"
SLIRPS = {count: MICROVM + "".join(f" -netdev user,id=n{number}" for number in range(count)) for count in (1, 2)}
ICOUNT = ("", "-icount shift=7", "-icount shift=auto", "-icount shift=7,sleep=off")
SOUND = f"{Q35_AUDIO} -device intel-hda -device {{}},audiodev=a"
CODECS = ("hda-duplex", "hda-output", "hda-duplex,use-timer=off")

Change = Callable[[bytes], bytes]


def command(number: int, data: bytes = b"") -> bytes:
    """A command of a stream."""
    return struct.pack(">BHH", 8, number, len(data)) + data


def in_front(inserted: bytes) -> Change:
    """Bytes put in front of the first section."""

    def change(data: bytes) -> bytes:
        at = load(data).sections[0].offset
        return data[:at] + inserted + data[at:]

    return change


def record(flags: int, body: bytes = b"", address: int = 0, block: bytes | None = b"ram") -> Change:
    """A record of RAM put in front of the others of the first part of RAM that follows the start."""
    header = struct.pack(">Q", address | flags) + (b"" if block is None else bytes((len(block),)) + block)

    def change(data: bytes) -> bytes:
        section = next(part for part in load(data).sections if part.is_ram and part.kind != "start")
        return data[: section.offset + 5] + header + body + data[section.offset + 5 :]

    return change


def section(name: str, instance_id: int = 0, version_id: int = 1, payload: bytes = b"") -> Change:
    """A section put behind all others."""
    head = struct.pack(">BIB", 4, 77, len(name)) + name.encode() + struct.pack(">II", instance_id, version_id)
    whole = head + payload + struct.pack(">BI", 0x7E, 77)

    def change(data: bytes) -> bytes:
        at = next(part.offset for part in load(data).parts if isinstance(part, EndOfStream))
        return data[:at] + whole + data[at:]

    return change


def twice(name: str) -> Change:
    """A section that stands in the stream twice, one behind the other."""

    def change(data: bytes) -> bytes:
        known = load(data)[name]
        end = known.offset + known.size
        return data[:end] + data[known.offset : end] + data[end:]

    return change


def subsection(name: str, payload: bytes) -> Change:
    """A subsection of the configuration."""
    return in_front(struct.pack(">BB", 5, len(name)) + name.encode() + struct.pack(">I", 1) + payload)


def capability(name: str) -> Change:
    """A configuration section that names one migration capability."""
    return subsection("configuration/capabilities", struct.pack(">IB", 1, len(name)) + name.encode())


def uuid(text: str) -> Change:
    """A configuration section with a UUID."""
    return subsection("configuration/uuid", bytes.fromhex(text.replace("-", "")))


def same(data: bytes) -> bytes:
    """The stream as it was saved."""
    return data


ADVICE = struct.pack(">QQ", 4096, 4096)
COMPRESSED = zlib.compress(bytes(4096))
MORE_UUID = "11111111-2222-3333-4444-555555555555"


class Case(NamedTuple):
    """A change of the stream that `source` saves, and the options of the destination."""

    name: str
    change: Change
    destination: str = PLAIN
    source: str = PLAIN
    program: str = PROGRAM
    releases: tuple[str, ...] = RELEASES


CASES: tuple[Case, ...] = (
    Case("plain", same),
    Case("OPEN_RETURN_PATH", in_front(command(1))),
    Case("OPEN_RETURN_PATH of 1 byte", in_front(command(1, b"\1"))),
    Case("PING of 0 bytes", in_front(command(2))),
    Case("PING before there is a way back", in_front(command(2, b"\0\0\0\1"))),
    Case("PING", in_front(command(1) + command(2, b"\0\0\0\1"))),
    Case("POSTCOPY_ADVISE of dirty bitmaps", in_front(command(3))),
    Case("POSTCOPY_ADVISE of dirty bitmaps, postcopy-ram on", in_front(command(3)), POSTCOPY),
    Case("POSTCOPY_ADVISE of RAM", in_front(command(3, ADVICE))),
    Case("POSTCOPY_ADVISE of RAM, postcopy-ram on", in_front(command(3, ADVICE)), POSTCOPY),
    Case("POSTCOPY_ADVISE twice", in_front(command(3, ADVICE) * 2), POSTCOPY),
    Case("POSTCOPY_ADVISE of 5 bytes", in_front(command(3, b"12345"))),
    Case("POSTCOPY_LISTEN", in_front(command(4))),
    Case("POSTCOPY_RUN", in_front(command(5))),
    Case("POSTCOPY_RAM_DISCARD", in_front(command(6))),
    Case("PACKAGED of 0 bytes", in_front(command(7))),
    Case("ENABLE_COLO of 3 bytes", in_front(command(8, b"123"))),
    Case("POSTCOPY_RESUME", in_front(command(9))),
    Case("RECV_BITMAP", in_front(command(10, b"\3ram"))),
    Case("RECV_BITMAP of no such block", in_front(command(10, b"\3abc"))),
    Case("RECV_BITMAP of 0 bytes", in_front(command(10))),
    Case("SWITCHOVER_START", in_front(command(11))),
    Case("zero page", record(2, b"\0")),
    Case("zero page of fives", record(2, b"\5")),
    Case("page", record(8, bytes(4096))),
    Case("compressed page", record(0x100, struct.pack(">I", len(COMPRESSED)) + COMPRESSED)),
    Case("hook", record(0x80, block=None)),
    Case("multifd flush", record(0x200, block=None)),
    Case("no footers", same, source=NO_FOOTERS),
    Case("no footers on both sides", same, NO_FOOTERS, NO_FOOTERS),
    Case("no footers wanted", same, NO_FOOTERS),
    Case("no configuration", same, source=NO_CONFIGURATION),
    Case("no configuration on both sides", same, NO_CONFIGURATION, NO_CONFIGURATION),
    Case("no configuration wanted", same, NO_CONFIGURATION),
    Case("UUID of another machine", uuid(MORE_UUID), UUID),
    Case("UUID and none there", uuid(MORE_UUID)),
    Case("UUID of the machine", uuid(MORE_UUID), IDENTICAL),
    Case("UUID and another machine type", uuid(MORE_UUID), f"{MICROVM} -uuid 99999999-9999-9999-9999-999999999999"),
    Case("another machine type", same, MICROVM),
    *(
        Case(f"capability {name}", capability(name))
        for name in ("compress", "xbzrle", "zero-blocks", "background-snapshot", "dirty-limit", "nosuch")
    ),
    Case("capability mapped-ram", capability("mapped-ram"), NO_RAM, NO_RAM),
    Case("globalstate", section("globalstate", 0, 1, struct.pack(">I100s", 8, b"running")), NO_GLOBALSTATE),
    Case("globalstate where none is sent", same, NO_GLOBALSTATE),
    Case("timer twice", twice("timer")),
    Case("globalstate twice", twice("globalstate")),
    Case("dirty-bitmap", section("dirty-bitmap", 0, 1, b"\1")),
    Case("dirty-bitmap of instance 1", section("dirty-bitmap", 1, 1, b"\1")),
    Case("dirty-bitmap of version 2", section("dirty-bitmap", 0, 2, b"\1")),
    Case("block", section("block", 0, 1, struct.pack(">Q", 2))),
    Case("block of instance 2", section("block", 2, 1, struct.pack(">Q", 2))),
    Case("audio", section("audio")),
    *(
        Case(f"audio in {options}", section("audio"), options, options)
        for options in (PC, AUDIO, Q35, Q35_AUDIO, MICROVM)
    ),
    Case("audio of version 2", section("audio", 0, 2), AUDIO, AUDIO),
    *(
        Case(f"PCIHost in {options}", section("PCIHost", 0, 1, bytes(4)), options, options)
        for options in (PC, Q35, MICROVM)
    ),
    Case("PCIHost of instance 3", section("PCIHost", 3, 1, bytes(4)), Q35, Q35),
    *(
        Case(f"pcspk in {options}", section("pcspk", 0, 1, bytes(2)), options, options)
        for options in (PC, Q35, MICROVM)
    ),
    *(
        Case(
            f"-icount {saved or 'none'} to {two or 'none'}",
            same,
            f"{NO_RAM} {two}".strip(),
            f"{NO_RAM} {saved}".strip(),
        )
        for saved in ICOUNT
        for two in ICOUNT
    ),
    *(
        Case(f"{saved} to {two}", same, SOUND.format(two), SOUND.format(saved), releases=("7.2", "10.0"))
        for saved in CODECS
        for two in CODECS
    ),
    *(
        Case(f"pseries {saved} to {two}", same, PSERIES + two, PSERIES + saved, PPC, ("7.2",))
        for saved in LEVELS
        for two in LEVELS
        if saved != two
    ),
    Case("spapr_drc in pseries", section("spapr_drc", 0x40000000, 1, bytes(4)), PSERIES, PSERIES, PPC, ("7.2",)),
    *(
        Case(f"{name} in {S390}", section(name, 0, version, payload), S390, S390, "qemu-system-s390x", ("7.2",))
        for name, version, payload in (
            ("s390-storage_attributes", 0, struct.pack(">Q", 1)),
            ("s390-skeys", 1, struct.pack(">Q", 1)),
            ("qemu-s390-flic", 1, bytes(2)),
            ("PCIHost", 1, bytes(4)),
            ("audio", 1, b""),
        )
    ),
    *(Case(f"two slirp to {count}", same, SLIRPS[count], SLIRPS[2]) for count in (1, 2)),
    Case("another device", section("nosuch")),
    Case("s390-skeys", section("s390-skeys", 0, 1, struct.pack(">Q", 4))),
    Case("spapr_drc", section("spapr_drc", 5, 1, bytes(4)), PC, PC),
)
"""Not asked: ENABLE_COLO, after which 5.2 and 7.2 neither refuse nor run."""


def target_file(release: str, options: str, program: str = PROGRAM) -> Path:
    """Where the destination of some options is recorded."""
    kind = "" if program == PROGRAM else program.removeprefix("qemu-system-") + "-"
    name = re.sub(r"[^\w.]+", "-", options.replace("-bios DIR/bios64", "").replace("-global migration.", ""))
    return FOLDER / f"{release}-{kind}{name.strip('-')}.json"


def target_named(release: str, options: str, program: str = PROGRAM) -> Target:
    """A recorded destination."""
    target = open_target(str(target_file(release, options, program)))
    assert isinstance(target, Target)
    return target


def stream_of(case: Case, release: str) -> bytes:
    """The stream of a case, changed: the destination of the source's options saved it."""
    stream = target_named(release, case.source, case.program).stream
    assert stream is not None
    return case.change(stream.to_bytes())


# Real QEMU.


def qemu_for(program: str, release: str) -> Qemu | None:
    """The program of a release: the system's, or that of a root; None where it is not there."""
    if program == PROGRAM:
        return qemu_of_release(release)
    for root in (None, *filter(None, os.environ.get("VMSTATE_QEMU_ROOTS", "").split(":"))):
        with suppress(VMStateError):
            return find_qemu(program, root)
    return None


def argv_of(options: str, folder: str, program: str = PROGRAM) -> list[str]:
    """The command line of some options, with the folder of the firmware put in."""
    return [program, *options.replace("DIR", folder).split(), "-nodefaults"]


def answer(data: bytes, release: str, options: str, program: str = PROGRAM) -> tuple[str, list[str]]:
    """Whether a real QEMU loads a stream, and what it prints."""
    qemu = qemu_for(program, release)
    assert qemu is not None, release
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "stream")
        path.write_bytes(data)
        firmware_files(folder)
        words = [*argv_of(options, folder, program), "-S", "-incoming", "defer"]
        with Machine(words, qemu=qemu) as machine:
            set_capabilities(machine, ["events"])
            machine.ask("migrate-incoming", {"uri": f"exec:cat {path}"})
            verdict = "fails"
            limit = time.monotonic() + 20
            while time.monotonic() < limit:
                try:
                    status = machine.ask("query-migrate").get("status")
                except MachineError:
                    break
                if status == "completed":
                    verdict = "loads"
                    break
                time.sleep(0.02)
            if verdict == "fails":
                machine.wait_for_end(2)
            lines = [line.partition(f"{program}: ")[2] or line for line in machine.output.splitlines()]
    return verdict, [line.replace(str(path), "STREAM") for line in lines if line and "terminating on" not in line]


def record_all() -> Iterator[str]:
    """Record every destination and every answer."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    known = json.loads(TRUTH.read_text())["answers"] if TRUTH.exists() else []
    answers: list[dict[str, Any]] = []
    for release in RELEASES:
        for case in CASES:
            if release not in case.releases:
                continue
            before = [entry for entry in known if (entry["release"], entry["case"]) == (release, case.name)]
            if before:
                answers += before
                continue
            for options in (case.source, case.destination):
                path = target_file(release, options, case.program)
                if not path.exists():
                    with tempfile.TemporaryDirectory() as folder:
                        firmware_files(folder)
                        qemu = qemu_for(case.program, release)
                        target = target_of(argv_of(options, folder, case.program), qemu=qemu)
                    shown = tuple(argv_of(options, "DIR", case.program))
                    write_target(path, Target(**{**vars(target), "name": options, "command": shown}))
            verdict, lines = answer(stream_of(case, release), release, case.destination, case.program)
            answers.append({"release": release, "case": case.name, "verdict": verdict, "lines": lines})
            yield f"{release}: {case.name}: {verdict}: {' | '.join(lines)}"
    TRUTH.write_text(json.dumps({"recorded": time.strftime("%Y-%m-%d"), "answers": answers}, indent=1) + "\n")


if __name__ == "__main__":
    for line in record_all():
        print(line, flush=True)
    sys.exit(0)
