"""Streams that a real QEMU refuses, repaired, and given to it again; where a guest runs in them, it is asked how it is.

    python benchmarks/repair_accuracy.py --roots ROOT:ROOT:ROOT --guest .guest -o FOLDER
    python benchmarks/repair_accuracy.py ... --only moved --only feature

Each pair of `PAIRS` is a machine that is saved and another command line that it is to be loaded with. The stream is
given to the QEMU of that command line, which must refuse it; `vmstate.compare.repair` repairs it with the classes of
steps that the pair says, and the same QEMU is given what comes out. A guest that runs in it is then asked: whether its
console answers, whether a ping comes back, whether its devices are found (lspci), whether a driver lets go of its
device and takes it again, and whether it boots again. A line of JSON for each pair goes to FOLDER/repairs.jsonl, and a
table to standard output; what a repair refuses is told with its reason.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from vmstate.compare.repair import BREAKS, CLASSES, INVISIBLE, SEEN, Repair, repair
from vmstate.errors import MachineError, VMStateError, one_line
from vmstate.lab.guest import READY, Guest, guest_in
from vmstate.lab.incoming import QemuDestination
from vmstate.lab.program import exit_code_of
from vmstate.lab.target import target_of
from vmstate.qemu.machine import Machine, Qemu, find_qemu
from vmstate.qemu.migration import NO_LIMIT, save, set_capabilities
from vmstate.vmsd.data import Value
from vmstate.vmsd.release import Release

PROGRAM = "qemu-system-x86_64"
ROMS = {"rom30": 30_000, "rom60": 60_000, "rom100": 100_000}
"""Files of option ROMs that the command lines name, and their bytes."""
BIOSES = {"bios64": 64 << 10, "bios128": 128 << 10}
"""Files of firmware that does nothing."""

MAC = "52:54:00:12:34:56"
HOST = "10.0.2.2"
"""What QEMU's user network is for its guest; it answers a ping by itself."""

LIMIT = 120.0
ANSWER = 20.0
"""Seconds that a guest may take for an answer."""
BOOT = 60.0
"""Seconds that it may take to boot."""


class Setup(Value):
    """A machine: the release of QEMU, and what its command line is made of.

    `card` is the whole of the network card's -device, without its back end; `words` is what comes behind it. `DIR` is
    the folder of the files that there are.
    """

    release: str = "7.2"
    machine: str = "pc-q35-7.2"
    memory: str = "96"
    card: str = "virtio-net-pci,addr=2,romfile=DIR/rom60"
    network: str = "user,id=n0"
    words: str = ""
    program: str = PROGRAM
    capabilities: tuple[str, ...] = ()

    def argv(self, folder: str, guest: Guest | None) -> list[str]:
        """The command line; without a guest the machine is never run."""
        words = [self.program, "-M", self.machine, "-accel", "tcg", "-m", self.memory, "-nodefaults"]
        if self.card:
            words += ["-netdev", self.network, "-device", f"{self.card},netdev=n0,mac={MAC}"]
        words += self.words.replace("DIR", folder).split()
        words = [word.replace("DIR", folder) for word in words]
        if guest is None:
            return [*words, "-S"]
        return [*words, "-serial", "null", *guest.words[:-1], f"{guest.words[-1]} ipv6.disable=1"]


class Pair(Value):
    """A machine that is saved, and another that is to take it.

    `cause` is why that refuses; `accept` are the classes of steps that are done. `refused`: what the reason names where
    nothing can be done. `lives`: a guest runs in it. `lost`: what the guest is said to lose by it, of `QUESTIONS`.
    """

    name: str
    cause: str
    source: Setup
    destination: Setup
    accept: str = INVISIBLE
    refused: str | None = None
    lives: bool = True
    lost: tuple[str, ...] = ()


QUESTIONS = ("console", "ping", "lspci", "driver", "reboot")
"""What a guest is asked: see `answers_of`."""

MOVED = ("lspci", "driver")
"""What a guest loses whose device is not where it was: its registers go on, its configuration space is elsewhere."""

