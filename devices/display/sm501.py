"""The graphics controller SM501, as a PCI device and on a system bus.

Facts from QEMU's hw/display/sm501.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, struct, uint8, uint32
from vmstate.devices.pci.device import PCIDevice


@description("sm501-state", version_id=1, minimum_version_id=1)
class SM501State(VMState):
    """The registers of the controller, of its display layers, its 2D engine and its I2C bus."""

    local_mem_size_index: int = uint32()
    system_control: int = uint32()
    misc_control: int = uint32()
    gpio_31_0_control: int = uint32()
    gpio_63_32_control: int = uint32()
    dram_control: int = uint32()
    arbitration_control: int = uint32()
    irq_mask: int = uint32()
    misc_timing: int = uint32()
    power_mode_control: int = uint32()
    uart0_ier: int = uint32()
    uart0_lcr: int = uint32()
    uart0_mcr: int = uint32()
    uart0_scr: int = uint32()
    dc_palette: list[int] = array(uint8, 3072)
    dc_panel_control: int = uint32()
    dc_panel_panning_control: int = uint32()
    dc_panel_fb_addr: int = uint32()
    dc_panel_fb_offset: int = uint32()
    dc_panel_fb_width: int = uint32()
    dc_panel_fb_height: int = uint32()
    dc_panel_tl_location: int = uint32()
    dc_panel_br_location: int = uint32()
    dc_panel_h_total: int = uint32()
    dc_panel_h_sync: int = uint32()
    dc_panel_v_total: int = uint32()
    dc_panel_v_sync: int = uint32()
    dc_panel_hwc_addr: int = uint32()
    dc_panel_hwc_location: int = uint32()
    dc_panel_hwc_color_1_2: int = uint32()
    dc_panel_hwc_color_3: int = uint32()
    dc_video_control: int = uint32()
    dc_crt_control: int = uint32()
    dc_crt_fb_addr: int = uint32()
    dc_crt_fb_offset: int = uint32()
    dc_crt_h_total: int = uint32()
    dc_crt_h_sync: int = uint32()
    dc_crt_v_total: int = uint32()
    dc_crt_v_sync: int = uint32()
    dc_crt_hwc_addr: int = uint32()
    dc_crt_hwc_location: int = uint32()
    dc_crt_hwc_color_1_2: int = uint32()
    dc_crt_hwc_color_3: int = uint32()
    twoD_source: int = uint32()
    twoD_destination: int = uint32()
    twoD_dimension: int = uint32()
    twoD_control: int = uint32()
    twoD_pitch: int = uint32()
    twoD_foreground: int = uint32()
    twoD_background: int = uint32()
    twoD_stretch: int = uint32()
    twoD_color_compare: int = uint32()
    twoD_color_compare_mask: int = uint32()
    twoD_mask: int = uint32()
    twoD_clip_tl: int = uint32()
    twoD_clip_br: int = uint32()
    twoD_mono_pattern_low: int = uint32()
    twoD_mono_pattern_high: int = uint32()
    twoD_window_width: int = uint32()
    twoD_source_base: int = uint32()
    twoD_destination_base: int = uint32()
    twoD_alpha: int = uint32()
    twoD_wrap: int = uint32()
    i2c_byte_count: int = uint8()
    i2c_status: int = uint8()
    i2c_addr: int = uint8()
    i2c_data: list[int] = array(uint8, 16)


@device("sm501")
@description("sm501", version_id=2, minimum_version_id=2)
class SM501(VMState):
    """The PCI device."""

    parent_obj: PCIDevice = struct(PCIDevice)
    state: SM501State = struct(SM501State, version=1)


@device("sysbus-sm501")
@description("sysbus-sm501", version_id=2, minimum_version_id=2)
class SM501SysBus(VMState):
    """The device of a system bus."""

    state: SM501State = struct(SM501State, version=1)
