"""State machines whose transitions stand in one table, and the two hosts that such machines are on.

`StateMachine` is the base of `Source` and `Destination`. `Host` is what a QEMU was started with, as far as early
migration depends on it: its release, the machine type, and the property `early-mig` with the compat table behind it.
"""

from __future__ import annotations

import re
from typing import ClassVar

from vmstate.errors import VMStateError
from vmstate.vmsd.data import Data, Value
from vmstate.vmsd.release import Release


class Transition(Data):
    """A row of a table: in this state this event leads to that state."""

    state: str
    event: str
    then: str


class IllegalTransition(VMStateError):
    """An event that the machine has no transition for in its state."""


class MigrationFailed(VMStateError):
    """The migration has failed, cleanly: the guest runs on at the source."""


class StateMachine:
    """A machine in a state of its table. `history` are the states it was in, the present one last."""

    transitions: ClassVar[tuple[Transition, ...]]
    first: ClassVar[str] = "idle"
    _then: ClassVar[dict[tuple[str, str], str]]

    def __init_subclass__(cls) -> None:
        """Index the table."""
        cls._then = {(row.state, row.event): row.then for row in cls.transitions}
        if len(cls._then) != len(cls.transitions):
            raise TypeError(f"{cls.__name__} has two transitions for one event")

    def __init__(self) -> None:
        self.history = [self.first]

    @property
    def state(self) -> str:
        """The state it is in."""
        return self.history[-1]

    def can(self, event: str) -> bool:
        """Whether there is a transition for the event now."""
        return (self.state, event) in self._then

    def step(self, event: str) -> None:
        """Take the transition of an event. Raises `IllegalTransition`."""
        then = self._then.get((self.state, event))
        if then is None:
            legal = [known for state, known in self._then if state == self.state]
            raise IllegalTransition(
                f"{type(self).__name__.lower()}: {event!r} cannot happen in the state {self.state!r}",
                expected=", ".join(legal) or "nothing",
                found=event,
            )
        self.history.append(then)


# -------------------------------------------------------------------------------------------------------------------
# The property and its default.

EARLY_MIG = "early-mig"

HW_COMPAT_10_1 = Release(10, 1)
"""The list that RFC v2 switches the property off in: it is on for machine types from 10.2 on.

Its context shows that hw_compat_10_2 exists, so 10.2 was released: a 10.2 machine of the release 10.2.0 has no such
property, and one of the next release has it on. A migration between the two fails in set-up.
"""
HW_COMPAT_10_2 = Release(10, 2)
"""The newest closed list, where the switch belongs: on for machine types that no release has had yet."""

_VERSION = re.compile(r"-(\d+)\.(\d+)$")


class Host(Value):
    """A QEMU at one end: its release, its machine type, and what it was told about `early-mig`.

    `compat` is the newest list of old machine types in which the property is off. `since` is the first release that has
    the property. `early_mig` is the user's override (`-device ...,early-mig=off`, `-global`), None where there is none.
    """

    machine: str = "pc-q35-11.0"
    release: Release = Release(11, 0)
    early_mig: bool | None = None
    compat: Release = HW_COMPAT_10_1
    since: Release = Release(11, 0)

    @property
    def has_early_mig(self) -> bool:
        """Whether the property is on. Raises `VMStateError` where it is set and the release does not know it."""
        if self.release < self.since:
            if self.early_mig is not None:
                raise VMStateError(
                    f"the property {EARLY_MIG!r} is not known",
                    expected=f"a release from {self.since} on",
                    found=str(self.release),
                )
            return False
        return early_mig_default(self.machine, self.compat) if self.early_mig is None else self.early_mig


def early_mig_default(machine: str, compat: Release = HW_COMPAT_10_1) -> bool:
    """Whether the property is on for a machine type: on for all that are newer than the list it is switched off in.

    A machine type without a version (microvm, or an alias as q35) is the newest there is.
    """
    version = _VERSION.search(machine)
    return version is None or Release(int(version[1]), int(version[2])) > compat
