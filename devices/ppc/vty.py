"""The virtual terminal of a `pseries` machine.

Facts from QEMU's hw/char/spapr_vty.c.
"""

from __future__ import annotations

from vmstate.declare import CONTENTS, VMState, buffer, description, device, struct, uint32
from vmstate.devices.ppc.vio import VIODevice


@device("spapr_vty")
@description("spapr_vty", version_id=1, minimum_version_id=1)
class VirtualTerminal(VMState):
    """What was typed and not read: a ring of 16 bytes, of which `in` and `out` count what went in and came out."""

    sdev: VIODevice = struct(VIODevice)
    in_: int = uint32(name="in")
    out: int = uint32()
    buf: bytes = buffer(16, private=CONTENTS)
