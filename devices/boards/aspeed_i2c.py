"""The I2C buses of Aspeed's SoCs.

Facts from QEMU's hw/i2c/aspeed_i2c.c and include/hw/i2c/aspeed_i2c.h. How many registers a bus has grew from release to
release, in 10.0 with a stable update as well; which of them it is the length tells.
"""

from __future__ import annotations

from vmstate.declare import (
    CONTENTS,
    VMState,
    array,
    description,
    device,
    host,
    uint8,
    uint32,
    uint64,
    variant,
)


@description("aspeed.i2c", version_id=8, minimum_version_id=8)
class AspeedI2CBus(VMState):
    """A bus: its registers, what its buffer holds, and where DMA stands in memory."""

    regs: list[int] | None = array(uint32, 40)
    pending_intr_sts: int | None = uint32()
    pool: list[int] | None = array(uint8, 64, private=CONTENTS)
    dma_dram_offset: int | None = uint64()
    id: int | None = host()
    ctrl: int | None = host()
    timing: list[int] | None = host()
    intr_ctrl: int | None = host()
    intr_status: int | None = host()
    cmd: int | None = host()
    buf: int | None = host()
    pool_ctrl: int | None = host()
    dma_addr: int | None = host()
    dma_len: int | None = host()


@device("aspeed.i2c")
@description("aspeed.i2c", version_id=4, minimum_version_id=4)
class AspeedI2C(VMState):
    """The buses, and the buffer that the older controllers share among them."""

    intr_status: int = uint32()
    busses: list[AspeedI2CBus] = array(AspeedI2CBus, 16, version=1)
    share_pool: list[int] = array(uint8, 2048, private=CONTENTS)


BUS_10_0_STABLE = variant(
    AspeedI2CBus, None, 6, regs=array(uint32, 32), pending_intr_sts=None, pool=array(uint8, 32, private=CONTENTS)
)
ASPEED_I2C_10_0_STABLE = variant(AspeedI2C, None, 3, busses=array(BUS_10_0_STABLE, 16, version=1))
"""Of 10.0 with its stable updates."""

BUS_10_2 = variant(
    AspeedI2CBus, None, 6, regs=array(uint32, 28), pending_intr_sts=None, pool=array(uint8, 32, private=CONTENTS)
)
ASPEED_I2C_10_2 = variant(AspeedI2C, None, 3, busses=array(BUS_10_2, 16, version=1))
"""From 9.2 to 10.2."""

BUS_7_2 = variant(AspeedI2CBus, None, 5, regs=array(uint32, 22), pending_intr_sts=None, pool=None, dma_dram_offset=None)
ASPEED_I2C_7_2 = variant(
    AspeedI2C,
    None,
    2,
    busses=array(BUS_7_2, 16, version=1),
    share_pool=array(uint8, 2048, name="pool", private=CONTENTS),
)
"""Of 7.2: the buses have no buffer of their own."""

BUS_5_2 = variant(
    AspeedI2CBus,
    None,
    3,
    regs=None,
    pending_intr_sts=None,
    pool=None,
    dma_dram_offset=None,
    id=uint8(),
    ctrl=uint32(),
    timing=array(uint32, 2),
    intr_ctrl=uint32(),
    intr_status=uint32(),
    cmd=uint32(),
    buf=uint32(),
    pool_ctrl=uint32(),
    dma_addr=uint32(),
    dma_len=uint32(),
)
ASPEED_I2C_5_2 = variant(
    AspeedI2C,
    None,
    2,
    busses=array(BUS_5_2, 16, version=1),
    share_pool=array(uint8, 2048, name="pool", private=CONTENTS),
)
"""Of 5.2: each register of a bus is a field."""
