"""The AMD PCnet network card.

Facts from QEMU's hw/net/pcnet.c, pcnet-pci.c.
"""

from __future__ import annotations

from vmstate.declare import (
    VMState,
    array,
    buffer,
    description,
    device,
    int32,
    secret,
    struct,
    timer,
    uint16,
    uint32,
    uint64,
    unused,
    version_id,
)
from vmstate.devices.pci.device import PCIDevice


@description("pcnet", version_id=3, minimum_version_id=2)
class PCNet(VMState):
    """Registers and the packet that is being sent."""

    rap: int = int32()
    isr: int = int32()
    lnkst: int = int32()
    rdra: int = uint32()
    tdra: int = uint32()
    prom: bytes = buffer(16)
    csr: list[int] = array(uint16, 128, private=secret("mac-words", 12, 3))
    bcr: list[int] = array(uint16, 32)
    timer_: int = uint64(name="timer")
    xmit_pos: int = int32()
    buffer_: bytes = buffer(4096, name="buffer")
    unused_0: None = unused(4, exists=version_id == 2)
    tx_busy: int = int32()
    poll_timer: int = timer()


@device("pcnet", models="vmstate.devices.net.models:PCNET")
@description("pcnet", version_id=3, minimum_version_id=2)
class PCIPCNet(VMState):
    """The PCI function and the card in it."""

    parent_obj: PCIDevice = struct(PCIDevice)
    state: PCNet = struct(PCNet)
