"""A periodic timer of NXP's i.MX (EPIT).

Facts from QEMU's hw/timer/imx_epit.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, device, host, struct, uint32, variant
from vmstate.devices.core.ptimer import Ptimer


@device("imx.epit", noise={"timer": ("cnt",)})
@description("imx.epit", version_id=3, minimum_version_id=3)
class ImxEpit(VMState):
    """Registers, the frequency in Hz, and the two timers."""

    cr: int = uint32()
    sr: int = uint32()
    lr: int = uint32()
    cmp: int = uint32()
    cnt: int | None = host()
    freq: int | None = host()
    timer_reload: Ptimer = struct(Ptimer, version=1)
    timer_cmp: Ptimer = struct(Ptimer, version=1)


IMX_EPIT_7_2 = variant(ImxEpit, None, 2, cnt=uint32(), freq=uint32())
"""Up to 7.2 at least."""
