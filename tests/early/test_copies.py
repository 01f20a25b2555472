"""Early copies of sections for a stock QEMU: provisional states, what is chosen, and real QEMUs that take them."""

from __future__ import annotations

import json
import os
import random
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from guests import GUESTS, card_of
from loading import loaded_state
from machines import BARE, NIC, ROOTS, booting, needs_guest, needs_qemu, qemu_of
from recorded import FIXTURES, QUICK, opened

import vmstate
from vmstate.cli import main
from vmstate.devices.early_copies import LPC_GEN_PMCON_1, LPC_RCBA
from vmstate.devices.virtio.config import features_of
from vmstate.devices.virtio.core import VirtIO, VirtQueue
from vmstate.early.arrivals import memory_ranges
from vmstate.early.copies import NOT_TRIED, PROVISIONAL, choose, insert
from vmstate.early.forward import Forward
from vmstate.early.provisional import by_library, has_provisional, negotiated, provisional, provisional_payload
from vmstate.errors import EarlyError
from vmstate.fuzz.targets.loadvm import LongLived
from vmstate.fuzz.targets.qemu import read_seed, record
from vmstate.fuzz.verdict import ACCEPTED
from vmstate.lab.guest import READY
from vmstate.qemu.capture import capture_machine
from vmstate.qemu.live import live_state
from vmstate.qemu.machine import Machine
from vmstate.qemu.process import Keeper
from vmstate.stream.registry import virtio_id_of
from vmstate.vmsd.record import record_of
from vmstate.vmsd.walk import states_in

LOADS = 200


def references(state: Any) -> Iterator[tuple[Any, str, Any]]:
    """(struct, attribute, value) of what is declared to be otherwise in a provisional state."""
    for _, part in states_in(state):
        declared = record_of(type(part).vmsd)
        for attribute, value in ({} if declared is None else declared.provisional).items():
            yield part, attribute, value


@pytest.mark.parametrize("guest", GUESTS)
def test_nothing_of_a_provisional_state_is_in_guest_memory(guest: str) -> None:
    state = card_of(guest)
    before = state.vmsd.encode(state, force=True)
    early = provisional(state)
    assert all(getattr(part, attribute) == value for part, attribute, value in references(early))
    # The state itself is as it was, and what is no reference is the same in both.
    assert state.vmsd.encode(state, force=True) == before
    assert (early.net.mac, early.virtio.status, early.virtio.guest_features) == (
        state.net.mac,
        state.virtio.status,
        state.virtio.guest_features,
    )
    assert early.virtio.config == state.virtio.config
    data = early.vmsd.encode(early, force=True)
    assert provisional(early).vmsd.encode(provisional(early), force=True) == data
    # Every check of virtio_load on queues holds.
    assert all(not queue.desc and not queue.last_avail_idx for queue in early.virtio.vq)


@pytest.mark.parametrize("path", QUICK)
def test_every_virtio_section_has_a_provisional_state(path: str) -> None:
    with opened(path) as stream:
        for section in stream.sections:
            if virtio_id_of(section.name) is None or section.kind != "full":
                continue
            payload = provisional_payload(section)
            state = by_library(section.name, payload, section.version_id)
            assert state is not None, section.name
            assert has_provisional(type(state).vmsd)
            assert all(getattr(part, attribute) == value for part, attribute, value in references(state))


@pytest.mark.parametrize("path", QUICK)
def test_features_of_a_driver_that_has_not_run(path: str) -> None:
    """A card of a machine that was only started, as its driver would have made it: the features stand everywhere."""
    with opened(path) as stream:
        for section in stream.sections:
            if virtio_id_of(section.name) is None or section.kind != "full":
                continue
            state = by_library(section.name, section.payload(), section.version_id)
            assert state is not None
            virtio = state.virtio.virtio
            bits = 0x1_0000_0A5 if virtio.features64 is not None else 0xA5
            accepted = negotiated(state, bits)
            assert features_of(accepted.virtio) == bits
            again = by_library(section.name, accepted.vmsd.encode(accepted, force=True), section.version_id)
            assert again is not None
            assert features_of(again.virtio) == bits
            assert features_of(provisional(accepted).virtio) == bits
            with pytest.raises(EarlyError, match="not so many features are offered"):
                negotiated(state, 1 << 128)
            (choice,) = choose([section], features={"nothing*": 1, "*": bits})
            assert choice.copy is not None
            copy = choice.copy[len(choice.header) : len(choice.copy) - len(choice.footer)]
            copied = by_library(section.name, copy, section.version_id)
            assert copied is not None
            assert features_of(copied.virtio) == bits


