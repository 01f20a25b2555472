"""The keyboard-controller-style interface of an IPMI controller, on the ISA bus.

Facts from QEMU's hw/ipmi/ipmi_kcs.c, hw/ipmi/isa_ipmi_kcs.c.
"""

from __future__ import annotations

from vmstate.declare import (
    VMState,
    array,
    boolean,
    description,
    device,
    int16,
    uint8,
    uint32,
    unused,
    version_id,
    vstruct,
)


@description("ipmi-interface-kcs", version_id=2, minimum_version_id=1)
class IPMIKCS(VMState):
    """The interface: messages in both directions."""

    obf_irq_set: bool = boolean()
    atn_irq_set: bool = boolean()
    unused_0: None = unused(1, exists=version_id <= 1)
    irqs_enabled: bool = boolean()
    outpos: int = uint32()
    outlen: int = uint32(version=2)
    outmsg: list[int] = array(uint8, 300)
    inlen: int = uint32(version=2)
    inmsg: list[int] = array(uint8, 300)
    write_end: bool = boolean()
    status_reg: int = uint8()
    data_out_reg: int = uint8()
    data_in_reg: int = int16()
    cmd_reg: int = int16()
    waiting_rsp: int = uint8()


@device("ipmi-interface", models="vmstate.devices.misc.models:IPMI_KCS", listed=False, legacy_instances=(0xCA2,))
@description("ipmi-interface", version_id=2, minimum_version_id=1)
class ISAIPMIKCS(VMState):
    """The device; its version 1 had the interface at version 1."""

    kcs_v1: IPMIKCS | None = vstruct(IPMIKCS, 1, name="kcs", exists=version_id <= 1)
    kcs: IPMIKCS = vstruct(IPMIKCS, 2, version=2)
