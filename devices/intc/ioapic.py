"""The I/O APIC.

Facts from QEMU's hw/intc/ioapic_common.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, uint8, uint32, uint64, unused


@device("ioapic", noise={"interrupt": ("irr",)}, early_copy="vmstate.devices.early_copies:STANDS")
@description("ioapic", version_id=3, minimum_version_id=1)
class IOAPIC(VMState):
    """The redirection table of an I/O APIC with 24 inputs."""

    id: int = uint8()
    ioregsel: int = uint8()
    unused_0: None = unused(8, version=2)
    irr: int = uint32(version=2)
    ioredtbl: list[int] = array(uint64, 24)
