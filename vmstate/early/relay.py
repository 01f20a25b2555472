"""`Relay`: early migration between two stock QEMUs, by whoever stands between them.

    with Relay("unix:/run/relay", "unix:/run/in", way="skip", monitor=Monitor("/run/source.qmp")) as relay:
        report = relay.run()

Three ways: `through` passes the migration on as it comes; `insert` puts early copies of device sections behind the
configuration section; `skip` does that, and leaves out at the stop what has not changed since. The early state is that
of the running source, asked of its monitor at the start and when the migration begins, if that is safe
(`vmstate.qemu.live`), or a stream of an earlier moment.

The decision per section is `SkipUnchanged`'s: a device's record says with what evidence a copy of it stands
(`vmstate.early.copies`), and the bytes decide at the stop. If anything is odd the migration passes plainly.
"""

from __future__ import annotations

import gc
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Self

from vmstate.early.arrivals import memory_ranges
from vmstate.early.copies import Choice, choose
from vmstate.early.forward import Forward
from vmstate.errors import EarlyError, NoAnswerError, VMStateError
from vmstate.qemu.live import LiveState, is_near_stop, live_state
from vmstate.qemu.migration import Attached, capabilities_of
from vmstate.qemu.monitor import LIMIT, POLL, Monitor, answers_understood
from vmstate.qemu.proxy import Filter, Proxy
from vmstate.saved.loading import load
from vmstate.stream.return_path import ReturnMessage, ReturnPathReader, ReturnType
from vmstate.stream.stream import Stream
from vmstate.vmsd.data import Data

_BEGINS = 0.5
"""Seconds that a source may take from its first bytes until it sends memory."""

_AT_ONCE, _SOON = 0.1, 2.0
"""Seconds in which a source that is held up must say how far it is, and then its state. At its stop it says nothing
until it is rid of its device sections, and its guest does not run.
"""

_HELD_UP = 0.11
"""Seconds for which a source is held up near the end of its first turn through memory; it measures its speed over 0.1.
"""

THROUGH, INSERT, SKIP = "through", "insert", "skip"
WAYS = (THROUGH, INSERT, SKIP)


class SkipUnchanged:
    """The policy of `skip`: what is sent early is left out at the stop where its bytes are equal.

    `devices` is a pattern of what an idstr is like; `features` are for a source whose early state is that of a machine
    on which no guest has run (`vmstate.early.copies.choose`).
    """

    name = "skip-unchanged"

    def __init__(self, devices: str = "*", features: Mapping[str, int] | None = None) -> None:
        self.devices = devices
        self.features = dict(features or {})

    def choices(self, stream: Stream) -> list[Choice]:
        """What is done about each section of the source, as it is now."""
        return [*choose(stream.sections, self.devices, memory_ranges(stream), self.features)]


class Report(Data):
    """What a relay did.

    `way` is what was asked for, `plainly` why the migration, or the rest of it, was passed on as it came; None where
    everything went as asked. `done` is what `Forward.record` says, None where the migration was never looked at.
    `live` are the moments of the source: its pause in milliseconds. `channels` counts the connections by their kind,
    `returned` the messages of the return path by their name. `refused`: the destination said on it that it failed.
    `ended` says how it broke off; None where, as far as a relay can see it, the destination has all.
    """

    way: str
    plainly: str | None
    done: Mapping[str, Any] | None
    live: Sequence[Mapping[str, Any]]
    channels: Mapping[str, int]
    returned: Mapping[str, int]
    refused: bool
    taken: int
    sent: int
    seconds: float
    ended: str | None

    def as_dict(self) -> dict[str, Any]:
        """The report as JSON values."""
        return {
            "way": self.way,
            "plainly": self.plainly,
            "done": self.done,
            "live": [*self.live],
            "channels": dict(self.channels),
            "returned": dict(self.returned),
            "refused": self.refused,
            "taken_bytes": self.taken,
            "sent_bytes": self.sent,
            "seconds": round(self.seconds, 3),
            "ended": self.ended,
        }


