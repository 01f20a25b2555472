"""vhost-vDPA: a card, or its simulation, that implements virtio itself."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from vmstate.early.backends.base import Backend, Fault, Step, early, ring_operations
from vmstate.early.layout import RingLayout
from vmstate.early.operations import CVQ_COMMANDS, Operation, Phase, Role
from vmstate.errors import VMStateError

ACKNOWLEDGE, DRIVER, DRIVER_OK, FEATURES_OK = 1, 2, 4, 8
"""Bits of the device status."""

_NEGOTIATED = "features are settled once: a reset comes before others"
_DRIVER_OK = "after DRIVER_OK Linux takes no size, base or address unless the device is suspended"

_VDPA_STEPS = (
    Step("SET_OWNER", "Linux answers EBUSY to a second one", without=("owner",), makes=("owner",)),
    Step("IOTLB_UPDATE", "memory belongs to the owner", needs=("owner",), makes=("memory",)),
    Step(
        "SET_STATUS 0",
        "a reset is the owner's",
        needs=("owner",),
        ends=("acknowledged", "features", "features_ok", "driver_ok", "suspended", "isolated", "control", "queues.*"),
    ),
    Step("SET_STATUS acknowledge", "a reset comes first", ("owner",), ("driver_ok",), makes=("acknowledged",)),
    Step("SET_FEATURES", _NEGOTIATED, ("acknowledged",), ("features_ok",), makes=("features",)),
    Step("SET_STATUS features_ok", "features come first", needs=("features",), makes=("features_ok",)),
    Step(
        "SET_STATUS driver_ok",
        "memory is mapped and the rings are known before the device is told to begin",
        needs=("features_ok", "memory"),
        without=("any.ready",),
        makes=("driver_ok",),
    ),
    Step(
        "SET_STATUS driver_ok",
        "without ENABLE_AFTER_DRIVER_OK all queues are enabled before it, so not early",
        needs=("features_ok", "memory"),
        without=("can ENABLE_AFTER_DRIVER_OK", "early"),
        makes=("driver_ok",),
    ),
    Step(
        "SET_GROUP_ASID",
        "the control queue gets its address space before DRIVER_OK",
        needs=("owner",),
        without=("driver_ok",),
        makes=("isolated",),
    ),
    *(
        Step(name, _DRIVER_OK, needs=(needed,), without=("driver_ok",), makes=(makes,))
        for name, needed, makes in (
            ("SET_VRING_NUM", "features_ok", "queue.num"),
            ("SET_VRING_ADDR", "queue.num", "queue.addr"),
        )
    ),
    Step(
        "SET_VRING_BASE early",
        _DRIVER_OK,
        needs=("features_ok",),
        without=("driver_ok",),
        makes=("queue.provisional",),
        ends=("queue.base",),
    ),
    Step(
        "SET_VRING_BASE",
        _DRIVER_OK,
        needs=("features_ok",),
        without=("driver_ok",),
        makes=("queue.base",),
        ends=("queue.provisional",),
    ),
    *(
        Step(name, _DRIVER_OK, needs=("suspended",), makes=(makes,))
        for name, makes in (
            ("SET_VRING_NUM", "queue.num"),
            ("SET_VRING_BASE", "queue.base"),
            ("SET_VRING_ADDR", "queue.addr"),
        )
    ),
    Step("SET_VRING_KICK", "the owner's", needs=("owner",), makes=("queue.kick",)),
    Step("SET_VRING_CALL", "the owner's", needs=("owner",), makes=("queue.call",)),
    Step(
        "GET_VRING_BASE", "the index moves on unless the device is suspended", needs=("owner",), without=("data.ready",)
    ),
    Step("GET_VRING_BASE", "the index moves on unless the device is suspended", needs=("suspended",)),
    Step(
        "SUSPEND", "only a device that runs can be suspended", needs=("driver_ok", "can SUSPEND"), makes=("suspended",)
    ),
    Step("RESUME", "it was suspended before", needs=("suspended", "can RESUME"), ends=("suspended",)),
    Step("SET_CONFIG", "the device is there", needs=("features_ok",)),
    Step(
        "SET_VRING_ENABLE control",
        "the control queue is enabled before all others, after DRIVER_OK, and early only where it is shadowed in an "
        "address space of its own: its ring is then QEMU's and needs no guest memory",
        needs=("driver_ok", "can ENABLE_AFTER_DRIVER_OK", "queue.num", "queue.base", "queue.addr", "isolated"),
        without=("data.ready", "suspended"),
        makes=("queue.ready", "control"),
    ),
    Step(
        "SET_VRING_ENABLE control",
        "the control queue is enabled before all others, and after DRIVER_OK",
        needs=("driver_ok", "can ENABLE_AFTER_DRIVER_OK", "queue.num", "queue.base", "queue.addr"),
        without=("data.ready", "suspended", "early"),
        makes=("queue.ready", "control"),
    ),
    Step(
        "SET_VRING_ENABLE 1",
        "data queues come last, after the commands of the control queue, and touch rings in guest memory: never early",
        needs=("driver_ok", "can ENABLE_AFTER_DRIVER_OK", "queue.num", "queue.base", "queue.addr", "queue.kick"),
        without=("early", "suspended", "waits for control"),
        makes=("queue.ready",),
    ),
    Step(
        "SET_VRING_ENABLE control",
        "without ENABLE_AFTER_DRIVER_OK a queue is enabled before DRIVER_OK, at the stop",
        needs=("features_ok", "queue.num", "queue.base", "queue.addr"),
        without=("can ENABLE_AFTER_DRIVER_OK", "driver_ok", "early"),
        makes=("queue.ready", "control"),
    ),
    Step(
        "SET_VRING_ENABLE 1",
        "without ENABLE_AFTER_DRIVER_OK a queue is enabled before DRIVER_OK, at the stop",
        needs=("features_ok", "queue.num", "queue.base", "queue.addr", "queue.kick"),
        without=("can ENABLE_AFTER_DRIVER_OK", "driver_ok", "early", "waits for control"),
        makes=("queue.ready",),
    ),
    *(
        Step(
            name,
            "without ENABLE_AFTER_DRIVER_OK the data queues are enabled by the time a command can be sent",
            needs=("driver_ok", "control"),
            without=("can ENABLE_AFTER_DRIVER_OK", "suspended"),
        )
        for name in CVQ_COMMANDS
    ),
    *(
        Step(
            name,
            "commands go through the control queue once it is enabled, and before data queues are",
            needs=("driver_ok", "control"),
            without=("data.ready", "suspended"),
        )
        for name in CVQ_COMMANDS
    ),
)

VDPA_CAPABILITIES = ("ENABLE_AFTER_DRIVER_OK", "SUSPEND", "RESUME")
"""What a parent device can be able to do, by the names of VHOST_BACKEND_F_."""


class VhostVdpa(Backend):
    """A vDPA device: a card, or its simulation, that implements virtio itself.

    What the device is set to goes through its control queue, which QEMU shadows for that. `capabilities` are of
    `VDPA_CAPABILITIES`; `svq` says whether the data queues are shadowed too, as they are while a migration is on: their
    rings are then QEMU's as well, and the guest's indices are no matter of the device.

    The early start goes up to the commands of the control queue where enabling after DRIVER_OK is possible, the control
    queue is isolated, and the bases can still be told afterwards: they are none of the device's business with shadowed
    queues, and without them the device has to be suspended and resumed, for Linux refuses them after DRIVER_OK.
    Otherwise the memory is pinned, and the device has its features and rings, and DRIVER_OK waits for the stop.
    """

    name = "vhost-vdpa"
    fallback = None
    can_reset_queue = False
    steps = _VDPA_STEPS

    def __init__(
        self,
        faults: Iterable[Fault] = (),
        *,
        capabilities: Iterable[str] = VDPA_CAPABILITIES,
        isolated: bool = True,
        svq: bool = True,
    ) -> None:
        self.capabilities = frozenset(capabilities)
        self.can_isolate = isolated
        self.svq = svq
        self.settings: dict[str, Any] = {}
        """What the control queue has set since the last reset, by command; VLAN_ADD has the set of VLANs."""
        super().__init__(faults)
        self.facts |= {f"can {capability}" for capability in self.capabilities}

    def opening(self) -> tuple[Operation, ...]:
        """Take the device and reset it. Guest memory is pinned early, or when the device is started."""
        return (Operation("SET_OWNER"), Operation("SET_STATUS", None, 0))

    def event(self, operation: Operation) -> str:
        """SET_STATUS by the bit that is new, SET_VRING_ENABLE by whose queue it is, SET_VRING_BASE by its phase.

        Where a queue is shadowed its base is QEMU's own, and is final whenever it is set.
        """
        match operation.name:
            case "SET_STATUS":
                return f"SET_STATUS {_status_event(int(operation.value))}"
            case "SET_VRING_ENABLE" if operation.queue is not None and operation.queue == self.control:
                return "SET_VRING_ENABLE control"
            case "SET_VRING_ENABLE":
                return f"SET_VRING_ENABLE {operation.value}"
            case "SET_VRING_BASE" if operation.phase is Phase.EARLY and not self._is_shadowed(operation.queue):
                return "SET_VRING_BASE early"
        return operation.name

    def took(self, operation: Operation) -> None:
        """Keep what the device is set to."""
        match operation.name:
            case "SET_STATUS" if operation.value == 0:
                self.settings = {}
            case "VLAN_ADD":
                self.settings["VLAN_ADD"] = self.settings.get("VLAN_ADD", frozenset()) | {operation.value}
            case "VLAN_DEL":
                self.settings["VLAN_ADD"] = self.settings.get("VLAN_ADD", frozenset()) - {operation.value}
            case "VQ_PAIRS_SET" | "RSS_CONFIG" | "HASH_CONFIG":
                self._set_queues(operation)
            case name if name in CVQ_COMMANDS:
                self.settings[name] = operation.value

    def _set_queues(self, operation: Operation) -> None:
        """Every command of the class MQ switches scaling off first; without hash types that is all."""
        self.settings.pop("RSS_CONFIG", None)
        self.settings.pop("HASH_CONFIG", None)
        if operation.name == "VQ_PAIRS_SET":
            self.settings[operation.name] = operation.value
            return
        if operation.value[0]:
            self.settings[operation.name] = operation.value
        if operation.name == "RSS_CONFIG":
            self.settings["VQ_PAIRS_SET"] = operation.value[3]

    def can_start_early(self, layout: RingLayout) -> str | None:
        """None, or why DRIVER_OK and the commands of the control queue wait for the stop."""
        reason = super().can_start_early(layout)
        if reason is not None:
            return reason
        if not self.enables_late:
            return "the parent does not take ENABLE_AFTER_DRIVER_OK"
        if layout.control is not None and not self.can_isolate:
            return "the control queue has no group and address space of its own"
        if not self.svq and not {"SUSPEND", "RESUME"} <= self.capabilities:
            return "after DRIVER_OK bases can be set only in a suspended device, and this one cannot suspend and resume"
        return None

    def check(self, layout: RingLayout) -> None:
        """What QEMU refuses before it starts the device at all. Raises `VMStateError`."""
        if layout.behind_iommu and self.svq:
            raise VMStateError("vhost-vdpa: shadow virtqueues do not work behind a vIOMMU")
        if layout.control is not None and not self.can_shadow_control:
            raise VMStateError(
                "vhost-vdpa: the control queue cannot be shadowed, so what it has set cannot be restored",
                expected="shadow virtqueues, or a group and address space of its own",
            )

    def early_start(self, layout: RingLayout, requests: Sequence[Operation] = ()) -> tuple[Operation, ...]:
        """Pin memory, start the device as far as it goes, and send the commands; no data queue is enabled."""
        self.control = layout.control
        orders: list[Operation] = []
        if "memory" not in self.facts:
            orders.append(Operation("IOTLB_UPDATE", phase=Phase.EARLY))
        if super().can_start_early(layout) is None:
            orders += self._configure(layout, Phase.EARLY)
        if self.can_start_early(layout) is None:
            orders += self._driver_ok(layout, Phase.EARLY)
            orders += early(requests)
        return tuple(orders)

    def finish(self, layout: RingLayout, requests: Sequence[Operation] = ()) -> tuple[Operation, ...]:
        """The commands of the control queue, the bases where they are the device's, and then the data queues."""
        self.control = layout.control
        orders: list[Operation] = []
        if "memory" not in self.facts:
            orders.append(Operation("IOTLB_UPDATE"))
        if not layout.is_running:
            return self.stop()
        enable = [Operation("SET_VRING_ENABLE", queue, 1, Role.ENABLED) for queue in layout.queues]
        if self.is_configured:
            orders += requests
            if not self.svq:
                orders += [Operation("SUSPEND"), *self._final_bases(layout), Operation("RESUME")]
            return (*orders, *enable)
        orders += self._final_bases(layout) if "features_ok" in self.facts else self._configure(layout, Phase.STOP)
        begin = self._driver_ok(layout, Phase.STOP)
        if self.enables_late:
            return (*orders, *begin, *requests, *enable)
        ok, *control = begin
        return (*orders, *control, *enable, ok, *requests)

    def stop(self) -> tuple[Operation, ...]:
        """Reset the device; what is pinned stays so."""
        return (Operation("SET_STATUS", None, 0),) if "acknowledged" in self.facts else ()

    @property
    def running(self) -> frozenset[int]:
        """The data queues that are enabled in a device that runs."""
        if "driver_ok" not in self.facts or "suspended" in self.facts:
            return frozenset()
        return frozenset(queue for queue in self.queues if queue != self.control and self.has("ready", queue))

    def _configure(self, layout: RingLayout, phase: Phase) -> tuple[Operation, ...]:
        """Features, the address space of the control queue, the rings."""
        status = ACKNOWLEDGE | DRIVER
        orders = [
            Operation("SET_STATUS", None, status, None, phase),
            Operation("SET_FEATURES", None, layout.features, Role.FEATURES, phase),
            Operation("SET_STATUS", None, status | FEATURES_OK, None, phase),
        ]
        control = layout.control
        if control is not None and self.can_isolate:
            orders.append(Operation("SET_GROUP_ASID", control, 1, None, phase))
        for queue in (*self._usable_queues(layout), *(() if control is None else (control,))):
            base = 0 if self._is_shadowed(queue) else None
            orders += ring_operations(queue, layout.rings[queue], phase, base=base)
            orders += [Operation(name, queue, None, role, phase) for name, role in self.descriptors]
        return tuple(orders)

    def _driver_ok(self, layout: RingLayout, phase: Phase) -> tuple[Operation, ...]:
        """DRIVER_OK, and the control queue."""
        status = ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK
        ok = Operation("SET_STATUS", None, status, Role.STATUS, phase)
        if layout.control is None:
            return (ok,)
        return ok, Operation("SET_VRING_ENABLE", layout.control, 1, None, phase)

    def _final_bases(self, layout: RingLayout) -> tuple[Operation, ...]:
        """The final bases of the queues whose bases are the device's."""
        return tuple(
            Operation("SET_VRING_BASE", queue, layout.rings[queue].base, Role.INDICES)
            for queue in layout.queues
            if not self._is_shadowed(queue)
        )

    def _usable_queues(self, layout: RingLayout) -> tuple[int, ...]:
        """All queues with a ring: which pairs are in use can still change, by a command, without another start."""
        return tuple(queue for queue, ring in enumerate(layout.rings) if ring.is_usable and queue != layout.control)

    @property
    def enables_late(self) -> bool:
        """Whether queues can be enabled after DRIVER_OK."""
        return "ENABLE_AFTER_DRIVER_OK" in self.capabilities

    @property
    def can_shadow_control(self) -> bool:
        """Whether QEMU can put itself between the guest and the control queue: with all queues, or with it alone."""
        return self.svq or self.can_isolate

    @property
    def is_configured(self) -> bool:
        """Whether the device has been started, so that its settings can be changed one by one."""
        return "driver_ok" in self.facts

    def _is_shadowed(self, queue: int | None) -> bool:
        return self.svq or queue == self.control

    def _holds(self, fact: str, operation: Operation) -> bool:
        if fact == "waits for control":
            return self.control is not None and "control" not in self.facts
        return super()._holds(fact, operation)


def _status_event(status: int) -> str:
    for bit, name in ((DRIVER_OK, "driver_ok"), (FEATURES_OK, "features_ok"), (DRIVER, "acknowledge")):
        if status & bit:
            return name
    return str(status)
