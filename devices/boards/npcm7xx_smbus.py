"""The SMBus controller of Nuvoton's NPCM7xx.

Facts from QEMU's hw/i2c/npcm7xx_smbus.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, uint8


@device("npcm7xx-smbus")
@description("npcm7xx-smbus")
class Npcm7xxSmbus(VMState):
    """Registers, and the bytes received."""

    sda: int = uint8()
    st: int = uint8()
    cst: int = uint8()
    cst2: int = uint8()
    cst3: int = uint8()
    ctl1: int = uint8()
    ctl2: int = uint8()
    ctl3: int = uint8()
    ctl4: int = uint8()
    ctl5: int = uint8()
    addr: list[int] = array(uint8, 10)
    scllt: int = uint8()
    sclht: int = uint8()
    fif_ctl: int = uint8()
    fif_cts: int = uint8()
    fair_per: int = uint8()
    txf_ctl: int = uint8()
    t_out: int = uint8()
    txf_sts: int = uint8()
    rxf_sts: int = uint8()
    rxf_ctl: int = uint8()
    rx_fifo: list[int] = array(uint8, 16)
    rx_cur: int = uint8()
