"""Devices of Analog Devices' MAX78000.

Above each part stands the file of QEMU's that its facts are from.
"""

from __future__ import annotations

from vmstate.declare import CONTENTS, VMState, array, description, device, int32, struct, uint8, uint32
from vmstate.devices.core.fifo8 import Fifo8

# The AES engine of Analog Devices' MAX78000 (hw/misc/max78000_aes.c).


@device("max78000-aes")
@description("max78000-aes", version_id=1, minimum_version_id=1)
class Max78000Aes(VMState):
    """Registers, the data, and the key as it is and as it was expanded."""

    ctrl: int = uint32()
    status: int = uint32()
    intfl: int = uint32()
    inten: int = uint32()
    data: list[int] = array(uint8, 16)
    key: list[int] = array(uint8, 32)
    result: list[int] = array(uint8, 16)
    internal_key_rd_key: list[int] = array(uint32, 60, name="internal_key.rd_key", private=CONTENTS)
    internal_key_rounds: int = int32(name="internal_key.rounds")


# The global control of Analog Devices' MAX78000: clocks and resets (hw/misc/max78000_gcr.c).


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


# The instruction cache of Analog Devices' MAX78000 (hw/misc/max78000_icc.c).


@device("max78000-icc")
@description("max78000-icc", version_id=1, minimum_version_id=1)
class Max78000Icc(VMState):
    """Registers."""

    info_: int = uint32(name="info")
    sz: int = uint32()
    ctrl: int = uint32()


# The random numbers of Analog Devices' MAX78000 (hw/misc/max78000_trng.c).


@device("max78000-trng")
@description("max78000-trng", version_id=1, minimum_version_id=1)
class Max78000Trng(VMState):
    """Registers."""

    ctrl: int = uint32()
    status: int = uint32()
    data: int = uint32(private=CONTENTS)


# The serial port of Analog Devices' MAX78000 (hw/char/max78000_uart.c).


@device("max78000-uart")
@description("max78000-uart", version_id=1, minimum_version_id=1)
class Max78000Uart(VMState):
    """Registers, and the bytes received."""

    ctrl: int = uint32()
    status: int = uint32()
    int_en: int = uint32()
    int_fl: int = uint32()
    clkdiv: int = uint32()
    osr: int = uint32()
    txpeek: int = uint32()
    pnr: int = uint32()
    fifo: int = uint32()
    dma: int = uint32()
    wken: int = uint32()
    wkfl: int = uint32()
    rx_fifo: Fifo8 = struct(Fifo8)
