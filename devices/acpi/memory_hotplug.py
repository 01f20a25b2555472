"""Memory hotplug registers, as the power management of a machine carries them.

Facts from QEMU's hw/acpi/memory_hotplug.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, boolean, description, fact, uint32, varray

DEV_COUNT = fact(
    "memory_slots",
    (*range(33), 64, 128, 255, 256),
    advice="start the destination with -m SIZE,slots={value},maxmem=SIZE, and without memory-hotplug-support=off",
    unsent=0,
)
"""Memory slots of the machine (-m slots=): those that are likely.

A device whose memory hotplug is switched off has none, whatever the machine has.
"""


@description("memory hotplug device state", version_id=1, minimum_version_id=1)
class MemStatus(VMState):
    """One memory slot."""

    is_enabled: bool = boolean()
    is_inserting: bool = boolean()
    ost_event: int = uint32()
    ost_status: int = uint32()


@description("memory hotplug state", version_id=1, minimum_version_id=1)
class MemHotplug(VMState):
    """The selected slot, and all slots."""

    selector: int = uint32()
    devs: list[MemStatus] = varray(MemStatus, count=DEV_COUNT)
