"""The variables of UEFI firmware, kept by QEMU: uefi-vars-x64 and uefi-vars-sysbus.

Facts from QEMU's hw/uefi/var-service-vars.c, var-service-policy.c, var-service-core.c and var-service-sysbus.c, and
from the descriptions of 11.1.
"""

from __future__ import annotations

from vmstate.declare import (
    VMState,
    array,
    boolean,
    description,
    device,
    qtailq,
    struct,
    subsection,
    this,
    uint8,
    uint16,
    uint32,
    uint64,
    vbuffer,
)


@description("uefi-time")
class Time(VMState):
    """When a variable was written."""

    year: int = uint16()
    month: int = uint8()
    day: int = uint8()
    hour: int = uint8()
    minute: int = uint8()
    second: int = uint8()
    nanosecond: int = uint32()


@description("uefi-variable-digest", needed=this.digest_size != 0)
class Digest(VMState):
    """The digest of the certificate that wrote it; sent since 11.1 where there is one."""

    digest_size: int = uint32()
    digest: bytes = vbuffer(this.digest_size)


@description("uefi-variable")
class Variable(VMState):
    """A variable: its name in UTF-16, and its value."""

    guid: list[int] = array(uint8, 16, name="guid.data")
    name_size: int = uint32()
    data_size: int = uint32()
    attributes: int = uint32()
    name: bytes = vbuffer(this.name_size)
    data: bytes = vbuffer(this.data_size)
    time: Time = struct(Time)
    digest: Digest | None = subsection(Digest)


@description("uefi-var-policy")
class Policy(VMState):
    """Which variables may be written, as the firmware sent it."""

    entry_size: int = uint32()
    entry: bytes = vbuffer(this.entry_size)


@description("uefi-vars")
class UefiVars(VMState):
    """The buffer of requests, how far the boot has come, and the variables."""

    sts: int = uint16()
    buf_size: int = uint32()
    buf_addr_lo: int = uint32()
    buf_addr_hi: int = uint32()
    pio_xfer_offset: int = uint32()
    pio_xfer_buffer: bytes = vbuffer(this.buf_size)
    end_of_dxe: bool = boolean()
    ready_to_boot: bool = boolean()
    exit_boot_service: bool = boolean()
    policy_locked: bool = boolean()
    used_storage: int = uint64()
    variables: list[Variable] = qtailq(Variable)
    var_policies: list[Policy] = qtailq(Policy)


@device("uefi-vars-sysbus", models="vmstate.devices.misc.models:UEFI_VARS")
@description("uefi-vars-sysbus")
class UefiVarsSysbus(VMState):
    """The device."""

    state: UefiVars = struct(UefiVars)
