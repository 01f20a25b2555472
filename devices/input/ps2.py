"""PS/2 keyboard and mouse.

Facts from QEMU's hw/input/ps2.c.
"""

from __future__ import annotations

from vmstate.declare import (
    Release,
    VMState,
    boolean,
    buffer,
    description,
    device,
    int32,
    known_since,
    struct,
    subsection,
    this,
    uint8,
    variant,
)


@description("PS2 Common State", version_id=3, minimum_version_id=2)
class PS2Common(VMState):
    """The command that waits for its argument, and the queue of bytes for the guest."""

    write_cmd: int = int32()
    queue_rptr: int = int32(name="queue.rptr")
    queue_wptr: int = int32(name="queue.wptr")
    queue_count: int = int32(name="queue.count")
    queue_data: bytes = buffer(256, name="queue.data")


@description("ps2kbd/ledstate", version_id=3, minimum_version_id=2, needed=this.ledstate != 0)
class Ledstate(VMState):
    """The lights; sent where any is on."""

    ledstate: int = int32()


@description("ps2kbd/need_high_bit", version_id=1, minimum_version_id=1, needed=this.need_high_bit != 0)
class NeedHighBit(VMState):
    """Whether a prefix was translated; sent where one was."""

    need_high_bit: bool = boolean()


@description("ps2kbd/command_reply_queue", needed=this.cwptr != -1, rules=(known_since(Release(6, 2)),))
class CommandReplyQueue(VMState):
    """Where the reply to a command ends in the queue; sent while there is one."""

    cwptr: int = int32(name="parent_obj.queue.cwptr")


@device("ps2kbd", listed=False, early_copy="vmstate.devices.early_copies:STANDS")
@description("ps2kbd", version_id=3, minimum_version_id=2)
class PS2Keyboard(VMState):
    """The keyboard."""

    parent_obj: PS2Common = struct(PS2Common)
    scan_enabled: int = int32()
    translate: int = int32()
    scancode_set: int = int32(version=3)
    ledstate: Ledstate | None = subsection(Ledstate)
    need_high_bit: NeedHighBit | None = subsection(NeedHighBit)
    command_reply_queue: CommandReplyQueue | None = subsection(CommandReplyQueue)


@device("ps2mouse", listed=False, early_copy="vmstate.devices.early_copies:STANDS")
@description("ps2mouse", version_id=2, minimum_version_id=2)
class PS2Mouse(VMState):
    """The mouse."""

    parent_obj: PS2Common = struct(PS2Common)
    status: int = uint8(name="mouse_status")
    resolution: int = uint8(name="mouse_resolution")
    sample_rate: int = uint8(name="mouse_sample_rate")
    wrap: int = uint8(name="mouse_wrap")
    type: int = uint8(name="mouse_type")
    detect_state: int = uint8(name="mouse_detect_state")
    dx: int = int32(name="mouse_dx")
    dy: int = int32(name="mouse_dy")
    dz: int = int32(name="mouse_dz")
    buttons: int = uint8(name="mouse_buttons")


PS2_KEYBOARD_7_0 = variant(PS2Keyboard, parent_obj=struct(PS2Common, name="common"))
PS2_MOUSE_7_0 = variant(PS2Mouse, parent_obj=struct(PS2Common, name="common"))
"""The name of the common part up to 7.0."""
