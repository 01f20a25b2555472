"""A baseboard management controller behind a socket.

Facts from QEMU's hw/ipmi/ipmi_bmc_extern.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, boolean, description, device


@device("ipmi-bmc-extern", models="vmstate.devices.misc.models:IPMI_EXTERN", listed=False)
@description("ipmi-bmc-extern", version_id=1, minimum_version_id=1)
class IPMIBmcExtern(VMState):
    """Whether a reset is to be sent, and whether an answer is awaited."""

    send_reset: bool = boolean()
    waiting_rsp: bool = boolean()
