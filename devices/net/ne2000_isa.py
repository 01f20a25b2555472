"""The NE2000 on the ISA bus.

Facts from QEMU's hw/net/ne2000-isa.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, device, struct
from vmstate.devices.net.ne2000 import NE2000


@device("ne2000", models="vmstate.devices.net.models:NE2000_ISA", order=1)
@description("ne2000", version_id=2)
class ISANE2000(VMState):
    """The card."""

    ne2000: NE2000 = struct(NE2000)
