"""virtio-serial: consoles and serial ports. The section's name is virtio-console, whatever the ports are.

Facts from QEMU's hw/char/virtio-serial-bus.c and include/hw/virtio/virtio-serial.h.
"""

from __future__ import annotations

from vmstate.declare import (
    OWN_STATE,
    Feature,
    VMState,
    asks,
    ceil_div,
    choose,
    description,
    equal,
    fact,
    info,
    otherwise,
    part,
    rule,
    struct,
    this,
    uint8,
    uint16,
    uint16_device,
    uint32,
    uint32_device,
    uint64,
    varray,
    virtio_device,
)
from vmstate.devices.vhost.element import VirtQueueElement
from vmstate.devices.virtio.config import ConfigSpace, reaches
from vmstate.devices.virtio.core import VirtIO, VirtIODevice, virtio_state

FEATURES = (
    Feature(0, "VIRTIO_CONSOLE_F_SIZE", property=None),
    Feature(1, "VIRTIO_CONSOLE_F_MULTIPORT"),
    Feature(2, "VIRTIO_CONSOLE_F_EMERG_WRITE", property="emergency-write"),
)

MAX_PORTS = 511
"""The most ports that two queues each leave room for."""

# The number is in the byte order of the device and is written as if that were the host's: one that is too large has
# its bytes the other way round.
SWAPPED = (this.max_nr_ports >> 24) + (this.max_nr_ports >> 16) % 256 * 256

SENT = choose(this.max_nr_ports <= MAX_PORTS, this.max_nr_ports, choose(SWAPPED <= MAX_PORTS, SWAPPED, None))


def _own_room(own: VirtIOSerial) -> int:
    return len(own.virtio.ports_map) * 32


def _is_there(port: int, own: VirtIOSerial) -> bool:
    # In the map number 0 is kept for a console, whether there is one or not.
    return any(own_port.id == port for own_port in own.virtio.ports)


PORTS = fact(
    "virtio_serial_ports",
    tuple(range(31, MAX_PORTS + 1, 32)),
    # A destination goes by its own number, whatever was sent.
    derived=otherwise(asks(_own_room, OWN_STATE), SENT),
)
"""How many ports the device has room for. The map has a bit for each, in words: of the numbers that make the same words
one is tried."""


@description("virtio-console config")
class VirtIOConsoleConfig(VMState):
    """The configuration space."""

    cols: int = uint16_device()
    rows: int = uint16_device()
    max_nr_ports: int = uint32_device()
    emerg_wr: int | None = uint32_device(exists=reaches(12))


@part(provisional={"elem_popped": 0, "iov_idx": None, "iov_offset": None, "elem": None})
@description("virtio-serial port")
class VirtIOSerialPort(VMState):
    """A port, with the element that the guest gave it and that it has not used up."""

    id: int = uint32(
        rules=(
            rule("virtio-serial-port", asks(_is_there, this.id, OWN_STATE), "the destination has a port of the number"),
        )
    )
    guest_connected: int = uint8()
    host_connected: int = uint8()
    elem_popped: int = uint32()
    iov_idx: int | None = uint32(exists=this.elem_popped != 0)
    iov_offset: int | None = uint64(exists=this.elem_popped != 0)
    elem: VirtQueueElement | None = struct(VirtQueueElement, exists=this.elem_popped != 0)


@description("virtio-serial body")
class VirtIOSerialBody(VirtIODevice):
    """Everything a virtio-serial device saves."""

    cols: int = uint16()
    rows: int = uint16()
    max_nr_ports: int = uint32()
    ports_map: list[int] = varray(
        uint32,
        count=ceil_div(PORTS, 32),
        rules=(
            equal(
                "virtio-serial-max-ports",
                "ports_map",
                "the ports that are there differ: the map of the source is {value}, that of the destination {local}",
                advice="give both devices the same ports (nr=, in the same order) and the same max_ports",
            ),
        ),
        doc="a bit for each port that is there",
    )
    nr_active_ports: int = uint32()
    ports: list[VirtIOSerialPort] = varray(VirtIOSerialPort, count=this.nr_active_ports)
    virtio: VirtIO = virtio_state()


@virtio_device(
    "virtio-console",
    models="vmstate.devices.virtio.models:SERIAL",
    id=3,
    qmp_name="virtio-serial",
    features=FEATURES,
)
@description("virtio-console", version_id=3, minimum_version_id=3)
class VirtIOSerial(VMState):
    """A virtio-serial device on any transport."""

    virtio: VirtIOSerialBody = info("virtio", VirtIOSerialBody)
    config_space = ConfigSpace(VirtIOConsoleConfig)
