"""A guest that may do anything at any time is migrated early: the destination is the source, whatever happened.

Hypothesis drives a guest, its migrations, and faults of back ends. After every run the destination's section is the
source's, byte for byte (for the policy of RFC v2, but for what its plan says is lost); no back end has seen an illegal
operation; nothing stale has survived; the back end runs from the right places with the right settings; and the section
was loaded in full only where the rule demands it. That is worked out a second time here, from what the guest did and
from the values themselves, without the table of items.

"""

from __future__ import annotations

from typing import Any

from guests import GUESTS, NOTHING, Guest, card_of
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
)

from vmstate.devices.virtio.features import NetFeatures
from vmstate.devices.virtio.net import RX_MODES, VirtIONet
from vmstate.devices.virtio.net_control import Settings
from vmstate.early.backends.base import Backend, BackendFailure, Fault
from vmstate.early.backends.kernel import Tap, VhostNet
from vmstate.early.backends.user import VhostUser
from vmstate.early.backends.vdpa import VhostVdpa
from vmstate.early.destination import Destination
from vmstate.early.items import BackendName
from vmstate.early.machine import MigrationFailed
from vmstate.early.migration import set_up, switch_over
from vmstate.early.operations import CVQ_COMMANDS
from vmstate.early.operations import Phase as When
from vmstate.early.policy import FULL, PerItem, Policy, RfcV2
from vmstate.early.source import Purpose, Source
from vmstate.vmsd.state import facts_of

BACKEND_KINDS: dict[str, Any] = {
    "tap": Tap,
    "vhost-net": VhostNet,
    "vhost-user": VhostUser,
    "vhost-vdpa": VhostVdpa,
    "vhost-vdpa without shadow virtqueues": lambda **more: VhostVdpa(svq=False, **more),
    "vhost-vdpa that cannot resume": lambda **more: VhostVdpa(svq=False, capabilities=_NO_RESUME, **more),
    "vhost-vdpa that enables before DRIVER_OK": lambda **more: VhostVdpa(capabilities=(), **more),
    "vhost-vdpa with one group": lambda **more: VhostVdpa(isolated=False, **more),
}
_NO_RESUME = ("ENABLE_AFTER_DRIVER_OK", "SUSPEND")

_RINGS = ("SET_FEATURES", "SET_MEM_TABLE", "SET_VRING_NUM", "SET_VRING_BASE", "SET_VRING_ADDR", "SET_VRING_CALL")
_TAP = ("TUNSETOFFLOAD", "TUNSETQUEUE", "TUNSETVNETHDRSZ", "TUNSETSTEERINGEBPF")
FAULTS = {
    "tap": _TAP,
    "vhost-net": (*_TAP, *_RINGS, "SET_VRING_KICK", "SET_BACKEND", "GET_VRING_BASE"),
    "vhost-user": (*_RINGS, "SET_VRING_KICK", "SET_VRING_ENABLE", "GET_VRING_BASE", "SET_DEVICE_STATE_FD"),
    "vhost-vdpa": (
        *(name for name in _RINGS if name != "SET_MEM_TABLE"),
        *CVQ_COMMANDS,
        "SET_STATUS",
        "SET_GROUP_ASID",
        "IOTLB_UPDATE",
        "SET_VRING_ENABLE",
        "SUSPEND",
        "RESUME",
    ),
}
"""What can fail, for each back end."""

LAYOUTS = st.integers(1, 64).map(lambda place: place * 0x100000)


def action(name: str, **arguments: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[str, dict[str, Any]]]:
    """What a guest does: a method of the machine, and its arguments."""
    return st.tuples(st.just(name), st.fixed_dictionaries(arguments))


