"""State of helper processes that QEMU fetches over D-Bus (`-object dbus-vmstate`).

Facts from QEMU's backends/dbus-vmstate.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, device, this, uint32, vbuffer


@device("dbus-vmstate", listed=False)
@description("dbus-vmstate", version_id=0)
class DBusVMState(VMState):
    """What the helpers gave, as one block that only they read."""

    data_size: int = uint32()
    data: bytes = vbuffer(this.data_size)
