"""USB devices that are the host's, or another host's.

Above each part stands the file of QEMU's that its facts are from.
"""

from __future__ import annotations

from vmstate.declare import (
    CONTENTS,
    VMState,
    array,
    buffer,
    description,
    device,
    info,
    int32,
    struct,
    subsection,
    this,
    timer,
    uint8,
    uint16,
    uint32,
    uint64,
    varray,
    vbuffer,
)
from vmstate.devices.usb.device import USBDevice

# A smart card of another host, in the reader usb-ccid (hw/usb/ccid-card-passthru.c).


@device("ccid-card-passthru", models="vmstate.devices.usb.models:CARD")
@description("ccid-card-passthru", version_id=1, minimum_version_id=1)
class CCIDCardPassthru(VMState):
    """What was received of the other host, and the card's answer to a reset."""

    vscard_in_data: bytes = buffer(65536)
    vscard_in_pos: int = uint32()
    vscard_in_hdr: int = uint32()
    atr: bytes = buffer(40)
    atr_length: int = uint8()


# A security key (U2F) of the host's (hw/usb/u2f.c and hw/usb/u2f-passthru.c).


@device("u2f-key")
@description("u2f-key", version_id=1, minimum_version_id=1)
class U2FKey(VMState):
    """The reports that the guest has not fetched: 32 of 64 bytes, the first of them and where the next goes."""

    dev: USBDevice = struct(USBDevice)
    idle: int = uint8()
    pending_in: list[int] = array(uint8, 2048, private=CONTENTS)
    pending_in_start: int = uint8()
    pending_in_end: int = uint8()
    pending_in_num: int = uint8()


@device("u2f-key-passthru")
@description("u2f-key-passthru", version_id=1, minimum_version_id=1)
class U2FPassthru(VMState):
    """The key."""

    base: U2FKey = struct(U2FKey)


# A USB device of the host's (hw/usb/host-libusb.c).


@device("usb-host")
@description("usb-host", version_id=1, minimum_version_id=1)
class USBHost(VMState):
    """What every USB device sends; the destination has lost the device and unplugs it."""

    parent_obj: USBDevice = struct(USBDevice)


# A USB device of another host: usb-redir (hw/usb/redirect.c).


@description("usb-redir-parser")
class Parser(VMState):
    """What the library of the protocol keeps: of how many bytes, and these."""

    size: int = uint32()
    data: bytes = vbuffer(this.size)


@description("usb-redir-packet")
class Packet(VMState):
    """A packet that the guest has not fetched yet: its length, how it was received, and its bytes."""

    len: int = uint32()
    status: int = uint32()
    data: bytes = vbuffer(this.len)


@description("usb-redir-packets")
class Packets(VMState):
    """Packets that wait."""

    size: int = uint32()
    packets: list[Packet] = varray(Packet, count=this.size)


@description("usb-redir-ids")
class PacketIds(VMState):
    """Numbers of packets."""

    size: int = uint32()
    ids: list[int] = varray(uint64, count=this.size)


@description("usb-redir-packet-id-queue", version_id=1, minimum_version_id=1)
class PacketIdQueue(VMState):
    """A queue of numbers of packets."""

    queue: PacketIds = info("usb-redir-packet-id-q", PacketIds)


@description("usb-redir-ep/bulk-receiving", version_id=1, minimum_version_id=1, needed=this.bulk_receiving_started != 0)
class BulkReceiving(VMState):
    """Whether bulk packets are received ahead; sent where they are."""

    bulk_receiving_started: int = uint8()


@description("usb-redir-ep/stream-state", version_id=1, minimum_version_id=1, needed=this.max_streams != 0)
class StreamState(VMState):
    """Streams of the endpoint; sent where there are any."""

    max_streams: int = uint32()


@description("usb-redir-ep", version_id=1, minimum_version_id=1)
class Endpoint(VMState):
    """An endpoint: what it is, what runs on it, and the packets that wait."""

    type: int = uint8()
    interval: int = uint8()
    interface: int = uint8()
    max_packet_size: int = uint16()
    iso_started: int = uint8()
    iso_error: int = uint8()
    interrupt_started: int = uint8()
    interrupt_error: int = uint8()
    bufpq_prefilled: int = uint8()
    bufpq_dropping_packets: int = uint8()
    bufpq: Packets = info("usb-redir-bufpq", Packets)
    bufpq_target_size: int = int32()
    bulk_receiving: BulkReceiving | None = subsection(BulkReceiving)
    stream_state: StreamState | None = subsection(StreamState)


@description("usb-redir-device-info", version_id=1, minimum_version_id=1)
class DeviceInfo(VMState):
    """What the device is."""

    speed: int = uint8()
    device_class: int = uint8()
    device_subclass: int = uint8()
    device_protocol: int = uint8()
    vendor_id: int = uint16()
    product_id: int = uint16()
    device_version_bcd: int = uint16()


@description("usb-redir-interface-info", version_id=1, minimum_version_id=1)
class InterfaceInfo(VMState):
    """Its interfaces."""

    interface_count: int = uint32()
    interface: list[int] = array(uint8, 32)
    interface_class: list[int] = array(uint8, 32)
    interface_subclass: list[int] = array(uint8, 32)
    interface_protocol: list[int] = array(uint8, 32)


@device("usb-redir", models="vmstate.devices.misc.models:REDIR", noise={"timer": ("attach_timer",)})
@description("usb-redir", version_id=1, minimum_version_id=1)
class USBRedir(VMState):
    """The connection, the endpoints and the packets that are under way."""

    dev: USBDevice = struct(USBDevice)
    attach_timer: int = timer()
    parser: Parser = info("usb-redir-parser", Parser)
    endpoint: list[Endpoint] = array(Endpoint, 32, version=1)
    cancelled: PacketIdQueue = struct(PacketIdQueue, version=1)
    already_in_flight: PacketIdQueue = struct(PacketIdQueue, version=1)
    device_info: DeviceInfo = struct(DeviceInfo, version=1)
    interface_info: InterfaceInfo = struct(InterfaceInfo, version=1)