DEVICES = "-device virtio-rng-pci,addr=4 -device virtio-balloon-pci,addr=5"
Q35 = Setup(words=DEVICES)
PC = Setup(machine="pc-i440fx-7.2", words=DEVICES)
MICROVM = Setup(machine="microvm", memory="16", card="virtio-net-device", words="-bios DIR/bios64")
COLD = Setup(memory="16", card="", words="-bios DIR/bios64")


def changed(setup: Setup, **parts: Any) -> Setup:
    """A machine with parts of it otherwise."""
    return setup.replace(**parts)


def _card(options: str, rom: str = "DIR/rom60", place: str = "addr=2") -> str:
    return f"virtio-net-pci,{place},romfile={rom}" + (f",{options}" if options else "")


def _cold(words: str, release: str = "7.2", machine: str = "pc-q35-7.2", memory: str = "16") -> Setup:
    return COLD.replace(release=release, machine=machine, memory=memory, words=f"{COLD.words} {words}")


def _other(program: str, release: str, machine: str, words: str = "", memory: str = "64") -> Setup:
    return Setup(release, machine, memory, "", words=words, program=program)


DISK = "-drive if=none,id=d0,driver=null-co,read-zeroes=on,size=64M"
MEMORY_DEVICE = "-object memory-backend-ram,id=vm,size=16M -device virtio-mem-pci,memdev=vm,addr=3,block-size="


