"""An action of the study as a relay between stock QEMUs would carry it: does the destination become the same machine.

    with Laboratory(guest_in(".guest")) as laboratory:
        result = try_relayed(laboratory, ACTIONS[0])
        result.is_same, result.lives

The early copies are of the moment before the action, the stream of the moment after it, and what a destination gets of
both is what `vmstate.early.forward` makes of it. One QEMU loads the stream as it is, another what the relay would have
sent: before its guest runs each is asked for its device state, and they must be equal, byte for byte, but for the clock
of the host. Then the guest behind the relay must answer.
"""

from __future__ import annotations

from typing import Any

from vmstate.compare.diff import diff
from vmstate.early.arrivals import memory_ranges
from vmstate.early.copies import choose
from vmstate.early.forward import Forward
from vmstate.errors import VMStateError
from vmstate.files import write_atomic
from vmstate.lab.study import Action, Laboratory, Loaded
from vmstate.saved.loading import load
from vmstate.vmsd.data import Value

RELAY = "relay"
HOST_CLOCK = ("mc146818rtc", 0)
"""The section whose state goes on with the clock of the host, also in two loads of one stream."""


class RelayedResult(Value):
    """What became of an action.

    `not_done`: why it was not tried. `early`, `left_out` and `changed` are what the relay sent early, left out at the
    stop, and sent again since it had changed; `fields` are the fields that had. `differing` are the sections whose
    state is another behind the relay.
    """

    name: str
    not_done: str | None = None
    early: int = 0
    left_out: int = 0
    changed: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()
    differing: tuple[str, ...] = ()
    error: str | None = None
    loaded: Loaded | None = None

    @property
    def is_same(self) -> bool:
        """Whether both machines were loaded, and are the same."""
        return self.error is None and not self.differing

    @property
    def lives(self) -> bool:
        """Whether the guest behind the relay answers."""
        return self.loaded is not None and self.loaded.lives

    def as_dict(self) -> dict[str, Any]:
        """The result as JSON values."""
        told = super().as_dict()
        return told | {
            "loaded": None if self.loaded is None else self.loaded.as_dict(),
            "is_same": self.is_same,
            "lives": self.lives,
        }


def try_relayed(laboratory: Laboratory, action: Action) -> RelayedResult:
    """Try an action. Raises `VMStateError` where the guest does not even boot."""
    moments = laboratory.moments(action)
    if isinstance(moments, str):
        return RelayedResult(action.name, moments)
    early, final, _ = moments
    target = laboratory.folder / f"{action.name}.{RELAY}.mig"
    with load(early) as early_stream, load(final) as final_stream:
        forward = Forward([*choose(early_stream.sections, ranges=memory_ranges(early_stream))], skip=True)
        data = final_stream.to_bytes()
        write_atomic(target, [*forward.push(data), *forward.finish()])
        # All but memory counts here: a clock that went on makes other bytes.
        differences = diff(early_stream, final_stream, noise={"memory"}).changes
    fields = tuple(
        f"{change.section}#{change.instance_id}.{change.path}"
        for change in differences
        if (change.section, change.instance_id) in forward.changed
    )
    changed = tuple(f"{name}#{instance_id}" for name, instance_id in forward.changed)
    sent = len(forward.inserted) + len(forward.behind)
    result = RelayedResult(action.name, None, sent, len(forward.left_out), changed, fields)
    try:
        plain, relayed = (laboratory.state_of(path, action) for path in (final, target))
    except VMStateError as error:
        laboratory.forget(action)
        return result.replace(error=str(error))
    differing = tuple(
        f"{name}#{instance_id}"
        for name, instance_id in (plain | relayed)
        if plain.get((name, instance_id)) != relayed.get((name, instance_id)) and (name, instance_id) != HOST_CLOCK
    )
    loaded = laboratory.load_and_ask(RELAY, target, action)
    laboratory.forget(action)
    return result.replace(differing=differing, loaded=loaded)
