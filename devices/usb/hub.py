"""The USB hub.

Facts from QEMU's hw/usb/dev-hub.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, struct, subsection, timer, uint16
from vmstate.devices.usb.device import USBDevice


@description("usb-hub-port", version_id=1, minimum_version_id=1)
class USBHubPort(VMState):
    """A port."""

    wPortStatus: int = uint16()
    wPortChange: int = uint16()


@description("usb-hub/port-timer", version_id=1, minimum_version_id=1)
class PortTimer(VMState):
    """The timer of the ports; sent where the hub switches their power."""

    port_timer: int = timer()


@device("usb-hub", models="vmstate.devices.usb.models:HUB")
@description("usb-hub", version_id=1, minimum_version_id=1)
class USBHub(VMState):
    """The hub."""

    dev: USBDevice = struct(USBDevice)
    ports: list[USBHubPort] = array(USBHubPort, 8)
    port_timer: PortTimer | None = subsection(PortTimer)