def _living() -> Iterator[Pair]:
    rng, balloon = (f"-device virtio-{name}-pci,addr={at}" for name, at in (("rng", 4), ("balloon", 5)))
    for name, rom in (("smaller", "DIR/rom30"), ("larger", "DIR/rom100")):
        yield Pair(f"ROM {name}", "other romsize", Q35, Q35.replace(card=_card("", rom)))
    yield Pair("ROM gone", "other romsize", Q35, Q35.replace(card=_card("", "")))
    backend = "-object memory-backend-ram,id=ram0,size=96M"
    named = Q35.replace(machine=f"{Q35.machine},memory-backend=ram0", words=f"{backend} {DEVICES}")
    yield Pair("pc.ram to ram0", "renamed block", Q35, named)
    yield Pair("ram0 to pc.ram", "renamed block", named, Q35)
    # The usual number of vectors has changed since.
    three = Q35.replace(card=_card("vectors=3"))
    for number in ("7.1", "6.2", "5.2"):
        older = three.replace(machine=f"pc-q35-{number}")
        yield Pair(f"pc-q35-7.2 to {number}", "older machine type", three, older, BREAKS)
    yield Pair("pc-i440fx-7.2 to 6.2", "older machine type", PC, PC.replace(machine="pc-i440fx-6.2"), BREAKS)
    yield Pair("slots for memory", "slots for memory", Q35, Q35.replace(memory="96,slots=2,maxmem=1G"))
    yield Pair("no slots for memory", "slots for memory", Q35.replace(memory="96,slots=2,maxmem=1G"), Q35)
    yield Pair("multifunction", "bits of a configuration space", Q35, Q35.replace(card=_card("multifunction=on")), SEEN)
    # Its clock is gone: such a guest stands still.
    without = Q35.replace(machine=f"{Q35.machine},hpet=off")
    yield Pair("hpet=off", "unsent section", Q35, without, BREAKS, lost=QUESTIONS)
    for option in ("sata", "smbus", "vmport", "i8042"):
        yield Pair(f"{option}=off", "unsent section", Q35, Q35.replace(machine=f"{Q35.machine},{option}=off"), BREAKS)
    yield Pair("no rng", "a device less", Q35, Q35.replace(words=balloon), BREAKS, lost=MOVED)
    yield Pair("no balloon", "a device less", Q35, Q35.replace(words=rng), BREAKS, lost=MOVED)
    yield Pair(
        "no slirp",
        "section of the host",
        Q35,
        Q35.replace(network="hubport,id=n0,hubid=0"),
        INVISIBLE,
        lost=("ping", "driver", "reboot"),
    )
    yield Pair("NIC in slot 6", "moved NIC", Q35, Q35.replace(card=_card("", place="addr=6")), BREAKS, lost=MOVED)
    yield Pair(
        "rng in slot 7",
        "another device moved",
        Q35,
        Q35.replace(words=f"-device virtio-rng-pci,addr=7 {balloon}"),
        BREAKS,
        lost=MOVED,
    )
    for option in ("status", "ctrl_vlan", "guest_announce", "ctrl_mac_addr"):
        yield Pair(f"{option}=off", "feature of a driver", Q35, Q35.replace(card=_card(f"{option}=off")), BREAKS)
    # The driver goes on with headers of another length until it is bound anew.
    fewer = Q35.replace(card=_card("mrg_rxbuf=off"))
    yield Pair("mrg_rxbuf=off", "feature of a driver", Q35, fewer, BREAKS, lost=("ping",))
    identified = Q35.replace(
        words=f"{DEVICES} -uuid 11111111-2222-3333-4444-555555555555", capabilities=("validate-uuid",)
    )
    yield Pair("UUID", "UUID", identified, Q35.replace(words=f"{DEVICES} -uuid 11111111-2222-3333-4444-666666666666"))
    for release, machine, to, old_type in (
        ("10.0", "pc-q35-10.0", "7.2", "pc-q35-7.2"),
        ("10.0", "pc-i440fx-10.0", "7.2", "pc-i440fx-7.2"),
        ("11.1", "pc-q35-11.1", "10.0", "pc-q35-10.0"),
        ("11.1", "pc-q35-11.1", "7.2", "pc-q35-7.2"),
        ("7.2", "pc-q35-7.2", "5.2", "pc-q35-5.2"),
        ("10.0", "pc-q35-10.0", "5.2", "pc-q35-5.2"),
    ):
        yield Pair(
            f"{machine} to {old_type} of {to}",
            f"{release} to {to}",
            three.replace(release=release, machine=machine),
            three.replace(release=to, machine=old_type),
            BREAKS,
        )
    yield Pair("microvm of 10.0 to 7.2", "10.0 to 7.2", MICROVM.replace(release="10.0"), MICROVM, lives=False)
    yield Pair("microvm of 11.1 to 7.2", "11.1 to 7.2", MICROVM.replace(release="11.1"), MICROVM, lives=False)
    for is_sent in (False, True):
        setups = [
            PC.replace(
                release="10.0",
                words=f"-global PIIX4_PM.x-not-migrate-acpi-index={'on' if hidden else 'off'} {DEVICES}",
            )
            for hidden in (not is_sent, is_sent)
        ]
        yield Pair(f"acpi-index {'sent' if is_sent else 'not sent'}", "acpi-index", setups[0], setups[1])
    for first, second in ((1, 2), (2, 1)):
        setups = [
            Q35.replace(
                release="11.1", words=f"{DEVICES} -device virtio-gpu-pci,addr=7,x-scanout-vmstate-version={number}"
            )
            for number in (first, second)
        ]
        yield Pair(f"scanouts {first} to {second}", "scanout version", setups[0], setups[1])
    port = "-device pcie-root-port,id=rp,addr=3,chassis=1"
    behind = Q35.replace(words=f"{port} -device virtio-rng-pci,bus=rp -device virtio-balloon-pci,addr=5")
    never_reset = behind.replace(words=behind.words.replace("bus=rp", "bus=rp,x-pcie-flr-init=off"))
    yield Pair("x-pcie-flr-init=off", "capabilities of PCI Express", behind, never_reset, SEEN)
    # What cannot be done while a guest runs.
    yield Pair(
        "vectors=5", "vectors", Q35, Q35.replace(card=_card("vectors=5")), BREAKS, "the destination counts otherwise"
    )
    yield Pair(
        "a ring of 1024", "queue size", Q35.replace(card=_card("rx_queue_size=1024")),
        Q35.replace(release="11.1", card=_card("")), BREAKS, "the guest's ring has that size",
    )  # fmt: skip
    yield Pair("less memory", "memory", Q35, Q35.replace(memory="64"), BREAKS, "the guest has that memory")
    yield Pair(
        "a processor less",
        "processors",
        Q35.replace(words=f"{DEVICES} -smp 2"),
        Q35,
        BREAKS,
        "a processor cannot be taken",
    )


