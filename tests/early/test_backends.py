"""The back ends of early migration: which orders of operations they take, held against what real ones were told."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from functools import cache
from typing import Any

import attrs
import pytest
from operations import RSS, names, operation_of, recorded_card
from recorded import FIXTURES

import vmstate  # noqa: F401  (binds the codec)
from vmstate.devices.vhost.user import Message
from vmstate.devices.virtio.core import Features64
from vmstate.devices.virtio.features import NetFeatures
from vmstate.devices.virtio.net import MacAddress, Rss, VirtIONet
from vmstate.devices.virtio.net_control import Settings, difference, replay
from vmstate.early.backends import BACKENDS
from vmstate.early.backends.base import Backend, BackendFailure, Fault, IllegalOperation
from vmstate.early.backends.kernel import UNBIND, Tap, VhostNet
from vmstate.early.backends.user import VhostUser
from vmstate.early.backends.vdpa import VhostVdpa
from vmstate.early.layout import Ring, RingLayout
from vmstate.early.operations import CVQ_COMMANDS, Operation, Phase
from vmstate.errors import VMStateError

EARLY = Phase.EARLY


def layout(pairs: int = 2, *, base: int = 7, **changes: object) -> RingLayout:
    """A card with four queue pairs, of which some are in use, and a control queue."""
    rings = tuple(
        Ring(num=256, desc=0x10000 * queue, avail=0x10000 * queue + 0x1000, used=0x10000 * queue + 0x2000, base=base)
        for queue in range(1, 10)
    )
    return RingLayout(features=1 << 32, rings=rings, data=tuple(range(2 * pairs)), control=8).replace(**changes)


def test_an_operation_is_data() -> None:
    first = Operation("SET_VRING_BASE", queue=1, value=4, item="queue_indices", phase=EARLY)
    assert first == first.replace()
    assert first != first.replace(phase=Phase.STOP)
    assert str(first) == "SET_VRING_BASE queue 1 = 4"
    assert json.loads(json.dumps(first.as_dict())) == {
        "name": "SET_VRING_BASE",
        "queue": 1,
        "value": 4,
        "item": "queue_indices",
        "phase": "early",
    }
    with pytest.raises(AttributeError, match="cannot be changed"):
        first.queue = 2  # type: ignore[misc]


# ---------------------------------------------------------------------------------------------------------------------
# Real transcripts.


def orders_of(path: str) -> dict[int, list[Operation]]:
    """What the front end said, for each connection of a transcript."""
    connections: dict[int, list[Operation]] = {}
    for text in (FIXTURES / path).read_text().splitlines():
        line = json.loads(text)
        if line["dir"] == ">":
            header = (line["request"], line["flags"], line["size"])
            data = b"".join(number.to_bytes(4, "little") for number in header) + bytes.fromhex(line["payload"])
            connections.setdefault(line["conn"], []).append(operation_of(Message.decode(data)))
    return connections


TRANSCRIPTS = sorted(str(path.relative_to(FIXTURES)) for path in FIXTURES.glob("vhost-user/*.jsonl"))


def test_the_transcripts_are_there() -> None:
    assert len(TRANSCRIPTS) >= 4


@pytest.mark.parametrize("path", TRANSCRIPTS)
def test_vhost_user_takes_what_real_back_ends_were_told(path: str) -> None:
    for operations in orders_of(path).values():
        backend = VhostUser()
        backend.run(operations)
        assert backend.done == operations
        if "destination" in path:
            assert backend.running == {0, 1}, backend.state
        else:
            assert not backend.running
            assert not any("started" in facts for facts in backend.queues.values())


@pytest.mark.parametrize("path", TRANSCRIPTS)
def test_vhost_user_does_not_take_them_in_another_order(path: str) -> None:
    """A transcript with two ring operations of one queue exchanged, or one left out, is refused."""
    ordered = ["SET_OWNER", "SET_VRING_NUM", "SET_VRING_BASE", "SET_VRING_ADDR", "SET_VRING_KICK"]
    for operations in orders_of(path).values():
        for name in ordered[:-1]:
            place = names(operations).index(name)
            with pytest.raises(IllegalOperation):
                VhostUser().run(operations[:place] + operations[place + 1 :])
        kick = names(operations).index("SET_VRING_KICK")
        queue = operations[kick].queue
        start = max(place for place in range(kick) if operations[place].name == "SET_VRING_NUM")
        with pytest.raises(IllegalOperation) as caught:
            VhostUser().run([*operations[:start], operations[kick], *operations[start:kick]])
        assert caught.value.operation == Operation("SET_VRING_KICK", queue)


def test_the_destination_is_brought_up_as_qemu_does_it() -> None:
    """The model's own orders for a start at the stop are the messages of the recorded start, in their order."""
    operations = orders_of("vhost-user/qemu-11.1-passt-destination.jsonl")[1]
    first = names(operations).index("SET_FEATURES")
    recorded = [
        operation for operation in operations[first:] if operation.name not in ("SEND_RARP", "SET_VRING_ENABLE")
    ]
    rings = tuple(
        Ring(
            num=next(o.value for o in recorded if o.name == "SET_VRING_NUM" and o.queue == queue),
            desc=place[1],
            used=place[2],
            avail=place[3],
            base=next(o.value for o in recorded if o.name == "SET_VRING_BASE" and o.queue == queue),
        )
        for queue in (0, 1)
        for place in [next(o.value for o in recorded if o.name == "SET_VRING_ADDR" and o.queue == queue)]
    )
    backend = VhostUser().open()
    made = backend.finish(RingLayout(features=recorded[0].value, rings=rings, data=(0, 1), backend_state=True))
    backend.run(made)
    ours = {(o.name, o.queue, o.value) for o in made} - {("SET_DEVICE_STATE_FD", None, "load")}
    theirs = {(o.name, o.queue, o.value) for o in operations if o.name != "SEND_RARP"}
    assert ours <= theirs
    assert names(made)[:2] == ["SET_DEVICE_STATE_FD", "CHECK_DEVICE_STATE"]
    for queue in (0, 1):
        order = [o.name for o in recorded if o.queue == queue and o.name not in ("SET_VRING_KICK", "SET_VRING_CALL")]
        assert (
            order
            == [
                o.name
                for o in made
                if o.queue == queue and o.name in ("SET_VRING_NUM", "SET_VRING_BASE", "SET_VRING_ADDR")
            ][:3]
        )


