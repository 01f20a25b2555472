"""The virtual network card of a `pseries` machine.

Facts from QEMU's hw/net/spapr_llan.c.
"""

from __future__ import annotations

from vmstate.declare import (
    VMState,
    array,
    array_of_pointer,
    boolean,
    description,
    device,
    int32,
    struct,
    subsection,
    uint32,
    uint64,
)
from vmstate.devices.ppc.vio import VIODevice


@description("spapr_llan/rx_buffer_pool", version_id=1, minimum_version_id=1)
class RxBufferPool(VMState):
    """Buffers of one size that the guest gave for what is received."""

    bufsize: int = int32()
    count: int = int32()
    bds: list[int] = array(uint64, 4096)


@description("spapr_llan/rx_pools", version_id=1, minimum_version_id=1)
class RxPools(VMState):
    """The buffers by their sizes; sent where the card uses them (`use-rx-buffer-pools`)."""

    rx_pool: list[RxBufferPool | None] = array_of_pointer(RxBufferPool, 5, version=1)


@device("spapr_llan")
@description("spapr_llan", version_id=1, minimum_version_id=1)
class LogicalLAN(VMState):
    """Whether the guest has opened it, and where in its memory the lists of buffers are."""

    sdev: VIODevice = struct(VIODevice)
    isopen: bool = boolean()
    buf_list: int = uint64()
    add_buf_ptr: int = uint32()
    use_buf_ptr: int = uint32()
    rx_bufs: int = uint32()
    rxq_ptr: int = uint64()
    rx_pools: RxPools | None = subsection(RxPools)
