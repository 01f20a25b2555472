"""The general-purpose lines of SiFive's SoCs.

Facts from QEMU's hw/gpio/sifive_gpio.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, device, uint32


@device("sifive_soc.gpio")
@description("sifive_soc.gpio", version_id=1, minimum_version_id=1)
class SifiveSocGpio(VMState):
    """General-purpose lines of SiFive's SoCs."""

    value: int = uint32()
    input_en: int = uint32()
    output_en: int = uint32()
    port: int = uint32()
    pue: int = uint32()
    rise_ie: int = uint32()
    rise_ip: int = uint32()
    fall_ie: int = uint32()
    fall_ip: int = uint32()
    high_ie: int = uint32()
    high_ip: int = uint32()
    low_ie: int = uint32()
    low_ip: int = uint32()
    iof_en: int = uint32()
    iof_sel: int = uint32()
    out_xor: int = uint32()
    in_: int = uint32(name="in")
    in_mask: int = uint32()
