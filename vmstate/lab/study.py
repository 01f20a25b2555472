"""Early migration tried on a real guest: two moments, something done between them, and the guest goes on elsewhere.

    with Laboratory(guest_in(".guest")) as laboratory:
        for result in laboratory.study(ACTIONS):
            print(result.name, result.record_bytes, result.lives)

For each action a real QEMU is given a guest that has booted, and saved (early); the action is done in the guest, and it
is saved again (final). From the two come the plans of both policies, and the record. Then the destination: the early
section and the record make the device's state, as they would in a migration; everything else of the stream is that of
the final moment, as everything else in a migration comes at the stop. A real QEMU loads it, and the guest must answer:
its console, a ping, and each transmit queue that the guest uses must move on from where it was.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

from vmstate.early.items import BackendName
from vmstate.early.streams import DevicePlan, apply_record, describe_again, plan_streams, record_streams
from vmstate.errors import MachineError, VMStateError
from vmstate.files import write_atomic
from vmstate.lab.guest import READY, Guest
from vmstate.lab.incoming import QemuDestination
from vmstate.lab.network import HOST, OwnNetwork, no_tap
from vmstate.qemu.capture import capture_machine, capture_started
from vmstate.qemu.live import live_state
from vmstate.qemu.machine import Machine, Qemu, find_qemu
from vmstate.qemu.monitor import answers_understood
from vmstate.saved.loading import load
from vmstate.vmsd.data import Data, Value

PROGRAM = "qemu-system-x86_64"
MEMORY = "96"
NIC = "nic0"
MAC = "52:54:00:12:34:56"
PING = f"ping -c 2 -W 4 {HOST}"
PER_ITEM = "per-item"
ANNOUNCED = "sleep 1.5"
"""Until a guest that was loaded has told its network where it is now (five times, in 50 to 350 ms more each time)."""

MOST_QUEUES = 1024
"""Queues of a virtio device (VIRTIO_QUEUE_MAX)."""


class Action(Data):
    """Something done between two moments of a guest.

    `lines` are typed into its shell, `commands` asked of QEMU; `before` is typed before the early moment, and goes on.
    `ready` is what the guest prints when it is done, where it takes longer than the lines. `after` is asked of the
    destination's QEMU before the guest is asked to answer. `pairs` is how many queue pairs the machine must have.
    """

    name: str
    what: str
    lines: tuple[str, ...] = ()
    before: tuple[str, ...] = ()
    commands: tuple[tuple[str, dict[str, Any]], ...] = ()
    ready: str | None = None
    after: tuple[tuple[str, dict[str, Any]], ...] = ()
    pairs: int = 1


def _set_link(up: bool) -> tuple[str, dict[str, Any]]:
    return "set_link", {"name": NIC, "up": up}


_VLAN = ("ip link add link eth0 name v77 type vlan id 77", "ip link set v77 up")
_UP = ("ip link set eth0 up", "ip addr show dev eth0 | grep -q 10.0.2.15 || ip addr add 10.0.2.15/24 dev eth0")

ACTIONS = (
    Action("idle", "nothing"),
    Action("traffic", "some packets", (PING,)),
    Action(
        "busy",
        "packets all the time, at both moments",
        (f"ping -c 3 -i 0.1 {HOST}",),
        (f"(ping -i 0.01 {HOST} >/dev/null 2>&1 &)",),
    ),
    Action("promisc", "promiscuous mode", ("ip link set eth0 promisc on",)),
    Action("allmulti", "all multicast packets", ("ifconfig eth0 allmulti",)),
    Action(
        "mac",
        "another MAC address",
        ("ip link set eth0 down", "ip link set eth0 address 52:54:00:aa:bb:cc", *_UP),
    ),
    Action("vlan", "a VLAN", _VLAN),
    Action("vlan-gone", "a VLAN there was is gone", ("ip link del v77",), _VLAN),
    Action("offloads", "receive offloads off", ("ethtool -K eth0 rx-gro-hw off",), pairs=4),
    Action(
        "irq-affinity",
        "interrupts to the other CPU",
        ("for i in /proc/irq/*/smp_affinity; do echo 2 >$i; done; true", PING),
    ),
    Action("ring-reset", "smaller rings, each queue reset by itself", ("ethtool -G eth0 rx 128 tx 128", PING)),
    Action("link-down", "the link goes down", commands=(_set_link(False),), after=(_set_link(True),)),
    Action("link-flap", "the link goes down and up", commands=(_set_link(False), _set_link(True))),
    Action(
        "driver-reload",
        "the driver is unloaded and loaded",
        ("rmmod virtio_net", "insmod /lib/modules/virtio_net.ko", *_UP, PING),
    ),
    Action("reboot", "the guest reboots", commands=(("system_reset", {}),), ready=READY),
    Action("queue-pairs", "two queue pairs of four", ("ethtool -L eth0 combined 2",), pairs=4),
    Action("rss", "receive-side scaling", ("ethtool -X eth0 equal 2",), pairs=4),
    Action(
        "rss-hash",
        "scaling, and hashes in the packets' headers",
        ("ethtool -X eth0 equal 4", "ethtool -K eth0 rxhash on"),
        pairs=4,
    ),
    Action(
        "rss-undone",
        "scaling at the early moment, and a command that switches it off",
        ("ethtool -L eth0 combined 2",),
        ("ethtool -X eth0 equal 2",),
        pairs=4,
    ),
    Action(
        "rss-reboot",
        "scaling at the early moment, then a reboot",
        before=("ethtool -X eth0 equal 2",),
        commands=(("system_reset", {}),),
        ready=READY,
        pairs=4,
    ),
)
"""What is studied, unless the caller says otherwise."""


class Loaded(Value):
    """A destination that was started from a policy's outcome.

    `exact`: its device section is the source's, byte for byte. `lost` are the items that are not. `status` is the run
    state, `error` why it is not running, or what did not answer. `console` and `network`: what answered. `moved` are
    the queues that the device took something from afterwards.
    """

    policy: str
    exact: bool
    lost: tuple[str, ...]
    status: str | None
    console: bool
    network: bool
    moved: tuple[int, ...]
    error: str | None

    @property
    def lives(self) -> bool:
        """Whether the guest went on as if nothing had been."""
        return self.console and self.network


class ActionResult(Data):
    """What became of an action.

    `left_out` says why it was not tried; then there is nothing else. `devices` have the plans, `record_bytes` is the
    size of the record file, `section_bytes` that of the devices' own sections.
    """

    name: str
    what: str
    qemu_version: str = ""
    left_out: str | None = None
    devices: tuple[DevicePlan, ...] = ()
    record_bytes: int = 0
    section_bytes: int = 0
    loads: tuple[Loaded, ...] = ()
    seconds: float = 0.0

    @property
    def lives(self) -> bool:
        """Whether the guest went on from the early section and the record of each item by itself."""
        return any(loaded.policy == PER_ITEM and loaded.lives for loaded in self.loads)

    def as_dict(self) -> dict[str, Any]:
        """What became of the action as JSON values."""
        return {
            "action": self.name,
            "what": self.what,
            "qemu_version": self.qemu_version,
            "left_out": self.left_out,
            "record_bytes": self.record_bytes,
            "section_bytes": self.section_bytes,
            "devices": [device.as_dict() for device in self.devices],
            "loads": [{**loaded.as_dict(), "lives": loaded.lives} for loaded in self.loads],
            "seconds": round(self.seconds, 1),
        }


class Laboratory:
    """A folder with a guest that has booted once for each kind of machine, from which every action starts.

    `guest` is the guest of `vmstate.lab.guest`. `argv` is a machine's command line in place of those that there are
    here, with a serial console on which `until` appears and a shell follows; its card has `id=nic0`, and 10.0.2.2
    answers a ping. `root` is a system with another QEMU. `policies` are those whose outcome is loaded. With `keep` the
    streams stay in that folder.
    """

    def __init__(
        self,
        guest: Guest | None = None,
        *,
        argv: Sequence[str] = (),
        root: str | None = None,
        until: str = READY,
        policies: Sequence[str] = (PER_ITEM,),
        backend: str = BackendName.TAP,
        keep: str | os.PathLike[str] | None = None,
        limit: float = 60.0,
    ) -> None:
        if guest is None and not argv:
            raise MachineError("a study needs a guest: python -m vmstate.lab.guest FOLDER makes one, on Debian")
        self.guest = guest
        self.argv = list(argv)
        self.until = until
        self.policies = tuple(policies)
        self.backend = backend
        self.limit = limit
        self.qemu = find_qemu(self.argv[0] if self.argv else PROGRAM, root)
        self._stack = ExitStack()
        self.folder = Path(keep or self._stack.enter_context(tempfile.TemporaryDirectory(prefix="vmstate-study-")))
        self.folder.mkdir(parents=True, exist_ok=True)
        self._is_kept = keep is not None
        self._own_network: OwnNetwork | None = None
        self._bases: dict[int, Path | str] = {}

    def close(self) -> None:
        """Remove what is not to be kept."""
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def study(self, actions: Iterable[Action] = ACTIONS) -> Iterator[ActionResult]:
        """Try each action. Raises `VMStateError` where the guest does not even boot."""
        for action in actions:
            yield self.try_action(action)

    def try_action(self, action: Action) -> ActionResult:
        """Try one action."""
        begun = time.monotonic()
        moments = self.moments(action)
        if isinstance(moments, str):
            return ActionResult(action.name, action.what, left_out=moments)
        early, final, version = moments
        record = self.folder / f"{action.name}.record"
        with load(early) as early_stream, load(final) as final_stream:
            devices = tuple(plan_streams(early_stream, final_stream, backend=self.backend))
            write_atomic(record, [record_streams(early_stream, final_stream, backend=self.backend)])
        loads = tuple(self._load(policy, action, early, final, record, devices) for policy in self.policies)
        whole = sum(device.plans[0].full_bytes for device in devices)
        result = ActionResult(
            action.name,
            action.what,
            qemu_version=version,
            devices=devices,
            record_bytes=record.stat().st_size,
            section_bytes=whole,
            loads=loads,
            seconds=time.monotonic() - begun,
        )
        self.forget(action)
        return result

    def moments(self, action: Action) -> tuple[Path, Path, str] | str:
        """The streams before and after an action, and QEMU's version; or why the action cannot be done."""
        base = self._booted_stream(action.pairs)
        if isinstance(base, str):
            return base
        early, final = (self.folder / f"{action.name}.{part}.mig" for part in ("early", "final"))
        try:
            return early, final, self._source(action, base, early, final)
        except _NotDone as reason:
            return str(reason)

    def forget(self, action: Action) -> None:
        """Remove the files of an action, unless they are to be kept."""
        if not self._is_kept:
            for path in self.folder.glob(f"{action.name}.*"):
                path.unlink()

    def state_of(self, path: Path, action: Action) -> dict[tuple[str, int], bytes]:
        """The device state of a machine that has loaded a stream, before its guest runs: (idstr, instance_id) -> bytes.

        Raises `VMStateError` where it does not load.
        """
        with self._destination(path, [*self._argv(action.pairs), "-S"], action.pairs) as destination:
            _machine_that_took(destination)
            data = live_state(destination.machine.monitor, limit=self.limit).data
        with load(data) as stream:
            return {(section.name, section.instance_id): section.payload() for section in stream.sections}

    def load_and_ask(self, policy: str, path: Path, action: Action, loaded: Loaded | None = None) -> Loaded:
        """Load a stream, let the guest run, and ask it whether it is well."""
        loaded = loaded or Loaded(policy, False, (), None, False, False, (), None)
        try:
            with self._destination(path, self._argv(action.pairs), action.pairs) as destination:
                outcome = destination.feed()
                loaded = loaded.replace(status=outcome.status, error=outcome.error)
                return self._answers(destination.machine, action, loaded) if outcome.accepted else loaded
        except VMStateError as error:
            return loaded.replace(error=str(error))

    # The source.

    def _booted_stream(self, pairs: int) -> Path | str:
        """The stream of a guest that has booted, or why there is none."""
        kind = 1 if self.argv else pairs
        if kind not in self._bases:
            self._bases[kind] = self._boot(kind)
        return self._bases[kind]

    def _boot(self, pairs: int) -> Path | str:
        if not self.argv and pairs > 1 and (reason := no_tap()) is not None:
            return reason
        argv = self._argv(pairs)
        path = self.folder / f"base-{pairs}.mig"
        capture_started(
            path, argv, qemu=self._in_network(pairs), until=self.until, lines=("sleep 1; true",), limit=self.limit
        )
        return path

    def _command_line(self, pairs: int) -> list[str]:
        assert self.guest is not None
        network = "user,id=n0"
        card = f"virtio-net-pci,netdev=n0,id={NIC},mac={MAC},romfile="
        if pairs > 1:
            network = self._network().netdev(pairs)
            card += f",mq=on,rss=on,hash=on,vectors={2 * pairs + 2}"
        words = [*self.guest.words[:-1], f"{self.guest.words[-1]} ipv6.disable=1"]
        machine = [
            "-M",
            "q35",
            "-accel",
            "tcg",
            "-nodefaults",
            "-vga",
            "none",
            "-m",
            MEMORY,
            "-smp",
            str(max(2, pairs)),
        ]
        return [PROGRAM, *machine, "-netdev", network, "-device", card, *words]

    def _in_network(self, pairs: int) -> Qemu:
        """The QEMU, in a network of its own where its card is behind a tap device: this machine's stays as it is."""
        if pairs == 1 or self.argv:
            return self.qemu
        return Qemu(self._network().inside(self.qemu.command), self.qemu.environment)

    def _network(self) -> OwnNetwork:
        if self._own_network is None:
            self._own_network = self._stack.enter_context(OwnNetwork(limit=self.limit))
        return self._own_network

    def _destination(self, path: Path, argv: Sequence[str], pairs: int) -> QemuDestination:
        return QemuDestination(path, argv, qemu=self._in_network(pairs), console=True, limit=self.limit)

    def _argv(self, pairs: int) -> list[str]:
        return self.argv or self._command_line(pairs)

    def _source(self, action: Action, base: Path, early: Path, final: Path) -> str:
        """Save a guest before and after an action. Raises `_NotDone` where the guest cannot do it."""
        with self._destination(base, self._argv(action.pairs), action.pairs) as source:
            machine = _machine_that_took(source)
            machine.type(ANNOUNCED)
            _type_and_ask(machine, action.before, ())
            capture_machine(early, machine, limit=self.limit)
            machine.ask("cont")
            _type_and_ask(machine, action.lines, action.commands)
            if action.ready is not None:
                machine.wait_for(action.ready)
                # The shell comes behind it.
                machine.type("true")
            capture_machine(final, machine, limit=self.limit)
            return ".".join(map(str, machine.monitor.version))

    # The destination.

    def _load(
        self, policy: str, action: Action, early: Path, final: Path, record: Path, devices: Sequence[DevicePlan]
    ) -> Loaded:
        target = self.folder / f"{action.name}.{policy}.mig"
        with load(early) as stream, load(final) as final_stream:
            whole = {device.name: final_stream[device.name].payload() for device in devices}
            if policy == PER_ITEM:
                apply_record(stream, record)
                results = {device.name: stream[device.name].state for device in devices}
            else:
                # The rule of RFC v2 sends other records, which a file has no place for: carried out as planned.
                results = {
                    device.name: next(plan for plan in device.plans if plan.policy == policy).result
                    for device in devices
                }
            for name, state in results.items():
                final_stream[name].state = state
            describe_again(final_stream)
            exact = all(final_stream[name].payload() == whole[name] for name in results)
            final_stream.save(target)
        plans = [plan for device in devices for plan in device.plans if plan.policy == policy]
        lost = tuple(dict.fromkeys(item for plan in plans for item in plan.lost))
        return self.load_and_ask(policy, target, action, Loaded(policy, exact, lost, None, False, False, (), None))

    def _answers(self, machine: Machine, action: Action, loaded: Loaded) -> Loaded:
        """Ask the guest whether it is well."""
        before = _queue_indices(machine)
        for command, arguments in action.after:
            machine.ask(command, arguments)
        machine.type("echo here", limit=20)
        loaded = loaded.replace(console=True)
        # Each CPU sends through a queue of its own.
        pings = "; ".join(f"taskset {1 << cpu:x} {PING} && good=1$good" for cpu in range(max(2, action.pairs)))
        try:
            machine.type(f"good=; {pings}; test ${{#good}} = {max(2, action.pairs)}", limit=min(self.limit, 40))
            loaded = loaded.replace(network=True)
        except MachineError as error:
            loaded = loaded.replace(error=str(error))
        after = _queue_indices(machine)
        moved = tuple(queue for queue, index in after.items() if before.get(queue) != index)
        return loaded.replace(moved=moved)


