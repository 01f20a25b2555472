"""The CAN FD controllers of CTU in Prague, on the PCI bus.

Facts from QEMU's hw/net/can/ctucan_core.c and ctucan_pci.c.
"""

from __future__ import annotations

from vmstate.declare import CONTENTS, VMState, array, buffer, description, device, struct, uint8, uint32
from vmstate.devices.pci.device import PCIDevice


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


@device("ctucan_pci")
@description("ctucan_pci", version_id=1, minimum_version_id=1)
class CTUCanPCI(VMState):
    """The PCI function and its two controllers."""

    dev: PCIDevice = struct(PCIDevice)
    ctucan_state_0: CTUCan = struct(CTUCan, name="ctucan_state[0]")
    ctucan_state_1: CTUCan = struct(CTUCan, name="ctucan_state[1]")
