"""The controller of SD cards of Allwinner's SoCs.

Facts from QEMU's hw/sd/allwinner-sdhost.c.
"""

from __future__ import annotations

from vmstate.declare import CONTENTS, VMState, array, description, device, uint32, variant


@device("allwinner-sdhost")
@description("allwinner-sdhost", version_id=1, minimum_version_id=1)
class AllwinnerSdhost(VMState):
    """Registers, the card's answer, and where DMA stands."""

    global_ctl: int = uint32()
    clock_ctl: int = uint32()
    timeout: int = uint32()
    bus_width: int = uint32()
    block_size: int = uint32()
    byte_count: int = uint32()
    transfer_cnt: int = uint32()
    command: int = uint32()
    command_arg: int = uint32()
    response: list[int] = array(uint32, 4, private=CONTENTS)
    irq_mask: int = uint32()
    irq_status: int = uint32()
    status: int = uint32()
    fifo_wlevel: int = uint32()
    fifo_func_sel: int = uint32()
    debug_enable: int = uint32()
    auto12_arg: int = uint32()
    newtiming_set: int = uint32()
    newtiming_debug: int = uint32()
    hardware_rst: int = uint32()
    dmac: int = uint32()
    desc_base: int = uint32()
    dmac_status: int = uint32()
    dmac_irq: int = uint32()
    card_threshold: int = uint32()
    startbit_detect: int = uint32()
    response_crc: int = uint32()
    data_crc: list[int] = array(uint32, 8)
    status_crc: int = uint32()
    sample_delay: int = uint32()


ALLWINNER_SDHOST_7_2 = variant(AllwinnerSdhost, sample_delay=None)
"""Up to 7.2 at least."""
