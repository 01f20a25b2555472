"""The SCLP line-mode console of s390 machines.

Facts from QEMU's hw/char/sclpconsole-lm.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, boolean, description, device, uint8, uint32


@device("sclplmconsole", models="vmstate.devices.char.models:SCLP_LINES")
@description("sclplmconsole")
class SCLPConsoleLM(VMState):
    """A line that waits for the guest."""

    event_pending: bool = boolean(name="event.event_pending")
    write_errors: int = uint32()
    length: int = uint32()
    buf: list[int] = array(uint8, 4066)
