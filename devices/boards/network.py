"""Network cards of boards.

Above each part stands the file of QEMU's that its facts are from.
"""

from __future__ import annotations

from vmstate.declare import (
    CONTENTS,
    VMState,
    array,
    boolean,
    buffer,
    description,
    device,
    host,
    int32,
    struct,
    uint8,
    uint16,
    uint32,
    uint64,
    variant,
)
from vmstate.devices.core.ptimer import Ptimer

# Faraday's gigabit network card FTGMAC100, of Aspeed's SoCs, and their bus to its PHY (hw/net/ftgmac100.c).


@device("aspeed-mmi")
@description("aspeed-mmi", version_id=1, minimum_version_id=1)
class AspeedMmi(VMState):
    """The bus to the PHY (MII): what is asked of it, and its answer."""

    phycr: int = uint32()
    phydata: int = uint32()


@device("ftgmac100")
@description("ftgmac100", version_id=2, minimum_version_id=2)
class FTGMAC100(VMState):
    """The card: its registers, those of its PHY, and where its rings of descriptors are in memory."""

    irq_state: int = uint32()
    isr: int = uint32()
    ier: int = uint32()
    rx_enabled: int = uint32()
    old_rx_ring: int | None = host()
    rbsr: int = uint32()
    old_tx_ring: int | None = host()
    old_rx_descriptor: int | None = host()
    old_tx_descriptor: int | None = host()
    math: list[int] = array(uint32, 2)
    itc: int = uint32()
    aptcr: int = uint32()
    dblac: int = uint32()
    revr: int = uint32()
    fear1: int = uint32()
    tpafcr: int = uint32()
    maccr: int = uint32()
    phycr: int = uint32()
    phydata: int = uint32()
    fcr: int = uint32()
    phy_status: int = uint32()
    phy_control: int = uint32()
    phy_advertise: int = uint32()
    phy_int: int = uint32()
    phy_int_mask: int = uint32()
    txdes0_edotr: int = uint32()
    rxdes0_edorr: int = uint32()
    rx_ring: int | None = uint64()
    tx_ring: int | None = uint64()
    rx_descriptor: int | None = uint64()
    tx_descriptor: int | None = uint64()


FTGMAC100_9_0 = variant(
    FTGMAC100,
    None,
    1,
    old_rx_ring=uint32(name="rx_ring"),
    old_tx_ring=uint32(name="tx_ring"),
    old_rx_descriptor=uint32(name="rx_descriptor"),
    old_tx_descriptor=uint32(name="tx_descriptor"),
    rx_ring=None,
    tx_ring=None,
    rx_descriptor=None,
    tx_descriptor=None,
)
"""Up to 9.0: addresses of 32 bits, at another place."""


# SMSC's network card LAN9118 (hw/net/lan9118.c).


@description("lan9118_packet", version_id=1, minimum_version_id=1)
class Lan9118Packet(VMState):
    """The packet that is being written."""

    state: int = uint32()
    cmd_a: int = uint32()
    cmd_b: int = uint32()
    buffer_size: int = int32()
    offset: int = int32()
    pad: int = int32()
    fifo_used: int = int32()
    len: int = int32()
    data: list[int] = array(uint8, 2048)


