"""Source and destination of an early migration: what they do in which state, and what happens where one fails."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
from guests import GUESTS, Guest, card_of
from operations import RSS as RECORDED_RSS
from operations import recorded_card

from vmstate.devices.virtio.core import Broken, Disabled, RingSize, RingSizes, Started
from vmstate.devices.virtio.features import NetFeatures
from vmstate.devices.virtio.net import VirtIONet
from vmstate.devices.virtio.net_control import Settings
from vmstate.devices.virtio.net_items import ITEMS as NET_ITEMS
from vmstate.devices.virtio.pci import VirtIOPCIFeatures128
from vmstate.early.backends import BACKENDS
from vmstate.early.backends.base import Backend, Fault
from vmstate.early.backends.kernel import Tap, VhostNet
from vmstate.early.backends.user import VhostUser
from vmstate.early.backends.vdpa import VhostVdpa
from vmstate.early.destination import Destination
from vmstate.early.load import load_over
from vmstate.early.machine import (
    HW_COMPAT_10_1,
    HW_COMPAT_10_2,
    Host,
    IllegalTransition,
    MigrationFailed,
    StateMachine,
    early_mig_default,
)
from vmstate.early.message import Kind, Message
from vmstate.early.migration import cancel, set_up, switch_over
from vmstate.early.operations import Operation, Phase
from vmstate.early.policy import PerItem, Policy, RfcV2
from vmstate.early.source import Purpose, Source
from vmstate.errors import EarlyError, VMStateError
from vmstate.vmsd.release import Release
from vmstate.vmsd.state import facts_of

pytestmark = pytest.mark.slow

MQ4 = "four pairs, RSS"


def ends(
    guest: str = MQ4,
    backend: Backend | None = None,
    policy: type[Policy] = PerItem,
    kind: type[Destination] = Destination,
    **options: Any,
) -> tuple[Source, Destination]:
    """A source with a guest's card, and a destination for it."""
    made = backend or Tap().open()
    source = Source(card_of(guest), policy=policy(), backend=made.name, **options)
    options.pop("notified", None)
    return source, kind(VirtIONet.vmsd, facts_of(source.device), backend=made, policy=policy(), **options)


def saved(card: VirtIONet) -> bytes:
    return VirtIONet.vmsd.encode(card, force=True)


def migrated(source: Source, destination: Destination, *meanwhile: Callable[[Guest], object]) -> Destination:
    set_up(source, destination)
    for change in meanwhile:
        change(Guest(source))
    switch_over(source, destination)
    return destination


# ---------------------------------------------------------------------------------------------------------------------
# The tables.


@pytest.mark.parametrize("machine", [Source, Destination])
def test_every_state_can_be_reached_and_no_other_event_is_taken(machine: type[StateMachine]) -> None:
    rows = machine.transitions
    events = {row.event for row in rows}
    states = {row.state for row in rows} | {row.then for row in rows}
    reached = {"idle"}
    for _ in states:
        reached |= {row.then for row in rows if row.state in reached}
    assert reached == states
    legal = {(row.state, row.event): row.then for row in rows}
    for state in states:
        for event in events:
            made = StateMachine.__new__(machine)
            made.history = [state]
            if (state, event) in legal:
                made.step(event)
                assert made.state == legal[state, event]
            else:
                with pytest.raises(IllegalTransition) as caught:
                    made.step(event)
                assert repr(state) in str(caught.value)
                assert made.state == state


def test_a_migration_goes_through_the_states_in_their_order() -> None:
    source, destination = ends(backend=VhostNet().open())
    migrated(source, destination, lambda guest: guest.set_vlan(7, True))
    assert source.history == ["idle", "setup", "running", "running", "stopped", "compared", "sent", "completed"]
    assert destination.history == ["idle", "loaded early", "started early", "loaded", "bound", "running"]
    source, destination = ends(backend=VhostNet().open(), policy=RfcV2)
    migrated(source, destination, lambda guest: guest.set_vlan(7, True))
    assert destination.history == [
        "idle",
        "loaded early",
        "started early",
        "loaded early",
        "waiting",
        "loaded",
        "bound",
        "running",
    ]


