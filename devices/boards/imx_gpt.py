"""The general-purpose timer of NXP's i.MX (GPT).

Facts from QEMU's hw/timer/imx_gpt.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, device, struct, uint32
from vmstate.devices.core.ptimer import Ptimer


@device(
    "imx25.gpt",
    noise={
        "timer": (
            "cnt",
            "next_timeout",
        )
    },
)
@description("imx25.gpt", version_id=3, minimum_version_id=3)
class Imx25Gpt(VMState):
    """Registers, the next event, the frequency in Hz, and the timer."""

    cr: int = uint32()
    pr: int = uint32()
    sr: int = uint32()
    ir: int = uint32()
    ocr1: int = uint32()
    ocr2: int = uint32()
    ocr3: int = uint32()
    icr1: int = uint32()
    icr2: int = uint32()
    cnt: int = uint32()
    next_timeout: int = uint32()
    next_int: int = uint32()
    freq: int = uint32()
    timer_: Ptimer = struct(Ptimer, name="timer", version=1)
