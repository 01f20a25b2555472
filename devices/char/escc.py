"""The serial controller Zilog 85230, of old Macintoshes and Suns.

Facts from QEMU's hw/char/escc.c.
"""

from __future__ import annotations

from vmstate.declare import REGISTERS, VMState, array, buffer, description, device, uint8, uint32


@description("escc_chn", version_id=2, minimum_version_id=1)
class ESCCChannel(VMState):
    """A channel: its registers for reading and for writing, and the byte that is on its way."""

    vmstate_dummy: int = uint32()
    reg: int = uint32()
    rxint: int = uint32()
    txint: int = uint32()
    rxint_under_svc: int = uint32()
    txint_under_svc: int = uint32()
    rx: int = uint8()
    tx: int = uint8()
    wregs: bytes = buffer(16, private=REGISTERS)
    rregs: bytes = buffer(16, private=REGISTERS)


@device("escc")
@description("escc", version_id=2, minimum_version_id=1)
class ESCC(VMState):
    """The two channels."""

    chn: list[ESCCChannel] = array(ESCCChannel, 2, version=2)
