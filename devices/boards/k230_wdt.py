"""The watchdog of Kendryte's K230.

Facts from the streams and the descriptions of QEMU 11.1.
"""

from __future__ import annotations

from vmstate.declare import VMState, boolean, description, device, uint32


@device("k230.wdt", noise={"counter": ("ccvr", "current_count")})
@description("k230.wdt")
class K230Wdt(VMState):
    """The registers; the timer is declared, in a version that is never sent."""

    cr: int = uint32()
    torr: int = uint32()
    ccvr: int = uint32()
    stat: int = uint32()
    prot_level: int = uint32()
    interrupt_pending: bool = boolean()
    enabled: bool = boolean()
    timeout_value: int = uint32()
    current_count: int = uint32()
