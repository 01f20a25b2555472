"""The 16550A serial port, as the ISA, PCI and memory-mapped ports carry it.

Facts from QEMU's hw/char/serial.c, serial-isa.c and serial-mm.c.
"""

from __future__ import annotations

from vmstate.declare import (
    CONTENTS,
    VMState,
    asks,
    description,
    device,
    int32,
    otherwise,
    rule,
    struct,
    subsection,
    this,
    timer,
    uint8,
    uint16,
    uint32,
)
from vmstate.devices.core.fifo8 import Fifo8


@description("serial/thr_ipending", version_id=1, minimum_version_id=1)
class ThrIpending(VMState):
    """Whether the transmitter's interrupt is pending; sent where the other registers do not say so."""

    thr_ipending: int = int32()


@description("serial/tsr", version_id=1, minimum_version_id=1, needed=this.tsr_retry != 0)
class Tsr(VMState):
    """The byte in the transmitter; sent where it must be tried again."""

    tsr_retry: int = uint32()
    thr: int = uint8(private=CONTENTS)
    tsr: int = uint8(private=CONTENTS)


@description("serial/recv_fifo", version_id=1, minimum_version_id=1, needed=this.recv_fifo.num != 0)
class RecvFifo(VMState):
    """Bytes received; sent where there are any."""

    recv_fifo: Fifo8 = struct(Fifo8, version=1)


@description("serial/xmit_fifo", version_id=1, minimum_version_id=1, needed=this.xmit_fifo.num != 0)
class XmitFifo(VMState):
    """Bytes to transmit; sent where there are any."""

    xmit_fifo: Fifo8 = struct(Fifo8, version=1)


@description("serial/fifo_timeout_timer", version_id=1, minimum_version_id=1, needed=this.fifo_timeout_timer != -1)
class FifoTimeoutTimer(VMState):
    """The receiver's time-out; sent while it runs."""

    fifo_timeout_timer: int = timer()


@description("serial/timeout_ipending", version_id=1, minimum_version_id=1, needed=this.timeout_ipending != 0)
class TimeoutIpending(VMState):
    """Whether the time-out's interrupt is pending; sent where it is."""

    timeout_ipending: int = int32()


@description("serial/poll", version_id=1, minimum_version_id=1, needed=this.poll_msl >= 0)
class Poll(VMState):
    """Polling of the modem status; sent where there is any."""

    poll_msl: int = int32()
    modem_status_poll: int = timer()


TEMT = 6
"""The bit of the line status register that says that the transmitter is empty."""


def _transmits(lsr: int, tsr: Tsr | None) -> bool:
    return bool(lsr >> TEMT & 1) == (tsr is None or not 0 < tsr.tsr_retry < 1 << 31)


@description(
    "serial",
    version_id=3,
    minimum_version_id=2,
    rules=(
        rule(
            "serial-transmitter",
            asks(_transmits, this.lsr, otherwise(this.tsr, None)),
            "the transmitter is empty (LSR.TEMT), or what it holds is to be tried again (tsr_retry)",
        ),
    ),
)
class Serial(VMState):
    """Registers of the port."""

    divider: int = uint16(version=2)
    rbr: int = uint8(private=CONTENTS)
    ier: int = uint8()
    iir: int = uint8()
    lcr: int = uint8()
    mcr: int = uint8()
    lsr: int = uint8()
    msr: int = uint8()
    scr: int = uint8()
    fcr_vmstate: int = uint8(version=3)
    thr_ipending: ThrIpending | None = subsection(ThrIpending)
    tsr: Tsr | None = subsection(Tsr)
    recv_fifo: RecvFifo | None = subsection(RecvFifo)
    xmit_fifo: XmitFifo | None = subsection(XmitFifo)
    fifo_timeout_timer: FifoTimeoutTimer | None = subsection(FifoTimeoutTimer)
    timeout_ipending: TimeoutIpending | None = subsection(TimeoutIpending)
    poll: Poll | None = subsection(Poll)


@device("serial", legacy_instances=(0x3F8, 0x2F8, 0x3E8, 0x2E8))
@description("serial", version_id=3, minimum_version_id=2)
class ISASerial(VMState):
    """The port on the ISA bus."""

    state: Serial = struct(Serial)


@device("serial")
@description("serial", version_id=3, minimum_version_id=2)
class MMSerial(VMState):
    """The memory-mapped port, which has the idstr of the ISA one."""

    serial: Serial = struct(Serial)
