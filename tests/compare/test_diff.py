"""`vmstate.diff`: what changed between two streams, noise aside."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from recorded import FIXTURES, MICROVM, NO_VMDESC, ROOT, STREAMS, TWO_SLIRPS, opened, plain

import vmstate
from vmstate import Stream, devices, diff, load
from vmstate.cli import main
from vmstate.compare import Change
from vmstate.compare.noise import KINDS
from vmstate.declare import format_path
from vmstate.devices.index import announced_in, modules_of
from vmstate.errors import VMStateError
from vmstate.stream.events import Vmdescription
from vmstate.vmsd.record import noise_entries

IDLE = ("pairs/qemu-11.1-idle", "pairs/qemu-7.2-idle")
NET = "0000:00:01.0/virtio-net"


def pair(name: str) -> tuple[bytes, bytes]:
    return plain(f"{name}-early.mig.xz"), plain(f"{name}-final.mig.xz")


def told(changes: list[Change]) -> list[tuple[str, str | None, str]]:
    return [(change.section, change.path, change.kind) for change in changes]


@pytest.mark.parametrize("name", [*IDLE, "pairs/qemu-7.2-traffic", "vhost-user/qemu-11.1-blk"])
def test_a_guest_that_does_nothing_is_equal(name: str) -> None:
    difference = diff(*pair(name))
    assert difference.equal
    assert not difference.identical
    assert {change.noise for change in difference.ignored} <= set(KINDS)
    assert not diff(*pair(name), noise=()).equal


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("7.2-traffic", {}),
        ("7.2-vlan-add", {"net.in_use": (3, 4), "net.macs": None, "net.vlans[2]": (0, 1 << 13)}),
        ("11.1-mac-change", {"net.mac": None, "net.macs": None}),
        ("7.2-mq4-queues-2", {"net.curr_queue_pairs": (4, 2), "net.tx_waiting.vqs_1[1..2]": None}),
        ("7.2-mq4-rss-on", {"net.rss": None}),
        ("11.1-mq4-rss-on", {"net.rss": None}),
        ("7.2-irq-affinity", {"transport.msix_table[2].address": None, "transport.msix_table[2].data": (36, 37)}),
        (
            "7.2-driver-reload",
            {
                "vq[0..2].desc": None,
                "virtio.virtqueues.vq[0..2].avail": None,
                "virtio.virtqueues.vq[0..2].used": None,
                "virtio.extra_state.extra_state.modern_state.vqs[0..2].desc": None,
                "virtio.extra_state.extra_state.modern_state.vqs[0..2].avail": None,
                "virtio.extra_state.extra_state.modern_state.vqs[0..2].used": None,
            },
        ),
    ],
)
def test_an_action_changes_what_it_changes(name: str, expected: dict[str, Any]) -> None:
    difference = diff(*pair(f"pairs/qemu-{name}"))
    assert {change.section for change in difference.changes} <= {NET}
    assert [change.path for change in difference.changes] == [f"virtio.{path}" for path in expected]
    for change, values in zip(difference.changes, expected.values(), strict=True):
        assert values is None or (change.before, change.after) == values


def test_queue_indices_are_noise_that_can_count() -> None:
    early, final = pair("pairs/qemu-7.2-traffic")
    difference = diff(early, final, noise=set(KINDS) - {"index"})
    assert [(change.path, change.before, change.after) for change in difference.changes] == [
        ("virtio.vq[0..1].last_avail_idx", [2, 3], [8, 12])
    ]


def test_only_the_registers_of_the_time_are_noise_in_the_cmos() -> None:
    stream = opened(IDLE[0] + "-final.mig.xz")
    cmos = bytearray(stream["mc146818rtc"].state["cmos_data"])
    cmos[0] ^= 1
    stream["mc146818rtc"].state["cmos_data"] = bytes(cmos)
    assert diff(opened(IDLE[0] + "-final.mig.xz"), stream).equal
    cmos[0x38] ^= 1
    stream["mc146818rtc"].state["cmos_data"] = bytes(cmos)
    assert told(diff(opened(IDLE[0] + "-final.mig.xz"), stream).changes) == [("mc146818rtc", "cmos_data", "changed")]


def without_vmdesc(data: bytes) -> bytes:
    stream = load(data)
    return Stream([part for part in stream.parts if not isinstance(part, Vmdescription)], stream._source).to_bytes()


@pytest.mark.parametrize("turned", [False, True])
def test_a_section_by_its_vmdesc_and_by_the_library(turned: bool) -> None:
    """One side has a vmdesc, the other has none: the names are those of one description."""
    early, final = pair("pairs/qemu-7.2-vlan-add")
    streams = [without_vmdesc(early), final] if turned else [early, without_vmdesc(final)]
    difference = diff(*streams)
    assert told(difference.changes) == [
        (NET, "virtio.net.in_use", "changed"),
        (NET, "virtio.net.macs", "changed"),
        (NET, "virtio.net.vlans[2]", "changed"),
        ("vmdesc", None, "added" if turned else "removed"),
    ]


def test_a_section_that_only_one_side_can_read() -> None:
    early, final = pair("pairs/qemu-7.2-vlan-add")
    difference = diff(load(without_vmdesc(early), library=False), load(final), ignore=["vmdesc"])
    assert {change.section for change in difference.changes} == {NET}
    paths = [change.path for change in difference.changes] + [change.path for change in difference.ignored]
    assert "virtio.net.vlans[2]" in paths
    assert "hpet_counter" in paths


def test_nothing_describes_it() -> None:
    early, final = pair("pairs/qemu-7.2-vlan-add")
    difference = diff(without_vmdesc(early), without_vmdesc(final), library=False)
    changed = next(change for change in difference.changes if change.section == NET)
    assert changed.path is None
    assert isinstance(changed.before, bytes)
    assert len(changed.after) == len(changed.before) + 6


def changed(file: str, change: Callable[[Stream], None]) -> tuple[Stream, Stream]:
    first, second = opened(file), opened(file)
    change(second)
    return first, second


def test_a_section_on_one_side_only() -> None:
    def drop(stream: Stream) -> None:
        stream.parts.remove(stream["i8254"])

    first, second = changed(MICROVM, drop)
    assert told(diff(first, second).changes) == [("i8254", None, "removed")]
    assert told(diff(second, first).changes) == [("i8254", None, "added")]


def test_two_sections_of_one_name() -> None:
    def change(stream: Stream) -> None:
        second = [section for section in stream.sections if section.name == "slirp"][1]
        second.state.bootp_clients[15].macaddr = b"\0\0\0\0\0\1"

    first, two = changed(TWO_SLIRPS, change)
    assert told(diff(first, two).changes) == [("slirp", "bootp_clients[15].macaddr", "changed")]


def test_the_order_of_sections() -> None:
    def turn(stream: Stream) -> None:
        places = [index for index, part in enumerate(stream.parts) if isinstance(part, vmstate.Section)][-2:]
        stream.parts[places[0]], stream.parts[places[1]] = stream.parts[places[1]], stream.parts[places[0]]

    assert told(diff(*changed(MICROVM, turn)).changes) == [("stream", "sections", "order")]


def test_what_is_written_otherwise_and_read_the_same_is_said() -> None:
    data = bytearray(plain(MICROVM))
    stream = load(bytes(data))
    place = next(
        entry.offset
        for section in stream.sections
        for entry in section.trace().values()
        if entry.field is not None and entry.field.type.info == "bool" and data[entry.offset] == 1
    )
    data[place] = 2
    changes = diff(plain(MICROVM), bytes(data)).changes
    assert [(change.path, change.kind) for change in changes] == [(None, "bytes")]


def test_the_configuration() -> None:
    difference = diff(plain(MICROVM), plain(NO_VMDESC))
    assert ("configuration", "capabilities", "removed") in told(difference.changes)
    assert ("vmdesc", None, "removed") in told(difference.changes)


def test_the_blocks_of_ram() -> None:
    first, second = opened("qemu-7.2-q35-virtio-net.mig.xz"), opened("qemu-7.2-q35-virtio-net-two.mig.xz")
    names = [{block.idstr for block in stream.ram.blocks} for stream in (first, second)]
    blocks = [change for change in diff(first, second).changes if change.section == "ram"]
    assert names[0] != names[1]
    assert {change.path for change in blocks if change.kind == "added"} == {
        format_path(("blocks", name)) for name in names[1] - names[0]
    }


def test_guest_memory_counts_only_where_asked_for() -> None:
    data = bytearray(plain("recorded/qemu-7.2-pc-ram-cold.mig.xz"))
    ram = load(bytes(data)).ram
    section = next(
        section for section in load(bytes(data)).sections if section.is_ram and section.state.pages.get("page")
    )
    data[section.state.offset + section.state.size - 100] ^= 1
    assert ram.total
    assert diff(plain("recorded/qemu-7.2-pc-ram-cold.mig.xz"), bytes(data)).equal
    difference = diff(plain("recorded/qemu-7.2-pc-ram-cold.mig.xz"), bytes(data), noise=set(KINDS) - {"memory"})
    assert told(difference.changes) == [("ram", "pages", "changed")]


@pytest.mark.parametrize(
    "ignored",
    [
        *("virtio-net", f"{NET}.virtio.net", "virtio-net#0.virtio.net.rss"),
        *("*/virtio-net", "virtio-*.virtio.net", "virtio-net.virtio.*.rss", "*"),
    ],
)
def test_paths_that_do_not_count(ignored: str) -> None:
    early, final = pair("pairs/qemu-7.2-mq4-rss-on")
    assert diff(early, final, ignore=[ignored]).equal
    # Neither the beginning of a name nor of an idstr is one, and a star stands for what is there.
    for pattern in ("virtio-net.virtio.ne", NET.rpartition(".")[0], "virtio-net.*.rss.no", "virtio-*.virtio.ne", ""):
        assert not diff(early, final, ignore=[pattern]).equal


@pytest.mark.parametrize("file", STREAMS[::9])
def test_every_stream_is_equal_to_itself(file: str) -> None:
    data = plain(file)
    assert diff(data, bytes(data)).identical
    difference = diff(load(data), load(data))
    assert difference.equal
    assert not difference.ignored


@pytest.mark.slow
@pytest.mark.parametrize("index", range(0, len(STREAMS) - 7, 14))
def test_any_two_streams_can_be_compared(index: int) -> None:
    first, second = (opened(STREAMS[place]) for place in (index, index + 7))
    difference = diff(first, second)
    assert difference.changes
    for change in difference.changes:
        if change.kind in ("changed", "removed") and change.path and change.count == 1 and change.section != "ram":
            names = (f"{change.section}#{change.instance_id}.", f"{change.section}.")
            # Where the library describes one side and a vmdesc the other, the names are the library's.
            is_somewhere = any(resolves(side, name + change.path) for side in (first, second) for name in names)
            assert is_somewhere or change.section in ("vmdesc", "stream")


def resolves(stream: Stream, path: str) -> bool:
    try:
        stream.find(path)
    except VMStateError:
        return False
    return True


def test_the_noise_lists_name_what_there_is() -> None:
    """A name that no description has would be a mistake nobody notices."""
    checked = 0
    for module in modules_of(devices):
        for each in announced_in(module):
            if each.vmsd is None or each.vmsd is not each.vmsd.state_class.vmsd:
                # Nobody describes it; or a layout of another release, which can lack some.
                continue
            wires = {field.name for field in each.vmsd.fields}
            wires |= {re.sub(r"\[\d+\]", "", wire) for wire in wires}
            for name in noise_entries(each.record.noise):
                assert not name or name in wires, (each.place, name)
                checked += 1
    assert checked > 150


@pytest.mark.parametrize("name", IDLE)
def test_the_command(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    early, final = (str(FIXTURES / f"{name}-{moment}.mig.xz") for moment in ("early", "final"))
    assert main(["diff", early, final]) == 0
    assert "are equal; not counted as noise: " in capsys.readouterr().out
    assert main(["diff", early, final, "--all", "--format", "json"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert document["equal"] is document["identical"] is False
    assert {"section", "path", "kind", "before", "after"} <= document["changes"][0].keys()
    assert main(["diff", early, early]) == 0
    assert "are identical" in capsys.readouterr().out


def test_the_command_refuses(capsys: pytest.CaptureFixture[str]) -> None:
    good = str(FIXTURES / MICROVM)
    for arguments in (
        [good, "no-such-file"],
        [str(FIXTURES / "may-differ.json"), good],
        [str(FIXTURES / "may-differ.json"), str(FIXTURES / "may-differ.json")],
        ["-", "-"],
        [good, good, "--noise", "weather"],
        [good],
    ):
        try:
            code = main(["diff", *arguments])
        except SystemExit as stop:
            code = int(stop.code or 0)
        assert code == 2, arguments
        error = capsys.readouterr().err
        assert error.startswith("vmstate: ")
        assert error.count("\n") == 1


def test_deepdiff_is_left_out_where_the_bytes_are_equal() -> None:
    code = (
        "import sys; from vmstate.cli import main; file = sys.argv[1]; "
        "assert main(['diff', file, file]) == 0; import vmstate; one, two = vmstate.load(file), vmstate.load(file); "
        "assert vmstate.diff(one, two).equal; assert 'deepdiff' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code, str(FIXTURES / MICROVM)], cwd=ROOT, check=False)
    assert done.returncode == 0
