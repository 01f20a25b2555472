"""A serial port of NXP's i.MX.

Facts from QEMU's hw/char/imx_serial.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, device, host, int32, struct, timer, uint32, variant
from vmstate.devices.core.fifo8 import Fifo8


@device("imx.serial", noise={"timer": ("ageing_timer",)})
@description("imx.serial", version_id=4, minimum_version_id=4)
class ImxSerial(VMState):
    """The bytes received, the timer of their age, and registers."""

    readbuff: int | None = host()
    rx_fifo_fifo: Fifo8 = struct(Fifo8, name="rx_fifo.fifo")
    ageing_timer: int = timer()
    usr1: int = uint32()
    usr2: int = uint32()
    ucr1: int = uint32()
    ucr2: int | None = uint32()
    uts1: int = uint32()
    onems: int = uint32()
    ufcr: int = uint32()
    ubmr: int = uint32()
    ubrc: int = uint32()
    ucr3: int = uint32()
    ucr4: int = uint32()


IMX_SERIAL_10_2 = variant(ImxSerial, None, 3, ucr2=None)
"""Up to 10.2 at least."""

IMX_SERIAL_7_2 = variant(IMX_SERIAL_10_2, None, 2, readbuff=int32(), rx_fifo_fifo=None, ageing_timer=None)
"""Up to 7.2 at least."""