class _NotDone(Exception):
    """The guest or its QEMU cannot do what an action asks."""


def _machine_that_took(source: QemuDestination) -> Machine:
    outcome = source.feed()
    if not outcome.accepted:
        raise MachineError(f"the guest that has booted is not taken again: {outcome.error}")
    return source.machine


def _type_and_ask(machine: Machine, lines: Iterable[str], commands: Iterable[tuple[str, dict[str, Any]]]) -> None:
    try:
        for line in lines:
            machine.type(line)
        for command, arguments in commands:
            machine.ask(command, arguments)
    except MachineError as error:
        if not machine.monitor.is_open:
            raise
        raise _NotDone(f"it cannot be done there: {error}") from None


@answers_understood()
def _queue_indices(machine: Machine) -> dict[int, int]:
    """Where each queue of the card is, as far as QEMU tells: the next entry that the device takes."""
    devices = machine.monitor.ask_or_none("x-query-virtio") or []
    path = next((device["path"] for device in devices if device["name"] == "virtio-net"), None)
    indices: dict[int, int] = {}
    for number in range(MOST_QUEUES) if path is not None else ():
        queue = machine.monitor.ask_or_none("x-query-virtio-queue-status", {"path": path, "queue": number})
        if queue is None:
            break
        indices[number] = int(queue.get("last-avail-idx", 0))
    return indices


def actions_named(names: Sequence[str]) -> tuple[Action, ...]:
    """The actions of these names; all of them for none. Raises `VMStateError` for a name that there is not."""
    known = {action.name: action for action in ACTIONS}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise VMStateError("no such action", expected=", ".join(known), found=", ".join(unknown))
    return tuple(known[name] for name in names) or ACTIONS
