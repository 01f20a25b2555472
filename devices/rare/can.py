"""CAN controllers on the PCI bus.

Above each part stands the file of QEMU's that its facts are from.
"""

from __future__ import annotations

from vmstate.declare import CONTENTS, REGISTERS, VMState, array, buffer, description, device, struct, uint8, uint32
from vmstate.devices.pci.device import PCIDevice

# CAN controllers SJA1000 on the PCI bus: of Kvaser, of Advantech's PCM-3680I and of its MIOe-3680
# (hw/net/can/can_sja1000.c, can_kvaser_pci.c, can_pcm3680_pci.c and can_mioe3680_pci.c).


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


@device("kvaser_pci", models="vmstate.devices.misc.models:KVASER")
@description("kvaser_pci", version_id=1, minimum_version_id=1)
class KvaserPCI(VMState):
    """Kvaser's card: the PCI function, the interrupt register of its bridge, and a controller."""

    dev: PCIDevice = struct(PCIDevice)
    s5920_intcsr: int = uint32()
    sja_state: SJA1000 = struct(SJA1000)


@device("pcm3680i_pci", models="vmstate.devices.misc.models:PCM3680")
@description("pcm3680i_pci", version_id=1, minimum_version_id=1)
class Pcm3680iPCI(VMState):
    """Advantech's PCM-3680I: two controllers."""

    dev: PCIDevice = struct(PCIDevice)
    sja_state_0: SJA1000 = struct(SJA1000, name="sja_state[0]")
    sja_state_1: SJA1000 = struct(SJA1000, name="sja_state[1]")


@device("mioe3680_pci", models="vmstate.devices.misc.models:MIOE3680")
@description("mioe3680_pci", version_id=1, minimum_version_id=1)
class Mioe3680PCI(VMState):
    """Advantech's MIOe-3680: two controllers."""

    dev: PCIDevice = struct(PCIDevice)
    sja_state_0: SJA1000 = struct(SJA1000, name="sja_state[0]")
    sja_state_1: SJA1000 = struct(SJA1000, name="sja_state[1]")


# The CAN FD controllers of CTU in Prague, on the PCI bus (hw/net/can/ctucan_core.c and ctucan_pci.c).


@description("qemu_ctucan_tx_buffer", version_id=1, minimum_version_id=1)
class TXBuffer(VMState):
    """A message to be sent."""

    data: list[int] = array(uint8, 80, private=CONTENTS)


@description("ctucan", version_id=1, minimum_version_id=1)
class CTUCan(VMState):
    """A controller: registers, and the messages to be sent and received."""

    mode_settings: int = uint32(name="mode_settings.u32")
    status: int = uint32(name="status.u32")
    int_stat: int = uint32(name="int_stat.u32")
    int_ena: int = uint32(name="int_ena.u32")
    int_mask: int = uint32(name="int_mask.u32")
    brt: int = uint32(name="brt.u32")
    brt_fd: int = uint32(name="brt_fd.u32")
    ewl_erp_fault_state: int = uint32(name="ewl_erp_fault_state.u32")
    rec_tec: int = uint32(name="rec_tec.u32")
    err_norm_err_fd: int = uint32(name="err_norm_err_fd.u32")
    ctr_pres: int = uint32(name="ctr_pres.u32")
    filter_a_mask: int = uint32(name="filter_a_mask.u32")
    filter_a_val: int = uint32(name="filter_a_val.u32")
    filter_b_mask: int = uint32(name="filter_b_mask.u32")
    filter_b_val: int = uint32(name="filter_b_val.u32")
    filter_c_mask: int = uint32(name="filter_c_mask.u32")
    filter_c_val: int = uint32(name="filter_c_val.u32")
    filter_ran_low: int = uint32(name="filter_ran_low.u32")
    filter_ran_high: int = uint32(name="filter_ran_high.u32")
    filter_control_filter_status: int = uint32(name="filter_control_filter_status.u32")
    rx_mem_info: int = uint32(name="rx_mem_info.u32")
    rx_pointers: int = uint32(name="rx_pointers.u32")
    rx_status_rx_settings: int = uint32(name="rx_status_rx_settings.u32")
    tx_status: int = uint32(name="tx_status.u32")
    tx_priority: int = uint32(name="tx_priority.u32")
    err_capt_alc: int = uint32(name="err_capt_alc.u32")
    trv_delay_ssp_cfg: int = uint32(name="trv_delay_ssp_cfg.u32")
    rx_fr_ctr: int = uint32(name="rx_fr_ctr.u32")
    tx_fr_ctr: int = uint32(name="tx_fr_ctr.u32")
    debug_register: int = uint32(name="debug_register.u32")
    yolo_reg: int = uint32(name="yolo_reg.u32")
    timestamp_low: int = uint32(name="timestamp_low.u32")
    timestamp_high: int = uint32(name="timestamp_high.u32")
    tx_buffer: list[TXBuffer] = array(TXBuffer, 4)
    rx_buff: bytes = buffer(8192)
    rx_tail_pos: int = uint32()
    rx_cnt: int = uint32()
    rx_frame_rem: int = uint32()


@device("ctucan_pci", models="vmstate.devices.misc.models:CTUCAN")
@description("ctucan_pci", version_id=1, minimum_version_id=1)
class CTUCanPCI(VMState):
    """The PCI function and its two controllers."""

    dev: PCIDevice = struct(PCIDevice)
    ctucan_state_0: CTUCan = struct(CTUCan, name="ctucan_state[0]")
    ctucan_state_1: CTUCan = struct(CTUCan, name="ctucan_state[1]")
