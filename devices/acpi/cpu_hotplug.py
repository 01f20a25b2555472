"""Processor hotplug registers, as the power management of a machine carries them.

Facts from QEMU's hw/acpi/cpu.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, boolean, description, fact, uint8, uint32, varray

LIKELY = (*range(1, 33), 48, 64, 96, 128, 160, 192, 224, 240, 255, 256, 288, 512, 1024, 4096, 0)
DEV_COUNT = fact("possible_cpus", LIKELY, advice="start the destination with -smp maxcpus={value}")
"""Processors that the machine can have (-smp maxcpus=): the likely ones; 0 where none can be added (microvm)."""


@description("CPU hotplug device state", version_id=1, minimum_version_id=1)
class CpuStatus(VMState):
    """One processor that can be."""

    is_inserting: bool = boolean()
    is_removing: bool = boolean()
    ost_event: int = uint32()
    ost_status: int = uint32()


@description("CPU hotplug state", version_id=1, minimum_version_id=1)
class CPUHotplug(VMState):
    """The selected processor, the command, and all processors."""

    selector: int = uint32()
    command: int = uint8()
    devs: list[CpuStatus] = varray(CpuStatus, count=DEV_COUNT)
