"""The LSI SAS1068 controller.

Facts from QEMU's hw/scsi/mptsas.c.
"""

from __future__ import annotations

from vmstate.declare import (
    CONTENTS,
    VMState,
    array,
    boolean,
    description,
    device,
    int32,
    struct,
    uint8,
    uint16,
    uint32,
    uint64,
)
from vmstate.devices.pci.device import PCIDevice


@device("mptsas", models="vmstate.devices.scsi.models:MPTSAS")
@description("mptsas")
class MPTSAS(VMState):
    """Registers and queues."""

    dev: PCIDevice = struct(PCIDevice)
    msi_in_use: bool = boolean()
    state: int = uint32()
    who_init: int = uint8()
    doorbell_state: int = uint8()
    doorbell_msg: list[int] = array(uint32, 256, private=CONTENTS)
    doorbell_idx: int = int32()
    doorbell_cnt: int = int32()
    doorbell_reply: list[int] = array(uint16, 256, private=CONTENTS)
    doorbell_reply_idx: int = int32()
    doorbell_reply_size: int = int32()
    diagnostic: int = uint32()
    diagnostic_idx: int = uint8()
    intr_status: int = uint32()
    intr_mask: int = uint32()
    request_post: list[int] = array(uint32, 129)
    request_post_head: int = uint16()
    request_post_tail: int = uint16()
    reply_post: list[int] = array(uint32, 129)
    reply_post_head: int = uint16()
    reply_post_tail: int = uint16()
    reply_free: list[int] = array(uint32, 129)
    reply_free_head: int = uint16()
    reply_free_tail: int = uint16()
    max_buses: int = uint16()
    max_devices: int = uint16()
    reply_frame_size: int = uint16()
    host_mfa_high_addr: int = uint64()
    sense_buffer_high_addr: int = uint64()
