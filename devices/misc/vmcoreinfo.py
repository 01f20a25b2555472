"""Where the guest kernel keeps what a dump of it needs.

Facts from QEMU's hw/misc/vmcoreinfo.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, boolean, description, device, uint16, uint32, uint64


@device("vmcoreinfo", models="vmstate.devices.misc.models:VMCOREINFO")
@description("vmcoreinfo", version_id=1, minimum_version_id=1)
class VMCoreInfo(VMState):
    """Format, size and address of the note."""

    has_vmcoreinfo: bool = boolean()
    host_format: int = uint16(name="vmcoreinfo.host_format")
    guest_format: int = uint16(name="vmcoreinfo.guest_format")
    size: int = uint32(name="vmcoreinfo.size")
    paddr: int = uint64(name="vmcoreinfo.paddr")
