"""The SCLP event that asks an s390 guest to shut down.

Facts from QEMU's hw/s390x/sclpquiesce.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, boolean, description, device


@device("sclpquiesce")
@description("sclpquiesce")
class SCLPQuiesce(VMState):
    """Whether a signal to quiesce waits for the guest."""

    event_pending: bool = boolean()
