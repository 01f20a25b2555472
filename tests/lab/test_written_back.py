"""A real QEMU writes a stream, and a real QEMU takes what is written back: as it was, and with a value changed."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Any

import pytest

import vmstate
from vmstate.devices.virtio.net import MacAddress
from vmstate.qemu.machine import Machine
from vmstate.qemu.migration import follow

QEMU = shutil.which("qemu-system-x86_64")
LIMIT = 60
NETWORK = ["-netdev", "user,id=n0"]
MACHINES = {
    "q35": ["-M", "q35", "-device", "virtio-net-pci,netdev=n0,id=nic,mac=52:54:00:12:34:56,mq=on,vectors=6"],
    "pc-legacy": [
        "-M",
        "pc",
        "-device",
        "virtio-net-pci,netdev=n0,id=nic,mac=52:54:00:12:34:56,disable-modern=on,disable-legacy=off",
    ],
    "microvm": ["-M", "microvm", "-device", "virtio-net-device,netdev=n0,id=nic,mac=52:54:00:12:34:56"],
}

pytestmark = [
    pytest.mark.qemu,
    pytest.mark.skipif(QEMU is None, reason="needs a real QEMU: install qemu-system-x86 (or the like)"),
]


def machine(*arguments: str) -> Machine:
    """A QEMU that never starts its guest by itself."""
    return Machine(["qemu-system-x86_64", "-S", "-m", "16", "-nodefaults", "-accel", "tcg", *NETWORK, *arguments])


def save(source: Machine, path: Path) -> None:
    source.ask("migrate", {"uri": f"exec:cat > {path}"})
    follow(source, LIMIT)


def loaded(path: Path, arguments: list[str]) -> Machine:
    """A QEMU that has taken a stream."""
    destination = machine(*arguments, "-incoming", f"exec:cat {path}")
    try:
        # Where QEMU refuses the stream it ends.
        destination.monitor.until("query-migrate", [("status", "completed"), ("status", "failed")])
        assert destination.ask("query-migrate")["status"] == "completed"
    except BaseException:
        destination.stop()
        raise
    return destination


@pytest.fixture(params=MACHINES)
def saved(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[list[str], Path]:
    arguments = MACHINES[request.param]
    path = tmp_path / "saved.mig"
    with machine(*arguments) as source:
        save(source, path)
    return arguments, path


def test_what_is_written_back_loads(saved: tuple[list[str], Path], tmp_path: Path) -> None:
    arguments, path = saved
    copy = tmp_path / "copy.mig"
    with vmstate.load(path) as stream:
        assert not [
            finding for finding in vmstate.verify(stream, memoryview(path.read_bytes())) if finding.severity == "error"
        ]
        assert not vmstate.check(stream)
        stream.save(copy)
    assert copy.read_bytes() == path.read_bytes()
    with loaded(copy, arguments) as destination:
        assert destination.ask("query-rx-filter", {"name": "nic"})[0]["main-mac"] == "52:54:00:12:34:56"


def test_a_changed_value_arrives(saved: tuple[list[str], Path], tmp_path: Path) -> None:
    arguments, path = saved
    changed = tmp_path / "changed.mig"
    with vmstate.load(path) as stream:
        card = stream["virtio-net"].state.net
        card.mac = MacAddress("02:00:00:00:00:99")
        card.mac_table = [MacAddress("33:33:00:00:00:42")]
        card.rx_modes = {"allmulti"}
        stream.save(changed)
    with loaded(changed, arguments) as destination:
        filters = destination.ask("query-rx-filter", {"name": "nic"})[0]
    assert filters["main-mac"] == "02:00:00:00:00:99"
    assert filters["multicast-table"] == ["33:33:00:00:00:42"]
    assert filters["multicast"] == "all"


def test_qemu_refuses_where_a_rule_says_so(saved: tuple[list[str], Path], tmp_path: Path) -> None:
    arguments, path = saved
    broken = tmp_path / "broken.mig"
    with vmstate.load(path) as stream:
        stream["virtio-net"].state.virtio.queue_sel = 1024
        assert [finding.rule for finding in vmstate.check(stream)] == ["virtio-queue-sel"]
        stream.save(broken)
    destination = machine(*arguments, "-incoming", "defer")
    with destination:
        destination.ask("migrate-incoming", {"uri": f"exec:cat {broken}"})
        assert destination.wait_for_end(LIMIT) == 1
    assert "virtio" in destination.output


BUS = [
    *["-M", "q35", "-device", "pcie-root-port,id=p0,chassis=1", "-device", "e1000e,netdev=n0,bus=p0"],
    *["-device", "pcie-root-port,id=p1,chassis=2", "-device", "virtio-rng-pci,bus=p1"],
    *["-device", "virtio-blk-pci,drive=d0,packed=on", "-drive", "if=none,id=d0,driver=null-co"],
    *["-device", "pcie-pci-bridge,id=b0", "-device", "pci-serial,bus=b0,addr=3", "-device", "VGA"],
    *["-device", "virtio-balloon-pci,disable-modern=on,disable-legacy=off"],
]
NOT_IN_THE_STREAM = {"qdev_id"}


def told_pci(theirs: dict[str, Any], ours: dict[str, Any]) -> dict[str, Any]:
    """What QEMU says of a PCI device, without what no configuration space tells."""
    known = {key: value for key, value in theirs.items() if key not in NOT_IN_THE_STREAM}
    known["class_info"] = {"class": theirs["class_info"]["class"]}
    # A register that is zero can be one that there is not.
    shown = {region["bar"]: region for region in ours["regions"]}
    known["regions"] = []
    for region in theirs["regions"]:
        if region["bar"] in shown:
            known["regions"].append({key: value for key, value in region.items() if key != "size"})
        else:
            assert region["address"] == -1
    if "pci_bridge" in known:
        known["pci_bridge"] = {"bus": known["pci_bridge"]["bus"]} | pci_below(known["pci_bridge"], ours["pci_bridge"])
    return known


def pci_below(theirs: dict[str, Any], ours: dict[str, Any]) -> dict[str, Any]:
    assert ("devices" in theirs) == ("devices" in ours)
    if "devices" not in theirs:
        return {}
    pairs = zip(theirs["devices"], ours["devices"], strict=True)
    return {"devices": [told_pci(*pair) for pair in pairs]}


@pytest.mark.parametrize("firmware_ran", [False, True])
def test_questions_have_the_answers_of_the_qemu_that_saved(firmware_ran: bool, tmp_path: Path) -> None:
    path = tmp_path / "saved.mig"
    with machine(*BUS) as source:
        if firmware_ran:
            source.ask("cont")
            end = time.monotonic() + LIMIT
            while not numbered(buses := source.ask("query-pci")):
                assert time.monotonic() < end, buses
                time.sleep(0.2)
        before = source.ask("query-status")
        source.ask("stop")
        buses = source.ask("query-pci")
        devices = source.ask("x-query-virtio")
        statuses = [source.ask("x-query-virtio-status", {"path": device["path"]}) for device in devices]
        save(source, path)
    with vmstate.load(path) as stream:
        ours = stream.query("query-pci")
        pairs = zip(buses[0]["devices"], ours[0]["devices"], strict=True)
        assert [told_pci(*pair) for pair in pairs] == ours[0]["devices"]
        assert any("devices" in device.get("pci_bridge", {}) for device in ours[0]["devices"]) == firmware_ran
        assert {info["name"] for info in stream.query("x-query-virtio")} == {info["name"] for info in devices}
        for info in stream.query("x-query-virtio"):
            answered = stream.query("x-query-virtio-status", {"path": info["path"]})
            theirs = next(status for status in statuses if status["name"] == info["name"])
            plain = answered.keys() - {"guest-features", "status"}
            assert {key: answered[key] for key in plain} == {key: theirs[key] for key in plain}
        assert before["status"] == ("running" if firmware_ran else "prelaunch")
        assert stream.query("query-status")["status"] == ("paused" if firmware_ran else "prelaunch")


def numbered(buses: list[dict[str, Any]]) -> bool:
    """Whether the firmware has been at every bridge, and mapped what is behind it."""
    bridges = [device["pci_bridge"] for device in buses[0]["devices"] if "pci_bridge" in device]
    return all(
        bridge["bus"]["secondary"]
        and any(region["address"] > 0 for device in bridge["devices"] for region in device["regions"])
        for bridge in bridges
    )
