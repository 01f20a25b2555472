"""Values changed in recorded streams, and what follows from them."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from recorded import BARE, MICROVM, STREAMS, opened, plain

import vmstate
from vmstate.cli import main
from vmstate.cli.signals import ended_by_signals
from vmstate.devices.virtio.features import GuestOffloads
from vmstate.devices.virtio.net import MacAddress
from vmstate.devices.virtio.status import DeviceStatus
from vmstate.rules.edit import assign, set_value
from vmstate.schema.values import to_plain
from vmstate.vmsd import types as t

NIC = "qemu-7.2-q35-virtio-net.mig.xz"
RSS = "pairs/qemu-7.2-mq4-rss-on-final.mig.xz"
NICS = [name for name in STREAMS if "virtio-net" in name and "two" not in name][:24]


def written(stream: vmstate.Stream) -> vmstate.Stream:
    """What the stream is when it is read again; it verifies, and breaks no rule."""
    data = stream.to_bytes()
    again = vmstate.load(data)
    assert [finding for finding in vmstate.verify(again, memoryview(data)) if finding.severity == "error"] == []
    assert [finding for finding in vmstate.check(again) if finding.severity == "error"] == []
    return again


@pytest.mark.parametrize("file", NICS)
def test_an_address_of_any_release_and_transport(file: str) -> None:
    stream = opened(file)
    before = stream["virtio-net"].size
    (change,) = assign(stream, "virtio-net.mac=02:00:00:00:00:99")
    assert (change.path, change.after) == ("virtio.net.mac", MacAddress("02:00:00:00:00:99"))
    again = written(stream)
    assert again["virtio-net"].state.net.mac == MacAddress("02:00:00:00:00:99")
    assert again["virtio-net"].size == before
    # Six bytes and no more.
    old, new = plain(file), again.to_bytes()
    assert len(old) == len(new) and sum(a != b for a, b in zip(old, new, strict=True)) <= 6


def test_lists_sets_and_flags() -> None:
    stream = opened(NIC)
    card = stream["virtio-net"].state.net
    count, size = len(card.mac_table), stream["virtio-net"].size
    status = stream["virtio-net"].state.virtio.status
    assign(
        stream,
        "virtio-net.vlan_ids+=77,100",
        "virtio-net.vlan_ids-=0",
        "virtio-net.rx_modes+=promisc|allmulti",
        "virtio-net.mac_table+=33:33:00:00:00:42",
        "virtio-net.mac_table[0]=01:00:5e:00:00:07",
        "virtio-net.virtio.status-=DRIVER_OK",
    )
    again = written(stream)["virtio-net"]
    assert again.state.net.vlan_ids == {77, 100}
    assert again.state.net.rx_modes == {"promisc", "allmulti"}
    assert again.state.net.in_use == len(again.state.net.mac_table) == count + 1
    assert again.state.net.mac_table[0] == MacAddress("01:00:5e:00:00:07")
    assert DeviceStatus.DRIVER_OK in status and again.state.virtio.status == status & ~DeviceStatus.DRIVER_OK
    assert again.size == size + 6
    assign(stream, "virtio-net.virtio.status=ACKNOWLEDGE|0x2")
    assert stream["virtio-net"].state.virtio.status == DeviceStatus.ACKNOWLEDGE | DeviceStatus.DRIVER


def test_vmdesc_follows_and_the_rest_of_it_stays() -> None:
    stream = opened(NIC)
    text = stream.vmdesc_text
    assign(stream, "virtio-net.mac=02:00:00:00:00:99")
    assert stream.vmdesc_text == text
    assign(stream, "virtio-net.mac_table+=33:33:00:00:00:42")
    assert stream.vmdesc_text is not None and stream.vmdesc_text != text
    assert stream.vmdesc_text == stream.write_vmdesc()


def test_a_count_follows_its_list() -> None:
    stream = opened(RSS)
    rss = stream["virtio-net"].state.net.rss
    length = len(rss.indirections_table)
    assign(stream, "virtio-net.rss.indirections_table+=1,0")
    assert rss.indirections_len == length + 2
    assign(stream, "configuration.name=pc-q35-7.1-or-so")
    assert written(stream).configuration.machine == "pc-q35-7.1-or-so"  # type: ignore[union-attr]


@pytest.mark.slow
def test_a_subsection_comes_and_goes() -> None:
    stream = opened(RSS)
    plain_rss = json.dumps(to_plain(stream["virtio-net"].state.net.rss))
    rss = stream["virtio-net"].state.net.rss
    assign(stream, "virtio-net.rss=null")
    assert written(stream)["virtio-net"].state.net.rss is None
    assign(stream, f"virtio-net.rss={plain_rss}")
    assert written(stream)["virtio-net"].state.net.rss == rss
    assert stream.to_bytes() == plain(RSS)


def test_the_state_of_a_vmdesc() -> None:
    stream = opened(MICROVM)
    assign(stream, "serial.state.divider=0x1", 'cpu."env.cr[3]"=4096', "cpu.env.segs[1].limit=5", "serial.rbr=7")
    again = written(stream)
    assert again["serial"].state["state"]["divider"] == 1
    assert again["serial"].state["state"]["rbr"] == 7
    assert again["cpu"].state["env.segs"][1]["limit"] == 5


def test_python_values() -> None:
    stream = opened(NIC)
    set_value(stream, "virtio-net.vlan_ids", {1, 2})
    set_value(stream, "virtio-net.mac", MacAddress("02:00:00:00:00:01"))
    assert written(stream)["virtio-net"].state.net.vlan_ids == {1, 2}
    net = stream["virtio-net"].state.net
    net.offloads = GuestOffloads.GUEST_CSUM | GuestOffloads.GUEST_TSO4
    assert (net.curr_guest_offloads, net.offloads) == (0x82, GuestOffloads.GUEST_CSUM | GuestOffloads.GUEST_TSO4)
    net.offloads = None
    assert net.curr_guest_offloads is net.offloads is None


def test_what_the_library_knows_of_a_section_holds_whatever_describes_it() -> None:
    """A vmdesc has no rules."""
    stream = opened(BARE)
    assert stream["cpu"].described_by == "vmdesc"
    with pytest.raises(vmstate.RefusedError, match="x86-fpregs-format"):
        assign(stream, 'cpu."env.fpregs_format_vmstate"=1')


@pytest.mark.parametrize(
    ("file", "assignment", "rule"),
    [
        (NIC, "virtio-net.virtio.vq[0].vector=77", "virtio-pci-vector"),
        (NIC, "virtio-net.config_vector=77", "virtio-pci-config-vector"),
        (NIC, "virtio-net.queue_sel=1024", "virtio-queue-sel"),
        (RSS, "virtio-net.rss.indirections_len=1000", "virtio-net-rss-table"),
    ],
)
def test_what_qemu_would_refuse_is_refused(file: str, assignment: str, rule: str) -> None:
    stream = opened(file)
    before = plain(file)
    with pytest.raises(vmstate.RefusedError) as caught:
        assign(stream, "virtio-net.mac=02:00:00:00:00:99", assignment)
    assert caught.value.findings[0].rule == rule and rule in str(caught.value)
    # All of the assignments or none.
    assert stream.to_bytes() == before
    (change,) = assign(stream, assignment, force=True)
    forced = stream.to_bytes()
    assert len(forced) == len(before) and forced != before
    assert str(change.after) in assignment


def test_a_value_that_decides_about_others() -> None:
    stream = opened(NIC)
    with pytest.raises(vmstate.RefusedError):
        assign(stream, "virtio-net.in_use=99")
    assert stream.to_bytes() == plain(NIC)


@pytest.mark.parametrize(
    ("assignment", "words"),
    [
        ("virtio-net.mac", "no assignment"),
        ("virtio-net.mac=52:54", "expected a value such as 00:00:00:00:00:00"),
        ("virtio-net.mac=xyz", "a value such as 00:00:00:00:00:00"),
        ("virtio-net.vlan_ids=4096", "no VLAN id"),
        ("virtio-net.vlan_ids+=x", "an integer"),
        ("virtio-net.rx_modes=promiscuous", "promisc, allmulti"),
        ("virtio-net.virtio.status=READY", "DRIVER_OK"),
        ("virtio-net.status=1", "virtio.status or virtio.net.status"),
        ("configuration.machine=pc", "cannot be set itself"),
        ("virtio-net.rss={", "not JSON"),
        ("virtio-net.rss=3", "a struct is written as JSON"),
        ("virtio-net.net=3", "net"),
        ("virtio-net.mac=null", "always sent"),
        ("virtio-net.queue_sel+=1", "lists, sets and flags"),
        ("virtio-net.mac_table-=00:00:00:00:00:09", "no such element"),
        ("virtio-net=1", "name one in it"),
        ("virtio-net.nothing=1", "nothing"),
        ("nothing.at.all=1", "no section"),
        ("ram.x=1", "x"),
        ("virtio-net.vlans[128]=1", "below 128"),
        ("virtio-net.queue_sel=70000", "65535"),
    ],
)
def test_what_cannot_be_is_one_clear_line(assignment: str, words: str) -> None:
    stream = opened(NIC)
    with pytest.raises(vmstate.VMStateError) as caught:
        assign(stream, "virtio-net.mac=02:00:00:00:00:99", assignment)
    assert words in str(caught.value) and "\n" not in str(caught.value)
    assert stream.to_bytes() == plain(NIC)


@pytest.mark.parametrize("file", [NIC, RSS, "recorded/qemu-11.1-q35-virtio-devices-booted.mig.xz", MICROVM])
@pytest.mark.slow
def test_setting_what_is_there_changes_nothing(file: str) -> None:
    stream = opened(file)
    places = []
    for section in stream.sections:
        if section.vmsd is None:
            continue
        scalars = [
            path for path, entry in section.trace().items() if entry.field and type(entry.field.type) is t.Scalar
        ]
        places += [(section, path) for path in scalars[:: max(1, len(scalars) // 8)]]
    assert len(places) > 50
    for section, path in places:
        name = f"{section.name}#{section.instance_id}.{path}"
        try:
            _, _, value = stream.find(name)
        except vmstate.PathError:
            # Two sections of one name and instance.
            continue
        if isinstance(value, (bool, int)):
            assign(stream, f"{name}={str(bool(value)).lower() if isinstance(value, bool) else int(value)}")
    assert stream.to_bytes() == plain(file)


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, out = tmp_path / "in.mig", tmp_path / "out.mig"
    source.write_bytes(plain(NIC))
    assert (
        main(["set", str(source), "virtio-net.mac=02:00:00:00:00:99", "virtio-net.vlan_ids+=77", "-o", str(out)]) == 0
    )
    told = capsys.readouterr().out.splitlines()
    assert told[0].endswith("virtio.net.mac: 52:54:00:12:34:56 -> 02:00:00:00:00:99")
    assert told[1].endswith("0, 77")
    assert main(["show", str(out), "virtio-net.mac"]) == 0
    assert capsys.readouterr().out == "02:00:00:00:00:99\n"
    # In place, as JSON.
    assert main(["set", str(out), "virtio-net.vlan_ids-=77", "-o", str(out), "--format", "json"]) == 0
    (change,) = json.loads(capsys.readouterr().out)
    assert (change["path"], change["before"], change["after"]) == ("virtio.net.vlan_ids", [0, 77], [0])


def test_the_command_refuses(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, out = tmp_path / "in.mig", tmp_path / "out.mig"
    source.write_bytes(plain(NIC))
    assert main(["set", str(source), "virtio-net.virtio.vq[0].vector=77", "-o", str(out)]) == 1
    output = capsys.readouterr().err
    assert "virtio-pci-vector" in output and "--force" in output and output.count("\n") == 1
    assert main(["set", str(source), "virtio-net.mac=1", "-o", str(out)]) == 2
    assert main(["set", str(tmp_path / "none"), "virtio-net.mac=1", "-o", str(out)]) == 2
    assert main(["set", str(source), "virtio-net.mac=02:00:00:00:00:99", "-o", str(tmp_path / "no" / "out")]) == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.mig"]
    assert main(["set", str(source), "virtio-net.virtio.vq[0].vector=77", "-o", str(out), "--force"]) == 0
    with vmstate.load(out) as stream:
        assert [finding.rule for finding in vmstate.check(stream)] == ["virtio-pci-vector"]


# Names, bytes, and what a destination compares.

SERIAL = "recorded/qemu-7.2-q35-virtio-devices-cold.mig.xz"
CONFIG = "virtio-net.virtio.transport.pci_dev.conventional_config"


def test_a_byte_by_its_number() -> None:
    stream = opened(NIC)
    before = stream.find(f"{CONFIG}[0x3c]")[2]
    assert stream.find(f"{CONFIG}[60]")[2] == before
    (change,) = assign(stream, f"{CONFIG}[0x3c]={before ^ 1}")
    assert (change.path, change.before, change.after) == (f"{CONFIG[11:]}[60]", before, before ^ 1)
    old, new = plain(NIC), stream.to_bytes()
    assert [first ^ second for first, second in zip(old, new, strict=True) if first != second] == [1]
    with pytest.raises(vmstate.VMStateError, match="an index below 256"):
        assign(stream, f"{CONFIG}[0x100]=1")
    with pytest.raises(vmstate.VMStateError, match=r"range\(0, 256\)"):
        assign(stream, f"{CONFIG}[0]=256")


def test_a_byte_that_decides_about_the_layout_can_be_forced() -> None:
    stream = opened(NIC)
    size = stream.find(f"{CONFIG}[0x9a]")[2]
    with pytest.raises(vmstate.VMStateError, match="pci-config"):
        assign(stream, f"{CONFIG}[0x9a]={size + 6}")
    assign(stream, f"{CONFIG}[0x9a]={size + 6}", force=True)
    old, new = plain(NIC), stream.to_bytes()
    assert [(first, second) for first, second in zip(old, new, strict=True) if first != second] == [(size, size + 6)]


def test_a_value_that_has_the_name_of_its_struct() -> None:
    stream = opened(NIC)
    assert stream.find("virtio-net.has_vnet_hdr")[2] == 0
    with pytest.raises(vmstate.VMStateError, match=r"there is no 'vring.num'"):
        assign(stream, "virtio-net.virtio.vq[0].vring.num=3")


@pytest.mark.parametrize(
    ("file", "assignment", "words"),
    [
        (
            RSS,
            "virtio-net.max_queue_pairs=2",
            "2 in the stream and 4 on the destination, which takes only its own",
        ),
        (
            NIC,
            "ich9_ahci.ahci.ports=7",
            "7 in the stream and 6 on the destination, which takes only its own",
        ),
        (
            NIC,
            "virtio-net.virtio.transport.pci_dev.version_id=9",
            "9 in the stream and 2 on the destination",
        ),
        (NIC, "virtio-net.has_vnet_hdr=1", "[virtio-net-vnet-hdr]"),
        (NIC, "virtio-net.max_queue_pairs=2", "QEMU would read nothing where this is written"),
        (SERIAL, "virtio-console.ports_map=3,0", "[virtio-serial-max-ports]"),
    ],
)
def test_what_a_destination_compares_is_refused(file: str, assignment: str, words: str) -> None:
    stream = opened(file)
    before = stream.to_bytes()
    with pytest.raises(vmstate.RefusedError) as refused:
        assign(stream, assignment)
    assert words in str(refused.value)
    assert stream.to_bytes() == before


def test_a_value_of_pythons_is_compared_too() -> None:
    stream = opened(RSS)
    with pytest.raises(vmstate.RefusedError, match="takes only its own"):
        set_value(stream, "virtio-net.max_queue_pairs", 2)
    change = set_value(stream, "virtio-net.max_queue_pairs", 2, force=True)
    assert (change.before, change.after) == (4, 2)


def test_a_name_that_two_sections_have() -> None:
    with opened(NIC) as stream:
        section = stream["virtio-net"]
        stream.parts.append(section)
        with pytest.raises(vmstate.PathError, match="'virtio-net' means more than one section"):
            stream.find("virtio-net.mac")


def test_a_command_that_is_ended_leaves_no_half_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    chunks = vmstate.Stream.chunks

    def ended(stream: vmstate.Stream) -> Iterator[bytes | memoryview]:
        pieces = chunks(stream)
        yield next(pieces)
        os.kill(os.getpid(), signal.SIGTERM)
        yield from pieces

    (tmp_path / "guest.mig").write_bytes(plain(NIC))
    monkeypatch.setattr(vmstate.Stream, "chunks", ended)
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as end:
        main(["set", str(tmp_path / "guest.mig"), "virtio-net.promisc=1", "-o", str(tmp_path / "out.mig")])
    assert end.value.code == 128 + signal.SIGTERM and "ended by SIGTERM" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["guest.mig"]
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_signal_that_is_ignored_stays_ignored() -> None:
    """As `nohup` has it."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with ended_by_signals():
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