def _still() -> Iterator[Pair]:
    arm = "qemu-system-aarch64"
    for name, first, second in (
        ("pmu=off", "cortex-a57", "cortex-a57,pmu=off"),
        ("sve=off", "max", "max,sve=off"),
    ):
        yield Pair(
            f"{name} on Arm", "Arm registers", _other(arm, "7.2", "virt-7.2", f"-cpu {first}"),
            _other(arm, "7.2", "virt-7.2", f"-cpu {second}"), BREAKS, lives=False,
        )  # fmt: skip
    virtualized = _other(arm, "7.2", "virt-7.2,virtualization=on", "-cpu cortex-a57")
    yield Pair(
        "virtualization=off on Arm",
        "Arm registers",
        virtualized,
        virtualized.replace(machine="virt-7.2"),
        BREAKS,
        lives=False,
    )
    plain = _cold("")
    yield Pair("no configuration", "framing", _cold("-global migration.send-configuration=off"), plain, lives=False)
    yield Pair("no footers", "framing", _cold("-global migration.send-section-footer=off"), plain, lives=False)
    yield Pair("footers", "framing", plain, _cold("-global migration.send-section-footer=off"), lives=False)
    port = "-device pcie-root-port,id=p0,chassis=1,x-native-hotplug="
    for before, after in (("on", "off"), ("off", "on")):
        pair = (_cold(f"{port}{before}"), _cold(f"{port}{after}"))
        yield Pair(f"x-native-hotplug={after}", "other capabilities", *pair, SEEN, lives=False)
    legacy = _cold("-device virtio-serial-pci,addr=3", machine="pc-i440fx-2.3")
    yield Pair(
        "pc-i440fx-2.3 to 2.8", "other capabilities", legacy, legacy.replace(machine="pc-i440fx-2.8"), BREAKS,
        lives=False,
    )  # fmt: skip
    card = "-netdev user,id=n0 -device virtio-net-pci,netdev=n0,addr=2,romfile="
    larger = _cold(f"{card},rx_queue_size=1024")
    yield Pair("an idle ring of 1024", "queue size", larger, _cold(card, "11.1"), lives=False)
    for name, options in (("more vectors", "vectors=5"), ("no vectors", "vectors=0")):
        yield Pair(name, "vectors", _cold(card), _cold(f"{card},{options}"), BREAKS, lives=False)
    # What is refused.
    yield Pair(
        "other firmware",
        "firmware",
        plain,
        COLD.replace(words="-bios DIR/bios128"),
        BREAKS,
        "firmware of another size",
        False,
    )
    serial = "-device virtio-serial-pci,addr=3"
    yield Pair(
        "max_ports", "ports", _cold(f"{serial},max_ports=64"), _cold(serial), BREAKS, "as many queues as ports", False
    )
    slots = "16,slots=2,maxmem=1G"
    yield Pair(
        "block-size", "blocks of virtio-mem", _cold(f"{MEMORY_DEVICE}2M", memory=slots),
        _cold(f"{MEMORY_DEVICE}4M", memory=slots), BREAKS, "in blocks of that size", False,
    )  # fmt: skip
    yield Pair(
        "num-queues", "queues", _cold(f"{DISK} -device virtio-blk-pci,drive=d0,addr=3,num-queues=4,vectors=5"),
        _cold(f"{DISK} -device virtio-blk-pci,drive=d0,addr=3,num-queues=1"), BREAKS,
        "the destination counts otherwise", False,
    )  # fmt: skip
    scsi = "-device virtio-scsi-pci,addr=3,num_queues="
    yield Pair(
        "num_queues of virtio-scsi", "queues", _cold(f"{scsi}4"), _cold(f"{scsi}1"), BREAKS,
        "the destination counts otherwise", False,
    )  # fmt: skip
    tap = "-netdev tap,id=n0,script=no,downscript=no -device virtio-net-pci,netdev=n0,addr=2,romfile="
    user = "-netdev user,id=n0 -device virtio-net-pci,netdev=n0,addr=2,romfile="
    yield Pair("virtio-net headers", "back end", _cold(tap), _cold(user), BREAKS, "such headers", False)
    yield Pair(
        "memory of a card", "video memory", _cold("-device VGA,addr=3,romfile=,vgamem_mb=16"),
        _cold("-device VGA,addr=3,romfile=,vgamem_mb=8"), BREAKS, "the guest has that memory", False,
    )  # fmt: skip


