"""The bus of Hyper-V's devices.

Facts from QEMU's hw/hyperv/vmbus.c.
"""

from __future__ import annotations

from vmstate.declare import (
    CONTENTS,
    VMState,
    array,
    description,
    device,
    qtailq,
    struct,
    subsection,
    this,
    uint8,
    uint32,
    uint64,
    varray,
)


@description("vmbus/gpadl")
class Gpadl(VMState):
    """A list of the guest's pages that a channel uses."""

    id: int = uint32()
    child_relid: int = uint32()
    num_gfns: int = uint32()
    seen_gfns: int = uint32()
    gfns: list[int] = varray(uint64, count=this.num_gfns)
    state: int = uint8()


@description("vmbus/hyperv_post_message_input")
class PostMessage(VMState):
    """A message of the guest's."""

    payload_size: int = uint32()
    payload: list[int] = array(uint8, 240, private=CONTENTS)


@description("vmbus/rx_queue")
class RxQueue(VMState):
    """Messages that wait; sent where there are any."""

    rx_queue_head: int = uint8()
    rx_queue_size: int = uint8()
    rx_queue: list[PostMessage] = array(PostMessage, 16)


@description("vmbus")
class VMBus(VMState):
    """Where the negotiation stands, and the lists of pages."""

    state: int = uint8()
    version: int = uint32()
    target_vp: int = uint32()
    int_page_gpa: int = uint64()
    gpadl_list: list[Gpadl] = qtailq(Gpadl)
    rx_queue: RxQueue | None = subsection(RxQueue)


@device("vmbus-bridge")
@description("vmbus-bridge")
class VMBusBridge(VMState):
    """The bus."""

    bus: VMBus = struct(VMBus)
