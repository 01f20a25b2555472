"""The watchdog of an s390 machine.

Facts from QEMU's hw/watchdog/wdt_diag288.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, boolean, description, device, timer


@device("vmstate_diag288", models="vmstate.devices.misc.models:DIAG288")
@description("vmstate_diag288")
class Diag288(VMState):
    """Whether it is on, and when it ends its patience."""

    timer: int = timer()
    enabled: bool = boolean()