PAIRS: tuple[Pair, ...] = (*_living(), *_still())


# Where the QEMUs are.


def qemus_in(roots: Iterable[str]) -> dict[str, list[str | None]]:
    """Release -> the places of its programs: None for this system, else a root. Raises `MachineError`."""
    places: dict[str, list[str | None]] = {}
    for root in (None, *roots):
        release = next(
            (release for name in (PROGRAM, "qemu-system-aarch64") if (release := _release_in(name, root)) is not None),
            None,
        )
        if release is not None:
            places.setdefault(release, []).append(root)
    return places


def _release_in(program: str, root: str | None) -> str | None:
    words = [program, "-M", "none", "-nodefaults", "-S"]
    with suppress(MachineError), Machine(words, qemu=find_qemu(program, root), limit=30) as machine:
        return str(Release(*machine.monitor.version[:2]))
    return None


def qemu_of(setup: Setup, places: Mapping[str, Sequence[str | None]]) -> Qemu:
    """The QEMU of a machine. Raises `MachineError` where it is not there."""
    for root in places.get(setup.release, ()):
        with suppress(MachineError):
            return find_qemu(setup.program, root)
    raise MachineError(f"there is no {setup.program} of QEMU {setup.release} here", expected="a root of it (--roots)")


class Lab:
    """Runs the pairs: machines that several of them are saved from are run once."""

    def __init__(
        self, places: Mapping[str, Sequence[str | None]], guest: Guest | None, folder: str, limit: float
    ) -> None:
        self.places = places
        self.guest = guest
        self.folder = folder
        self.limit = limit
        self._saved: dict[tuple[Setup, bool], str] = {}
        for name, size in ROMS.items():
            Path(folder, name).write_bytes(b"\x55\xaa\x10" + bytes(size - 3))
        for name, size in BIOSES.items():
            Path(folder, name).write_bytes(bytes(size))

    def argv(self, setup: Setup, *, lives: bool) -> list[str]:
        """The command line of a machine."""
        return setup.argv(self.folder, self.guest if lives else None)

    def saved(self, setup: Setup, *, lives: bool) -> str:
        """The stream of a machine: with a guest that has booted, or before anything has run. Raises `VMStateError`."""
        key = (setup, lives)
        if key not in self._saved:
            path = os.path.join(self.folder, f"{len(self._saved)}.mig")
            with Machine(
                self.argv(setup, lives=lives), qemu=qemu_of(setup, self.places), console=lives, limit=self.limit
            ) as machine:
                if lives:
                    machine.wait_for(READY)
                    machine.type(f"ping -c 1 -W 5 {HOST}")
                set_capabilities(machine, setup.capabilities)
                machine.ask("migrate-set-parameters", dict(NO_LIMIT))
                save(machine, path, limit=self.limit)
            self._saved[key] = path
        return self._saved[key]

    def load(self, path: str, pair: Pair, *, ask: bool) -> dict[str, Any]:
        """What becomes of a stream in the destination, and how its guest is."""
        setup = pair.destination
        argv = self.argv(setup, lives=pair.lives)
        with QemuDestination(
            path,
            argv,
            qemu=qemu_of(setup, self.places),
            console=pair.lives,
            capabilities=setup.capabilities,
            limit=self.limit,
        ) as destination:
            outcome = destination.feed()
            told: dict[str, Any] = {"accepted": outcome.accepted, "words": outcome.error}
            if outcome.accepted and ask and pair.lives:
                if outcome.status != "running":
                    destination.machine.ask("cont")
                told["guest"] = dict(answers_of(destination.machine))
            return told

    def row(self, pair: Pair) -> dict[str, Any]:
        """What becomes of a pair."""
        begun = time.monotonic()
        row: dict[str, Any] = {"name": pair.name, "cause": pair.cause, "lives": pair.lives, "accept": pair.accept}
        try:
            path = self.saved(pair.source, lives=pair.lives)
            before = self.load(path, pair, ask=False)
            row |= {"refused": not before["accepted"], "words": before["words"]}
            words = self.argv(pair.destination, lives=pair.lives)
            target = target_of(words, qemu=qemu_of(pair.destination, self.places), limit=self.limit)
            accept = tuple(CLASSES)[: tuple(CLASSES).index(pair.accept) + 1]
            result = repair(path, target, accept=accept, keep_destination=True)
            row |= told_of(result)
            if result.data is not None:
                out = os.path.join(self.folder, "repaired.mig")
                Path(out).write_bytes(result.data)
                row["after"] = self.load(out, pair, ask=True)
        except VMStateError as error:
            row["error"] = one_line(str(error))
        row["seconds"] = round(time.monotonic() - begun, 1)
        row["as_said"] = is_as_said(pair, row)
        return row