USUAL = (
    action("mac", last=st.integers(0, 255)),
    action(
        "mac_table",
        unicast=st.sampled_from([0, 1, 5, 65]),
        multicast=st.sampled_from([0, 2, 70]),
        seed=st.integers(0, 3),
    ),
    action("mode", mode=st.sampled_from(RX_MODES), on=st.booleans()),
    action("vlan", vid=st.sampled_from([0, 1, 31, 32, 100, 4095]), on=st.booleans()),
    action("pairs", pairs=st.integers(1, 4)),
    action(
        "rss",
        pairs=st.integers(1, 4),
        table=st.sampled_from([(0,), (0, 1), (1, 0, 2, 0)]),
        types=st.sampled_from([0, 1, 63]),
    ),
    action("hash_report", types=st.sampled_from([0, 1, 63])),
    action("offloads", mask=st.sampled_from([0, 2, (1 << 64) - 1])),
    action("announce", on=st.booleans()),
    action("read_config"),
    action("traffic", queue=st.integers(0, 8), count=st.sampled_from([1, 7, 255, 65000])),
    action("tx_waiting", pair=st.integers(0, 3), on=st.booleans()),
    action("select", queue=st.integers(0, 8), word=st.integers(0, 3)),
    action("steer", vector=st.integers(0, 9), address=st.sampled_from([0, 0xFEE01000]), masked=st.booleans()),
    action("use_vector", queue=st.integers(0, 9), vector=st.integers(0, 9)),
    action("write_pci", master=st.booleans()),
)
"""What goes on while a guest works."""
RARE = (
    action("link", up=st.booleans()),
    action("virtio_error"),
    action("driver_gives_up"),
    action("disable", off=st.booleans()),
    action("restart_queue", queue=st.integers(0, 8), num=st.sampled_from([64, 256]), place=LAYOUTS),
    action(
        "reset",
        drop=st.sampled_from(
            [NOTHING, NetFeatures.MQ | NetFeatures.RSS, NetFeatures.CTRL_VLAN, NetFeatures.CTRL_GUEST_OFFLOADS]
        ),
        comes_back=st.sampled_from([True, True, True, False]),
        num=st.sampled_from([256, 256, 128]),
        place=LAYOUTS,
    ),
    action("back_end_state", data=st.binary(min_size=1, max_size=4)),
)
"""What ends it, or begins it again."""
ACTIONS = st.integers(0, 9).flatmap(lambda number: st.one_of(*(RARE if number == 9 else USUAL)))


def tracked(card: VirtIONet) -> dict[str, Any]:
    """The ten things that the patches 4 to 13 of RFC v2 compare, by value."""
    net, rss = card.net, card.net.rss
    return {
        "04 VirtIODevice status": int(card.virtio.status),
        "05 config buffer": card.virtio.config,
        "06 MAC address": bytes(net.mac),
        "07 MAC table": (net.in_use, net.macs, net.multi_overflow, net.uni_overflow),
        "08 VirtIONet status": int(net.status),
        "09 Rx filter": tuple(getattr(net, mode) for mode in RX_MODES),
        "10 VLAN filter table": tuple(net.vlans),
        "11 guest offloads and MQ": (net.curr_guest_offloads, net.curr_queue_pairs),
        "12 RSS state": None if rss is None else _rss_values(rss),
        "13 pending Tx work": net.vqs.tx_waiting,
    }


def _rss_values(rss: Any) -> tuple[Any, ...]:
    return (
        rss.enabled,
        rss.redirect,
        rss.populate_hash,
        rss.hash_types,
        rss.supported_hash_types,
        rss.default_queue,
        rss.key,
        rss.indirections_table,
    )


def waiting(card: VirtIONet) -> list[int]:
    """The flags of patch 13 for the pairs behind the first."""
    return [queue.tx_waiting for queue in card.net.tx_waiting.vqs_1]


def saved(card: VirtIONet) -> bytes:
    return VirtIONet.vmsd.encode(card, force=True)