# ---------------------------------------------------------------------------------------------------------------------
# The orders of each.

KINDS: list[Callable[[], Backend]] = [
    Tap,
    VhostNet,
    VhostUser,
    VhostVdpa,
    lambda: VhostVdpa(svq=False),
    lambda: VhostVdpa(isolated=False),
    lambda: VhostVdpa(capabilities=["SUSPEND"]),
]


def commands(backend: Backend) -> tuple[Operation, ...]:
    """What items could ask of it."""
    if isinstance(backend, VhostVdpa):
        values = {"RSS_CONFIG": (1, 0, (0, 1), 2, ""), "HASH_CONFIG": (1, "")}
        return tuple(Operation(name, value=values.get(name, 1)) for name in CVQ_COMMANDS)
    return (Operation("TUNSETOFFLOAD", value=3),) if isinstance(backend, Tap) else ()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("pairs", [1, 2, 4])
def test_early_start_and_finish(kind: Callable[[], Backend], pairs: int) -> None:
    """Nothing runs before the stop, and afterwards all queues in use run, from their final bases."""
    backend = kind().open()
    before, after = layout(2, base=3), layout(pairs, base=9)
    backend.run(backend.early_start(before, commands(backend)))
    assert all(operation.phase is EARLY for operation in backend.done if operation not in backend.opening())
    assert not backend.running
    backend.run(backend.finish(after, commands(backend)))
    if type(backend) is Tap:
        assert backend.attached == set(after.data[::2])
        return
    assert backend.running == set(after.data)
    for queue in after.data:
        shadowed = isinstance(backend, VhostVdpa) and backend.svq
        assert backend.base_of(queue) == (0 if shadowed else 9)
    backend.run(backend.stop())
    assert not backend.running
    assert not backend.is_started
    backend.run(backend.finish(after, commands(backend)))
    assert backend.running == set(after.data)


@pytest.mark.parametrize("kind", [VhostNet, VhostUser, VhostVdpa])
@pytest.mark.parametrize("change", ["driver_ok", "link_up", "broken"])
def test_what_must_not_run_is_taken_down(kind: type[Backend], change: str) -> None:
    """The link went down, the driver away, or the device broke between the early start and the stop."""
    backend = kind().open()
    backend.run(backend.early_start(layout(), commands(backend)))
    backend.run(backend.finish(layout(**{change: change == "broken"})))
    assert not backend.running
    assert not backend.is_started