def test_after_the_start_every_queue_is_kicked_once_and_the_network_told() -> None:
    _, destination = ends(backend=VhostNet().open())
    source = Source(card_of(MQ4))
    migrated(source, destination)
    assert destination.announced == (*(f"kick {queue}" for queue in range(8)), "announce")


# ---------------------------------------------------------------------------------------------------------------------
# A load on top of another.


class Careless(Destination):
    """A destination that loads the section on top of what it loaded early."""

    def clear(self) -> None:
        self.early = None
        self.step("clear")


def sizes(card: VirtIONet, changed: int | None) -> None:
    ring = [RingSize(num_default=queue.num) for queue in card.virtio.vq]
    card.virtio.virtio.ringsize = (
        None if changed is None else RingSizes(vq=[*ring, *(RingSize(num_default=0) for _ in range(1024 - len(ring)))])
    )
    card.virtio.vq[0].num = changed or 256


def modern(card: VirtIONet) -> Any:
    extra = card.virtio.virtio.extra_state
    assert extra is not None
    return extra.extra_state.modern_state


STALE: dict[str, tuple[Callable[[VirtIONet], object], Callable[[VirtIONet], object], str]] = {
    "rss.enabled stays true": (
        lambda card: setattr(card.net, "rss", Guest(Source(card))._scaling(3, [0, 1], redirect=True)),
        lambda card: setattr(card.net, "rss", None),
        "virtio.net.rss",
    ),
    "broken stays true": (
        lambda card: setattr(card.virtio.virtio, "broken", Broken(broken=True)),
        lambda card: setattr(card.virtio.virtio, "broken", None),
        "virtio.virtio.broken",
    ),
    "started stays true": (
        lambda card: setattr(card.virtio.virtio, "started", Started(started=True)),
        lambda card: setattr(card.virtio.virtio, "started", None),
        "virtio.virtio.started",
    ),
    "disabled stays true": (
        lambda card: setattr(card.virtio.virtio, "disabled", Disabled(disabled=True)),
        lambda card: setattr(card.virtio.virtio, "disabled", None),
        "virtio.virtio.disabled",
    ),
    "num_default keeps the early value": (
        lambda card: sizes(card, 128),
        lambda card: sizes(card, None),
        "virtio.virtio.ringsize",
    ),
    "the upper features that the driver wrote survive": (
        lambda card: setattr(modern(card), "features128", VirtIOPCIFeatures128(guest_features=[2, 0])),
        lambda card: setattr(modern(card), "features128", None),
        "virtio.virtio.extra_state.extra_state.modern_state.features128",
    ),
}


@pytest.mark.parametrize("name", STALE)
@pytest.mark.parametrize("kind", [Destination, Careless])
def test_stale_values_of_a_second_load(name: str, kind: type[Destination]) -> None:
    """Each early value that survives where the early state is not cleared, and none where it is."""
    before, after, path = STALE[name]
    source, destination = ends(kind=kind)
    before(source.device)
    set_up(source, destination)
    source.reset(after)
    source.stop()
    for message in source.complete():
        destination.receive(message)
    assert source.plan is not None
    assert source.plan.mode == "full"
    if kind is Careless:
        assert path in destination.stale
        assert saved(destination.device) != saved(source.device)
    else:
        assert destination.stale == destination.leaked == ()
        assert saved(destination.device) == saved(source.device)


def test_conditional_fields_keep_early_values() -> None:
    """What is sent only with a feature, only for more than one pair, or only by a host that offers more."""
    early, late = card_of(MQ4), card_of("one pair, filters")
    assert early.net.curr_guest_offloads is not None
    late.net.curr_guest_offloads = None
    late.virtio.virtio.features64 = None
    stale = load_over(early, late, NET_ITEMS).stale
    fields = {"virtio.net.curr_queue_pairs", "virtio.virtio.features64"}
    assert fields <= set(stale)
    # QEMU sets the guest's offloads anew where a load brings none.
    assert "virtio.net.curr_guest_offloads" not in stale
    assert late.features == early.features
    assert late.net.curr_queue_pairs == early.net.curr_queue_pairs