class EarlyMigration(RuleBasedStateMachine):
    """One guest, and all its migrations."""

    @initialize(
        guest=st.sampled_from(sorted(GUESTS)),
        backend=st.sampled_from(sorted(BACKEND_KINDS)),
        policy=st.sampled_from([PerItem, RfcV2]),
        notified=st.booleans(),
        at_once=st.sampled_from([True, True, False]),
        fault=st.sampled_from([None, None, *range(24)]),
        queue=st.sampled_from([None, None, 0, 1, 2]),
        when=st.sampled_from([None, *When]),
    )
    def begin(
        self,
        guest: str,
        backend: str,
        policy: type[Policy],
        notified: bool,
        at_once: bool,
        fault: int | None,
        queue: int | None,
        when: When | None,
    ) -> None:
        self.kind, self.policy, self.notified = backend, policy, notified
        self.destination: Destination | None = None
        self.early: VirtIONet | None = None
        self.runs = 0
        self.arrive(card_of(guest))
        if at_once:
            # Otherwise most of what happens would happen before a migration.
            self.set_up(fault, queue, when, Purpose.PRECOPY)

    def arrive(self, card: VirtIONet) -> None:
        """The guest runs here now."""
        self.source = Source(card, policy=self.policy(), backend=self.backend_name, notified=self.notified)
        self.guest = Guest(self.source)
        self.forget()

    def forget(self) -> None:
        self.early, self.destination = None, None
        self.demanded: set[str] = set()
        """What has happened since the early save that the rule demands a full reload for."""

    @property
    def backend_name(self) -> str:
        return self.kind.partition(" ")[0]

    # The guest.

    @rule(actions=st.lists(ACTIONS, min_size=1, max_size=6))
    def guest_does(self, actions: list[tuple[str, dict[str, Any]]]) -> None:
        for name, arguments in actions:
            getattr(self, name)(**arguments)

    def mac(self, last: int) -> None:
        self.guest.set_mac(bytes([0x52, 0x54, 0, 0x12, 0x34, last]))

    def mac_table(self, unicast: int, multicast: int, seed: int) -> None:
        self.guest.set_mac_table(unicast, multicast, seed)

    def mode(self, mode: str, on: bool) -> None:
        self.guest.set_mode(mode, on)

    def vlan(self, vid: int, on: bool) -> None:
        self.guest.set_vlan(vid, on)

    def pairs(self, pairs: int) -> None:
        self.guest.set_pairs(pairs)

    def rss(self, pairs: int, table: tuple[int, ...], types: int) -> None:
        self.guest.set_rss(pairs, table, types)

    def hash_report(self, types: int) -> None:
        self.guest.set_hash(types)

    def offloads(self, mask: int) -> None:
        self.guest.set_offloads(mask)

    def link(self, up: bool) -> None:
        self.guest.set_link(up)

    def announce(self, on: bool) -> None:
        self.guest.announce(on)

    def read_config(self) -> None:
        self.guest.read_config()

    def traffic(self, queue: int, count: int) -> None:
        self.guest.send(queue, count)

    def tx_waiting(self, pair: int, on: bool) -> None:
        self.guest.wait(pair, on)

    def select(self, queue: int, word: int) -> None:
        self.guest.select(queue, word)

    def steer(self, vector: int, address: int, masked: bool) -> None:
        self.guest.steer(vector, address, masked)

    def use_vector(self, queue: int, vector: int) -> None:
        self.guest.use_vector(queue, vector)

    def write_pci(self, master: bool) -> None:
        self.guest.write_pci(master)

    def virtio_error(self) -> None:
        self.guest.virtio_error()

    def driver_gives_up(self) -> None:
        self.guest.fail()

    def disable(self, off: bool) -> None:
        self.guest.disable(off)

    def restart_queue(self, queue: int, num: int, place: int) -> None:
        self.guest.restart_queue(queue, num, place)

    def reset(self, drop: NetFeatures, comes_back: bool, num: int, place: int) -> None:
        self.guest.reset(drop=drop, comes_back=comes_back, num=num, place=place)
        self.demanded.add("reset")

    def back_end_state(self, data: bytes) -> None:
        self.guest.change_back_end_state(data)

    # The migration.

    @precondition(lambda self: self.source.state == "idle")
    @rule(
        number=st.sampled_from([None, None, *range(24)]),
        queue=st.sampled_from([None, 0, 1, 2]),
        when=st.sampled_from([None, *When]),
        purpose=st.sampled_from([Purpose.PRECOPY, Purpose.PRECOPY, Purpose.PRECOPY, *Purpose]),
    )
    def set_up(self, number: int | None, queue: int | None, when: When | None, purpose: Purpose) -> None:
        backend: Backend = BACKEND_KINDS[self.kind]().open()
        names = FAULTS[self.backend_name]
        fault = None if number is None else names[number % len(names)]
        if fault is not None:
            backend.faults.append(Fault(fault, queue, when))
        self.source.purpose = purpose
        self.forget()
        self.destination = Destination(
            VirtIONet.vmsd, facts_of(self.source.device), backend=backend, policy=self.policy(), purpose=purpose
        )
        try:
            set_up(self.source, self.destination)
        except MigrationFailed:
            self.is_back_here(fault)
            return
        self.early = self.source.snapshot.decode() if self.source.snapshot is not None else None
        assert backend.running == frozenset()

    @precondition(lambda self: self.source.state == "running")
    @rule()
    def cancel(self) -> None:
        assert self.destination is not None
        self.source.cancel()
        self.destination.cancel()
        assert not self.destination.backend.is_started
        assert self.source.snapshot is None
        self.forget()

    @precondition(lambda self: self.source.state == "running")
    @rule(actions=st.lists(ACTIONS, min_size=1, max_size=8))
    def go_on_and_complete(self, actions: list[tuple[str, dict[str, Any]]]) -> None:
        """Hardly a migration in which the guest does nothing tells anything."""
        self.guest_does(actions)
        self.complete()

    def complete(self) -> None:
        destination = self.destination
        assert destination is not None
        faults = list(destination.backend.faults)
        source, early, resets = self.source, self.early, set(self.demanded)
        if early is not None and source.dirty is not None:
            self.hooks_and_comparison_agree()
        try:
            switch_over(source, destination)
        except MigrationFailed:
            self.runs += 1
            if source.state == "lost":
                assert source.purpose is Purpose.POSTCOPY
                self.arrive(source.device)
                return
            self.is_back_here(faults[0].name if faults else None)
            return
        self.runs += 1
        self.decided_by_the_rule(early, resets)
        self.is_the_same(early)
        self.back_end_is_right(destination)
        self.arrive(destination.device)

    def teardown(self) -> None:
        """Every run is a migration to the end."""
        if not hasattr(self, "source"):
            return
        if self.source.state == "idle" and self.runs == 0:
            self.set_up(None, None, None, Purpose.PRECOPY)
        if self.source.state == "running":
            self.complete()

    # What must hold.

    def is_back_here(self, fault: str | None) -> None:
        """The migration failed: only because of a fault, only with vDPA or tap, and the guest runs on here."""
        assert self.destination is not None
        assert fault is not None
        assert self.destination.backend.fallback is None or str(fault).startswith("TUNSET")
        # Nothing but what was injected: above all, no operation that was out of order.
        assert isinstance(self.destination.failure, BackendFailure)
        assert self.destination.failure.operation.name == fault
        assert self.destination.state == "failed"
        assert not self.destination.backend.is_started
        assert self.source.is_running
        assert self.source.state == "idle"
        assert self.source.snapshot is None
        self.forget()

    def hooks_and_comparison_agree(self) -> None:
        source = self.source
        assert source.snapshot is not None
        compared = source.snapshot.compare(source.device, reset_generation=source.resets)
        noted = source.snapshot.compare(source.device, reset_generation=source.resets, dirty=source.dirty)
        assert noted.changed == compared.changed
        assert noted.evidence.is_reset == compared.evidence.is_reset

    def decided_by_the_rule(self, early: VirtIONet | None, demanded: set[str]) -> None:
        """The section was loaded in full exactly where the rule demands it."""
        plan = self.source.plan
        if early is None:
            return
        assert plan is not None
        assert all(operation.phase is When.STOP for operation in plan.operations)
        final = self.source.device
        if self.policy is RfcV2:
            first, second = tracked(early), tracked(final)
            pairs = min(len(waiting(early)), len(waiting(final)))
            flags = waiting(early)[:pairs] != waiting(final)[:pairs]
            assert (plan.mode == FULL) == (first != second or flags), [
                name for name in first if first[name] != second[name]
            ]
            return
        needed = "reset" in demanded
        needed |= int(final.virtio.status) & ~64 != int(early.virtio.status) & ~64
        needed |= bool(int(early.virtio.status) & ~int(final.virtio.status))
        first, second = self.table_layout(early), self.table_layout(final)
        moved = [ring.place for ring in first.rings] != [ring.place for ring in second.rings]
        moved |= [ring.enabled for ring in first.rings] != [ring.enabled for ring in second.rings]
        needed |= moved and self.backend_name == "vhost-vdpa"
        needed |= early.net.backend != final.net.backend
        assert (plan.mode == FULL) == needed, [(reason.item, reason.cls) for reason in plan.reasons]
        assert plan.lost == ()

    def table_layout(self, card: VirtIONet) -> Any:
        return self.source.table.layout(card)

    def is_the_same(self, early: VirtIONet | None) -> None:
        destination, source = self.destination, self.source
        assert destination is not None
        assert destination.stale == destination.leaked == ()
        plan = source.plan
        lost = plan.lost if early is not None and plan is not None else ()
        if not lost:
            assert saved(destination.device) == saved(source.device)
            return
        assert self.policy is RfcV2
        assert plan is not None
        assert saved(destination.device) != saved(source.device)
        # What is lost is as it was early, and nothing else differs.
        delta = plan.delta
        differing = [
            name
            for name in delta.table.names
            if not delta.snapshot.group(name).is_same(destination.device, source.device)
        ]
        assert list(plan.lost) == differing

    def back_end_is_right(self, destination: Destination) -> None:
        """What runs is what should run, from where it should, set as it should be."""
        backend, layout = destination.backend, destination.layout
        if not layout.is_running:
            assert destination.datapath == "stopped"
            assert backend.running == frozenset()
            return
        if destination.datapath == "userspace" and backend.name == BackendName.VHOST_NET:
            assert destination.failure is not None
            assert backend.running == frozenset()
        elif destination.datapath == "none":
            assert backend.name == BackendName.VHOST_USER
            assert destination.failure is not None
        elif backend.name != BackendName.TAP:
            assert backend.running == set(layout.queues)
            for queue in layout.queues:
                shadowed = isinstance(backend, VhostVdpa) and backend.svq
                assert backend.base_of(queue) == (0 if shadowed else layout.rings[queue].base)
                assert backend.values["SET_VRING_NUM", queue] == layout.rings[queue].num
                assert backend.values["SET_VRING_ADDR", queue][1] == layout.rings[queue].desc
        if isinstance(backend, Tap):
            assert backend.attached == {0, *(queue for queue in layout.data if queue % 2 == 0)}
            if backend.running:
                assert backend.running <= {queue for pair in backend.attached for queue in (pair, pair + 1)}
        if isinstance(backend, VhostVdpa) and layout.control is not None:
            assert Settings.of(destination.device).are_in(backend.settings)