def test_a_provisional_value_is_of_a_field_that_is_there() -> None:
    from vmstate.declare import VMState, description, part, uint8
    from vmstate.errors import DescriptionError

    with pytest.raises(DescriptionError, match="a provisional value of a field that is not there"):

        @part(provisional={"no": 0})
        @description("x")
        class _X(VMState):
            on: int = uint8()

    assert {"desc", "last_avail_idx"} == set(record_of(VirtQueue).provisional)  # type: ignore[union-attr]
    assert record_of(VirtIO).provisional["ringsize"] is None  # type: ignore[union-attr]


def test_what_is_chosen_and_why() -> None:
    with opened("qemu-7.2-q35-virtio-net-filters.mig.xz") as stream:
        chosen = {choice.key: choice for choice in choose(stream.sections)}
        by_name = {name.rpartition("/")[2]: choice for (name, _), choice in chosen.items()}
        assert by_name["virtio-net"].reason == PROVISIONAL
        assert by_name["virtio-net"].copy is not None
        assert not by_name["virtio-net"].may_skip
        assert by_name["mch"].may_skip
        assert by_name["mch"].copy == by_name["mch"].header + by_name["mch"].payload + by_name["mch"].footer
        bridge = by_name["ICH9LPC"]
        assert bridge.copy is not None
        assert (bridge.may_skip, bridge.reason[:40]) == (False, "the root complex's registers not mapped;")
        # A second load of it as it is ends QEMU: what that would map is not mapped by the copy.
        whole = bridge.header + bridge.payload + bridge.footer
        changed = [place for place, (was, is_now) in enumerate(zip(whole, bridge.copy, strict=True)) if was != is_now]
        assert {place - len(bridge.header) - 4 for place in changed} == {LPC_RCBA, LPC_GEN_PMCON_1}
        assert (whole[changed[-1]], bridge.copy[changed[-1]]) == (1, 0)
        assert by_name["cpu"].copy is None
        assert by_name["serial"].reason == NOT_TRIED
        only = [choice.key[0] for choice in choose(stream.sections, "*virtio-net") if choice.copy is not None]
        assert only == ["0000:00:01.0/virtio-net"] or len(only) == 1
        # A subsection that the guest's state decides: the last section could lack it.
        section = next(section for section in stream.sections if section.name == "fw_cfg")
        assert [choice.copy is not None for choice in choose([section])] == [True]


def test_a_controller_that_runs_has_no_early_copy() -> None:
    with opened("qemu-7.2-q35-virtio-net-filters.mig.xz") as stream:
        section = next(section for section in stream.sections if section.name.endswith("ich9_ahci"))
        (idle,) = choose([section])
        state = by_library(section.name, section.payload(), section.version_id)
        assert state is not None
        state.ahci.dev[0].cmd |= 1
        section.state, section.vmsd, section.described_by = state, type(state).vmsd, "library"
        (busy,) = choose([section])
    assert (idle.copy is None, busy.copy is None) == (False, True)
    assert "a port of it is started" in busy.reason