def test_a_second_table_of_scaling_leaks_the_first() -> None:
    early, late = card_of(MQ4), card_of(MQ4)
    early.net.rss = late.net.rss = RECORDED_RSS
    late = VirtIONet.vmsd.decode(saved(late), facts=facts_of(late))
    assert load_over(early, late, NET_ITEMS).leaked == ("virtio.net.rss.indirections_table",)
    assert load_over(None, late, NET_ITEMS).leaked == ()


def test_the_byte_order_is_set_by_the_load_itself() -> None:
    early, late = card_of("legacy device"), card_of("legacy device")
    from vmstate.devices.virtio.core import DeviceEndian

    early.virtio.virtio.device_endian = DeviceEndian(device_endian=2)
    assert load_over(early, late, NET_ITEMS).stale == ()
    assert late.virtio.virtio.device_endian is None


def test_nothing_is_loaded_under_a_started_back_end() -> None:
    class Hasty(Destination):
        def stop_back_end(self) -> None:
            self.history.append("loaded early")

    source, destination = ends(backend=VhostNet().open(), kind=Hasty)
    with pytest.raises(MigrationFailed, match="under a back end that was started"):
        migrated(source, destination, lambda guest: guest.reset())
    assert source.is_running


def test_a_primary_is_plugged_once() -> None:
    source, destination = ends()
    source.device.virtio.virtio.features64.guest_features |= int(NetFeatures.STANDBY)
    migrated(source, destination, lambda guest: guest.reset())
    assert destination.announced.count("FAILOVER_NEGOTIATED") == 1
    assert "FAILOVER_NEGOTIATED" not in ends()[1].announced


# ---------------------------------------------------------------------------------------------------------------------
# The property.


@pytest.mark.parametrize(
    ("machine", "on"),
    [
        ("pc-q35-10.1", False),
        ("pc-i440fx-9.2", False),
        ("pc-q35-10.2", True),
        ("pc-q35-11.0", True),
        ("virt-10.2", True),
        ("s390-ccw-virtio-10.1", False),
        ("pseries-2.12", False),
        ("microvm", True),
        ("q35", True),
    ],
)
def test_on_by_default_from_10_2(machine: str, on: bool) -> None:
    assert early_mig_default(machine, HW_COMPAT_10_1) == on
    assert Host(machine).has_early_mig == on
    assert Host(machine, early_mig=not on).has_early_mig != on


def hosts(source_host: Host, destination_host: Host) -> tuple[Source, Destination]:
    source, destination = ends()
    source.host, destination.host = source_host, destination_host
    return source, destination


def test_old_machine_types_migrate_as_before() -> None:
    source, destination = hosts(*[Host("pc-q35-10.1")] * 2)
    migrated(source, destination, lambda guest: guest.set_vlan(9, True))
    assert source.snapshot is source.plan is None
    assert destination.history == ["idle", "waiting", "loaded", "bound", "running"]
    assert saved(destination.device) == saved(source.device)


@pytest.mark.parametrize("on", [0, 1])
def test_on_one_side_only_it_fails_in_set_up(on: int) -> None:
    """Whichever side has it: before anything of the guest's time is lost, and the guest runs on."""
    both = [Host(early_mig=False), Host(early_mig=False)]
    both[on] = Host(early_mig=True)
    source, destination = hosts(*both)
    with pytest.raises(MigrationFailed, match="early-mig"):
        set_up(source, destination)
    assert source.is_running
    assert (source.state, destination.state) == ("idle", "failed")
    assert destination.device is None


