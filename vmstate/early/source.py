"""`Source`: the end that the guest runs on.

    source = Source(device, policy=PerItem(), backend="vhost-net")
    early = source.setup()            # the guest runs on, and `source.device` changes
    source.stop()
    record = source.complete()        # record.plan says what was decided, and why

What was sent early is kept as a snapshot until the migration has ended, one way or another. Each attempt has a
generation of its own, so that a record can never be applied to the early state of an earlier attempt.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Any

from vmstate.early.items import BackendName, table_of
from vmstate.early.layout import RingLayout
from vmstate.early.machine import Host, StateMachine, Transition
from vmstate.early.message import Kind, Message
from vmstate.early.policy import FULL, PerItem, Plan, Policy
from vmstate.early.snapshot import DirtyBits, Snapshot
from vmstate.errors import EarlyError
from vmstate.vmsd.state import facts_of


class Purpose(StrEnum):
    """What the machine is saved for."""

    PRECOPY = "precopy"
    POSTCOPY = "postcopy"
    SNAPSHOT = "snapshot"
    BACKGROUND_SNAPSHOT = "background snapshot"
    FILE = "file"
    COLO = "COLO"


USELESS = {
    Purpose.SNAPSHOT: "the machine is saved while it is stopped: nothing would be early",
    Purpose.BACKGROUND_SNAPSHOT: "the devices are saved at the beginning: nothing would be early",
    Purpose.FILE: "nobody reads the file while the guest runs",
    Purpose.COLO: "a checkpoint would send the early section again each time",
}
"""What early state is no use for, and why: it would do nothing, or harm."""

RUNNING = ("setup", "running", "stopped", "compared", "sent")


class Source(StateMachine):
    """The device at the source, and how far its migration is.

    `device` is its state, which the guest changes; `resets` counts its resets. The destination is not asked what back
    end it has, so `backend` is what the operations of the plan are for, and decides nothing but whether one queue can
    be restarted by itself.
    """

    transitions = (
        Transition("idle", "setup", "setup"),
        Transition("setup", "early save", "running"),
        Transition("setup", "leave out", "running"),
        Transition("running", "change", "running"),
        Transition("running", "stop", "stopped"),
        Transition("stopped", "compare", "compared"),
        Transition("stopped", "send", "sent"),
        Transition("compared", "send", "sent"),
        Transition("sent", "complete", "completed"),
        *(Transition(state, event, "idle") for state in RUNNING for event in ("cancel", "fail")),
        Transition("sent", "lose", "lost"),
    )

    def __init__(
        self,
        device: Any,
        *,
        host: Host | None = None,
        policy: Policy | None = None,
        backend: str = BackendName.TAP,
        purpose: Purpose = Purpose.PRECOPY,
        has_iommu: bool = False,
        notified: bool = False,
    ) -> None:
        super().__init__()
        table = table_of(type(device).vmsd)
        if table is None:
            raise EarlyError(f"a {type(device).__name__} is not the state of a device with a table of items")
        self.device = device
        self.table = table
        self.host = host or Host()
        self.policy = policy or PerItem()
        self.backend = backend
        self.purpose = purpose
        self.has_iommu = has_iommu
        self.is_running = True
        """Whether the guest runs."""
        self.resets = 0
        self.generation = 0
        """Counts the attempts."""
        self.snapshot: Snapshot | None = None
        self.notified = notified
        """Whether hooks report changes, so that not everything is compared."""
        self.dirty: DirtyBits | None = None
        self.plan: Plan | None = None

    @property
    def name(self) -> str:
        """The device's idstr."""
        return str(facts_of(self.device).get("idstr") or type(self.device).vmsd.name)

    @property
    def layout(self) -> RingLayout:
        """The device as a back end sees it, now."""
        return self.table.layout(self.device)

    # What the guest does.

    def change(self, how: Callable[[Any], None], *events: str) -> None:
        """The guest, or QEMU, changes the device. `events` are what the hooks on the way report."""
        if self.state == "running":
            self.step("change")
        how(self.device)
        for event in events:
            if self.dirty is not None:
                self.dirty.notify(event)

    def reset(self, how: Callable[[Any], None]) -> None:
        """The device is reset, whoever does it, and comes back as it may."""
        if self.state == "running":
            self.step("change")
        self.resets += 1
        how(self.device)
        if self.dirty is not None:
            self.dirty.reset()

    # The migration.

    def left_out(self) -> str | None:
        """None, or why nothing is sent early although the property is on."""
        if self.purpose in USELESS:
            return USELESS[self.purpose]
        layout = self.layout
        if not self.is_running:
            return "the guest is stopped: nothing would be early"
        if not layout.driver_ok:
            return "the driver is not up"
        if layout.behind_iommu and self.has_iommu:
            return "the device is behind a vIOMMU, whose translations are not on the destination"
        return None

    def setup(self) -> tuple[Message, ...]:
        """Begin: what is sent while the guest runs."""
        self.step("setup")
        self.generation += 1
        if not self.host.has_early_mig:
            self.step("leave out")
            return ()
        if self.left_out() is not None:
            self.step("leave out")
            return (Message(Kind.NOTHING, self.name),)
        self.snapshot = Snapshot.take(self.device, generation=self.generation, reset_generation=self.resets)
        self.dirty = DirtyBits(self.table) if self.notified else None
        self.step("early save")
        return (Message(Kind.EARLY, self.name, self.snapshot.to_early_bytes()),)

    def stop(self) -> None:
        """Stop the guest: from now on nothing changes."""
        self.step("stop")
        self.is_running = False

    def complete(self) -> tuple[Message, ...]:
        """What is sent at the stop: the record, and the section where the plan asks for it or nothing was early."""
        if self.snapshot is None:
            self.step("send")
            vmsd = type(self.device).vmsd
            return (Message(Kind.SECTION, self.name, vmsd.encode(self.device, force=True)),)
        delta = self.snapshot.compare(self.device, reset_generation=self.resets, dirty=self.dirty)
        self.plan = self.policy.plan(delta, self.backend)
        self.step("compare")
        self.step("send")
        record = Message(Kind.RECORD, self.name, self.plan.record)
        if self.plan.mode != FULL:
            return (record,)
        return record, Message(Kind.SECTION, self.name, self.plan.section or b"")

    def completed(self) -> None:
        """The destination has taken over."""
        self.step("complete")
        self._forget_early_state()

    def cancel(self) -> None:
        """Give up: the guest goes on here. What was sent early is worth nothing any more."""
        self.step("cancel")
        self._go_on()

    def failed(self) -> None:
        """The other end, or the way to it, has failed: the same, unless the guest's memory is on the other side."""
        if self.state == "sent" and self.purpose is Purpose.POSTCOPY:
            self.step("lose")
            self._forget_early_state()
            return
        self.step("fail")
        self._go_on()

    def _go_on(self) -> None:
        self.is_running = True
        self._forget_early_state()

    def _forget_early_state(self) -> None:
        self.snapshot = None
        self.dirty = None
