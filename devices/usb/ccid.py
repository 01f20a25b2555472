"""The USB smart-card reader.

Facts from QEMU's hw/usb/dev-smartcard-reader.c.
"""

from __future__ import annotations

from vmstate.declare import (
    Expr,
    Release,
    Rule,
    VMState,
    array,
    asks,
    buffer,
    description,
    device,
    struct,
    this,
    uint8,
    uint32,
    uint64,
    unused,
)

OUT, IN = 65536, 384
"""Bytes that are kept of what the guest sends, and of each message for it."""

MESSAGES, ANSWERS = 8, 128
"""Messages for the guest, and answers that are awaited, at most."""


def checked(name: str, holds: Expr, text: str) -> Rule:
    """What QEMU looks at from 11.1 on (ccid_post_load); releases before take anything."""
    return Rule(f"ccid-{name}", holds, text, since=Release(11, 1), qemu_error="post load hook failed for: usb-ccid")


def is_within(end: int, start: int) -> bool:
    """Whether a ring of messages, of which both ends only grow, holds no more than there can be."""
    return (end - start) % (1 << 32) <= MESSAGES


@description(
    "CCID BulkIn state",
    version_id=1,
    minimum_version_id=1,
    rules=(
        checked(
            "message",
            (this.pos <= this.len) & (this.len <= IN),
            f"a message for the guest has at most {IN} bytes, and was read as far as it goes",
        ),
    ),
)
class BulkIn(VMState):
    """Data for the guest."""

    data: bytes = buffer(IN)
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
@description(
    "usb-ccid",
    version_id=1,
    minimum_version_id=1,
    rules=(
        checked("out", this.bulk_out_pos <= OUT, f"what the guest sends has at most {OUT} bytes"),
        checked(
            "messages",
            asks(is_within, this.bulk_in_pending_end, this.bulk_in_pending_start),
            f"there are at most {MESSAGES} messages for the guest",
        ),
        checked("answers", this.pending_answers_num <= ANSWERS, f"at most {ANSWERS} answers are awaited"),
    ),
)
class CCID(VMState):
    """The reader and what waits in it."""

    dev: CCIDUSBDevice = struct(CCIDUSBDevice, version=1)
    debug: int = uint8()
    bulk_out_data: bytes = buffer(OUT)
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
    bulk_in_pending: list[BulkIn] = array(BulkIn, MESSAGES, version=1)
    bulk_in_pending_start: int = uint32()
    bulk_in_pending_end: int = uint32()
    pending_answers: list[Answer] = array(Answer, ANSWERS, version=1)
    pending_answers_num: int = uint32()
    unused_0: None = unused(1)
    state_vmstate: int = uint32()
