"""The Intel 8255x network cards (EtherExpress PRO/100); the idstr is the model.

Facts from QEMU's hw/net/eepro100.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, buffer, description, device, struct, uint8, uint16, uint32, unused, variant
from vmstate.devices.pci.device import PCIDevice

CARDS = (
    "i82550",
    "i82551",
    "i82557a",
    "i82557b",
    "i82557c",
    "i82558a",
    "i82558b",
    "i82559a",
    "i82559b",
    "i82559c",
    "i82559er",
    "i82562",
    "i82801",
)
"""What QEMU calls them, as the last part of an idstr and after -device."""


@device(
    *CARDS,
    listed=False,
    models="vmstate.devices.net.models:I82559",
)
@description("eepro100", version_id=3, minimum_version_id=2)
class EEPRO100(VMState):
    """Registers, statistics and configuration."""

    dev: PCIDevice = struct(PCIDevice)
    unused_0: None = unused(32)
    mult: bytes = buffer(8)
    mem: bytes = buffer(4096)
    scb_stat: int = uint8()
    int_stat: int = uint8()
    unused_1: None = unused(12)
    conf_macaddr: bytes = buffer(6, name="conf.macaddr")
    unused_2: None = unused(76)
    mdimem: list[int] = array(uint16, 32)
    device: int = uint32()
    cu_base: int = uint32()
    cu_offset: int = uint32()
    ru_base: int = uint32()
    ru_offset: int = uint32()
    statsaddr: int = uint32()
    tx_good_frames: int = uint32(name="statistics.tx_good_frames")
    tx_max_collisions: int = uint32(name="statistics.tx_max_collisions")
    tx_late_collisions: int = uint32(name="statistics.tx_late_collisions")
    tx_underruns: int = uint32(name="statistics.tx_underruns")
    tx_lost_crs: int = uint32(name="statistics.tx_lost_crs")
    tx_deferred: int = uint32(name="statistics.tx_deferred")
    tx_single_collisions: int = uint32(name="statistics.tx_single_collisions")
    tx_multiple_collisions: int = uint32(name="statistics.tx_multiple_collisions")
    tx_total_collisions: int = uint32(name="statistics.tx_total_collisions")
    rx_good_frames: int = uint32(name="statistics.rx_good_frames")
    rx_crc_errors: int = uint32(name="statistics.rx_crc_errors")
    rx_alignment_errors: int = uint32(name="statistics.rx_alignment_errors")
    rx_resource_errors: int = uint32(name="statistics.rx_resource_errors")
    rx_overrun_errors: int = uint32(name="statistics.rx_overrun_errors")
    rx_cdt_errors: int = uint32(name="statistics.rx_cdt_errors")
    rx_short_frame_errors: int = uint32(name="statistics.rx_short_frame_errors")
    fc_xmt_pause: int = uint32(name="statistics.fc_xmt_pause")
    fc_rcv_pause: int = uint32(name="statistics.fc_rcv_pause")
    fc_rcv_unsupported: int = uint32(name="statistics.fc_rcv_unsupported")
    xmt_tco_frames: int = uint16(name="statistics.xmt_tco_frames")
    rcv_tco_frames: int = uint16(name="statistics.rcv_tco_frames")
    configuration: bytes = buffer(22)


I82550 = variant(EEPRO100, "i82550")
I82551 = variant(EEPRO100, "i82551")
I82557A = variant(EEPRO100, "i82557a")
I82557B = variant(EEPRO100, "i82557b")
I82557C = variant(EEPRO100, "i82557c")
I82558A = variant(EEPRO100, "i82558a")
I82558B = variant(EEPRO100, "i82558b")
I82559A = variant(EEPRO100, "i82559a")
I82559B = variant(EEPRO100, "i82559b")
I82559C = variant(EEPRO100, "i82559c")
I82559ER = variant(EEPRO100, "i82559er")
I82562 = variant(EEPRO100, "i82562")
I82801 = variant(EEPRO100, "i82801")