@pytest.mark.parametrize("kind", KINDS)
def test_no_early_start_behind_a_viommu(kind: Callable[[], Backend]) -> None:
    backend = kind()
    assert "vIOMMU" in str(backend.can_start_early(layout(behind_iommu=True)))


@pytest.mark.parametrize("name", BACKENDS)
def test_back_end_state_forbids_an_early_start(name: str) -> None:
    assert "state of its own" in str(BACKENDS[name]().can_start_early(layout(backend_state=True)))


def refused(backend: Backend, *operations: Operation) -> str:
    """Why the last operation is illegal after the others."""
    backend.run(operations[:-1])
    done = list(backend.done)
    with pytest.raises(IllegalOperation) as caught:
        backend.do(operations[-1])
    assert backend.done == done
    error = caught.value
    assert isinstance(error, VMStateError)
    assert error.operation == operations[-1]
    assert operations[-1].name in str(error)
    assert error.state == backend.state
    assert error.state in str(error)
    assert error.rule in str(error)
    return error.rule


def prepared(kind: type[Backend], **options: object) -> Backend:
    backend = kind(**options).open()
    backend.run(backend.early_start(layout(), commands(backend)))
    return backend


def finished(kind: type[Backend], **options: object) -> Backend:
    backend = prepared(kind, **options)
    backend.run(backend.finish(layout(), commands(backend)))
    return backend


class TestVhostNet:
    """Kernel vhost."""

    def test_binding_waits_for_the_stop(self) -> None:
        backend = prepared(VhostNet)
        backend.do(Operation("SET_VRING_BASE", 0, 9))
        assert "'early' stands against it" in refused(backend, Operation("SET_BACKEND", 0, phase=EARLY))
        backend.do(Operation("SET_BACKEND", 0))

    def test_binding_needs_the_final_base(self) -> None:
        backend = prepared(VhostNet)
        assert "'base' of the queue is missing" in refused(backend, Operation("SET_BACKEND", 0))

    @pytest.mark.parametrize("name", ["SET_VRING_NUM", "SET_VRING_BASE", "SET_VRING_ENDIAN"])
    def test_busy_while_bound(self, name: str) -> None:
        backend = finished(VhostNet)
        assert "EBUSY" in refused(backend, Operation(name, 0, 1))
        backend.do(Operation("SET_BACKEND", 0, UNBIND))
        backend.do(Operation(name, 0, 1))

    def test_only_logging_changes_while_bound(self) -> None:
        backend = finished(VhostNet)
        ring = layout().rings[0]
        backend.do(Operation("SET_FEATURES", None, layout().features | 1 << 26))
        backend.do(Operation("SET_VRING_ADDR", 0, (1, ring.desc, ring.used, ring.avail)))
        assert "LOG_ALL" in refused(backend, Operation("SET_FEATURES", None, 0))
        assert refused(backend, Operation("SET_VRING_ADDR", 0, (0, ring.desc + 16, ring.used, ring.avail)))

    def test_the_base_is_read_after_the_back_end_is_gone(self) -> None:
        assert "moves on" in refused(finished(VhostNet), Operation("GET_VRING_BASE", 0))

    def test_the_owner_comes_first(self) -> None:
        assert "EPERM" in refused(VhostNet(), Operation("SET_FEATURES", None, 0))
        assert "EBUSY" in refused(VhostNet().open(), Operation("SET_OWNER"))

    def test_a_tap_queue_is_not_attached_early(self) -> None:
        assert "takes packets away" in refused(VhostNet().open(), Operation("TUNSETQUEUE", 2, "attach", phase=EARLY))

    def test_a_pair_that_fell_out_of_use_is_not_bound(self) -> None:
        backend = prepared(VhostNet)
        backend.run(backend.finish(layout(1)))
        assert backend.running == {0, 1}
        assert backend.attached == {0}
        assert not backend.queues[2]

    def test_a_ring_that_was_reset_is_told_again(self) -> None:
        backend = prepared(VhostNet)
        rings = list(layout().rings)
        rings[2] = rings[2].replace(num=128, base=1)
        backend.run(made := backend.finish(layout(rings=tuple(rings))))
        assert [o.queue for o in made if o.name == "SET_VRING_NUM"] == [2]
        assert backend.running == {0, 1, 2, 3}

    def test_two_ioctls_for_each_queue_at_the_stop(self) -> None:
        """What is left of the start where nothing changed but the indices."""
        backend = VhostNet().open()
        backend.run(backend.early_start(layout(4)))
        made = backend.finish(layout(4, base=99))
        assert names(made) == ["TUNSETQUEUE"] * 3 + ["SET_VRING_BASE", "SET_BACKEND"] * 8


