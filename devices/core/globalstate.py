"""The run state of the machine.

Facts from QEMU's migration/global_state.c.
"""

from __future__ import annotations

from vmstate.declare import REGISTERS, VMState, asks, buffer, description, device, rule, this, uint8, uint32, variant

RUN_STATES = (
    "debug",
    "inmigrate",
    "internal-error",
    "io-error",
    "paused",
    "postmigrate",
    "prelaunch",
    "finish-migrate",
    "restore-vm",
    "running",
    "save-vm",
    "shutdown",
    "suspended",
    "watchdog",
    "guest-panicked",
    "colo",
)
"""The run states by their names in QMP (qapi/run-state.json)."""


def _is_run_state(runstate: bytes) -> bool:
    # QEMU puts a zero at the end where there is none.
    return runstate[:-1].partition(b"\0")[0].decode("latin-1") in RUN_STATES


_NAMED = (rule("globalstate-runstate", asks(_is_run_state, this.runstate), "the run state is one that QEMU has"),)


@device(
    "globalstate",
    listed=False,
    answers="vmstate.devices.core.answers:GLOBAL_STATE",
    early_copy="vmstate.devices.early_copies:CLOCK",
)
@description("globalstate", version_id=1, minimum_version_id=1)
class GlobalState(VMState):
    """The run state, as the name QMP gives it, ended by zeros."""

    size: int = uint32()
    runstate: bytes = buffer(32, default=b"running".ljust(32, b"\0"), rules=_NAMED, private=REGISTERS)
    has_vm_was_suspended: int = uint8()
    vm_was_suspended: int = uint8()
    unused_: bytes = buffer(66, name="unused")


GLOBAL_STATE_8_2 = variant(
    GlobalState,
    runstate=buffer(100, default=b"running".ljust(100, b"\0"), rules=_NAMED, private=REGISTERS),
    has_vm_was_suspended=None,
    vm_was_suspended=None,
    unused_=None,
)
"""Up to 8.2 the name had all the bytes."""
