"""QMP's questions: what a stream answers, against what QEMU itself answered when it saved, key by key."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from recorded import FIXTURES, MICROVM, NONE, PROVENANCE, S390X, STREAMS, TRANSCRIPTS, opened

import vmstate
from vmstate.cli import main
from vmstate.devices import INDEX
from vmstate.devices.virtio.features import Features, NetFeatures
from vmstate.devices.virtio.status import DeviceStatus
from vmstate.devices.virtio.transport import TRANSPORT
from vmstate.query.commands import COMMANDS
from vmstate.query.origin import earliest_release
from vmstate.stream.registry import shipped_descriptions
from vmstate.vmsd.record import VirtIORecord, record_of
from vmstate.vmsd.release import Release

FILTERS = "qemu-7.2-q35-virtio-net-filters.mig.xz"
TWO = "qemu-7.2-q35-virtio-net-two.mig.xz"
ROOT_PORTS = "qemu-7.2-q35-smp4-rootports.mig.xz"
PACKED = "qemu-7.2-q35-virtio-net-packed.mig.xz"
LEGACY = "qemu-7.2-pc-virtio-net-legacy.mig.xz"
RINGS = "recorded/qemu-7.2-q35-virtio-rings-ram.mig.xz"
BLK = "vhost-user/qemu-11.1-blk-final.mig.xz"

# What no stream says, and docs/query.md says why.
UNKNOWN_RX_FILTER = {"name"}
UNKNOWN_STATUS = {
    "backend-features",
    "bus-name",
    "disable-legacy-check",
    "host-features",
    "start-on-kick",
    "use-guest-notifier-mask",
    "use-started",
    "vhost-started",
    "vm-running",
}
UNKNOWN_QUEUE = {"shadow-avail-idx", "signalled-used", "signalled-used-valid"}
# What is sent where the host offers packed rings; else it is in guest memory, which most of these streams are without.
IN_MEMORY = {"inuse", "used-idx"}
# These save nothing, not even a section.
STATELESS = {"virtio-pmem"}


def symbols(value: Any) -> Any:
    """What QEMU says of features and statuses, without the words behind the symbol."""
    if isinstance(value, str):
        return value.partition(":")[0]
    if isinstance(value, list):
        return [symbols(item) for item in value]
    return {key: symbols(inner) for key, inner in value.items()} if isinstance(value, dict) else value


def answered(key: str) -> Iterator[tuple[str, Any]]:
    for file in STREAMS:
        if (answers := PROVENANCE.get(file, {}).get(key)) is not None:
            yield file, answers


RX_FILTERS = dict(answered("rx_filter"))
VIRTIO = dict(answered("virtio"))


@pytest.mark.parametrize("file", [file for file in RX_FILTERS if RX_FILTERS[file]])
def test_rx_filter_is_what_qemu_said(file: str) -> None:
    ours = opened(file).query("query-rx-filter")
    theirs = [
        {key: value for key, value in answer.items() if key not in UNKNOWN_RX_FILTER} for answer in RX_FILTERS[file]
    ]
    assert ours == theirs


def known_status(theirs: dict[str, Any]) -> dict[str, Any]:
    known = {key: value for key, value in theirs.items() if key not in UNKNOWN_STATUS}
    return known | {key: symbols(known[key]) for key in ("guest-features", "status")}


def known_queue(theirs: dict[str, Any], ours: dict[str, Any]) -> dict[str, Any]:
    unknown = UNKNOWN_QUEUE | (IN_MEMORY - ours.keys())
    return {key: value for key, value in theirs.items() if key not in unknown}


def device(stream: vmstate.Stream, path: str, queues: int) -> Any:
    """What a stream says of a device, and of as many of its queues."""
    status = stream.query("x-query-virtio-status", {"path": path})
    count = min(queues, status["num-vqs"])
    of_queues = [stream.query("x-query-virtio-queue-status", {"path": path, "queue": queue}) for queue in range(count)]
    return status, of_queues


@pytest.mark.parametrize("file", [file for file in VIRTIO if VIRTIO[file]])
def test_virtio_is_what_qemu_said(file: str) -> None:
    stream = opened(file)
    theirs: dict[str, list[Any]] = defaultdict(list)
    for answer in VIRTIO[file]:
        if answer["status"]["name"] not in STATELESS:
            theirs[answer["status"]["name"]].append(answer)
    ours: dict[str, list[str]] = defaultdict(list)
    for info in stream.query("x-query-virtio"):
        ours[info["name"]].append(info["path"])
    assert {name: len(paths) for name, paths in ours.items()} == {name: len(ones) for name, ones in theirs.items()}
    for name, paths in ours.items():
        for path in paths:
            # Nothing tells which of two devices of a kind is which.
            pairs = [(answered, device(stream, path, len(answered["queues"]))) for answered in theirs[name]]
            same = [answered for answered, ours_of_it in pairs if ours_of_it == known(answered, ours_of_it)]
            assert same, (path, pairs)
            theirs[name].remove(same[0])


def known(theirs: dict[str, Any], ours: Any) -> Any:
    """What QEMU said of a device and its queues, without what no stream says."""
    return known_status(theirs["status"]), [known_queue(*both) for both in zip(theirs["queues"], ours[1], strict=False)]


def test_there_are_answers_of_every_kind() -> None:
    """So that the comparisons above compare something."""
    assert sum(map(len, RX_FILTERS.values())) > 50
    names = {answer["status"]["name"] for answers in VIRTIO.values() for answer in answers}
    assert len(names) > 10 and names >= STATELESS
    assert {answer["status"]["device-endian"] for answers in VIRTIO.values() for answer in answers} == {"little", "big"}
    for stream, path in ((opened(PACKED), None), (opened(RINGS), "virtio-blk")):
        asked = {"queue": 0, **({"path": path} if path else {})}
        assert stream.query("x-query-virtio-queue-status", asked).keys() >= IN_MEMORY


def test_an_index_in_guest_memory_is_traced_to_its_bytes() -> None:
    stream = opened(RINGS)
    answer = vmstate.ask(stream, "x-query-virtio-queue-status", {"queue": 0, "path": "virtio-blk"})
    assert answer.value["used-idx"] == 5 and answer.value["inuse"] == 0
    (source,) = [origin for origin in answer.sources["used-idx"] if origin.section == "ram"]
    assert source.path == hex(answer.value["vring-used"] + 2) and source.size == 2 and source.offset is not None
    data = stream.to_bytes()
    assert int.from_bytes(data[source.offset : source.offset + 2], "little") == 5


@pytest.mark.parametrize("file", [file for file in STREAMS if file.startswith("vhost-user/")])
def test_vhost_user_devices_answer(file: str) -> None:
    transcript = next(known for name, known in TRANSCRIPTS.items() if file.startswith(f"vhost-user/{name}"))
    stream = opened(file)
    for theirs in transcript["x-query-virtio"]:
        path = next(info["path"] for info in stream.query("x-query-virtio") if info["name"] == theirs["name"])
        for answer in theirs["queues"]:
            if isinstance(answer, str):
                continue
            index = answer["queue"]["queue-index"]
            queue = stream.query("x-query-virtio-queue-status", {"path": path, "queue": index})
            # It was asked while the guest ran, so its indices are of another moment.
            same = {"name", "queue-index", "vring-num", "vring-num-default", "vring-align", "vring-desc"}
            same |= {"vring-avail", "vring-used"}
            assert {key: queue[key] for key in same} == {key: answer["queue"][key] for key in same}


@pytest.mark.parametrize(
    ("file", "status"),
    [
        (FILTERS, {"running": True, "status": "running"}),
        ("peer/qemu-7.2-q35-stopped.mig.xz", {"running": False, "status": "prelaunch"}),
        ("recorded/qemu-7.2-q35-virtio-scsi-request.mig.xz", {"running": False, "status": "io-error"}),
        ("recorded/qemu-11.1-none.mig.xz", {"running": False, "status": "prelaunch"}),
    ],
)
def test_status_is_that_before_the_machine_was_stopped(file: str, status: dict[str, Any]) -> None:
    assert opened(file).query("query-status") == status


def test_a_run_state_that_qemu_does_not_know_is_refused() -> None:
    stream = opened(FILTERS)
    stream["globalstate"].state["runstate"] = b"walking".ljust(100, b"\0")
    with pytest.raises(vmstate.QueryError, match=r"globalstate: runstate: .*walking"):
        stream.query("query-status")


def test_without_a_run_state_there_is_no_status() -> None:
    stream = opened(FILTERS)
    stream.parts.remove(stream["globalstate"])
    with pytest.raises(vmstate.QueryError, match="the stream has no globalstate"):
        stream.query("query-status")


def devices_of(buses: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for bus in buses:
        for device in bus["devices"]:
            yield device
            if "devices" in device.get("pci_bridge", {}):
                yield from devices_of([device["pci_bridge"]])


def test_pci_shows_the_bus_as_the_guest_numbered_it() -> None:
    buses = opened(ROOT_PORTS).query("query-pci")
    assert [bus["bus"] for bus in buses] == [0]
    cards = [bus for bus in devices_of(buses) if bus["id"]["device"] == 0x1041]
    assert [(card["bus"], card["slot"], card["function"]) for card in cards] == [(1, 0, 0)]
    assert cards[0]["class_info"] == {"class": 0x200} and cards[0]["id"]["vendor"] == 0x1AF4
    port = next(bus for bus in buses[0]["devices"] if bus.get("pci_bridge", {}).get("devices") == cards)
    window = port["pci_bridge"]["bus"]["memory_range"]
    region = next(region for region in cards[0]["regions"] if region["bar"] == 1)
    assert region["type"] == "memory" and window["base"] <= region["address"] <= window["limit"]
    assert "size" not in region


def test_pci_of_the_same_machine_is_the_same_described_by_vmdesc_or_library() -> None:
    stream = opened("qemu-11.1-q35-virtio-net.mig.xz")
    places = [(device["slot"], device["function"]) for device in devices_of(stream.query("query-pci"))]
    assert (0, 0) in places and (31, 2) in places
    assert {section.described_by for section in stream.sections if section.name.startswith("0000:")} == {
        "library",
        "vmdesc",
    }


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("file", [FILTERS, MICROVM, S390X, BLK, "recorded/qemu-7.2-s390x-virtio-devices.mig.xz"])
def test_every_source_is_where_it_says(file: str, command: str) -> None:
    stream = opened(file)
    infos = stream.query("x-query-virtio")
    given = {"path": infos[0]["path"]} if command.endswith("status") and command.startswith("x-") else {}
    answer = vmstate.ask(stream, command, {**given, "queue": 0} if "queue" in command else given)
    sources = answer.sources
    leaves = set(leaf_paths(answer.value))
    assert all(any(leaf == key or leaf.startswith((f"{key}.", f"{key}[")) for key in sources) for leaf in leaves)
    holders = {(section.name, section.instance_id): section for section in stream.sections}
    for origins in sources.values():
        assert origins
        for source in origins:
            if source.offset is None or source.section in ("configuration", "vmdesc"):
                continue
            section = holders[source.section, source.instance_id]
            assert section.offset < source.offset
            assert source.offset + source.size <= section.offset + section.size
            if source.path == "idstr":
                raw = stream.to_bytes()[source.offset : source.offset + source.size]
                assert raw == section.name.encode()


def leaf_paths(value: Any, at: str = "") -> Iterator[str]:
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            # The devices of a bridge are keys of their own.
            yield from leaf_paths(inner, f"{at}.{key}" if at else key)
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        for place, inner in enumerate(value):
            yield from leaf_paths(inner, f"{at}[{place}]")
    elif at and not at.endswith("].bus"):
        yield at


def test_explain_points_at_the_bytes() -> None:
    stream = opened(FILTERS)
    raw = stream.to_bytes()
    sources = vmstate.ask(stream, "query-rx-filter").sources
    (mac,) = sources["[0].main-mac"]
    assert raw[mac.offset : mac.offset + mac.size] == bytes.fromhex("525400aabbcc")
    assert mac.path == "virtio.net.mac"
    status = vmstate.ask(stream, "x-query-virtio-status").sources
    assert [(source.path, source.offset) for source in status["broken"]] == [("virtio.virtio.broken.broken", None)]
    (isr,) = status["isr"]
    assert raw[isr.offset] == stream["virtio-net"].state.virtio.isr
    (running,) = vmstate.ask(stream, "query-status").sources["status"]
    assert raw[running.offset : running.offset + 8] == b"running\0"
    pci = vmstate.ask(stream, "query-pci")
    place = next(place for place, card in enumerate(pci.value[0]["devices"]) if card["slot"] == 1)
    ids = pci.sources[f"[0].devices[{place}].id"]
    words = [raw[source.offset : source.offset + source.size].hex() for source in ids]
    assert {"f41a", "0010"} <= set(words)


def test_a_release_that_is_told_is_not_read_from_the_stream() -> None:
    """The names of features depend on the release: where nobody says which, machine type and vmdesc do."""
    stream = opened(FILTERS)
    for release, sections in ((None, {"configuration", "vmdesc"}), (Release(7, 2), set())):
        origins = vmstate.ask(stream, "x-query-virtio-status", release=release).sources["guest-features"]
        assert {origin.section for origin in origins} - {"0000:00:01.0/virtio-net"} == sections


def test_a_changed_state_answers_as_changed() -> None:
    stream = opened(FILTERS)
    state = stream["virtio-net"].state
    state.net.vlan_ids = {7}
    state.net.rx_modes = {"nomulti", "allmulti", "alluni"}
    state.net.mac_table = ["52:54:00:00:00:01", "52:54:00:00:00:03", "33:33:00:00:00:01", "52:54:00:00:00:02"]
    (answer,) = stream.query("query-rx-filter")
    assert (answer["multicast"], answer["unicast"], answer["vlan-table"]) == ("none", "all", [7])
    # As in QEMU what stands behind the first multicast address counts as one.
    assert answer["unicast-table"] == ["52:54:00:00:00:03", "52:54:00:00:00:01"]
    assert answer["multicast-table"] == ["52:54:00:00:00:02", "33:33:00:00:00:01"]
    state.net.vlan_ids = ()
    assert stream.query("query-rx-filter")[0]["vlan"] == "none"
    state.virtio.virtio.features64.guest_features = 0
    assert stream.query("query-rx-filter")[0]["vlan"] == "all"
    state.virtio.status = DeviceStatus(0x80 | 0x40 | 0x20 | 2)
    status = stream.query("x-query-virtio-status")["status"]
    assert status == {
        "statuses": ["VIRTIO_CONFIG_S_FAILED", "VIRTIO_CONFIG_S_NEEDS_RESET", "VIRTIO_CONFIG_S_DRIVER"],
        "unknown-statuses": 0x20,
    }


def holder_of(state: Any, name: str) -> Any:
    """The struct inside a state that has a field with this wire name."""
    inner = (holder_of(value, name) for value in state.values() if isinstance(value, dict))
    return state if name in state else next((inside for inside in inner if inside is not None), None)


def test_registers_of_a_bridge_mean_what_the_specification_says() -> None:
    stream = opened(ROOT_PORTS)
    name = next(section.name for section in stream.sections if section.name.endswith("01.0/pcie-root-port"))
    holder = holder_of(stream[name].state, "config[1]")
    config = bytearray(holder["config[1]"])
    config[0x0A:0x0C] = b"\x04\x06"
    config[0x10:0x18] = b"\x0c\0\0\xc0\x01\0\0\0"
    config[0x1C:0x1E] = b"\x11\x21"
    config[0x24:0x34] = b"\x01\x80\x11\x80" + b"\x02\0\0\0" + b"\x02\0\0\0" + b"\x01\0\x01\0"
    config[0x38:0x3C] = b"\x01\0\xf0\xfe"
    holder["config[1]"] = bytes(config)
    port = next(device for device in stream.query("query-pci")[0]["devices"] if device["slot"] == 1)
    assert port["regions"] == [
        {"bar": 0, "type": "memory", "prefetch": True, "mem_type_64": True, "address": 0x1_C000_0000},
        {"bar": 6, "type": "memory", "prefetch": False, "mem_type_64": False, "address": 0xFEF0_0000},
    ]
    bus = port["pci_bridge"]["bus"]
    assert bus["io_range"] == {"base": 0x1_1000, "limit": 0x1_2FFF}
    assert bus["prefetchable_range"] == {"base": 0x2_8000_0000, "limit": 0x2_801F_FFFF}


def test_a_device_that_sleeps_or_is_off_is_mapped_nowhere_or_who_knows() -> None:
    stream = opened("qemu-7.2-q35-virtio-net.mig.xz")
    state = stream["virtio-net"].state
    place = state.virtio.transport.pci_dev

    def regions(command: int, power: int) -> Any:
        config = bytearray(place.conventional_config)
        config[4] = command
        if config[0x34] != 0xF0:
            config[0x34], config[0xF0:0xF4] = 0xF0, bytes([1, config[0x34], 0, 0])
        config[0xF4] = power
        place.conventional_config = bytes(config)
        card = next(device for device in stream.query("query-pci")[0]["devices"] if device["slot"] == 1)
        return [region.get("address") for region in card["regions"]]

    awake = regions(7, 0)
    assert all(awake) and regions(0, 0) == [-1] * len(awake)
    assert regions(7, 3) == [where if where == -1 else None for where in awake]


def test_where_the_rings_of_a_legacy_device_are_follows_from_the_descriptors() -> None:
    stream = opened(LEGACY)
    queue = stream.query("x-query-virtio-queue-status", {"queue": 0})
    assert stream["virtio-net"].state.virtio.virtio.virtqueues is None
    assert queue["vring-avail"] == queue["vring-desc"] + 16 * queue["vring-num"]
    assert queue["vring-used"] == queue["vring-desc"] + 8192


# Features.


def test_a_release_names_only_the_features_it_knew() -> None:
    stream = opened(FILTERS)
    features = stream.query("x-query-virtio-status")["guest-features"]
    assert features["unknown-dev-features"] == 1 << 40
    newer = vmstate.ask(stream, "x-query-virtio-status", release=Release(8, 1)).value["guest-features"]
    assert "unknown-dev-features" not in newer and "VIRTIO_F_RING_RESET" in newer["transports"]


def test_features_above_63_have_a_number_of_their_own() -> None:
    stream = opened("qemu-11.1-q35-virtio-net.mig.xz")
    body = stream["virtio-net"].state.virtio.virtio
    from vmstate.devices.virtio.core import Features128

    body.features128 = Features128(guest_features=1 << 1 | 1 << 40)
    answer = vmstate.ask(stream, "x-query-virtio-status").value["guest-features"]
    assert answer["unknown-dev-features2"] == 1 << 40 and "VIRTIO_NET_F_GUEST_UDP_TUNNEL_GSO" in answer["dev-features"]
    body.features64.guest_features |= 1 << 58
    assert stream.query("x-query-virtio-status")["guest-features"]["unknown-dev-features"] == 1 << 58
    body.features128 = None
    answer = stream.query("x-query-virtio-status")["guest-features"]
    assert answer["unknown-dev-features"] == 1 << 58 and "unknown-dev-features2" not in answer
    body.features128 = Features128(guest_features=1 << 1 | 1 << 40)
    older = vmstate.ask(stream, "x-query-virtio-status", release=Release(10, 1)).value["guest-features"]
    assert older["unknown-dev-features2"] == 1 << 1 | 1 << 40


@pytest.mark.parametrize("file", [file for file in STREAMS if PROVENANCE.get(file, {}).get("virtio")])
def test_the_release_is_the_one_that_saved(file: str) -> None:
    stream = opened(file)
    told = earliest_release(stream)
    if stream.vmdesc is None and stream.configuration is None:
        assert told is None
    else:
        assert told == Release.read(PROVENANCE[file]["qemu_version"])


NAMES_OF = {
    record.qmp_name: record.features
    for name in INDEX
    if isinstance(record := record_of(shipped_descriptions(name)[0]), VirtIORecord)
}


@pytest.mark.parametrize("file", [file for file in VIRTIO if VIRTIO[file]])
def test_a_release_has_the_names_and_only_the_names_that_it_used(file: str) -> None:
    """What was offered is in no stream, but shows more of QEMU's tables than what was accepted."""
    release = Release.read(PROVENANCE[file]["qemu_version"])
    for answer in VIRTIO[file]:
        features_of_kind = NAMES_OF.get(answer["status"]["name"], ())
        named = [feature for feature in (*TRANSPORT, *features_of_kind) if feature.since is not None]
        known = {feature for feature in named if feature.since <= release}
        for features in (answer["status"]["host-features"], answer["status"]["guest-features"]):
            used = symbols(features["transports"] + features["dev-features"])
            assert set(used) <= {name.symbol for name in known}
            assert not any(features.get("unknown-dev-features", 0) >> name.bit & 1 for name in known)


