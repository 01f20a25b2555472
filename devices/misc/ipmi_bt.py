"""The block-transfer interface of an IPMI controller, on the ISA bus.

Facts from QEMU's hw/ipmi/ipmi_bt.c, hw/ipmi/isa_ipmi_bt.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, boolean, description, device, struct, uint8, uint32


@description("ipmi-interface-bt", version_id=1, minimum_version_id=1)
class IPMIBT(VMState):
    """The interface: messages in both directions."""

    obf_irq_set: bool = boolean()
    atn_irq_set: bool = boolean()
    irqs_enabled: bool = boolean()
    outpos: int = uint32()
    outlen: int = uint32()
    outmsg: list[int] = array(uint8, 300)
    inlen: int = uint32()
    inmsg: list[int] = array(uint8, 300)
    control_reg: int = uint8()
    mask_reg: int = uint8()
    waiting_rsp: int = uint8()
    waiting_seq: int = uint8()


@device("ipmi-interface-isa-bt", models="vmstate.devices.misc.models:IPMI_BT", listed=False, legacy_instances=(0xE4,))
@description("ipmi-interface-isa-bt", version_id=2, minimum_version_id=2)
class ISAIPMIBT(VMState):
    """The device."""

    bt: IPMIBT = struct(IPMIBT, version=1)
