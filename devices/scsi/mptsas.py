"""The LSI SAS1068 controller.

Facts from QEMU's hw/scsi/mptsas.c.
"""

from __future__ import annotations

from vmstate.declare import (
    CONTENTS,
    Expr,
    VMState,
    array,
    boolean,
    description,
    device,
    int32,
    rule,
    struct,
    this,
    uint8,
    uint16,
    uint32,
    uint64,
)
from vmstate.devices.pci.device import PCIDevice

MESSAGE_WORDS = 256
"""Words that the doorbell takes for a message, and half-words that it has for a reply."""
QUEUE_ENTRIES = 129
"""Entries of each queue; QEMU lets an index be one beyond the last."""


def _within_queue(attribute: str) -> Expr:
    """Both ends of a queue lie in it."""
    return (this[f"{attribute}_head"] <= QUEUE_ENTRIES) & (this[f"{attribute}_tail"] <= QUEUE_ENTRIES)


@device("mptsas", models="vmstate.devices.scsi.models:MPTSAS")
@description(
    "mptsas",
    rules=(
        rule(
            "mptsas-doorbell",
            (this.doorbell_idx <= this.doorbell_cnt)
            & (this.doorbell_cnt >= 0)
            & (this.doorbell_cnt <= MESSAGE_WORDS)
            & (this.doorbell_reply_idx <= this.doorbell_reply_size)
            & (this.doorbell_reply_size >= 0)
            & (this.doorbell_reply_size <= MESSAGE_WORDS),
            f"no more of a message has come, and of a reply is read, than it has words, at most {MESSAGE_WORDS}",
        ),
        rule(
            "mptsas-queues",
            _within_queue("request_post") & _within_queue("reply_post") & _within_queue("reply_free"),
            f"head and tail of a queue are at most {QUEUE_ENTRIES}",
        ),
        rule("mptsas-diagnostic", this.diagnostic_idx <= 4, "of the key of the diagnostics at most 4 words are there"),
    ),
)
class MPTSAS(VMState):
    """Registers and queues."""

    dev: PCIDevice = struct(PCIDevice)
    msi_in_use: bool = boolean()
    state: int = uint32()
    who_init: int = uint8()
    doorbell_state: int = uint8()
    doorbell_msg: list[int] = array(uint32, MESSAGE_WORDS, private=CONTENTS)
    doorbell_idx: int = int32()
    doorbell_cnt: int = int32()
    doorbell_reply: list[int] = array(uint16, MESSAGE_WORDS, private=CONTENTS)
    doorbell_reply_idx: int = int32()
    doorbell_reply_size: int = int32()
    diagnostic: int = uint32()
    diagnostic_idx: int = uint8()
    intr_status: int = uint32()
    intr_mask: int = uint32()
    request_post: list[int] = array(uint32, QUEUE_ENTRIES)
    request_post_head: int = uint16()
    request_post_tail: int = uint16()
    reply_post: list[int] = array(uint32, QUEUE_ENTRIES)
    reply_post_head: int = uint16()
    reply_post_tail: int = uint16()
    reply_free: list[int] = array(uint32, QUEUE_ENTRIES)
    reply_free_head: int = uint16()
    reply_free_tail: int = uint16()
    max_buses: int = uint16()
    max_devices: int = uint16()
    reply_frame_size: int = uint16()
    host_mfa_high_addr: int = uint64()
    sense_buffer_high_addr: int = uint64()
