"""The initial program load of s390 machines.

Facts from QEMU's hw/s390x/ipl.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, boolean, description, device, struct, subsection, uint8, uint16, uint64


@description("ipl/iplb_extended")
class IplbExtended(VMState):
    """The rest of a full block; sent by machines from 2.9 on."""

    reserved_ext: list[int] = array(uint8, 3896)


@description("ipl/iplb")
class Iplb(VMState):
    """The IPL parameter block that the guest has set."""

    reserved1: list[int] = array(uint8, 110)
    devno: int = uint16()
    reserved2: list[int] = array(uint8, 88)
    iplb_extended: IplbExtended | None = subsection(IplbExtended)


@device("ipl")
@description("ipl")
class Ipl(VMState):
    """From where the guest is loaded."""

    compat_start_addr: int = uint64()
    compat_bios_start_addr: int = uint64()
    iplb: Iplb = struct(Iplb)
    iplb_valid: bool = boolean()
    cssid: int = uint8()
    ssid: int = uint8()
    devno: int = uint16()
