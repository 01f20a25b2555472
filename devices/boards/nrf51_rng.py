"""The random numbers of Nordic's nRF51.

Facts from QEMU's hw/misc/nrf51_rng.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, device, uint32


@device("nrf51_soc.rng")
@description("nrf51_soc.rng", version_id=1, minimum_version_id=1)
class Nrf51SocRng(VMState):
    """Events, interrupts, and whether it runs."""

    active: int = uint32()
    event_valrdy: int = uint32()
    shortcut_stop_on_valrdy: int = uint32()
    interrupt_enabled: int = uint32()
    filter_enabled: int = uint32()
