"""The VMware vmxnet3 network card.

Facts from QEMU's hw/net/vmxnet3.c.
"""

from __future__ import annotations

from collections.abc import Sequence

from vmstate.declare import (
    CONTENTS,
    MACS,
    Rule,
    VMState,
    array,
    asks,
    boolean,
    description,
    device,
    rule,
    struct,
    subsection,
    this,
    uint8,
    uint16,
    uint32,
    uint64,
    up,
    vbuffer,
)
from vmstate.devices.pci.device import PCIDevice
from vmstate.devices.pci.msix import MSIX, msix_of

QUEUES = 8
"""The most queues of one direction."""

INTERRUPTS = 25
"""The vectors of MSI-X, which each device has."""


@description("vmxnet3/mcast_list", version_id=1, minimum_version_id=1)
class McastList(VMState):
    """The multicast filter; sent where there is one."""

    mcast_list: bytes = vbuffer(up.mcast_list_buff_size, private=MACS)


@description("vmxnet3-ring")
class Ring(VMState):
    """A ring in guest memory."""

    pa: int = uint64()
    size: int = uint32()
    cell_size: int = uint32()
    next: int = uint32()
    gen: int = uint8()


@description("vmxnet3-tx-stats")
class TxStats(VMState):
    """Counters of a transmit queue."""

    TSOPktsTxOK: int = uint64()
    TSOBytesTxOK: int = uint64()
    ucastPktsTxOK: int = uint64()
    ucastBytesTxOK: int = uint64()
    mcastPktsTxOK: int = uint64()
    mcastBytesTxOK: int = uint64()
    bcastPktsTxOK: int = uint64()
    bcastBytesTxOK: int = uint64()
    pktsTxError: int = uint64()
    pktsTxDiscard: int = uint64()


@description("vmxnet3-txq-descr")
class TxqDescr(VMState):
    """A transmit queue."""

    tx_ring: Ring = struct(Ring)
    comp_ring: Ring = struct(Ring)
    intr_idx: int = uint8()
    tx_stats_pa: int = uint64()
    txq_stats: TxStats = struct(TxStats)


@description("vmxnet3-rx-stats")
class RxStats(VMState):
    """Counters of a receive queue."""

    LROPktsRxOK: int = uint64()
    LROBytesRxOK: int = uint64()
    ucastPktsRxOK: int = uint64()
    ucastBytesRxOK: int = uint64()
    mcastPktsRxOK: int = uint64()
    mcastBytesRxOK: int = uint64()
    bcastPktsRxOK: int = uint64()
    bcastBytesRxOK: int = uint64()
    pktsRxOutOfBuf: int = uint64()
    pktsRxError: int = uint64()


@description("vmxnet3-rxq-descr")
class RxqDescr(VMState):
    """A receive queue."""

    rx_ring: list[Ring] = array(Ring, 2)
    comp_ring: Ring = struct(Ring)
    intr_idx: int = uint8()
    rx_stats_pa: int = uint64()
    rxq_stats: RxStats = struct(RxStats)


@description("vmxnet3-int-state")
class IntState(VMState):
    """An interrupt."""

    is_masked: bool = boolean()
    is_pending: bool = boolean()
    is_asserted: bool = boolean()


def bad_interrupt(descriptors: Sequence[TxqDescr | RxqDescr], count: int) -> int | None:
    """The first interrupt of the queues in use that a device has not got; None where it has all of them.

    Where there are more queues in use than there can be, QEMU refuses that before.
    """
    if count > QUEUES:
        return None
    return next((queue.intr_idx for queue in descriptors[:count] if queue.intr_idx >= INTERRUPTS), None)


def interrupts_of(direction: str, word: str) -> Rule:
    """That the queues of one direction which are in use have interrupts that are there."""
    number = asks(bad_interrupt, this[f"{direction}_descr"], this[f"{direction}_num"])
    return Rule(
        f"vmxnet3-{word}-interrupt",
        asks(_is_none, number),
        f"there are {INTERRUPTS} interrupts: QEMU ends itself otherwise (a defect of QEMU's)",
        qemu_error="qemu: hardware error: Bad interrupt index: {value}",
        value=number,
    )


def _is_none(value: object) -> bool:
    return value is None


@device("vmxnet3", models="vmstate.devices.net.models:VMXNET3")
@description(
    "vmxnet3", version_id=1, minimum_version_id=1, rules=(interrupts_of("txq", "tx"), interrupts_of("rxq", "rx"))
)
class VMXNET3(VMState):
    """Settings, queues and interrupts."""

    parent_obj: PCIDevice = struct(PCIDevice)
    msix: MSIX = struct(msix_of("parent_obj"), name="parent_obj")
    rx_packets_compound: bool = boolean()
    rx_vlan_stripping: bool = boolean()
    lro_supported: bool = boolean()
    rx_mode: int = uint32()
    mcast_list_len: int = uint32()
    mcast_list_buff_size: int = uint32()
    vlan_table: list[int] = array(uint32, 128)
    mtu: int = uint32()
    max_rx_frags: int = uint16()
    max_tx_frags: int = uint32()
    event_int_idx: int = uint8(
        rules=(
            Rule(
                "vmxnet3-event-interrupt",
                this.event_int_idx < INTERRUPTS,
                f"there are {INTERRUPTS} interrupts: QEMU ends itself otherwise (a defect of QEMU's)",
                qemu_error="qemu: hardware error: Bad interrupt index: {value}",
                value=this.event_int_idx,
            ),
        )
    )
    auto_int_masking: bool = boolean()
    txq_num: int = uint8(
        rules=(rule("vmxnet3-tx-queues", this.txq_num <= QUEUES, f"there are at most {QUEUES} queues to send"),)
    )
    rxq_num: int = uint8(
        rules=(rule("vmxnet3-rx-queues", this.rxq_num <= QUEUES, f"there are at most {QUEUES} queues to receive"),)
    )
    device_active: int = uint32()
    last_command: int = uint32()
    link_status_and_speed: int = uint32()
    # The first four bytes of an address, until the guest has written the other two.
    temp_mac: int = uint32(private=CONTENTS)
    drv_shmem: int = uint64()
    temp_shared_guest_driver_memory: int = uint64()
    txq_descr: list[TxqDescr] = array(TxqDescr, 8)
    rxq_descr: list[RxqDescr] = array(RxqDescr, 8)
    interrupt_states: list[IntState] = array(IntState, INTERRUPTS)
    mcast_list: McastList | None = subsection(McastList)