class TestVhostUser:
    """A back end in another process."""

    def test_the_kick_starts_the_ring(self) -> None:
        backend = prepared(VhostUser)
        assert "SET_VRING_KICK" not in names(backend.done)
        assert "'base' of the queue is missing" in refused(backend, Operation("SET_VRING_KICK", 0))
        backend.do(Operation("SET_VRING_BASE", 0, 9))
        ring = layout().rings[0]
        backend.do(Operation("SET_VRING_ADDR", 0, (0, ring.desc, ring.used, ring.avail)))
        assert "'early'" in refused(backend, Operation("SET_VRING_KICK", 0, phase=EARLY))
        backend.do(Operation("SET_VRING_KICK", 0))

    def test_the_used_index_is_read_once_memory_is_there(self) -> None:
        """Back ends read it when they get the addresses, so early addresses are not enough."""
        backend = prepared(VhostUser)
        backend.do(Operation("SET_VRING_BASE", 0, 9))
        assert "'position' of the queue is missing" in refused(backend, Operation("SET_VRING_KICK", 0))

    def test_no_enabling_early(self) -> None:
        assert "'early'" in refused(prepared(VhostUser), Operation("SET_VRING_ENABLE", 0, 1, phase=EARLY))

    def test_a_started_ring_keeps_its_place(self) -> None:
        for name in ("SET_VRING_NUM", "SET_VRING_BASE", "SET_VRING_ADDR"):
            assert "started" in refused(finished(VhostUser), Operation(name, 0, (0, 1)))

    def test_the_state_of_the_back_end_is_loaded_into_one_that_stands_still(self) -> None:
        backend = finished(VhostUser)
        load = Operation("SET_DEVICE_STATE_FD", None, "load")
        assert "stopped" in refused(backend, load)
        backend.run(backend.stop())
        backend.do(load)
        ring = layout().rings[0]
        assert "'transfer'" in refused(
            backend,
            Operation("SET_VRING_NUM", 0, ring.num),
            Operation("SET_VRING_BASE", 0, 9),
            Operation("SET_VRING_ADDR", 0, (0, ring.desc, ring.used, ring.avail)),
            Operation("SET_VRING_KICK", 0),
        )
        backend.run([Operation("CHECK_DEVICE_STATE"), Operation("SET_VRING_KICK", 0)])

    def test_the_order_at_the_stop(self) -> None:
        """The back end's state, the final bases, the kicks, the enabling."""
        backend = VhostUser().open()
        made = backend.finish(layout(1, backend_state=True))
        backend.run(made)
        places = [names(made).index(name) for name in ("SET_DEVICE_STATE_FD", "SET_VRING_BASE", "SET_VRING_KICK")]
        assert places == sorted(places)
        assert names(made)[-2:] == ["SET_VRING_ENABLE"] * 2


