"""TI's Stellaris: converter, I2C controller and system control.

Facts from QEMU's hw/arm/stellaris.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, uint32


@device("stellaris_adc")
@description("stellaris_adc", version_id=1, minimum_version_id=1)
class StellarisAdc(VMState):
    """The analogue-to-digital converter: four queues of samples."""

    actss: int = uint32()
    ris: int = uint32()
    im: int = uint32()
    emux: int = uint32()
    ostat: int = uint32()
    ustat: int = uint32()
    sspri: int = uint32()
    sac: int = uint32()
    fifo_0_state: int = uint32(name="fifo[0].state")
    fifo_0_data: list[int] = array(uint32, 16, name="fifo[0].data")
    ssmux_0: int = uint32(name="ssmux[0]")
    ssctl_0: int = uint32(name="ssctl[0]")
    fifo_1_state: int = uint32(name="fifo[1].state")
    fifo_1_data: list[int] = array(uint32, 16, name="fifo[1].data")
    ssmux_1: int = uint32(name="ssmux[1]")
    ssctl_1: int = uint32(name="ssctl[1]")
    fifo_2_state: int = uint32(name="fifo[2].state")
    fifo_2_data: list[int] = array(uint32, 16, name="fifo[2].data")
    ssmux_2: int = uint32(name="ssmux[2]")
    ssctl_2: int = uint32(name="ssctl[2]")
    fifo_3_state: int = uint32(name="fifo[3].state")
    fifo_3_data: list[int] = array(uint32, 16, name="fifo[3].data")
    ssmux_3: int = uint32(name="ssmux[3]")
    ssctl_3: int = uint32(name="ssctl[3]")
    noise: int = uint32()


@device("stellaris_i2c")
@description("stellaris_i2c", version_id=1, minimum_version_id=1)
class StellarisI2c(VMState):
    """The I2C controller."""

    msa: int = uint32()
    mcs: int = uint32()
    mdr: int = uint32()
    mtpr: int = uint32()
    mimr: int = uint32()
    mris: int = uint32()
    mcr: int = uint32()


@device("stellaris_sys")
@description("stellaris_sys", version_id=2, minimum_version_id=1)
class StellarisSys(VMState):
    """The system control: clocks and resets."""

    pborctl: int = uint32()
    ldopctl: int = uint32()
    int_mask: int = uint32()
    int_status: int = uint32()
    resc: int = uint32()
    rcc: int = uint32()
    rcc2: int = uint32(version=2)
    rcgc: list[int] = array(uint32, 3)
    scgc: list[int] = array(uint32, 3)
    dcgc: list[int] = array(uint32, 3)
    clkvclr: int = uint32()
    ldoarst: int = uint32()
