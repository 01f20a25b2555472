"""What every device on an SPI bus begins with.

Facts from QEMU's hw/ssi/ssi.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, boolean, description


@description("SSISlave", version_id=1, minimum_version_id=1)
class SSIPeripheral(VMState):
    """Whether the device is selected on its bus."""

    cs: bool = boolean()
