"""The fans of Aspeed's SoCs: pulse width modulation and tachometers.

Facts from the streams and the descriptions of QEMU 11.1.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, uint32


@device("aspeed.pwm")
@description("aspeed.pwm", version_id=1, minimum_version_id=1)
class AspeedPwm(VMState):
    """Registers of the fans."""

    regs: list[int] = array(uint32, 67)
