"""What devices send of their own state through multifd's channels (QEMU 10.0 and later, VFIO alone).

Such a packet: u32 magic, version, flags with 0x40, 256 bytes of the section's name, u32 instance, u32 size, and the
bytes. It has no number and never ends an epoch; QEMU refuses one without bytes. VFIO has in them, big-endian: u32
version 0, u32 index from 0 on, u32 flags, and the state; flag 1 is the last, the device's configuration. Facts from
QEMU's migration/multifd.c, multifd-device-state.c and hw/vfio/migration-multifd.c; not checked on a real file.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import Any

from vmstate.errors import StreamError
from vmstate.stream.finding import Finding
from vmstate.stream.stream import Stream
from vmstate.vmsd.data import NamedTuple

FLAG = 0x40
SYNC = 1
CONFIGURATION = 1
"""VFIO's flag of the packet with the configuration."""

_HEAD = struct.Struct(">3I256sII")
_VFIO = struct.Struct(">3I")


class DevicePacket(NamedTuple):
    """A packet: whose, in which channel (the number in its hello), in which epoch of it, where, and its bytes."""

    idstr: str
    instance_id: int
    channel: int
    epoch: int
    offset: int
    data: memoryview


class DeviceState(NamedTuple):
    """What a device has sent: its packets in the order of the channels, which is not that in which they were made."""

    idstr: str
    instance_id: int
    packets: tuple[DevicePacket, ...]

    @property
    def is_vfio(self) -> bool:
        """Whether its packets are VFIO's, which say their order."""
        return self.idstr.rpartition("/")[2] == "vfio"

    @property
    def sizes(self) -> dict[int, int]:
        """Channel -> bytes in it."""
        sizes: dict[int, int] = {}
        for packet in self.packets:
            sizes[packet.channel] = sizes.get(packet.channel, 0) + len(packet.data)
        return sizes

    def buffers(self) -> list[bytes]:
        """The state of a VFIO device piece by piece, in order, the configuration last. Raises `StreamError` where a
        piece lacks, comes twice, or is none of VFIO's.
        """
        pieces: dict[int, bytes] = {}
        last = None
        for packet in self.packets:
            section, offset = f"{self.idstr}#{self.instance_id}", packet.offset
            version, index, flags = _VFIO.unpack_from(packet.data) if len(packet.data) >= _VFIO.size else (-1, 0, 0)
            if version != 0:
                found = bytes(packet.data[: _VFIO.size]).hex()
                raise StreamError("no packet of VFIO begins so", section=section, offset=offset, found=found)
            if index in pieces:
                raise StreamError("a packet of VFIO comes twice", section=section, offset=offset, found=str(index))
            if flags & CONFIGURATION:
                last = index
            pieces[index] = bytes(packet.data[_VFIO.size :])
        count = max(pieces) + 1 if last is None else last + 1
        if len(pieces) != count or max(pieces) != count - 1 or last is None:
            lacking = "its configuration" if last is None else f"{count - len(pieces)} of {count}"
            raise StreamError(f"{lacking} of the packets of {self.idstr} in none of the files")
        return [pieces[index] for index in range(count)]

    def as_dict(self) -> dict[str, Any]:
        """It as JSON values, without its bytes."""
        return {
            "idstr": self.idstr,
            "instance_id": self.instance_id,
            "packets": len(self.packets),
            "size": sum(self.sizes.values()),
            "channels": {str(channel): size for channel, size in sorted(self.sizes.items())},
        }

    @property
    def text(self) -> str:
        """It in words."""
        parts = ", ".join(f"{size:,} in channel {channel}" for channel, size in sorted(self.sizes.items()))
        total = sum(self.sizes.values())
        return f"{self.idstr}#{self.instance_id} sent {total:,} bytes of its own state: {parts}"


def device_packet(data: memoryview, at: int, channel: int, epoch: int) -> tuple[DevicePacket, int]:
    """The packet that begins at `at` of a channel, and the offset behind it. Raises `StreamError`."""
    _, _, flags, name, instance, size = _HEAD.unpack_from(data, at)
    start = at + _HEAD.size
    if b"\0" not in name:
        raise StreamError("the name of a device in a packet does not end", offset=at + 12)
    if flags & SYNC or not size:
        what = "ends an epoch" if flags & SYNC else "has no bytes"
        raise StreamError(f"a packet of a device that {what}: QEMU takes none", offset=at)
    if start + size > len(data):
        raise StreamError("a multifd channel ends inside a packet", offset=at, expected=f"{size} bytes of a device")
    idstr = name.partition(b"\0")[0].decode(errors="backslashreplace")
    return DevicePacket(idstr, instance, channel, epoch, at, data[start : start + size]), start + size


def device_states(stream: Stream) -> list[DeviceState]:
    """What each device of a machine has sent of its own state through multifd's channels."""
    devices: dict[tuple[str, int], list[DevicePacket]] = {}
    for channel in stream.channels:
        packets: Sequence[DevicePacket] = getattr(channel, "device_packets", ())
        for packet in packets:
            devices.setdefault((packet.idstr, packet.instance_id), []).append(packet)
    return [DeviceState(*key, tuple(packets)) for key, packets in devices.items()]


def findings_of_devices(stream: Stream) -> Iterator[Finding]:
    """What is wrong with what devices have sent."""
    sections = {(section.name, section.instance_id) for section in stream.sections}
    for device in device_states(stream):
        name = f"{device.idstr}#{device.instance_id}"
        if (device.idstr, device.instance_id) not in sections:
            message = f"a channel has state of {name}, of which the main stream has no section"
            yield Finding("device-state", "error", None, None, None, message)
        if device.is_vfio:
            try:
                device.buffers()
            except StreamError as error:
                yield Finding("device-state", "error", name, None, error.offset, error.message)
