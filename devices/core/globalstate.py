"""The run state of the machine.

Facts from QEMU's migration/global_state.c.
"""

from __future__ import annotations

from vmstate.vmsd.declare import buffer, description, uint8, uint32, variant


@description("globalstate", version_id=1, minimum_version_id=1)
class GlobalState:
    """The run state, as the name QMP gives it, ended by zeros."""

    size: int = uint32()
    runstate: bytes = buffer(32)
    has_vm_was_suspended: int = uint8()
    vm_was_suspended: int = uint8()
    unused_: bytes = buffer(66, name="unused")


GLOBAL_STATE_8_2 = variant(
    GlobalState, runstate=buffer(100), has_vm_was_suspended=None, vm_was_suspended=None, unused_=None
)
"""Up to 8.2 the name had all the bytes."""