def test_an_inserted_stream_is_read_by_every_verb(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = str(FIXTURES / "qemu-7.2-q35-virtio-net-filters.mig.xz")
    out = str(tmp_path / "twice.mig")
    assert main(["early", "insert", source, "-o", out]) == 0
    told = capsys.readouterr().out
    assert "early 0000:00:" in told
    assert "rings off; its last section is always sent" in told
    assert main(["verify", out]) == 0
    assert "it is there more often than described" in capsys.readouterr().out
    assert main(["diff", source, out]) == 1
    lines = capsys.readouterr().out.splitlines()
    # Nothing but sections that are there once more: the last of each is the same.
    assert {line.strip() for line in lines if line.startswith("  ")} == {"+ the section", "sections: in another order"}
    assert main(["explain", out, "--against", source]) == 0
    with vmstate.load(out) as twice, vmstate.load(source) as once:
        assert twice.query("query-rx-filter") == once.query("query-rx-filter")
    capsys.readouterr()
    assert main(["early", "insert", out, "-o", str(tmp_path / "x")]) == 2
    assert "there are early copies" in capsys.readouterr().err
    assert main(["early", "insert", source, "--devices", "hpet", "-o", str(tmp_path / "x")]) == 2
    assert "there is no section to send early" in capsys.readouterr().err


def test_copies_of_another_moment() -> None:
    early, final = (f"pairs/qemu-7.2-mq4-rss-on-{moment}.mig.xz" for moment in ("early", "final"))
    with opened(early) as before, opened(final) as after:
        pieces, choices = insert(after, before, "virtio-net")
        data = b"".join(bytes(piece) for piece in pieces)
        (copy,) = [choice.copy for choice in choices if choice.copy is not None]
        assert data.replace(copy, b"", 1) == after.to_bytes()
        with pytest.raises(EarlyError, match="no section is in both streams"):
            insert(after, vmstate.load(b"QEVM\0\0\0\3\0"))
        with (
            opened("qemu-11.1-q35-virtio-net.mig.xz") as elsewhere,
            pytest.raises(EarlyError, match=r"of another machine \(expected pc-q35-7.2, found pc-q35-11.1\)"),
        ):
            insert(after, elsewhere)
    with opened("saved/mapped-10.0.file.xz") as mapped, pytest.raises(EarlyError, match="in front of mapped-ram"):
        insert(mapped)


# ---------------------------------------------------------------------------------------------------------------------
# Real QEMUs.


@pytest.mark.qemu
@needs_qemu
def test_random_provisional_states_load_in_front_of_empty_memory(tmp_path: Path) -> None:
    """Whatever the rings of a card say, and whatever waits in them: no load of its provisional state looks there."""
    path = tmp_path / "seed.mig"
    argv = [*BARE, "-m", "16", *NIC, "-device", "virtio-rng-pci", "-S"]
    record(argv, path)
    seed = read_seed(path)
    generator = random.Random(7)
    with vmstate.load(path) as stream, Keeper() as keeper:
        head = stream.sections[0].offset
        data = stream.to_bytes()
        cards = [section for section in stream.sections if virtio_id_of(section.name) is not None]
        states = [by_library(card.name, card.payload(), card.version_id) for card in cards]
        qemu = LongLived(seed, keeper, 20.0)
        try:
            minded = 0
            for _ in range(LOADS):
                number = generator.randrange(len(cards))
                card, state = cards[number], states[number]
                assert state is not None
                _make_busy(state, generator)
                for payload, is_provisional in (
                    (type(state).vmsd.encode(provisional(state), force=True), True),
                    (type(state).vmsd.encode(state, force=True), False),
                ):
                    section = card.header.to_bytes() + payload + card.footer.to_bytes()
                    verdict = qemu.load(data[:head] + section + b"\0")
                    assert qemu._machine is not None
                    is_as_sent = section in live_state(qemu._machine.monitor).data
                    if is_provisional:
                        assert verdict.kind == ACCEPTED, verdict
                        assert is_as_sent, payload.hex()
                    else:
                        minded += not is_as_sent
            # The test can fail: as they are QEMU does not take the states, and begins the queues anew.
            assert minded > LOADS // 2
        finally:
            qemu.close()


def _make_busy(state: Any, generator: random.Random) -> None:
    """Rings anywhere, indices of any value."""
    body = state.virtio
    for number, queue in enumerate(body.vq):
        queue.desc = generator.randrange(1 << 11) << 12
        queue.last_avail_idx = generator.randrange(1 << 16)
        rings = body.virtio.virtqueues.vq[number]
        rings.avail, rings.used = (generator.randrange(1 << 11) << 12 for _ in range(2))
        registers = body.virtio.extra_state.extra_state.modern_state.vqs[number]
        registers.enabled = generator.random() < 0.9


RELEASES = [pytest.param(None, id="here"), *ROOTS]


@pytest.mark.qemu
@pytest.mark.slow
@needs_qemu
@needs_guest
@pytest.mark.parametrize("root", RELEASES)
def test_what_may_be_left_out_leaves_the_same_machine(root: str | None, tmp_path: Path) -> None:
    """All copies early and all that may be skipped left out, against the plain stream: the same device state.

    The same answers of QEMU to whoever asks what is mapped and where, too; and 10 s of a guest's work come to the same.
    """
    path = tmp_path / "guest.mig"
    more = ["-device", "pcie-root-port,id=rp,chassis=1", "-device", "virtio-rng-pci,bus=rp"]
    argv = [*booting(), *more]
    with Machine(argv, qemu=qemu_of(root), console=True) as machine:
        machine.wait_for(READY)
        machine.type("ping -c 1 10.0.2.2")
        capture_machine(path, machine)
    with vmstate.load(path) as stream:
        plain = path.read_bytes()
        chosen = [*choose(stream.sections, ranges=memory_ranges(stream))]
        choices = [choice for choice in chosen if choice.copy is not None]
        may_skip = {choice.key for choice in choices if choice.may_skip}
        head = stream.sections[0].offset
        early = b"".join(choice.copy for choice in choices if choice.copy is not None)
        # What a relay makes of it: some copies come behind the pages that their loads read.
        forward = Forward(chosen, skip=True)
        short = b"".join(bytes(piece) for piece in forward.push(plain))
        may_skip |= {choice.key for choice in forward.behind}
        assert may_skip == set(forward.left_out)
        assert [choice.key[0] for choice in forward.behind] == ["kvm-tpr-opt"]
        # And what it makes where such a section has changed: it comes again behind the last of RAM.
        timer = next(section for section in stream.sections if section.name == "timer")
        place = short.index(plain[timer.offset : timer.offset + timer.size])
        later = b"".join(choice.header + choice.payload + choice.footer for choice in forward.behind)
        twice = short[:place] + later + short[place:]
        cards = [section for section in stream.sections if virtio_id_of(section.name) is not None]
        with_rings = b"".join(plain[card.offset : card.offset + card.size] for card in cards)
        not_sent = without(stream, plain, {(card.name, card.instance_id) for card in cards})
        memory = next(section for section in reversed(stream.sections) if section.is_ram)
        behind = memory.offset + memory.size - head
        too_early = plain[:head] + with_rings + not_sent
        (card,) = (section for section in cards if section.name.endswith("virtio-net"))
        (rings_off,) = (choice.copy for choice in choices if choice.key == (card.name, card.instance_id))
        with_card = plain[card.offset : card.offset + card.size]
        reset_since = plain.replace(with_card, with_card + rings_off)
        reset = plain.replace(with_card, rings_off)
        after_memory = plain[:head] + not_sent[:behind] + with_rings + not_sent[behind:]
    assert len(may_skip) > 15
    words = [*argv, "-serial", "null", "-S"]
    states = [loaded_state(words, root, data) for data in (plain, plain[:head] + early + plain[head:], short, twice)]
    for state in states[1:]:
        assert state.keys() == states[0].keys()
        differing = {key for key, data in states[0].items() if data != state[key]}
        # The clock of the host goes on.
        assert differing <= {("mc146818rtc", 0)}
    # Nothing of an early copy is there behind a reset, either.
    renewed, behind_copies = (loaded_state(words, root, data, reset=True) for data in (plain, short))
    assert {key for key, data in renewed.items() if data != behind_copies[key]} <= {("mc146818rtc", 0)}
    # A virtio device may come before the others with its rings on, once memory is there; in front of it QEMU takes it
    # as well, and begins its queues anew.
    for data, anew in ((after_memory, set[tuple[str, int]]()), (too_early, {(card.name, 0) for card in cards})):
        state = loaded_state(words, root, data)
        assert {key for key, was in states[0].items() if was != state[key]} - {("mc146818rtc", 0)} == anew
    # But where its queues are no more when its last section comes, as of a driver that begins anew, QEMU keeps how far
    # they were: so a copy with rings on is never sent, whatever pages have come.
    kept = [queue_of(words, root, data) for data in (reset, reset_since)]
    assert [(queue["vring-desc"], queue["last-avail-idx"]) for queue in kept] == [(0, 0), (0, 0)]
    assert kept[0]["shadow-avail-idx"] == kept[0]["used-idx"] == 0
    assert kept[1]["shadow-avail-idx"] > 0
    assert kept[1]["used-idx"] > 0
    with ExitStack() as stack:
        machines = [stack.enter_context(loaded([*argv, "-S"], root, data)) for data in (plain, short)]
        told = [answers_of(machine) for machine in machines]
        assert told[0] == told[1]
        for machine in machines:
            machine.ask("cont")
        with ThreadPoolExecutor() as pool:
            worked = [*pool.map(work_of, machines)]
        assert worked[0] == worked[1]
        assert all(worked[0][:5]) and "lost" not in worked[0][0]
        after = [{key: set[bytes]() for key in may_skip} for _ in machines]
        # At a moment an interrupt may wait: of each device both must have been seen in the same state.
        for _ in range(5):
            for machine, seen in zip(machines, after, strict=True):
                with vmstate.load(live_state(machine.monitor).data) as stream:
                    for section in stream.sections:
                        if (section.name, section.instance_id) in seen:
                            seen[section.name, section.instance_id].add(section.payload())
        assert [key for key in may_skip if not after[0][key] & after[1][key]] == []


def without(stream: vmstate.Stream, data: bytes, keys: set[tuple[str, int]]) -> bytes:
    """The bytes of a stream from its first section on, without some sections."""
    kept, at = [], stream.sections[0].offset
    for section in stream.sections:
        if (section.name, section.instance_id) in keys:
            kept.append(data[at : section.offset])
            at = section.offset + section.size
    return b"".join(kept) + data[at:]


def queue_of(words: list[str], root: str | None, data: bytes) -> dict[str, Any]:
    """What QEMU says of the first queue of a network card, with the stream loaded."""
    argv = [word for word in words if word not in ("-serial", "null")]
    with loaded(argv, root, data) as machine:
        devices = machine.ask("x-query-virtio")
        (path,) = (device["path"] for device in devices if device["name"] == "virtio-net")
        answer: dict[str, Any] = machine.ask("x-query-virtio-queue-status", {"path": path, "queue": 0})
        return answer


ASKED = ("info mtree -f", "info pci", "info qtree", "info roms", "info irq", "info mice")
"""What a person would ask of a machine whose devices may have been loaded otherwise."""


def answers_of(machine: Machine) -> list[str]:
    """What QEMU says of its memory, buses and devices."""
    words = [str(machine.ask("human-monitor-command", {"command-line": line})) for line in ASKED]
    # Views of memory are numbered as they stand in a table of hashes.
    mapped = sorted(re.sub(r"^\d+", "", view) for view in words.pop(0).split("FlatView #"))
    return [*mapped, *words, json.dumps(machine.ask("query-rx-filter")), json.dumps(machine.ask("query-pci"))]


WORK = (
    "for i in 1 2 3 4 5 6 7 8 9 10; do ping -c 1 -W 4 10.0.2.2 >/dev/null || echo lost $i; sleep 0.8; "
    "dd if=/dev/zero bs=64k count=4 2>/dev/null | md5sum; done",
    "for d in /sys/bus/pci/devices/*; do echo $d; od -An -tx1 $d/config; cat $d/irq; done",
    "cat /proc/iomem /proc/ioports",
    "cat /sys/class/net/eth0/address; ip route",
    "od -An -N4 -tx1 /dev/hwrng | wc -w",
    "ls /sys/bus/serio/devices /sys/class/rtc /sys/block 2>/dev/null; true",
    "dmesg | grep -i -E 'nobody cared|hung|lockup|timed out|reset|spurious|unexpected' | cut -c16-; true",
)
"""10 s of packets and computing, then all that a guest can see of its devices."""


def work_of(machine: Machine) -> list[str]:
    """What a guest that works says."""
    return [machine.type(line, 120) for line in WORK]


@contextmanager
def loaded(words: list[str], root: str | None, data: bytes) -> Iterator[Machine]:
    """A machine with a console that has loaded a stream; its guest does not run yet."""
    reading, writing = os.pipe()
    argv = [*words, "-incoming", "defer"]
    with Machine(argv, qemu=qemu_of(root), console=True, descriptors=[reading]) as machine:
        os.close(reading)
        machine.ask("migrate-incoming", {"uri": f"fd:{reading}"})
        with os.fdopen(writing, "wb") as pipe:
            pipe.write(data)
        machine.monitor.until("query-status", [("status", "paused"), ("status", "prelaunch")])
        yield machine
