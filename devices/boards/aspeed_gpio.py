"""The general-purpose lines of Aspeed's SoCs.

Facts from QEMU's hw/gpio/aspeed_gpio.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, uint32


@description("aspeed.gpio/regs", version_id=1, minimum_version_id=1)
class AspeedGpioRegs(VMState):
    """A set of lines: values, directions, interrupts."""

    data_value: int = uint32()
    data_read: int = uint32()
    direction: int = uint32()
    int_enable: int = uint32()
    int_sens_0: int = uint32()
    int_sens_1: int = uint32()
    int_sens_2: int = uint32()
    int_status: int = uint32()
    reset_tol: int = uint32()
    cmd_source_0: int = uint32()
    cmd_source_1: int = uint32()
    debounce_1: int = uint32()
    debounce_2: int = uint32()
    input_mask: int = uint32()


@device("aspeed.gpio")
@description("aspeed.gpio", version_id=1, minimum_version_id=1)
class AspeedGpio(VMState):
    """General-purpose lines of Aspeed's SoCs."""

    sets: list[AspeedGpioRegs] = array(AspeedGpioRegs, 8, version=1)
    debounce_regs: list[int] = array(uint32, 3)