@device("lan9118", noise={"timer": ("free_timer_start",)})
@description("lan9118", version_id=3, minimum_version_id=3)
class Lan9118(VMState):
    """Registers, the EEPROM, and the queues of words and of statuses."""

    timer_: Ptimer = struct(Ptimer, name="timer", version=1)
    irq_cfg: int = uint32()
    int_sts: int = uint32()
    int_en: int = uint32()
    fifo_int: int = uint32()
    rx_cfg: int = uint32()
    tx_cfg: int = uint32()
    hw_cfg: int = uint32()
    pmt_ctrl: int = uint32()
    gpio_cfg: int = uint32()
    gpt_cfg: int = uint32()
    word_swap: int = uint32()
    free_timer_start: int = uint32()
    mac_cmd: int = uint32()
    mac_data: int = uint32()
    afc_cfg: int = uint32()
    e2p_cmd: int = uint32()
    e2p_data: int = uint32()
    mac_cr: int = uint32()
    mac_hashh: int = uint32()
    mac_hashl: int = uint32()
    mac_mii_acc: int = uint32()
    mac_mii_data: int = uint32()
    mac_flow: int = uint32()
    phy_status: int | None = host()
    phy_control: int | None = host()
    phy_advertise: int | None = host()
    phy_int: int | None = host()
    phy_int_mask: int | None = host()
    eeprom_writable: int = int32()
    eeprom: list[int] = array(uint8, 128)
    tx_fifo_size: int = int32()
    tx_packet: Lan9118Packet = struct(Lan9118Packet)
    tx_status_fifo_used: int = int32()
    tx_status_fifo_head: int = int32()
    tx_status_fifo: list[int] = array(uint32, 512)
    rx_status_fifo_size: int = int32()
    rx_status_fifo_used: int = int32()
    rx_status_fifo_head: int = int32()
    rx_status_fifo: list[int] = array(uint32, 896)
    rx_fifo_size: int = int32()
    rx_fifo_used: int = int32()
    rx_fifo_head: int = int32()
    rx_fifo: list[int] = array(uint32, 3360, private=CONTENTS)
    rx_packet_size_head: int = int32()
    rx_packet_size_tail: int = int32()
    rx_packet_size: list[int] = array(int32, 1024)
    rxp_offset: int = int32()
    rxp_size: int = int32()
    rxp_pad: int = int32()
    write_word_prev_offset: int = uint32()
    write_word_n: int = uint32()
    write_word_l: int = uint16()
    write_word_h: int = uint16()
    read_word_prev_offset: int = uint32()
    read_word_n: int = uint32()
    read_long: int = uint32()
    mode_16bit: int = uint32()


LAN9118_7_2 = variant(
    Lan9118,
    None,
    2,
    phy_status=uint32(),
    phy_control=uint32(),
    phy_advertise=uint32(),
    phy_int=uint32(),
    phy_int_mask=uint32(),
    write_word_prev_offset=uint32(version=2),
    write_word_n=uint32(version=2),
    write_word_l=uint16(version=2),
    write_word_h=uint16(version=2),
    read_word_prev_offset=uint32(version=2),
    read_word_n=uint32(version=2),
    read_long=uint32(version=2),
    mode_16bit=uint32(version=2),
)
"""Up to 7.2 at least."""


# The PHY in SMSC's LAN9118, which NXP's i.MX use as well (hw/net/lan9118_phy.c).


@device("lan9118-phy")
@description("lan9118-phy", version_id=1, minimum_version_id=1)
class Lan9118Phy(VMState):
    """Registers, and whether the link is down."""

    status: int = uint16()
    control: int = uint16()
    advertise: int = uint16()
    ints: int = uint16()
    int_mask: int = uint16()
    link_down: bool = boolean()


# SMSC's network card LAN91C111 (hw/net/smc91c111.c).


@device("smc91c111")
@description("smc91c111", version_id=1, minimum_version_id=1)
class Smc91c111(VMState):
    """Registers, packets in its memory, and their queues."""

    tcr: int = uint16()
    rcr: int = uint16()
    cr: int = uint16()
    ctr: int = uint16()
    gpr: int = uint16()
    ptr: int = uint16()
    ercv: int = uint16()
    bank: int = int32()
    packet_num: int = int32()
    tx_alloc: int = int32()
    allocated: int = int32()
    tx_fifo_len: int = int32()
    tx_fifo: list[int] = array(int32, 4)
    rx_fifo_len: int = int32()
    rx_fifo: list[int] = array(int32, 4)
    tx_fifo_done_len: int = int32()
    tx_fifo_done: list[int] = array(int32, 4)
    data: bytes = buffer(8192)
    int_level: int = uint8()
    int_mask: int = uint8()
