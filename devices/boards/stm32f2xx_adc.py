"""The analogue-to-digital converter of ST's STM32F2.

Facts from QEMU's hw/adc/stm32f2xx_adc.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, uint32


@device("stm32f2xx-adc")
@description("stm32f2xx-adc", version_id=1, minimum_version_id=1)
class Stm32f2xxAdc(VMState):
    """Registers."""

    adc_sr: int = uint32()
    adc_cr1: int = uint32()
    adc_cr2: int = uint32()
    adc_smpr1: int = uint32()
    adc_smpr2: int = uint32()
    adc_jofr: list[int] = array(uint32, 4)
    adc_htr: int = uint32()
    adc_ltr: int = uint32()
    adc_sqr1: int = uint32()
    adc_sqr2: int = uint32()
    adc_sqr3: int = uint32()
    adc_jsqr: int = uint32()
    adc_jdr: list[int] = array(uint32, 4)
    adc_dr: int = uint32()
