"""The real-time clock of Aspeed's SoCs.

Facts from QEMU's hw/rtc/aspeed_rtc.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, host, int32, int64, uint32, variant


@device("aspeed.rtc")
@description("aspeed.rtc", version_id=2)
class AspeedRtc(VMState):
    """Registers, and the time as an offset from the host's."""

    reg: list[int] = array(uint32, 24)
    offset: int = int64()
    offset_2: int | None = host()


ASPEED_RTC_7_2 = variant(AspeedRtc, None, 1, offset=int32(), offset_2=int32(name="offset"))
"""Up to 7.2 at least."""
