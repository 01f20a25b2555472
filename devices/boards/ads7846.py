"""An input device: ads7846.

Facts from QEMU's hw/input/ads7846.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, boolean, description, device, int32, struct


@description("SSISlave", version_id=1, minimum_version_id=1)
class SSISlave(VMState):
    """The `SSISlave`."""

    cs: bool = boolean()


@device("ads7846")
@description("ads7846", version_id=1, minimum_version_id=1)
class Ads7846(VMState):
    """An input device."""

    ssidev: SSISlave = struct(SSISlave)
    input: list[int] = array(int32, 8)
    noise: int = int32()
    cycle: int = int32()
    output: int = int32()
