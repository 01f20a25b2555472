"""The global control of Analog Devices' MAX78000: clocks and resets.

Facts from QEMU's hw/misc/max78000_gcr.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, device, uint32


@device("max78000-gcr")
@description("max78000-gcr", version_id=1, minimum_version_id=1)
class Max78000Gcr(VMState):
    """Registers."""

    sysctrl: int = uint32()
    rst0: int = uint32()
    clkctrl: int = uint32()
    pm: int = uint32()
    pclkdiv: int = uint32()
    pclkdis0: int = uint32()
    memctrl: int = uint32()
    memz: int = uint32()
    sysst: int = uint32()
    rst1: int = uint32()
    pckdis1: int = uint32()
    eventen: int = uint32()
    revision: int = uint32()
    sysie: int = uint32()
    eccerr: int = uint32()
    ecced: int = uint32()
    eccie: int = uint32()
    eccaddr: int = uint32()
