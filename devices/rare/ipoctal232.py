"""Eight serial ports on an IndustryPack carrier: GE's IP-Octal 232.

Facts from QEMU's hw/char/ipoctal232.c.
"""

from __future__ import annotations

from vmstate.declare import CONTENTS, VMState, array, boolean, description, device, int32, struct, uint8


@description("ipack_device", version_id=1, minimum_version_id=1)
class IPackDevice(VMState):
    """In which slot of the carrier a module is."""

    slot: int = int32()


@description("scc2698_channel", version_id=1, minimum_version_id=1)
class SCC2698Channel(VMState):
    """A port: its modes, its status, and the bytes received."""

    rx_enabled: bool = boolean()
    mr: list[int] = array(uint8, 2)
    mr_idx: int = uint8()
    sr: int = uint8()
    rhr: list[int] = array(uint8, 3, private=CONTENTS)
    rhr_idx: int = uint8()
    rx_pending: int = uint8()


@description("scc2698_block", version_id=1, minimum_version_id=1)
class SCC2698Block(VMState):
    """Interrupts of two ports."""

    imr: int = uint8()
    isr: int = uint8()


@device("ipoctal232")
@description("ipoctal232", version_id=1, minimum_version_id=1)
class IPOctal(VMState):
    """The module: eight ports."""

    parent_obj: IPackDevice = struct(IPackDevice, version=1)
    ch: list[SCC2698Channel] = array(SCC2698Channel, 8, version=1)
    blk: list[SCC2698Block] = array(SCC2698Block, 4, version=1)
    irq_vector: int = uint8()
