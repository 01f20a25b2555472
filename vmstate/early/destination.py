"""`Destination`: the end that the guest will run on.

    destination = Destination(vmsd, facts, backend=VhostNet().open())
    for message in source.setup():
        destination.receive(message)
    destination.end_of_setup()
    ...
    for message in source.complete():
        destination.receive(message)
    destination.finish()              # binds the back end
    destination.resume()

What is loaded early is provisional. A back end that is started early has seen no ring. When the record says that
everything follows, the back end is stopped, what was loaded early is cleared, and the section is loaded as it always
was. A back end that fails costs what it has to: kernel vhost falls back to QEMU's own datapath, and the migration goes
on; with vhost-vDPA there is none, and the migration fails.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vmstate.early.backends.base import Backend, BackendFailure
from vmstate.early.backends.vdpa import VhostVdpa
from vmstate.early.delta import FULL as FULL_FOLLOWS
from vmstate.early.delta import early_of
from vmstate.early.items import BackendName, table_of
from vmstate.early.layout import RingLayout
from vmstate.early.load import load_over
from vmstate.early.machine import Host, MigrationFailed, StateMachine, Transition
from vmstate.early.message import Kind, Message
from vmstate.early.operations import Operation
from vmstate.early.policy import PerItem, Policy
from vmstate.early.snapshot import Snapshot
from vmstate.early.source import Purpose
from vmstate.errors import EarlyError, VMStateError
from vmstate.vmsd.description import VMStateDescription, state_keys
from vmstate.vmsd.state import State

EARLY_STATES = ("loaded early", "started early")


class Destination(StateMachine):
    """A device at the destination: what was loaded into it, its back end, and how far its migration is.

    `vmsd` and `facts` are the device's, as this QEMU was started with it. `datapath` says, once the guest runs, who
    moves the packets: `back end`, `userspace` (QEMU), `none` (nobody, until the back end comes back) or `stopped` (the
    driver is not up, the link is down or the device broken).
    """

    transitions = (
        Transition("idle", "early load", "loaded early"),
        Transition("idle", "nothing early", "waiting"),
        Transition("loaded early", "start back end", "started early"),
        Transition("loaded early", "leave back end", "loaded early"),
        Transition("started early", "stop back end", "loaded early"),
        *(Transition(state, "load record", "loaded") for state in EARLY_STATES),
        Transition("loaded early", "clear", "waiting"),
        Transition("waiting", "full load", "loaded"),
        Transition("loaded", "bind", "bound"),
        Transition("loaded", "fall back", "bound"),
        Transition("bound", "resume", "running"),
        *(
            Transition(state, event, "failed")
            for state in ("idle", "waiting", *EARLY_STATES, "loaded", "bound")
            for event in ("fail", "cancel")
        ),
    )

    def __init__(
        self,
        vmsd: VMStateDescription,
        facts: Mapping[str, Any],
        *,
        backend: Backend,
        host: Host | None = None,
        policy: Policy | None = None,
        purpose: Purpose = Purpose.PRECOPY,
        has_iommu: bool = False,
    ) -> None:
        super().__init__()
        table = table_of(vmsd)
        if table is None:
            raise EarlyError("the device has no table of items", section=vmsd.name)
        self.vmsd = vmsd
        self.facts = dict(facts)
        self.table = table
        self.backend = backend
        self.host = host or Host()
        self.policy = policy or PerItem()
        self.purpose = purpose
        self.has_iommu = has_iommu
        self.device: Any = None
        """The state that was loaded; None while the device is as a reset leaves it."""
        self.early: Snapshot | None = None
        """What was loaded early."""
        self.known: Any = None
        """The state that the back end has been set to, where it has been set to one."""
        self.sent: tuple[str, ...] = ()
        """The items that the record had, besides those that every record has."""
        self.stale: tuple[str, ...] = ()
        """What a full load has left of an earlier one."""
        self.leaked: tuple[str, ...] = ()
        self.early_failure: VMStateError | None = None
        self.failure: VMStateError | None = None
        self.datapath: str | None = None
        self.announced: tuple[str, ...] = ()
        """What the management, the network and the guest were told when the guest was resumed, once each."""

    @property
    def name(self) -> str:
        """The device's idstr."""
        return str(self.facts.get("idstr") or self.vmsd.name)

    @property
    def layout(self) -> RingLayout:
        """The device as its back end sees it. Only where there is a vIOMMU can a device be behind one."""
        layout = self.table.layout(self.device)
        return layout if self.has_iommu else layout.replace(behind_iommu=False)

    # The sections, as they come.

    def receive(self, message: Message) -> None:
        """Take a section. Raises `MigrationFailed`; nothing has been applied then that counts."""
        try:
            self._receive(message)
        except MigrationFailed:
            raise
        except VMStateError as error:
            raise self._fail(error) from error

    def _receive(self, message: Message) -> None:
        if message.name != self.name:
            raise EarlyError("not the same device", expected=self.name, found=message.name)
        match message.kind:
            case Kind.EARLY | Kind.NOTHING if not self.host.has_early_mig:
                raise EarlyError(f"unknown section early-{self.table.name}: early-mig is off here and on at the source")
            case Kind.EARLY:
                self.load_early(message.data)
            case Kind.NOTHING:
                self.step("nothing early")
            case Kind.RECORD:
                self.load_record(message.data)
            case Kind.SECTION:
                self.load_full(message.data)

    def end_of_setup(self) -> None:
        """Set-up is over: what was to come early has come. Raises `MigrationFailed` where it has not."""
        if self.state != "idle":
            return
        if self.host.has_early_mig:
            error = EarlyError(f"no section early-{self.table.name}: early-mig is on here and off at the source")
            raise self._fail(error)
        self.step("nothing early")

    def load_early(self, data: bytes) -> None:
        """Load what is provisional, and start the back end as far as it goes without guest memory.

        No ring index is read, and nothing that the management or the guest would notice is done.
        """
        values = early_of(self.vmsd, self.table).decode(data, facts=self.facts)
        self.early = self._snapshot(values)
        self.device = self.early.decode()
        self.step("early load")
        self.start_back_end_early()

    def _snapshot(self, values: State) -> Snapshot:
        state = self.vmsd.state_class
        if state is None:
            raise EarlyError("the description has no class", section=self.name)
        fields = {name: values[name] for name in state_keys(self.vmsd)}
        return Snapshot(
            self.vmsd,
            self.vmsd.encode(state(**fields), facts=self.facts, force=True),
            self.facts,
            values["early_generation"],
        )

    def start_back_end_early(self) -> None:
        """Start the back end without its rings. A failure of vhost costs the early start and no more."""
        layout = self.layout
        if self.refusal(layout) is not None:
            self.step("leave back end")
            if isinstance(self.backend, VhostVdpa) and self.purpose is not Purpose.POSTCOPY:
                self._run_or_fail(self.backend.early_start(layout))
            return
        try:
            self.backend.run(self.backend.early_start(layout, self._replay()))
        except BackendFailure as error:
            self.early_failure = error
            if self.backend.fallback is None:
                raise
            self._end_back_end()
            self.step("leave back end")
            return
        self.known = self.device
        self.step("start back end")

    def refusal(self, layout: RingLayout) -> str | None:
        """None, or why the back end is not started early."""
        if isinstance(self.backend, VhostVdpa):
            self.backend.check(layout)
            if self.purpose is Purpose.POSTCOPY:
                return "memory that is pinned cannot be fetched later"
        return self.backend.can_start_early(layout)

    def load_record(self, data: bytes) -> None:
        """Set what the record says; or, where it says that the section follows, make room for that."""
        if self.early is None:
            raise EarlyError("a record, and nothing was loaded early", section=self.name)
        vmsd = self.policy.record_vmsd(self.early)
        values = vmsd.decode(data, self.early.generation, self.facts, self.name)
        if values[FULL_FOLLOWS]:
            self.stop_back_end()
            self.clear()
            return
        self.sent = tuple(name for name in vmsd.groups if values[name] is not None)
        self.device = vmsd.put(values, self.early.decode())
        self.step("load record")

    def stop_back_end(self) -> None:
        """Stop what was started early: nothing can be loaded under a back end that runs."""
        if self.backend.is_started:
            self._end_back_end()
        if self.state == "started early":
            self.step("stop back end")

    def clear(self) -> None:
        """Clear what was loaded early, as a reset would: the full load must find nothing of it."""
        self.device = None
        self.early = None
        self.step("clear")

    def load_full(self, data: bytes) -> None:
        """Load the device's own section."""
        if self.backend.is_started:
            raise EarlyError("a full load under a back end that was started", section=self.name)
        read = self.vmsd.decode(data, facts=self.facts)
        loaded = load_over(self.device, read, self.table)
        self.device, self.stale, self.leaked = loaded.state, loaded.stale, loaded.leaked
        self.step("full load")

    # The end.

    def finish(self) -> None:
        """Guest memory is there: give the back end what is left, and bind it.

        Raises `MigrationFailed` where it fails and nobody else could move the packets.
        """
        layout = self.layout
        try:
            if isinstance(self.backend, VhostVdpa):
                self.backend.check(layout)
            self.backend.run(self.backend.finish(layout, self._requests()))
        except BackendFailure as error:
            self.failure = error
            if self.backend.fallback is None:
                raise self._fail(error) from error
            self._end_back_end()
            self.datapath = self.backend.fallback if layout.is_running else "stopped"
            self._without_back_end(layout)
            self.step("fall back")
            return
        except VMStateError as error:
            raise self._fail(error) from error
        if not layout.is_running:
            self.datapath = "stopped"
        else:
            self.datapath = "userspace" if self.backend.name == BackendName.TAP else "back end"
        self.step("bind")

    def resume(self) -> None:
        """The guest runs here. Kick every queue once, for a kick may have been lost; and tell the network."""
        self.step("resume")
        queues = self.layout.queues if self.layout.is_running else ()
        notices = () if self.table.notices is None else self.table.notices(self.device)
        self.announced = (*(f"kick {queue}" for queue in queues), *notices)

    def retry_back_end(self) -> None:
        """Start the back end again, in a guest that runs without it, as any start of the device would."""
        if (
            self.state != "running"
            or self.datapath not in ("userspace", "none")
            or self.backend.name == BackendName.TAP
        ):
            raise EarlyError("the back end is not missing", section=self.name)
        self.backend.run(self.backend.finish(self.layout, self._replay()))
        self.datapath = "back end"

    def cancel(self) -> None:
        """The source has given up."""
        self.step("cancel")
        self._end_back_end()

    def _requests(self) -> tuple[Operation, ...]:
        """What the items ask of the back end: what changed where it has been set before, else everything."""
        if self.known is None or self.early is None:
            return self._replay()
        made: dict[Operation, Operation] = {}
        for item in self.table.items:
            action = item.operations.get(BackendName(self.backend.name))
            if item.name in self.sent and action is not None:
                for operation in action(self.known, self.device):
                    made.setdefault(operation.replace(item=None), operation.replace(item=operation.item or item.name))
        return tuple(made.values())

    def _replay(self) -> tuple[Operation, ...]:
        make = self.table.replay.get(BackendName(self.backend.name))
        return () if make is None else tuple(make(self.device))

    def _without_back_end(self, layout: RingLayout) -> None:
        """QEMU moves the packets itself: the tap device is set as it would be without vhost."""
        if self.datapath == "userspace":
            self._run_or_fail(self.backend.userspace(layout, self._replay()))

    def _run_or_fail(self, operations: tuple[Operation, ...]) -> None:
        try:
            self.backend.run(operations)
        except BackendFailure as error:
            raise self._fail(error) from error

    def _end_back_end(self) -> None:
        """Stop the back end, and where it does not even do that, let go of it."""
        self.known = None
        for operation in self.backend.stop():
            try:
                self.backend.do(operation)
            except BackendFailure:
                self.backend.drop()
                return

    def _fail(self, error: VMStateError) -> MigrationFailed:
        self.failure = error
        if self.can("fail"):
            self._end_back_end()
            self.step("fail")
        return MigrationFailed(f"{self.name}: the destination has failed: {error}")
