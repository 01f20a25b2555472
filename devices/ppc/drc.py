"""A connector of a `pseries` machine, at which a device can be plugged and unplugged.

Facts from QEMU's hw/ppc/spapr_drc.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, boolean, description, device, subsection, this, uint32


@description("spapr_drc/unplug_requested", version_id=1, minimum_version_id=1, needed=this.unplug_requested)
class UnplugRequested(VMState):
    """Whether the guest was asked to let the device go; sent where it was."""

    unplug_requested: bool = boolean()


@device("spapr_drc", listed=False)
@description("spapr_drc", version_id=1, minimum_version_id=1)
class Connector(VMState):
    """What stands at the connector; sent where that is not what it would be after a reset."""

    state: int = uint32()
    unplug_requested: UnplugRequested | None = subsection(UnplugRequested)
