"""What every processor has, whatever its architecture.

Facts from QEMU's hw/core/cpu-system.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, boolean, description, device, int32, part, subsection, this, uint32


@part(noise={"register": ("exception_index",)})
@description("cpu_common/exception_index", version_id=1, minimum_version_id=1, needed=this.exception_index != -1)
class ExceptionIndex(VMState):
    """The exception that is pending (TCG); sent where there is one."""

    exception_index: int = int32()


@description("cpu_common/crash_occurred", version_id=1, minimum_version_id=1, needed=this.crash_occurred)
class CrashOccurred(VMState):
    """Whether the guest has reported a crash; sent where it has."""

    crash_occurred: bool = boolean()


@device(
    "cpu_common",
    listed=False,
    per_cpu=True,
    noise={"register": ("halted",), "interrupt": ("interrupt_request",)},
    early_copy="vmstate.devices.early_copies:CLOCK",
)
@description("cpu_common", version_id=1, minimum_version_id=1)
class CPUCommon(VMState):
    """Whether the processor is halted, and the interrupts that wait for it."""

    halted: int = uint32()
    interrupt_request: int = uint32()
    exception_index: ExceptionIndex | None = subsection(ExceptionIndex)
    crash_occurred: CrashOccurred | None = subsection(CrashOccurred)
