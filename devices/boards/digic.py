"""Devices of Canon's DIGIC.

Above each part stands the file of QEMU's that its facts are from.
"""

from __future__ import annotations

from vmstate.declare import CONTENTS, VMState, description, device, struct, uint32
from vmstate.devices.core.ptimer import Ptimer

# A timer of Canon's DIGIC (hw/timer/digic-timer.c).


@device("digic.timer")
@description("digic.timer", version_id=1, minimum_version_id=1)
class DigicTimer(VMState):
    """The timer, its control and the value that it is loaded with."""

    ptimer: Ptimer = struct(Ptimer, version=1)
    control: int = uint32()
    relvalue: int = uint32()


# The serial port of Canon's DIGIC (hw/char/digic-uart.c).


@device("digic-uart")
@description("digic-uart", version_id=1, minimum_version_id=1)
class DigicUart(VMState):
    """The byte received, and the status."""

    reg_rx: int = uint32(private=CONTENTS)
    reg_st: int = uint32()
