"""The board registers of Intel's Mainstone.

Facts from QEMU's hw/misc/mst_fpga.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, device, uint32


@device("mainstone_fpga")
@description("mainstone_fpga")
class MainstoneFpga(VMState):
    """Lights, cards and interrupts."""

    prev_level: int = uint32()
    leddat1: int = uint32()
    leddat2: int = uint32()
    ledctrl: int = uint32()
    gpswr: int = uint32()
    mscwr1: int = uint32()
    mscwr2: int = uint32()
    mscwr3: int = uint32()
    mscrd: int = uint32()
    intmskena: int = uint32()
    intsetclr: int = uint32()
    pcmcia0: int = uint32()
    pcmcia1: int = uint32()