def test_a_10_2_machine_differs_between_10_2_0_and_the_next_release() -> None:
    """With the switch in hw_compat_10_1 as RFC v2 has it; in the newest closed list it does not."""
    old = Host("pc-q35-10.2", release=Release(10, 2))
    assert not old.has_early_mig
    for compat, fails in ((HW_COMPAT_10_1, True), (HW_COMPAT_10_2, False)):
        new = Host("pc-q35-10.2", compat=compat)
        assert new.has_early_mig == fails
        for pair in ((old, new), (new, old)):
            source, destination = hosts(*pair)
            if not fails:
                migrated(source, destination)
                continue
            with pytest.raises(MigrationFailed):
                set_up(source, destination)
            assert source.is_running


def test_a_release_without_the_property_does_not_take_it() -> None:
    with pytest.raises(VMStateError, match="not known"):
        _ = Host("pc-q35-10.1", release=Release(10, 1), early_mig=True).has_early_mig


# ---------------------------------------------------------------------------------------------------------------------
# When nothing is early.


@pytest.mark.parametrize("purpose", [reason for reason in Purpose if reason not in (Purpose.PRECOPY, Purpose.POSTCOPY)])
def test_excluded_purposes(purpose: Purpose) -> None:
    source, destination = ends(purpose=purpose)
    assert source.left_out()
    migrated(source, destination, lambda guest: guest.set_vlan(3, True))
    assert source.snapshot is None
    assert destination.history == ["idle", "waiting", "loaded", "bound", "running"]
    assert saved(destination.device) == saved(source.device)


def test_excluded_states() -> None:
    stopped = Source(card_of(MQ4))
    stopped.is_running = False
    assert "stopped" in str(stopped.left_out())
    assert "driver" in str(Source(card_of("no driver")).left_out())
    assert Source(card_of(MQ4)).left_out() is None


@pytest.mark.parametrize("name", BACKENDS)
def test_behind_a_viommu_it_falls_back(name: str) -> None:
    """ACCESS_PLATFORM alone is no vIOMMU: there must be one."""

    def behind(has_iommu: bool) -> tuple[Source, Destination]:
        backend = VhostVdpa(svq=False).open() if name == "vhost-vdpa" else BACKENDS[name]().open()
        source, destination = ends(backend=backend, has_iommu=has_iommu)
        source.device.virtio.virtio.features64.guest_features |= int(NetFeatures.ACCESS_PLATFORM)
        return source, destination

    source, destination = behind(True)
    assert "vIOMMU" in str(source.left_out())
    migrated(source, destination)
    assert destination.early is None
    assert all(operation.phase is Phase.STOP for operation in destination.backend.done)
    source, destination = behind(False)
    assert source.left_out() is None
    migrated(source, destination)
    assert destination.early is not None


def test_shadow_virtqueues_behind_a_viommu_fail_as_in_qemu() -> None:
    source, destination = ends(backend=VhostVdpa().open(), has_iommu=True)
    source.device.virtio.virtio.features64.guest_features |= int(NetFeatures.ACCESS_PLATFORM)
    with pytest.raises(MigrationFailed, match="vIOMMU"):
        migrated(source, destination)
    assert source.is_running


def test_back_end_state_goes_over_at_the_stop() -> None:
    source, destination = ends("back-end state", VhostUser().open())
    migrated(source, destination)
    assert "SET_DEVICE_STATE_FD" in [operation.name for operation in destination.backend.done]
    assert not [operation for operation in destination.backend.done if operation.phase is Phase.EARLY]
    assert destination.backend.running == {0, 1}


def test_pinned_memory_and_postcopy() -> None:
    source, destination = ends(backend=VhostVdpa().open(), purpose=Purpose.POSTCOPY)
    migrated(source, destination)
    assert not [operation for operation in destination.backend.done if operation.phase is Phase.EARLY]
    assert destination.datapath == "back end"


# ---------------------------------------------------------------------------------------------------------------------
# Cancel, retry, failure.


