"""The USB tablet, mouse and keyboard.

Facts from QEMU's hw/input/hid.c, hw/usb/dev-hid.c.
"""

from __future__ import annotations

from vmstate.declare import CONTENTS, VMState, array, description, device, int32, struct, uint8, uint16, uint32
from vmstate.devices.usb.device import USBDevice


@description("HIDPointerEventQueue", version_id=1, minimum_version_id=1)
class HIDPointerEvent(VMState):
    """A movement or a button."""

    xdx: int = int32()
    ydy: int = int32()
    dz: int = int32()
    buttons_state: int = int32()


@description("HIDPointerDevice", version_id=1, minimum_version_id=1)
class HIDPointer(VMState):
    """The events of a mouse or tablet that wait for the guest."""

    queue: list[HIDPointerEvent] = array(HIDPointerEvent, 16, name="ptr.queue")
    head: int = uint32()
    n: int = uint32()
    protocol: int = int32()
    idle: int = uint8()


@description("HIDKeyboardDevice", version_id=1, minimum_version_id=1)
class HIDKeyboard(VMState):
    """The keys that wait for the guest, those held, and the lights."""

    keycodes: list[int] = array(uint32, 16, name="kbd.keycodes", private=CONTENTS)
    head: int = uint32()
    n: int = uint32()
    modifiers: int = uint16(name="kbd.modifiers")
    leds: int = uint8(name="kbd.leds")
    key: list[int] = array(uint8, 16, name="kbd.key")
    keys: int = int32(name="kbd.keys")
    protocol: int = int32()
    idle: int = uint8()


@device("usb-ptr", models="vmstate.devices.usb.models:PTR")
@description("usb-ptr", version_id=1, minimum_version_id=1)
class USBPtr(VMState):
    """A USB mouse or tablet."""

    dev: USBDevice = struct(USBDevice)
    hid: HIDPointer = struct(HIDPointer)


@device("usb-kbd", models="vmstate.devices.usb.models:KBD")
@description("usb-kbd", version_id=1, minimum_version_id=1)
class USBKbd(VMState):
    """A USB keyboard."""

    dev: USBDevice = struct(USBDevice)
    hid: HIDKeyboard = struct(HIDKeyboard)
