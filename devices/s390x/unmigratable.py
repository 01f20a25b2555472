"""Devices that block every migration, so that no stream holds them.

Facts from QEMU's hw/s390x/s390-pci-bus.c, hw/vfio/ap.c, hw/vfio/ccw.c and hw/char/terminal3270.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, device


@device("zpci")
@description("zpci", unmigratable=True)
class ZPCI(VMState):
    """A PCI device, as an s390 guest sees it."""


@device("vfio-ap")
@description("vfio-ap", unmigratable=True)
class VFIOAP(VMState):
    """Adjunct processors of the host."""


@device("vfio-ccw")
@description("vfio-ccw", unmigratable=True)
class VFIOCCW(VMState):
    """A subchannel of the host."""


@device("x-terminal3270")
@description("x-terminal3270", unmigratable=True)
class Terminal3270(VMState):
    """A terminal."""