class Relay:
    """Stands between a source and a destination for one migration; `uri` is where the source is to migrate to.

    `monitor` is the source's, for its early state, or `early` a stream of it; with neither nothing can be sent early.
    `refresh` is how often, in seconds, newer early state is taken while RAM is sent; None for never. `plainly` is why
    the migration is to be passed on as it comes, whatever the way; None where nothing is known against that. Raises
    `VMStateError`.
    """

    def __init__(
        self,
        listen_at: str,
        connect_to: str,
        *,
        way: str = SKIP,
        monitor: Monitor | None = None,
        early: Stream | None = None,
        policy: SkipUnchanged | None = None,
        refresh: float | None = None,
        plainly: str | None = None,
        limit: float = LIMIT,
    ) -> None:
        if way not in WAYS:
            raise EarlyError(f"there is no way {way!r}", expected=", ".join(WAYS))
        if way != THROUGH and monitor is None and early is None:
            raise EarlyError(
                "early copies are of an early state", expected="the source's monitor, or a stream of an earlier moment"
            )
        self.way = way
        self.monitor = monitor
        self.early = early
        self.policy = policy or SkipUnchanged()
        self.refresh = refresh
        self.limit = limit
        self.forward: Forward | None = None
        self.plainly = plainly
        self.live: list[dict[str, Any]] = []
        self._is_over = threading.Event()
        self._asking = threading.Lock()
        """Whoever has it uses the monitor, while a migration passes."""
        self._returned: Counter[str] = Counter()
        self._refused = False
        self._return_path: ReturnPathReader | None = ReturnPathReader()
        # In the middle of a migration there may be no safe moment for it: what is had now can only be too old.
        self._first: list[Choice] | VMStateError = []
        self._machine: str | None = None
        """The type of the machine of which the early state is."""
        self._proxy = Proxy(
            listen_at,
            connect_to,
            filter_of=None if way == THROUGH or plainly is not None else self._filter,
            hold=None if monitor is None else self._hold,
            heard=self._hear,
            limit=limit,
        )
        self.uri = self._proxy.uri
        if way != THROUGH and early is None and plainly is None:
            try:
                self._first = self._now(self.limit)
            except VMStateError as error:
                self._first = error

    def warnings(self) -> list[str]:
        """What the caller is to be told before a migration begins."""
        if self.monitor is None:
            return []
        told = []
        if isinstance(self._first, VMStateError):
            told.append(f"there is no early state yet, and without it the migration passes as it comes: {self._first}")
        with answers_understood():
            capabilities = capabilities_of(Attached(self.monitor))
        if "return-path" not in capabilities:
            return [
                *told,
                "without the capability return-path the source takes the migration for complete once its bytes are "
                "written: if this process or the destination fails then, the guest runs nowhere",
            ]
        return [
            *told,
            "if this process is killed when the destination has all of the migration and the source has no answer yet, "
            "both run, as where a network fails then; a destination that is started with -S waits to be told",
        ]

    def run(self) -> Report:
        """Carry one migration. Raises `MachineError` where none comes, or nobody listens at the destination."""
        begun = time.monotonic()
        refreshing = None
        if self.refresh is not None and self.way == SKIP and self.monitor is not None:
            refreshing = threading.Thread(target=self._refresh, daemon=True)
            refreshing.start()
        try:
            self._proxy.run()
        finally:
            self._is_over.set()
            if refreshing is not None:
                refreshing.join(self.limit)
        channels = self._proxy.channels
        kinds = Counter(channel.kind for channel in channels)
        # What comes besides it, for pages, is given up by either side when the main one has ended.
        main = next((channel for channel in channels if channel.kind == "migration"), channels[0] if channels else None)
        plainly = self.plainly
        if self.forward is not None:
            plainly = self.forward.plainly or None
        elif self.way != THROUGH and plainly is None:
            plainly = "the migration is encrypted (TLS)" if kinds["tls"] else "no migration came"
        return Report(
            self.way,
            plainly,
            None if self.forward is None else self.forward.record(),
            tuple(self.live),
            kinds,
            self._returned,
            self._refused,
            sum(channel.taken for channel in channels),
            sum(channel.sent for channel in channels),
            time.monotonic() - begun,
            (None if main is None else main.ended) or self._broken_off(),
        )

    def _broken_off(self) -> str | None:
        """Why a migration whose connections ended in order is not complete; None where nothing speaks against it."""
        if self._returned and ReturnType.SHUT.name not in self._returned:
            return "the destination never said that it had the machine"
        if self.forward is not None and self.forward.plainly is None:
            return "the source ended in the middle of its stream"
        return None

    def _hear(self, data: memoryview) -> None:
        """Take notice of what the destination says; it is passed on whatever it is."""
        if self._return_path is None:
            return
        try:
            for event in self._return_path.events(data):
                if isinstance(event, ReturnMessage):
                    self._returned[event.name] += 1
                    self._refused = self._refused or (event.type is ReturnType.SHUT and event.value != 0)
        except VMStateError:
            # No source would take it, and it says so better than a relay can.
            self._return_path = None

    def _filter(self) -> Filter | None:
        """What the main connection goes through; None, and the reason, where there is no early state to be had."""
        try:
            choices = self._choices()
        except VMStateError as error:
            self.plainly = f"there is no early state: {error}"
            return None
        self.forward = Forward(
            choices, skip=self.way == SKIP, machine=self._machine, has_other_channels=self._has_other_channels
        )
        return self.forward

    def _hold(self) -> None:
        """Wait, the source held up; no longer than until its guest stops, which its migration may have had it do."""
        assert self.monitor is not None
        end = time.monotonic() + _HELD_UP
        # Of what refreshes the early state there may be a question under way, which nobody answers.
        if not self._asking.acquire(timeout=_HELD_UP):
            return
        try:
            with suppress(VMStateError):
                while (left := end - time.monotonic()) > 0 and not self._is_over.is_set():
                    if self.monitor.next_event(left)["event"] == "STOP":
                        return
        finally:
            self._asking.release()

    def _has_other_channels(self) -> bool:
        """Whether pages may come on another connection than the main one."""
        return any(channel.kind == "multifd" for channel in self._proxy.channels)

    def _choices(self) -> list[Choice]:
        if self.early is not None:
            configuration = self.early.configuration
            self._machine = None if configuration is None else configuration.machine
            return self.policy.choices(self.early)
        try:
            self._wait_for_memory()
            with self._answered_in(_SOON):
                return self._now(_SOON)
        except VMStateError:
            if isinstance(self._first, VMStateError):
                raise self._first from None
            return self._first

    def _wait_for_memory(self) -> None:
        """Wait a moment until a source that has begun sends memory, and says how much is left."""
        assert self.monitor is not None
        end = time.monotonic() + _BEGINS
        with answers_understood(), self._answered_in(_BEGINS):
            while self.monitor.ask("query-migrate").get("status") == "setup" and time.monotonic() < end:
                time.sleep(POLL)

    def _now(self, limit: float) -> list[Choice]:
        assert self.monitor is not None
        return self._choices_of(live_state(self.monitor, limit=limit, room=self._room))

    @contextmanager
    def _answered_in(self, seconds: float) -> Iterator[None]:
        """Questions to the source raise `NoAnswerError` where they are not answered in so many seconds."""
        assert self.monitor is not None
        usual, self.monitor.limit = self.monitor.limit, min(self.monitor.limit, seconds)
        try:
            yield
        finally:
            self.monitor.limit = usual

    def _room(self) -> int | None:
        """How many bytes the source can still send while it is held up; None where that is not known.

        Its other channels are not held up, and a page that XBZRLE finds unchanged costs nothing.
        """
        assert self.monitor is not None
        channel = self._proxy.main
        capabilities = capabilities_of(Attached(self.monitor))
        if channel is None or "multifd" in capabilities or "xbzrle" in capabilities:
            return None
        return channel.room()

    def _choices_of(self, state: LiveState) -> list[Choice]:
        self.live.append(state.as_dict())
        self._machine = state.machine
        with load(state.stream()) as stream:
            choices = self.policy.choices(stream)
        if not gc.isenabled():
            gc.collect()
        return choices

    def _refresh(self) -> None:
        """Take the source's state again and again, as long as its guest runs and RAM is sent."""
        assert self.refresh is not None
        assert self.monitor is not None
        while not self._is_over.wait(self.refresh):
            forward = self.forward
            if forward is None or not forward.begun:
                continue
            if forward.in_devices or forward.plainly is not None:
                return
            try:
                with self._asking, answers_understood(), self._answered_in(_SOON):
                    if self.monitor.ask("query-status")["status"] != "running":
                        continue
                    state = self._state_while_held()
                    # Near its stop it is not asked; there may be a later moment that is not.
                    if state is not None:
                        forward.refresh(self._choices_of(state))
            except VMStateError:
                # A source that is at its stop, or gone, has nothing newer to say.
                return

    def _state_while_held(self) -> LiveState | None:
        """The source's state, what it sends held up meanwhile; None where its migration may be near its stop."""
        assert self.monitor is not None
        channel = self._proxy.main
        if channel is None:
            return None
        with channel.reading:
            try:
                with self._answered_in(_AT_ONCE):
                    if is_near_stop(self.monitor, self._room()):
                        return None
            except NoAnswerError:
                return None
            with self._answered_in(_SOON):
                return live_state(self.monitor, limit=_SOON, room=self._room)

    def close(self) -> None:
        """End whatever is under way."""
        self._is_over.set()
        self._proxy.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


__all__ = ["INSERT", "SKIP", "THROUGH", "WAYS", "Relay", "Report", "SkipUnchanged"]
