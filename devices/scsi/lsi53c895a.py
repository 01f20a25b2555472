"""The LSI 53C895A controller.

Facts from QEMU's hw/scsi/lsi53c895a.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, buffer, description, device, int32, rule, struct, this, uint8, uint32
from vmstate.devices.pci.device import PCIDevice

MESSAGE_BYTES = 8
"""Bytes of a message to the guest, at most."""


@device("lsiscsi", models="vmstate.devices.scsi.models:LSI")
@description(
    "lsiscsi",
    version_id=1,
    rules=(
        rule(
            "lsi-message",
            (this.msg_len >= 0) & (this.msg_len <= MESSAGE_BYTES),
            f"a message has at most {MESSAGE_BYTES} bytes",
        ),
    ),
)
class LSISCSI(VMState):
    """Registers and the script's memory."""

    parent_obj: PCIDevice = struct(PCIDevice)
    carry: int = int32()
    status: int = int32()
    msg_action: int = int32()
    msg_len: int = int32()
    msg: bytes = buffer(MESSAGE_BYTES)
    waiting: int = int32()
    dsa: int = uint32()
    temp: int = uint32()
    dnad: int = uint32()
    dbc: int = uint32()
    istat0: int = uint8()
    istat1: int = uint8()
    dcmd: int = uint8()
    dstat: int = uint8()
    dien: int = uint8()
    sist0: int = uint8()
    sist1: int = uint8()
    sien0: int = uint8()
    sien1: int = uint8()
    mbox0: int = uint8()
    mbox1: int = uint8()
    dfifo: int = uint8()
    ctest2: int = uint8()
    ctest3: int = uint8()
    ctest4: int = uint8()
    ctest5: int = uint8()
    ccntl0: int = uint8()
    ccntl1: int = uint8()
    dsp: int = uint32()
    dsps: int = uint32()
    dmode: int = uint8()
    dcntl: int = uint8()
    scntl0: int = uint8()
    scntl1: int = uint8()
    scntl2: int = uint8()
    scntl3: int = uint8()
    sstat0: int = uint8()
    sstat1: int = uint8()
    scid: int = uint8()
    sxfer: int = uint8()
    socl: int = uint8()
    sdid: int = uint8()
    ssid: int = uint8()
    sfbr: int = uint8()
    stest1: int = uint8()
    stest2: int = uint8()
    stest3: int = uint8()
    sidl: int = uint8()
    stime0: int = uint8()
    respid0: int = uint8()
    respid1: int = uint8()
    sbcl: int = uint8(version=1)
    mmrs: int = uint32()
    mmws: int = uint32()
    sfs: int = uint32()
    drs: int = uint32()
    sbms: int = uint32()
    dbms: int = uint32()
    dnad64: int = uint32()
    pmjad1: int = uint32()
    pmjad2: int = uint32()
    rbc: int = uint32()
    ua: int = uint32()
    ia: int = uint32()
    sbc: int = uint32()
    csbc: int = uint32()
    scratch: bytes = buffer(72)
    sbr: int = uint8()
    script_ram: bytes = buffer(8192)