def test_cancel_and_retry() -> None:
    source, destination = ends(backend=VhostNet().open())
    first = source.setup()
    destination.receive(first[0])
    generation = source.generation
    cancel(source, destination)
    assert source.snapshot is None
    assert source.is_running
    assert not destination.backend.is_started
    Guest(source).set_vlan(5, True)
    _, destination = ends(backend=VhostNet().open())
    migrated(source, destination)
    assert source.generation == generation + 1
    assert saved(destination.device) == saved(source.device)


def test_a_record_of_an_earlier_attempt_is_refused() -> None:
    source, stuck = ends(backend=VhostNet().open())
    early, _ = source.setup()[0], source.cancel()
    stuck.receive(early)
    source.setup()
    source.stop()
    with pytest.raises(MigrationFailed, match="another early state"):
        stuck.receive(source.complete()[0])
    assert stuck.state == "failed"
    source.failed()
    assert source.is_running


@pytest.mark.parametrize("damage", ["cut", "name", "twice", "early too late", "no early"])
def test_what_cannot_be_fails_before_anything_is_applied(damage: str) -> None:
    source, destination = ends(backend=VhostNet().open())
    early = source.setup()[0]
    if damage != "no early":
        destination.receive(early)
    source.stop()
    record = source.complete()[0]
    before = None if destination.device is None else saved(destination.device)
    message = {
        "cut": Message(Kind.RECORD, record.name, record.data[:-1]),
        "name": Message(Kind.RECORD, "0000:00:09.0/virtio-net", record.data),
        "twice": early,
        "early too late": early,
        "no early": record,
    }[damage]
    with pytest.raises(MigrationFailed):
        destination.receive(message)
    assert destination.state == "failed"
    assert (None if destination.device is None else saved(destination.device)) == before
    assert not destination.backend.is_started
    source.failed()
    assert source.is_running


def test_after_postcopy_has_begun_there_is_no_way_back() -> None:
    source, destination = ends(backend=VhostVdpa(faults=[Fault("SET_FEATURES")]).open(), purpose=Purpose.POSTCOPY)
    with pytest.raises(MigrationFailed):
        migrated(source, destination)
    assert source.state == "lost"
    assert not source.is_running


def test_an_early_save_is_not_done_twice() -> None:
    source, _ = ends()
    source.setup()
    with pytest.raises(IllegalTransition, match="'setup' cannot happen in the state 'running'"):
        source.setup()


# ---------------------------------------------------------------------------------------------------------------------
# Faults of back ends.


def operations_of(kind: type[Backend], policy: type[Policy]) -> list[Operation]:
    """All that a back end is told in a migration with a change."""
    backend = kind().open()
    begun = len(backend.done)
    migrated(*ends(backend=backend, policy=policy), lambda guest: guest.set_pairs(2))
    return backend.done[begun:]


@pytest.mark.parametrize("kind", [Tap, VhostNet, VhostUser, VhostVdpa])
@pytest.mark.parametrize("policy", [PerItem, RfcV2])
def test_a_fault_at_every_operation(kind: type[Backend], policy: type[Policy]) -> None:
    """vhost fails without harm: the guest has QEMU's own datapath, and the back end can be tried again.

    vDPA is fatal; but for its reset before a reload: the device is let go of, which resets it.
    """
    everything = operations_of(kind, policy)
    for operation in dict.fromkeys(everything):
        backend = kind().open()
        backend.faults.append(Fault(operation.name, operation.queue, operation.phase, operation.value))
        source, destination = ends(backend=backend, policy=policy)
        if kind.fallback is None and (operation.name, operation.value) != ("SET_STATUS", 0):
            with pytest.raises(MigrationFailed, match=operation.name):
                migrated(source, destination, lambda guest: guest.set_pairs(2))
            assert source.is_running
            assert source.state == "idle"
            assert destination.state == "failed"
            assert not backend.is_started
            continue
        migrated(source, destination, lambda guest: guest.set_pairs(2))
        assert not backend.faults
        assert saved(destination.device) == saved(source.device)
        if operation.phase is Phase.EARLY:
            assert destination.early_failure is not None
            assert destination.datapath == "back end"
        elif destination.failure is None:
            # It was a step of the way down, which ends where it was to end in any case.
            assert destination.datapath == "back end"
        else:
            assert destination.datapath == kind.fallback
            assert not backend.is_started
            if kind is VhostNet:
                assert isinstance(backend, Tap)
                assert backend.attached == {0, 2}
            destination.retry_back_end()
        assert destination.datapath == "back end"
        assert backend.running == {0, 1, 2, 3}