def told_of(result: Repair) -> dict[str, Any]:
    """What a repair did, and what it did not."""
    return {
        "steps": [f"{step.severity}: {step.text}" for step in result.steps],
        "left": [f"{refused.finding.message}: {refused.why}" for refused in result.refused],
    }


def is_as_said(pair: Pair, row: Mapping[str, Any]) -> bool:
    """Whether QEMU refused the stream, and takes it now with a guest that is well; or the reason is the pair's."""
    if not row.get("refused"):
        return False
    if pair.refused is not None:
        return "after" not in row and any(pair.refused in why for why in row.get("left", ()))
    after = row.get("after") or {}
    unwell = {name for name, answer in after.get("guest", {}).items() if answer is not True}
    return bool(after.get("accepted")) and unwell <= set(pair.lost) and (not pair.lives or "guest" in after)


DRIVER = "/sys/bus/pci/drivers/virtio-pci"
HAS_PCI = f"[ -d {DRIVER} ] && ls {DRIVER} | grep -q :"
READ_IDS = "od -An -tx2 -N2 $each/config"
"""The vendor of a function, read from its configuration space and not from what the kernel remembers."""
UP = "ip link set eth0 up; ip addr add 10.0.2.15/24 dev eth0 2>/dev/null; sleep 1"
PING = f"ping -c 1 -W 5 {HOST} >/dev/null"


def answers_of(machine: Machine) -> Iterator[tuple[str, bool | str]]:
    """How a guest is, question by question: True, or what it says in place of that.

    `console`: its shell answers. `ping`: the network answers. `lspci`: each function that a driver has is still there
    when its configuration space is read. `driver`: each virtio device is let go and taken again, and the network is up
    again. `reboot`: it boots, and the network answers.
    """
    again = (
        f'if {HAS_PCI}; then cd {DRIVER}; for each in 0000:*; do echo $each > unbind; all="$all $each"; done; '
        "for each in $all; do echo $each > bind || exit 1; done; "
        "else cd /sys/bus/virtio/drivers/virtio_net; echo virtio0 > unbind; echo virtio0 > bind || exit 1; fi"
    )
    lines = {
        "console": "echo alive",
        "ping": PING,
        "lspci": f"if {HAS_PCI}; then for each in {DRIVER}/0000:*; do {READ_IDS} | grep -q 1af4 || exit 1; done; fi",
        "driver": f"( {again} ) && {UP}; {PING}",
        "reboot": "(sleep 1; reboot -f) & true",
    }
    for name, line in lines.items():
        try:
            machine.type(typed := f"( {line} )", ANSWER)
            if name == "reboot":
                machine.wait_for(READY, BOOT)
                machine.type(f"ping -c 2 -W 5 {HOST}", ANSWER)
        except VMStateError as error:
            yield name, one_line(str(error)).replace(f"{typed!r} ", "")
            if "did not print" in str(error) or not machine.monitor.is_open:
                # Its shell waits for what does not come.
                return
        else:
            yield name, True


