"""CAN controllers SJA1000 on the PCI bus: of Kvaser, of Advantech's PCM-3680I and of its MIOe-3680.

Facts from QEMU's hw/net/can/can_sja1000.c, can_kvaser_pci.c, can_pcm3680_pci.c and can_mioe3680_pci.c.
"""

from __future__ import annotations

from vmstate.declare import REGISTERS, VMState, array, buffer, description, device, struct, uint8, uint32
from vmstate.devices.pci.device import PCIDevice


@description("qemu_can_filter", version_id=1, minimum_version_id=1)
class Filter(VMState):
    """Which identifiers are received."""

    can_id: int = uint32()
    can_mask: int = uint32()


@description("can_sja", version_id=1, minimum_version_id=1)
class SJA1000(VMState):
    """The registers of both modes (PeliCAN and BasicCAN), and the messages."""

    mode: int = uint8()
    status_pel: int = uint8()
    interrupt_pel: int = uint8()
    interrupt_en: int = uint8()
    rxmsg_cnt: int = uint8()
    rxbuf_start: int = uint8()
    clock: int = uint8()
    code_mask: bytes = buffer(8, private=REGISTERS)
    tx_buff: bytes = buffer(13)
    rx_buff: bytes = buffer(64)
    rx_ptr: int = uint32()
    rx_cnt: int = uint32()
    control: int = uint8()
    status_bas: int = uint8()
    interrupt_bas: int = uint8()
    code: int = uint8()
    mask: int = uint8()
    filter: list[Filter] = array(Filter, 4)


@device("kvaser_pci")
@description("kvaser_pci", version_id=1, minimum_version_id=1)
class KvaserPCI(VMState):
    """Kvaser's card: the PCI function, the interrupt register of its bridge, and a controller."""

    dev: PCIDevice = struct(PCIDevice)
    s5920_intcsr: int = uint32()
    sja_state: SJA1000 = struct(SJA1000)


@device("pcm3680i_pci")
@description("pcm3680i_pci", version_id=1, minimum_version_id=1)
class Pcm3680iPCI(VMState):
    """Advantech's PCM-3680I: two controllers."""

    dev: PCIDevice = struct(PCIDevice)
    sja_state_0: SJA1000 = struct(SJA1000, name="sja_state[0]")
    sja_state_1: SJA1000 = struct(SJA1000, name="sja_state[1]")


@device("mioe3680_pci")
@description("mioe3680_pci", version_id=1, minimum_version_id=1)
class Mioe3680PCI(VMState):
    """Advantech's MIOe-3680: two controllers."""

    dev: PCIDevice = struct(PCIDevice)
    sja_state_0: SJA1000 = struct(SJA1000, name="sja_state[0]")
    sja_state_1: SJA1000 = struct(SJA1000, name="sja_state[1]")