def test_a_back_end_that_stops_answering_in_the_quick_start() -> None:
    backend = VhostNet(faults=[Fault("SET_BACKEND", 5, Phase.STOP)]).open()
    _, destination = ends(backend=backend)
    migrated(Source(card_of(MQ4), backend="vhost-net"), destination)
    assert destination.datapath == "userspace"
    assert destination.state == "running"
    assert backend.running == frozenset()


def test_only_what_is_missing_can_be_started_again() -> None:
    source, destination = ends(backend=VhostNet().open())
    migrated(source, destination)
    with pytest.raises(EarlyError, match="not missing"):
        destination.retry_back_end()


# ---------------------------------------------------------------------------------------------------------------------
# What a card is set to.


@pytest.mark.parametrize("guest", GUESTS)
@pytest.mark.parametrize("name", BACKENDS)
@pytest.mark.parametrize("policy", [PerItem, RfcV2])
def test_every_guest_to_every_back_end(guest: str, name: str, policy: type[Policy]) -> None:
    backend = BACKENDS[name]().open()
    source, destination = ends(guest, backend, policy)
    steps = random.Random(f"{guest} {name}")
    set_up(source, destination)
    driver = Guest(source)
    driver.set_vlan(steps.randrange(4096), True)
    driver.set_mac_table(3, 65, 1)
    driver.set_mode("nouni", True)
    driver.set_rss(3, [0, 1, 2, 0], 7)
    driver.send(0, 5)
    switch_over(source, destination)
    assert saved(destination.device) == saved(source.device)
    layout = destination.layout
    if name != "tap" and layout.is_running:
        assert backend.running == set(layout.queues)
    if isinstance(backend, VhostVdpa) and layout.is_running and layout.control is not None:
        assert Settings.of(destination.device).are_in(backend.settings)


def twice(first: Callable[[Guest], object], second: Callable[[Guest], object]) -> Callable[[Guest], None]:
    def does(guest: Guest) -> None:
        first(guest)
        second(guest)

    return does


