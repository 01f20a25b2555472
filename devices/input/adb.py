"""The Apple desktop bus, its keyboard and its mouse.

Facts from QEMU's hw/input/adb.c, hw/input/adb-kbd.c and hw/input/adb-mouse.c.
"""

from __future__ import annotations

from vmstate.declare import (
    CONTENTS,
    VMState,
    boolean,
    buffer,
    description,
    device,
    int32,
    struct,
    timer,
    uint8,
    uint16,
)


@description("adb_device")
class ADBDevice(VMState):
    """What every device of the bus has: its address, and the handler that the guest chose."""

    devaddr: int = int32()
    handler: int = int32()


@device("adb_bus", listed=False)
@description("adb_bus")
class ADBBus(VMState):
    """How the bus asks its devices by itself."""

    autopoll_timer: int = timer()
    autopoll_enabled: bool = boolean()
    autopoll_rate_ms: int = uint8()
    autopoll_mask: int = uint16()
    autopoll_blocked: bool = boolean()


@device("adb_kbd")
@description("adb_kbd", version_id=2, minimum_version_id=2)
class ADBKeyboard(VMState):
    """Keys that the guest has not asked for yet."""

    parent_obj: ADBDevice = struct(ADBDevice)
    data: bytes = buffer(128, private=CONTENTS)
    rptr: int = int32()
    wptr: int = int32()
    count: int = int32()


@device("adb_mouse")
@description("adb_mouse", version_id=2, minimum_version_id=2)
class ADBMouse(VMState):
    """Movements that the guest has not asked for yet."""

    parent_obj: ADBDevice = struct(ADBDevice)
    buttons_state: int = int32()
    last_buttons_state: int = int32()
    dx: int = int32()
    dy: int = int32()
    dz: int = int32()
