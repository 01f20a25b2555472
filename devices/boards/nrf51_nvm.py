"""The flash memory of Nordic's nRF51.

Facts from QEMU's hw/nvram/nrf51_nvm.c.
"""

from __future__ import annotations

from vmstate.declare import CONTENTS, VMState, array, description, device, uint32


@device("nrf51_soc.nvm")
@description("nrf51_soc.nvm", version_id=1, minimum_version_id=1)
class Nrf51SocNvm(VMState):
    """Non-volatile memory of Nordic's nRF51."""

    uicr_content: list[int] = array(uint32, 64, private=CONTENTS)
    config: int = uint32()