class TestVhostVdpa:
    """A vDPA device."""

    def test_the_control_queue_is_first_and_data_queues_last(self) -> None:
        backend = VhostVdpa().open()
        backend.control = 8
        made = backend.finish(layout(), commands(backend))
        enabled = [place for place, operation in enumerate(made) if operation.name == "SET_VRING_ENABLE"]
        assert made[enabled[0]].queue == 8
        assert enabled[1:] == list(range(len(made) - 4, len(made)))
        assert [name for name in names(made) if name in CVQ_COMMANDS] == list(CVQ_COMMANDS)
        assert all(enabled[0] < names(made).index(name) < enabled[1] for name in CVQ_COMMANDS)

    def test_no_ring_is_read_early(self) -> None:
        assert "'early'" in refused(prepared(VhostVdpa), Operation("SET_VRING_ENABLE", 0, 1, phase=EARLY))

    def test_data_queues_wait_for_the_control_queue(self) -> None:
        backend = VhostVdpa().open()
        orders = [o for o in backend.early_start(layout()) if (o.name, o.queue) != ("SET_VRING_ENABLE", 8)]
        assert "'waits for control'" in refused(backend, *orders, Operation("SET_VRING_ENABLE", 0, 1))

    def test_no_command_after_a_data_queue_is_enabled(self) -> None:
        backend = prepared(VhostVdpa)
        backend.do(Operation("SET_VRING_ENABLE", 0, 1))
        assert "before data queues" in refused(backend, Operation("PROMISC", None, 1))

    @pytest.mark.parametrize("name", ["SET_VRING_NUM", "SET_VRING_BASE", "SET_VRING_ADDR"])
    def test_rings_are_settled_with_driver_ok(self, name: str) -> None:
        backend = prepared(VhostVdpa)
        assert "after DRIVER_OK" in refused(backend, Operation(name, 0, 5))
        backend.run([Operation("SUSPEND"), Operation(name, 0, 5), Operation("RESUME")])

    def test_enabling_after_driver_ok_is_asked_for_first(self) -> None:
        """Without it DRIVER_OK waits for the stop, where all queues are enabled before it."""
        backend = VhostVdpa(capabilities=["SUSPEND"]).open()
        orders = backend.early_start(layout(), commands(backend))
        assert orders[-1].name == "SET_VRING_CALL"
        driver_ok = Operation("SET_STATUS", None, 15, phase=EARLY)
        assert "'can ENABLE_AFTER_DRIVER_OK' is missing" in refused(
            backend, *orders, driver_ok, Operation("SET_VRING_ENABLE", 8, 1)
        )
        made = prepared(VhostVdpa, capabilities=["SUSPEND"]).finish(layout(), commands(backend))
        assert names(made)[:6] == ["SET_VRING_ENABLE"] * 5 + ["SET_STATUS"]
        assert names(made)[6:] == list(CVQ_COMMANDS)

    def test_the_control_queue_is_isolated_before_it_is_enabled_early(self) -> None:
        backend = VhostVdpa(isolated=False).open()
        orders = backend.early_start(layout(), commands(backend))
        assert orders[-1].name == "SET_VRING_CALL"
        assert "'isolated' is missing" in refused(backend, *orders, *backend._driver_ok(layout(), EARLY))

    def test_shadowed_queues_take_no_base_from_the_guest(self) -> None:
        backend = finished(VhostVdpa)
        assert {o.value for o in backend.done if o.name == "SET_VRING_BASE"} == {0}
        assert not [o for o in backend.done if o.name == "SET_VRING_BASE" and o.phase is Phase.STOP]

    def test_without_shadowing_the_bases_are_told_to_a_suspended_device(self) -> None:
        backend = prepared(VhostVdpa, svq=False)
        made = backend.finish(layout())
        assert names(made) == ["SUSPEND"] + ["SET_VRING_BASE"] * 4 + ["RESUME"] + ["SET_VRING_ENABLE"] * 4
        assert "'base' of the queue is missing" in refused(backend, Operation("SET_VRING_ENABLE", 0, 1))

    def test_without_suspending_driver_ok_waits_for_the_bases(self) -> None:
        backend = prepared(VhostVdpa, svq=False, capabilities=["ENABLE_AFTER_DRIVER_OK"])
        assert backend.done[-1].name == "SET_VRING_CALL"
        made = backend.finish(layout())
        assert names(made) == ["SET_VRING_BASE"] * 4 + ["SET_STATUS"] + ["SET_VRING_ENABLE"] * 5

    def test_pinned_memory_survives_a_reset(self) -> None:
        backend = prepared(VhostVdpa)
        backend.run(backend.stop())
        assert not backend.settings
        assert "IOTLB_UPDATE" not in names(backend.finish(layout()))

    def test_every_command_of_the_mq_class_switches_rss_off(self) -> None:
        backend = VhostVdpa().open()
        backend.run(backend.early_start(layout(), [Operation("RSS_CONFIG", None, (1, 0, (0, 1), 2, ""))]))
        assert "RSS_CONFIG" in backend.settings
        backend.do(Operation("VQ_PAIRS_SET", None, 2))
        assert "RSS_CONFIG" not in backend.settings

    def test_refused_by_qemu_before_it_starts(self) -> None:
        with pytest.raises(VMStateError, match="vIOMMU"):
            VhostVdpa().check(layout(behind_iommu=True))
        VhostVdpa(svq=False).check(layout(behind_iommu=True))
        with pytest.raises(VMStateError, match="cannot be shadowed"):
            VhostVdpa(svq=False, isolated=False).check(layout())
        VhostVdpa(svq=False, isolated=False).check(layout(control=None))