def test_the_flags_are_those_of_the_tables() -> None:
    assert NetFeatures.MQ == 1 << 22
    assert NetFeatures.ACCESS_PLATFORM == Features.ACCESS_PLATFORM == 1 << 33
    assert NetFeatures.GUEST_UDP_TUNNEL_GSO_CSUM == 1 << 66
    assert str(NetFeatures(1 << 22 | 1 << 32 | 1 << 26)) == "MQ|VERSION_1|0x4000000"
    # What the specification has and QMP has no name for; and what only a back end offers.
    assert NetFeatures.VQ_NOTF_COAL == 1 << 52
    assert "LOG_ALL" not in NetFeatures.__members__
    assert list(NetFeatures) == sorted(NetFeatures)


# What cannot be answered.


def run(*words: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "vmstate", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


REFUSED: dict[str, tuple[str, list[str], str]] = {
    "no such command": (FILTERS, ["query-cpus"], r"query-pci, query-rx-filter, query-status, x-query-virtio"),
    "no virtio device": (FILTERS, ["x-query-virtio-status", "--arguments", '{"path": "cpu"}'], "'cpu' is no virtio"),
    "no such section": (FILTERS, ["x-query-virtio-status", "--arguments", '{"path": "nic0"}'], "no section 'nic0'"),
    "which of two": (
        TWO,
        ["x-query-virtio-status"],
        r"device is meant is not said .expected one of \S+:01.0/virtio-net, \S+:02.0/virtio-net\)",
    ),
    "a name of two": (
        TWO,
        ["query-rx-filter", "--arguments", '{"name": "virtio-net"}'],
        "'virtio-net' means more than one section",
    ),
    "no filter": (
        "qemu-7.2-q35-virtio-zoo.mig.xz",
        ["query-rx-filter", "--arguments", '{"name": "virtio-blk"}'],
        "no device that supports rx-filter querying",
    ),
    "no such queue": (
        FILTERS,
        ["x-query-virtio-queue-status", "--arguments", '{"queue": 3}'],
        "Invalid virtqueue number 3 .expected a queue below 3",
    ),
    "no queue": (FILTERS, ["x-query-virtio-queue-status"], "needs the argument 'queue'"),
    "queue of a wrong type": (
        FILTERS,
        ["x-query-virtio-queue-status", "--arguments", '{"queue": "0"}'],
        "expected uint16",
    ),
    "queue below zero": (FILTERS, ["x-query-virtio-queue-status", "--arguments", '{"queue": -1}'], "expected uint16"),
    "a bool is no number": (
        FILTERS,
        ["x-query-virtio-queue-status", "--arguments", '{"queue": true}'],
        "expected uint16",
    ),
    "no JSON": (FILTERS, ["x-query-virtio-queue-status", "--arguments", "{queue: 0}"], "--arguments is not JSON"),
    "no object": (FILTERS, ["query-rx-filter", "--arguments", "[1]"], "the arguments are no object"),
    "no object, empty": (FILTERS, ["query-rx-filter", "--arguments", "[]"], "the arguments are no object"),
    "no such argument": (FILTERS, ["query-pci", "--arguments", '{"bus": 0}'], "query-pci has no argument 'bus'"),
    "no device": (NONE, ["x-query-virtio"], "No virtio devices found"),
    "no release": (FILTERS, ["query-pci", "--release", "seven"], "no release of QEMU"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_answered_is_said_in_one_line(case: str, capsys: pytest.CaptureFixture[str]) -> None:
    file, words, message = REFUSED[case]
    assert main(["query", str(FIXTURES / file), *words]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("vmstate: ") and err.count("\n") == 1
    assert re.search(message, err), err


def test_a_deep_argument_is_no_traceback() -> None:
    done = run("query", FIXTURES / FILTERS, "query-rx-filter", "--arguments", "[" * 100_000)
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and "--arguments is not JSON" in done.stderr


# The command.


def test_json_is_what_qmp_returns(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["query", str(FIXTURES / FILTERS), "query-rx-filter", "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out) == opened(FILTERS).query("query-rx-filter")


def test_json_explained(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["query", str(FIXTURES / FILTERS), "x-query-virtio-status", "--explain", "--format", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["return"] == opened(FILTERS).query("x-query-virtio-status")
    assert document["explain"]["isr"] == [
        {
            "section": "0000:00:01.0/virtio-net",
            "instance_id": 0,
            "path": "virtio.isr",
            "offset": opened(FILTERS)["virtio-net"].trace()["virtio.isr"].offset,
            "size": 1,
        }
    ]


def test_text_has_a_line_for_each_value(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["query", str(FIXTURES / FILTERS), "query-status"]) == 0
    assert capsys.readouterr().out == 'running: true\nstatus: "running"\n'


def test_an_idstr_or_its_last_part_says_which(capsys: pytest.CaptureFixture[str]) -> None:
    stream = opened(TWO)
    paths = [info["path"] for info in stream.query("x-query-virtio")]
    macs = [stream.query("query-rx-filter", {"name": path})[0]["main-mac"] for path in paths]
    assert len(set(macs)) == 2
    alone = opened(FILTERS)
    assert alone.query("query-rx-filter", {"name": "virtio-net"}) == alone.query("query-rx-filter")


def test_a_library_of_others_answers_too(tmp_path: Path) -> None:
    (tmp_path / "beeper.py").write_text(
        """
from vmstate.vmsd.declare import description, device, uint8, uint32

INDEX = {"beeper": ("beeper:Beeper",)}
ANSWERS = {"query-rx-filter": {"promiscuous": lambda ask: ask("on") != 0, "pitch": lambda ask: ask("pitch")}}

@device("beeper", answers=ANSWERS)
@description("beeper", version_id=1)
class Beeper:
    on: int = uint8()
    pitch: int = uint32()
"""
    )
    info = tmp_path / "beeper-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: beeper\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[vmstate.devices]\nbeeper = beeper\n")
    header = b"QEVM\0\0\0\3\4\0\0\0\1\6beeper" + bytes(4) + b"\0\0\0\1"
    (tmp_path / "beeper.mig").write_bytes(header + b"\1\0\0\1\xb8\x7e\0\0\0\1\0")
    code = f"""
import sys; sys.path.insert(0, {str(tmp_path)!r})
import vmstate
answer = vmstate.ask(vmstate.load({str(tmp_path / "beeper.mig")!r}), "query-rx-filter")
print(answer.value, answer.sources["[0].pitch"][0].offset)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == "[{'promiscuous': True, 'pitch': 440}] 29\n", done.stderr


def test_a_path_that_no_state_has_is_no_silence() -> None:
    from vmstate.vmsd.path import value_at

    state = opened(FILTERS)["virtio-net"].state
    assert value_at(state, "virtio.virtio.broken.broken") is None
    for wrong in ("virtio.net.promiscuous", "virtio.vq[3].num", "virtio.virtio.breoken.broken"):
        with pytest.raises(vmstate.PathError):
            value_at(state, wrong)