# As a program.


def table_of(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """A table by cause, as Markdown: pairs, those that QEMU refused, took, and whose guest was well; the steps."""
    yield "| cause | pairs | refused | repaired and taken | guest is well | steps |"
    yield "|---|---|---|---|---|---|"
    repaired = [row for row in rows if "after" in row]
    for cause in dict.fromkeys(row["cause"] for row in repaired):
        group = [row for row in repaired if row["cause"] == cause]
        living = [row for row in group if row["lives"]]
        well = sum(all(answer is True for answer in row["after"].get("guest", {"": False}).values()) for row in living)
        kinds = {step.partition(":")[0] for row in group for step in row["steps"]}
        classes = ", ".join(name for name in CLASSES if name in kinds)
        taken = sum(row["after"]["accepted"] for row in group)
        told = f"{well} of {len(living)}" if living else ""
        yield f"| {cause} | {len(group)} | {sum(row['refused'] for row in group)} | {taken} | {told} | {classes} |"
    left = [row for row in rows if "after" not in row]
    for row in left:
        why = (row.get("left") or [row.get("error", "")])[-1]
        yield one_line(f"left: {row['name']} ({row['cause']}): {why}")


def main(words: Sequence[str] | None = None) -> int:
    """Run as a program: exit code 0 where every pair is as it says, 1 where one is not, 2 where it cannot be run."""
    parser = argparse.ArgumentParser(
        prog="python benchmarks/repair_accuracy.py",
        description="Streams that QEMU refuses, repaired and given to it again.",
    )
    parser.add_argument(
        "--roots", metavar="ROOT:ROOT", default=os.environ.get("VMSTATE_QEMU_ROOTS", ""), help="roots of other releases"
    )
    parser.add_argument("--guest", metavar="FOLDER", default=os.environ.get("VMSTATE_GUEST", ".guest"))
    parser.add_argument("--only", metavar="TEXT", action="append", help="pairs whose name or cause has it; repeatable")
    parser.add_argument("-o", "--output", metavar="FOLDER", required=True, help="repairs.jsonl is written there")
    parser.add_argument("--limit", metavar="SECONDS", type=float, default=LIMIT, help=f"for each step ({LIMIT:g})")
    options = parser.parse_args(words)

    def measure() -> int:
        guest = guest_in(options.guest)
        if guest is None:
            raise MachineError("there is no guest: python -m vmstate.lab.guest FOLDER makes one", file=options.guest)
        wanted = options.only or [""]
        pairs = [pair for pair in PAIRS if any(text in f"{pair.name} {pair.cause}" for text in wanted)]
        os.makedirs(options.output, exist_ok=True)
        rows = []
        with tempfile.TemporaryDirectory(prefix="vmstate-") as folder:
            lab = Lab(qemus_in(filter(None, options.roots.split(":"))), guest, folder, options.limit)
            with open(os.path.join(options.output, "repairs.jsonl"), "w", encoding="utf-8") as file:
                for pair in pairs:
                    row = lab.row(pair)
                    file.write(json.dumps(row) + "\n")
                    file.flush()
                    rows.append(row)
                    print(line_of(row), flush=True)
        for line in table_of(rows):
            print(line)
        return 0 if all(row["as_said"] for row in rows) else 1

    return exit_code_of(measure, options.output)


def line_of(row: Mapping[str, Any]) -> str:
    """A pair in a line."""
    after = row.get("after") or {}
    unwell = [f"{name}: {answer}" for name, answer in after.get("guest", {}).items() if answer is not True]
    told = row.get("error") or "; ".join(
        [
            "" if row.get("refused") else "QEMU TAKES IT AS IT IS",
            *row.get("steps", ()),
            *(f"left: {why}" for why in row.get("left", ())),
            "" if not after else "taken" if after["accepted"] else f"STILL REFUSED: {after['words']}",
            *unwell,
        ]
    )
    return one_line(f"{'as said' if row['as_said'] else 'NOT AS SAID'} {row['seconds']:5} s {row['name']}: {told}")


if __name__ == "__main__":
    sys.exit(main())
