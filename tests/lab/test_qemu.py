"""A real QEMU writes a stream, and a real QEMU takes what is written back: as it was, and with a value changed."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import vmstate
from vmstate.devices.virtio.net import MacAddress

QEMU = shutil.which("qemu-system-x86_64")
LIMIT = 60
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


class Machine:
    """A QEMU that never starts its guest, and its QMP socket."""

    def __init__(self, process: subprocess.Popen[bytes], monitor: socket.socket) -> None:
        self.process = process
        self.lines = monitor.makefile("rw")
        self.answer()
        self.ask("qmp_capabilities")

    def answer(self) -> Any:
        while line := self.lines.readline():
            said = json.loads(line)
            if "event" not in said:
                return said
        raise AssertionError(f"QEMU is gone: {self.process.wait(LIMIT)}")

    def ask(self, command: str, **arguments: Any) -> Any:
        self.lines.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
        self.lines.flush()
        said = self.answer()
        assert "return" in said, said
        return said["return"]

    def migrated(self) -> None:
        end = time.monotonic() + LIMIT
        while (status := self.ask("query-migrate").get("status")) != "completed":
            assert status != "failed" and time.monotonic() < end, status
            time.sleep(0.05)


@contextmanager
def machine(folder: Path, *arguments: str) -> Iterator[Machine]:
    assert QEMU is not None
    ours, theirs = socket.socketpair()
    command = [QEMU, "-S", "-m", "16", "-nodefaults", "-display", "none", "-accel", "tcg", "-netdev", "user,id=n0"]
    monitor = ["-chardev", f"socket,id=qmp,fd={theirs.fileno()}", "-mon", "chardev=qmp,mode=control"]
    with (folder / "qemu.log").open("ab") as log:
        process = subprocess.Popen(
            [*command, *monitor, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=[theirs.fileno()],
        )
    theirs.close()
    ours.settimeout(LIMIT)
    try:
        yield Machine(process, ours)
    except (AssertionError, OSError) as error:
        raise AssertionError(f"{error}\n{(folder / 'qemu.log').read_text()}") from error
    finally:
        process.kill()
        process.wait()
        ours.close()


@pytest.fixture(params=MACHINES)
def saved(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[list[str], Path]:
    arguments = MACHINES[request.param]
    path = tmp_path / "saved.mig"
    with machine(tmp_path, *arguments) as source:
        source.ask("migrate", uri=f"exec:cat > {path}")
        source.migrated()
    return arguments, path


def test_what_is_written_back_loads(saved: tuple[list[str], Path], tmp_path: Path) -> None:
    arguments, path = saved
    copy = tmp_path / "copy.mig"
    with vmstate.load(path) as stream:
        assert not [
            found for found in vmstate.verify(stream, memoryview(path.read_bytes())) if found.severity == "error"
        ]
        assert not vmstate.check(stream)
        stream.save(copy)
    assert copy.read_bytes() == path.read_bytes()
    with machine(tmp_path, *arguments, "-incoming", f"exec:cat {copy}") as destination:
        destination.migrated()
        assert destination.ask("query-rx-filter", name="nic")[0]["main-mac"] == "52:54:00:12:34:56"


def test_a_changed_value_arrives(saved: tuple[list[str], Path], tmp_path: Path) -> None:
    arguments, path = saved
    changed = tmp_path / "changed.mig"
    with vmstate.load(path) as stream:
        card = stream["virtio-net"].state.net
        card.mac = MacAddress("02:00:00:00:00:99")
        card.mac_table = [MacAddress("33:33:00:00:00:42")]
        card.rx_modes = {"allmulti"}
        stream.save(changed)
    with machine(tmp_path, *arguments, "-incoming", f"exec:cat {changed}") as destination:
        destination.migrated()
        filters = destination.ask("query-rx-filter", name="nic")[0]
    assert filters["main-mac"] == "02:00:00:00:00:99"
    assert filters["multicast-table"] == ["33:33:00:00:00:42"]
    assert filters["multicast"] == "all"


def test_qemu_refuses_where_a_rule_says_so(saved: tuple[list[str], Path], tmp_path: Path) -> None:
    arguments, path = saved
    broken = tmp_path / "broken.mig"
    with vmstate.load(path) as stream:
        stream["virtio-net"].state.virtio.queue_sel = 1024
        assert [found.rule for found in vmstate.check(stream)] == ["virtio-queue-sel"]
        stream.save(broken)
    with (
        pytest.raises((AssertionError, OSError)),
        machine(tmp_path, *arguments, "-incoming", f"exec:cat {broken}") as it,
    ):
        it.migrated()
    assert "virtio" in (tmp_path / "qemu.log").read_text()


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
    return {"devices": [told_pci(one, other) for one, other in zip(theirs["devices"], ours["devices"], strict=True)]}


@pytest.mark.parametrize("firmware_ran", [False, True])
def test_questions_have_the_answers_of_the_qemu_that_saved(firmware_ran: bool, tmp_path: Path) -> None:
    path = tmp_path / "saved.mig"
    with machine(tmp_path, *BUS) as source:
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
        statuses = [source.ask("x-query-virtio-status", path=device["path"]) for device in devices]
        source.ask("migrate", uri=f"exec:cat > {path}")
        source.migrated()
    with vmstate.load(path) as stream:
        ours = stream.query("query-pci")
        assert [told_pci(one, other) for one, other in zip(buses[0]["devices"], ours[0]["devices"], strict=True)] == (
            ours[0]["devices"]
        )
        assert any("devices" in one.get("pci_bridge", {}) for one in ours[0]["devices"]) == firmware_ran
        assert {info["name"] for info in stream.query("x-query-virtio")} == {info["name"] for info in devices}
        for info in stream.query("x-query-virtio"):
            said = stream.query("x-query-virtio-status", {"path": info["path"]})
            theirs = next(status for status in statuses if status["name"] == info["name"])
            plain = said.keys() - {"guest-features", "status"}
            assert {key: said[key] for key in plain} == {key: theirs[key] for key in plain}
        assert before["status"] == ("running" if firmware_ran else "prelaunch")
        assert stream.query("query-status")["status"] == ("paused" if firmware_ran else "prelaunch")


def numbered(buses: list[dict[str, Any]]) -> bool:
    """Whether the firmware has been at every bridge, and mapped what is behind it."""
    bridges = [one["pci_bridge"] for one in buses[0]["devices"] if "pci_bridge" in one]
    return all(
        bridge["bus"]["secondary"]
        and any(region["address"] > 0 for one in bridge["devices"] for region in one["regions"])
        for bridge in bridges
    )
