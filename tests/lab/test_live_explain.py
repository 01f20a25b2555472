"""A running guest against destinations: what `explain --qmp` says of it beforehand, and what its migration does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from machines import booting, needs_guest, needs_qemu, qemu_of

from vmstate.compare.explain import explain
from vmstate.errors import MachineError
from vmstate.lab.guest import READY
from vmstate.lab.target import target_of
from vmstate.qemu.live import live_state_at
from vmstate.qemu.machine import Machine
from vmstate.qemu.migration import set_capabilities
from vmstate.saved.loading import load

MACHINE = "pc-q35-7.2"
NIC = "virtio-net-pci,netdev=n0,id=nic,mac=52:54:00:12:34:56,romfile="
RNG = "virtio-rng-pci,id=rng,addr=7"


def machine(
    nic: str = NIC, machine_type: str = MACHINE, rng: str | None = RNG, *more: str, memory: str = "96"
) -> list[str]:
    words = booting()
    words[words.index("q35")] = machine_type
    words[words.index("-m") + 1] = memory
    words[words.index("-device") + 1] = nic
    return [*words, *(["-device", rng] if rng is not None else []), *more]


DESTINATIONS: dict[str, list[str]] = {}
if needs_guest.args[0] is False and needs_qemu.args[0] is False:
    DESTINATIONS = {
        "the same": machine(),
        "another MAC": machine(NIC.replace("34:56", "34:57")),
        "one device less": machine(rng=None),
        "one device more": machine(NIC, MACHINE, RNG, "-device", "virtio-rng-pci,addr=9"),
        "more memory": machine(memory="128"),
        "less memory": machine(memory="64"),
        "i440fx": machine(machine_type="pc-i440fx-7.2"),
        "an older machine type": machine(machine_type="pc-q35-6.2"),
        "the card at another place": machine(f"{NIC},addr=5"),
        "another card": machine("e1000e,netdev=n0,id=nic,romfile="),
        "no filter of VLANs": machine(f"{NIC},ctrl_vlan=off"),
        "no control queue": machine(f"{NIC},ctrl_vq=off"),
        "no mergeable buffers": machine(f"{NIC},mrg_rxbuf=off"),
        "fewer vectors": machine(f"{NIC},vectors=2"),
        "packed rings too": machine(f"{NIC},packed=on"),
        "longer rings": machine(f"{NIC},rx_queue_size=512"),
        "an MTU": machine(f"{NIC},host_mtu=1400"),
        "modern alone": machine(f"{NIC},disable-legacy=on"),
        "two processors": machine(NIC, MACHINE, RNG, "-smp", "2"),
        "no HPET": machine(machine_type=f"{MACHINE},hpet=off"),
        "another processor": machine(NIC, MACHINE, RNG, "-cpu", "Haswell"),
        "a watchdog": machine(NIC, MACHINE, RNG, "-device", "i6300esb,addr=a"),
    }


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Machine, str]]:
    place = f"{tmp_path_factory.mktemp('live')}/qmp"
    with Machine([*machine(), "-qmp", f"unix:{place},server=on,wait=off"], qemu=qemu_of(None), console=True) as running:
        running.wait_for(READY)
        running.ask("migrate-set-parameters", {"max-bandwidth": 1 << 33})
        yield running, f"unix:{place}"


@pytest.mark.qemu
@pytest.mark.slow
@needs_qemu
@needs_guest
@pytest.mark.parametrize("name", DESTINATIONS)
def test_what_is_said_of_a_running_guest_is_what_its_migration_does(
    source: tuple[Machine, str], tmp_path: Path, name: str
) -> None:
    running, address = source
    words = DESTINATIONS[name]
    # The machines that run have a console.
    target = target_of([*words, "-serial", "null"], qemu=qemu_of(None))
    with load(live_state_at(address).stream()) as stream:
        explanation = explain(stream, target)
    completed = migrated(running, words, tmp_path)
    told = "; ".join(finding.message for finding in explanation.findings[:4])
    assert (explanation.verdict == "loads") is completed, (explanation.verdict, told)
    assert running.ask("query-status")["running"]


def migrated(running: Machine, words: list[str], folder: Path) -> bool:
    """Whether the guest gets there; then it is given back to the source, which has it still."""
    with ExitStack() as stack:
        target = stack.enter_context(Machine([*words, "-incoming", "defer"], qemu=qemu_of(None), console=True))
        for side in (running, target):
            set_capabilities(side, ["return-path"])
        target.ask("migrate-incoming", {"uri": f"unix:{folder / 'in'}"})
        running.ask("migrate", {"uri": f"unix:{folder / 'in'}"})
        answer = running.monitor.until("query-migrate", [("status", "completed"), ("status", "failed")])
        came = False
        if answer["status"] == "completed":
            try:
                came = bool(target.monitor.until("query-status", [("status", "running")], 10))
            except MachineError:
                came = False
    if not running.ask("query-status")["running"]:
        running.ask("cont")
    return came