MEANWHILE: dict[str, tuple[str, Callable[[Guest], object], Callable[[Guest], object], str, str]] = {
    # before the early save; between it and the stop; what PerItem decides; what RFC v2 does
    "RSS enabled, then disabled": (
        MQ4,
        lambda guest: guest.set_rss(4, [0, 1], 7),
        lambda guest: guest.set_rss(4, [0], 0),
        "minimal",
        "full",
    ),
    "guest reboot": (MQ4, lambda guest: None, lambda guest: guest.reset(place=0x700000), "full", "full"),
    "driver reload that ends in the same status": (
        "one pair, filters",
        lambda guest: guest.reset(place=0x100000),
        lambda guest: guest.reset(place=0x700000),
        "full",
        "minimal",
    ),
    "MAC table emptied": (
        MQ4,
        lambda guest: guest.set_mac_table(3, 3, 1),
        lambda guest: guest.set_mac_table(0, 0, 1),
        "minimal",
        "full",
    ),
    "VLAN removed": (
        MQ4,
        lambda guest: guest.set_vlan(100, True),
        lambda guest: guest.set_vlan(100, False),
        "minimal",
        "full",
    ),
    "offloads lowered, then restored": (
        MQ4,
        lambda guest: None,
        twice(lambda guest: guest.set_offloads(0), lambda guest: guest.set_offloads(-1)),
        "minimal",
        "minimal",
    ),
    "pairs 1 to 4 to 1": (
        MQ4,
        lambda guest: guest.set_pairs(1),
        twice(lambda guest: guest.set_pairs(4), lambda guest: guest.set_pairs(1)),
        "minimal",
        "minimal",
    ),
    "link down at the stop": (MQ4, lambda guest: None, lambda guest: guest.set_link(False), "minimal", "full"),
    "link down and up again": (
        MQ4,
        lambda guest: None,
        twice(lambda guest: guest.set_link(False), lambda guest: guest.set_link(True)),
        "minimal",
        "minimal",
    ),
    "MSI-X affinity": (MQ4, lambda guest: None, lambda guest: guest.steer(1, 0xFEE02000, False), "minimal", "minimal"),
    "configuration space read": (
        MQ4,
        lambda guest: guest.read_config(),
        lambda guest: guest.read_config(),
        "minimal",
        "minimal",
    ),
    "busy transmission": (MQ4, lambda guest: None, lambda guest: guest.wait(0, True), "minimal", "full"),
    "packed ring": ("packed ring", lambda guest: None, lambda guest: guest.send(0, 300), "minimal", "minimal"),
    "legacy device": ("legacy device", lambda guest: None, lambda guest: guest.set_vlan(9, True), "minimal", "full"),
    "features above 63 offered": (
        "four pairs, RSS, features above 63",
        lambda guest: None,
        lambda guest: guest.set_pairs(3),
        "minimal",
        "full",
    ),
    "ring size changed by the driver": (
        MQ4,
        lambda guest: None,
        lambda guest: guest.reset(num=128, place=0x700000),
        "full",
        "full",
    ),
    "RING_RESET of one queue": (
        MQ4,
        lambda guest: None,
        lambda guest: guest.restart_queue(1, 256, 0x700000),
        "minimal",
        "minimal",
    ),
}


@pytest.mark.parametrize("policy", [PerItem, RfcV2])
@pytest.mark.parametrize("name", MEANWHILE)
def test_between_the_early_save_and_the_stop(name: str, policy: type[Policy]) -> None:
    """PerItem is exact whatever happens; RFC v2 too, except where it looks at nothing that tells."""
    guest, before, meanwhile, per_item, rfc_v2 = MEANWHILE[name]
    source, destination = ends(guest, VhostNet().open(), policy)
    before(Guest(source))
    migrated(source, destination, meanwhile)
    plan = source.plan
    assert plan is not None
    assert plan.mode == (per_item if policy is PerItem else rfc_v2)
    assert (saved(destination.device) == saved(source.device)) == (plan.lost == ())
    if policy is PerItem:
        assert plan.lost == ()
    lost = {"driver reload that ends in the same status", "MSI-X affinity", "RING_RESET of one queue", "packed ring"}
    assert not plan.lost or name in lost


def test_many_cards() -> None:
    """Each card is its own: one that needs the full reload, and one whose vhost fails, hold up none of the others."""
    both = [ends(backend=VhostNet().open()) for _ in range(8)]
    both[3][1].backend.faults.append(Fault("SET_VRING_NUM"))
    for source, destination in both:
        set_up(source, destination)
    Guest(both[5][0]).reset()
    for source, destination in both:
        switch_over(source, destination)
        assert saved(destination.device) == saved(source.device)
    assert [source.plan.mode for source, _ in both if source.plan is not None].count("full") == 1
    assert [destination.early_failure is None for _, destination in both].count(False) == 1


@pytest.mark.parametrize("guest", GUESTS)
@pytest.mark.parametrize("comes_back", [True, False])
def test_a_reset_of_every_guest(guest: str, comes_back: bool) -> None:
    source, destination = ends(guest, VhostNet().open())
    migrated(source, destination, lambda driver: driver.reset(num=128, place=0x700000, comes_back=comes_back))
    assert saved(destination.device) == saved(source.device)
    if source.plan is not None:
        assert source.plan.mode == "full"


def test_the_recorded_card_is_a_card_with_four_pairs() -> None:
    assert recorded_card().net.max_queue_pairs == 4
