"""The run state of the machine.

Facts from QEMU's migration/global_state.c.
"""

from __future__ import annotations

from vmstate.description.declare import buffer, description, uint8, uint32


@description("globalstate", version_id=1, minimum_version_id=1)
class GlobalState:
    """The run state, as the name QMP gives it, ended by zeros."""

    size: int = uint32()
    runstate: bytes = buffer(100)
    has_vm_was_suspended: int = uint8()
    vm_was_suspended: int = uint8()
    unused_: bytes = buffer(47, name="unused")
