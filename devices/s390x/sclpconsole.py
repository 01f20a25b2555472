"""The SCLP ASCII console (VT220) of s390 machines.

Facts from QEMU's hw/char/sclpconsole.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, boolean, description, device, uint8, uint32


@device("sclpconsole")
@description("sclpconsole")
class SCLPConsole(VMState):
    """Input that waits for the guest, in a ring."""

    event_pending: bool = boolean(name="event.event_pending")
    iov: list[int] = array(uint8, 4080)
    iov_sclp: int = uint32()
    iov_bs: int = uint32()
    iov_data_len: int = uint32()
    iov_sclp_rest: int = uint32()