# ---------------------------------------------------------------------------------------------------------------------
# The senders of virtio-net.


ALL = (
    NetFeatures.VERSION_1
    | NetFeatures.CTRL_VQ
    | NetFeatures.CTRL_MAC_ADDR
    | NetFeatures.CTRL_RX
    | NetFeatures.CTRL_RX_EXTRA
    | NetFeatures.CTRL_VLAN
    | NetFeatures.MQ
    | NetFeatures.RSS
    | NetFeatures.HASH_REPORT
    | NetFeatures.CTRL_GUEST_OFFLOADS
    | NetFeatures.GUEST_CSUM
    | NetFeatures.GUEST_TSO4
)
OFFLOADS = int(NetFeatures.GUEST_CSUM | NetFeatures.GUEST_TSO4)


@cache
def known(name: str, features: NetFeatures) -> VirtIONet:
    return card(features, **STATES[name])


def card(features: NetFeatures = ALL, **changes: Any) -> VirtIONet:
    """A card with its settings changed: attributes of `VirtIONetDevice`."""
    device = copy.deepcopy(recorded_card())
    device.virtio.virtio.features64 = Features64(guest_features=int(features))
    settings: dict[str, Any] = {"rx_modes": ["promisc"], "mac_table": [], "vlan_ids": [], "curr_queue_pairs": 1}
    for name, value in (settings | {"curr_guest_offloads": OFFLOADS, "rss": None} | changes).items():
        setattr(device.net, name, value)
    return device


UNI, MULTI = "52:54:00:00:00:01", "33:33:00:00:00:01"

STATES: dict[str, dict[str, Any]] = {
    "as reset": {},
    "everything": {
        "mac": MacAddress("52:54:00:12:34:57"),
        "mac_table": [UNI, MULTI],
        "rx_modes": ["allmulti", "nouni", "nobcast"],
        "vlan_ids": [1, 5, 4095],
        "curr_queue_pairs": 4,
        "rss": RSS,
        "curr_guest_offloads": 2,
    },
    "rss with two pairs": {"curr_queue_pairs": 2, "rss": RSS},
    "rss with four pairs": {"curr_queue_pairs": 4, "rss": RSS},
    "four pairs": {"curr_queue_pairs": 4},
    "unicast overflow": {"uni_overflow": 1, "rx_modes": []},
    "multicast overflow": {"multi_overflow": 1, "rx_modes": ["promisc"], "mac_table": [UNI]},
    "filtered": {"rx_modes": [], "mac_table": [UNI, MULTI]},
    "rss without types": {"rss": Rss(**(attrs.asdict(RSS) | {"hash_types": 0}))},
}


@pytest.mark.parametrize("features", [ALL, ALL & ~NetFeatures.RSS, ALL & ~NetFeatures.CTRL_RX_EXTRA])
@pytest.mark.parametrize("late", STATES)
@pytest.mark.parametrize("soon", STATES)
def test_the_difference_leads_from_one_state_to_the_other(soon: str, late: str, features: NetFeatures) -> None:
    """A model that was set up by a replay of one state and given the difference has the settings of the other."""
    before, after = known(soon, features), known(late, features)
    backend = VhostVdpa().open()
    backend.run(backend.early_start(layout(4), replay(before)))
    assert Settings.of(before).are_in(backend.settings)
    assert Settings.of(after).are_in(backend.settings) == (Settings.of(before) == Settings.of(after))
    made = difference(before, after)
    backend.run(made)
    assert Settings.of(after).are_in(backend.settings), (made, backend.settings)
    assert not difference(after, after)


def differing(before: dict[str, Any], after: dict[str, Any]) -> list[tuple[str, Any]]:
    return [(operation.name, operation.value) for operation in difference(card(**before), card(**after))]


