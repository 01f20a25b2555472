"""What `40p` has besides: its memory controller and its system registers.

Facts from QEMU's hw/ppc/rs6000_mc.c and hw/ppc/prep_systemio.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, device, uint8


@device("rs6000-mc")
@description("rs6000-mc", version_id=1, minimum_version_id=1)
class RS6000MC(VMState):
    """The register of the memory controller that is chosen."""

    port0820_index: int = uint8()


@device("prep_systemio")
@description("prep_systemio", version_id=1, minimum_version_id=1)
class PrepSystemIO(VMState):
    """The system registers."""

    sreset: int = uint8()
    system_control: int = uint8()
    iomap_type: int = uint8()
