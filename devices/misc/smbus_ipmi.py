"""The interface of an IPMI controller on the SMBus (SSIF).

Facts from QEMU's hw/ipmi/smbus_ipmi.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, struct, uint8, uint32
from vmstate.devices.i2c.smbus_slave import SMBusDevice


@device("smbus-ipmi", models="vmstate.devices.misc.models:IPMI_SMBUS")
@description("smbus-ipmi", version_id=1, minimum_version_id=1)
class SMBusIPMI(VMState):
    """The interface: messages in both directions, and the block that is sent to the guest."""

    parent: SMBusDevice = struct(SMBusDevice)
    waiting_rsp: int = uint8()
    outlen: int = uint32()
    currblk: int = uint32()
    outmsg: list[int] = array(uint8, 255)
    outpos: int = uint32()
    outbuf: list[int] = array(uint8, 33)
    inlen: int = uint32()
    inmsg: list[int] = array(uint8, 255)