class TestReturnToDefault:
    """What QEMU's own senders leave out, because a reset brings it."""

    def test_empty_filter(self) -> None:
        assert differing({"mac_table": [UNI]}, {}) == [("MAC_TABLE_SET", ((), ()))]

    def test_promiscuous_again(self) -> None:
        assert differing({"rx_modes": []}, {}) == [("PROMISC", 1)]

    def test_not_all_multicast_any_more(self) -> None:
        assert differing({"rx_modes": ["promisc", "allmulti"]}, {}) == [("ALLMULTI", 0)]

    def test_vlan_gone(self) -> None:
        assert differing({"vlan_ids": [5, 6]}, {"vlan_ids": [6, 7]}) == [("VLAN_DEL", 5), ("VLAN_ADD", 7)]

    def test_rss_off(self) -> None:
        assert differing({"rss": RSS}, {}) == [("RSS_CONFIG", (0, 0, (), 1, ""))]

    def test_all_offloads_again(self) -> None:
        assert differing({"curr_guest_offloads": 0}, {}) == [("GUEST_OFFLOADS_SET", OFFLOADS)]

    def test_filter_fits_again(self) -> None:
        assert differing({"rx_modes": [], "uni_overflow": 1}, {"rx_modes": []}) == [("PROMISC", 0)]


def test_pairs_alone_send_scaling_again() -> None:
    """Every command of the class MQ switches scaling off, so it cannot be left out; and it is enough."""
    made = difference(card(rss=RSS, curr_queue_pairs=2), card(rss=RSS, curr_queue_pairs=4))
    assert [(o.name, o.item, o.value[3]) for o in made] == [("RSS_CONFIG", "queue_pairs", 4)]
    hashed = ALL & ~NetFeatures.RSS
    made = difference(card(hashed, rss=RSS, curr_queue_pairs=2), card(hashed, rss=RSS, curr_queue_pairs=4))
    assert names(made) == ["VQ_PAIRS_SET", "HASH_CONFIG"]


def test_coalesced() -> None:
    """However often a guest changed its mind, what differs at the end is sent, once."""
    states = [card(**STATES[name]) for name in ("as reset", "everything", "as reset")]
    assert difference(states[0], states[2]) == ()
    assert len(difference(states[0], states[1])) == len(set(names(difference(states[0], states[1])))) + 2  # VLANs


def test_an_address_without_its_command_goes_through_the_configuration_space() -> None:
    plain = ALL & ~NetFeatures.CTRL_MAC_ADDR
    made = difference(card(plain), card(plain, mac=MacAddress("52:54:00:12:34:99")))
    assert [(o.name, o.value) for o in made] == [("SET_CONFIG", "52:54:00:12:34:99")]


def test_the_replay_is_in_qemus_order_and_without_what_a_reset_brings() -> None:
    made = replay(card(**STATES["everything"]))
    places = [CVQ_COMMANDS.index(name) for name in names(made)]
    assert places == sorted(places)
    assert names(replay(card())) == ["MAC_ADDR_SET", "VQ_PAIRS_SET"]


@pytest.mark.parametrize("name", BACKENDS)
def test_an_operation_of_another_protocol_is_refused(name: str) -> None:
    assert "nothing that" in refused(BACKENDS[name](), Operation("SET_VRING_MOOD", 0))


@pytest.mark.parametrize("name", BACKENDS)
def test_every_fact_that_a_rule_speaks_of_is_made_by_a_step(name: str) -> None:
    backend = BACKENDS[name]()
    for step in backend.steps:
        for fact in (*step.needs, *step.without):
            word = fact.rpartition(".")[2]
            rows = (*backend.steps, *VhostNet.steps) if name == "tap" else backend.steps
            known = {made.rpartition(".")[2] for row in rows for made in row.makes}
            known |= {"early", "changes", "waits for control"}
            assert word in known or word.startswith("can "), f"{step.event}: nothing makes {fact}"


@pytest.mark.parametrize("kind", [VhostNet, VhostUser, VhostVdpa])
def test_a_fault_at_every_operation(kind: type[Backend]) -> None:
    """Each operation can fail; nothing is done then, and the back end can be stopped and started again."""
    backend = finished(kind)
    for place, operation in enumerate(backend.done):
        again = kind()
        again.control = backend.control
        again.run(backend.done[:place])
        again.faults.append(Fault(operation.name, operation.queue, operation.phase, operation.value))
        state = again.state
        with pytest.raises(BackendFailure) as caught:
            again.do(operation)
        assert caught.value.operation == operation
        assert again.state == state
        if place < len(again.opening()):
            continue
        again.run(again.stop())
        assert not again.running
        again.run(again.finish(layout(), commands(again)))
        assert again.running == {0, 1, 2, 3}
