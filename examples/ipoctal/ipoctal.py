"""The state of ipoctal232, eight serial ports on an IndustryPack module: hw/char/ipoctal232.c and hw/ipack/ipack.c."""

from __future__ import annotations

from vmstate.declare import VMState, array, boolean, description, int32, struct, uint8

INDEX = {"ipoctal232": ("ipoctal:IPOctal",)}
"""The last part of an idstr -> where its descriptions are, the newest first."""


@description("ipack_device", version_id=1)
class IPackDevice(VMState):
    """The part of any IndustryPack module."""

    slot: int = int32()


@description("scc2698_channel", version_id=1)
class Channel(VMState):
    """A serial port: mode, status, and the bytes received that nobody has read, in a FIFO of three."""

    rx_enabled: bool = boolean()
    mr: list[int] = array(uint8, 2)
    mr_idx: int = uint8()
    sr: int = uint8()
    rhr: list[int] = array(uint8, 3)
    rhr_idx: int = uint8()
    rx_pending: int = uint8()


@description("scc2698_block", version_id=1)
class Block(VMState):
    """What two ports share: interrupt mask and status."""

    imr: int = uint8()
    isr: int = uint8()


@description("ipoctal232", version_id=1)
class IPOctal(VMState):
    """The module."""

    parent_obj: IPackDevice = struct(IPackDevice)
    ch: list[Channel] = array(Channel, 8)
    blk: list[Block] = array(Block, 4)
    irq_vector: int = uint8()
