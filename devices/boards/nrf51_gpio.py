"""The general-purpose lines of Nordic's nRF51.

Facts from QEMU's hw/gpio/nrf51_gpio.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, uint32


@device("nrf51_soc.gpio")
@description("nrf51_soc.gpio", version_id=1, minimum_version_id=1)
class Nrf51SocGpio(VMState):
    """General-purpose lines of Nordic's nRF51."""

    out: int = uint32()
    in_: int = uint32(name="in")
    in_mask: int = uint32()
    dir: int = uint32()
    cnf: list[int] = array(uint32, 32)
    old_out: int = uint32()
    old_out_connected: int = uint32()
