"""Arm's DMA controllers PL080 and PL081.

Facts from QEMU's hw/dma/pl080.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, int32, uint8, uint32


@description("pl080_channel", version_id=1, minimum_version_id=1)
class Pl080Channel(VMState):
    """A channel: where it reads and writes, and the next item of its list."""

    src: int = uint32()
    dest: int = uint32()
    lli: int = uint32()
    ctrl: int = uint32()
    conf: int = uint32()


@device("pl080")
@description("pl080", version_id=1, minimum_version_id=1)
class Pl080(VMState):
    """Interrupts, requests, and the channels."""

    tc_int: int = uint8()
    tc_mask: int = uint8()
    err_int: int = uint8()
    err_mask: int = uint8()
    conf: int = uint32()
    sync: int = uint32()
    req_single: int = uint32()
    req_burst: int = uint32()
    tc_int_2: int = uint8(name="tc_int")
    tc_int_3: int = uint8(name="tc_int")
    tc_int_4: int = uint8(name="tc_int")
    chan: list[Pl080Channel] = array(Pl080Channel, 8, version=1)
    running: int = int32()
