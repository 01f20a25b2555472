"""The USB smart-card reader.

Facts from QEMU's hw/usb/dev-smartcard-reader.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, buffer, description, device, struct, uint8, uint32, uint64, unused


@description("CCID BulkIn state", version_id=1, minimum_version_id=1)
class BulkIn(VMState):
    """Data for the guest."""

    data: bytes = buffer(384)
    len: int = uint32()
    pos: int = uint32()


@description("CCID Answer state", version_id=1, minimum_version_id=1)
class Answer(VMState):
    """An answer that is awaited from the card."""

    slot: int = uint8()
    seq: int = uint8()


@description("usb_device", version_id=1, minimum_version_id=1)
class CCIDUSBDevice(VMState):
    """Address and control transfer, in a form of this device's own."""

    addr: int = uint8()
    setup_buf: bytes = buffer(8)
    data_buf: bytes = buffer(4096)


@device("usb-ccid", models="vmstate.devices.usb.models:CCID")
@description("usb-ccid", version_id=1, minimum_version_id=1)
class CCID(VMState):
    """The reader and what waits in it."""

    dev: CCIDUSBDevice = struct(CCIDUSBDevice, version=1)
    debug: int = uint8()
    bulk_out_data: bytes = buffer(65536)
    bulk_out_pos: int = uint32()
    bmSlotICCState: int = uint8()
    powered: int = uint8()
    notify_slot_change: int = uint8()
    last_answer_error: int = uint64()
    bError: int = uint8()
    bmCommandStatus: int = uint8()
    bProtocolNum: int = uint8()
    abProtocolDataStructure_data: bytes = buffer(7, name="abProtocolDataStructure.data")
    ulProtocolDataStructureSize: int = uint32()
    bulk_in_pending: list[BulkIn] = array(BulkIn, 8, version=1)
    bulk_in_pending_start: int = uint32()
    bulk_in_pending_end: int = uint32()
    pending_answers: list[Answer] = array(Answer, 128, version=1)
    pending_answers_num: int = uint32()
    unused_0: None = unused(1)
    state_vmstate: int = uint32()