NICS = "recorded/qemu-7.2-q35-devices-cold.mig.xz"
NAMED = "recorded/qemu-11.1-q35-uuid-cold.mig.xz"
OTHER_UUID = "11111111-2222-3333-4444-555555555555"


def test_an_address_is_written_as_everybody_writes_it_by_the_name_that_people_use() -> None:
    with opened(NICS) as stream:
        (edit,) = assign(stream, "e1000e.permanent_mac=52:54:00:AA:bb:cc")
        assert edit.path == "core.permanent_mac"
        assert bytes(stream.find("e1000e.core.permanent_mac")[2]) == bytes.fromhex("525400aabbcc")
        with pytest.raises(vmstate.VMStateError, match="expected 6 elements"):
            assign(stream, "e1000e.permanent_mac=52:54:00:aa:bb")
        with pytest.raises(
            vmstate.VMStateError, match="expected numbers with commas between them, an address or a UUI"
        ):
            assign(stream, "e1000e.permanent_mac=nobody")


@pytest.mark.parametrize("file", [NAMED, NICS], ids=["one that has it", "one that has none"])
def test_a_struct_of_one_value_is_written_as_that(file: str) -> None:
    with opened(file) as stream:
        assign(stream, f"configuration.uuid={OTHER_UUID}")
        assert bytes(stream.configuration.uuid.data).hex() == OTHER_UUID.replace("-", "")
        data = b"".join(map(bytes, stream.chunks()))
    with vmstate.load(data) as again:
        assert bytes(again.configuration.uuid.data).hex() == OTHER_UUID.replace("-", "")


def test_the_end_of_a_wire_name_that_two_have_is_no_name() -> None:
    with opened(NICS) as stream, pytest.raises(vmstate.PathError, match="there is no 'eip'"):
        stream.find("e1000e.eip")
