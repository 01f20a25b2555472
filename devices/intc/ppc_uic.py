"""The interrupt controller of 4xx processors.

Facts from QEMU's hw/intc/ppc-uic.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, device, uint32


@device("ppc-uic")
@description("ppc-uic", version_id=1, minimum_version_id=1)
class UIC(VMState):
    """Its registers."""

    level: int = uint32()
    uicsr: int = uint32()
    uicer: int = uint32()
    uiccr: int = uint32()
    uicpr: int = uint32()
    uictr: int = uint32()
    uicvcr: int = uint32()
    uicvr: int = uint32()
