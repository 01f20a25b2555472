"""The Intel HD Audio controller.

Facts from QEMU's hw/audio/intel-hda.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, int64, struct, uint32
from vmstate.devices.pci.device import PCIDevice


@description("intel-hda-stream", version_id=1)
class Stream(VMState):
    """A stream."""

    ctl: int = uint32()
    lpib: int = uint32()
    cbl: int = uint32()
    lvi: int = uint32()
    fmt: int = uint32()
    bdlp_lbase: int = uint32()
    bdlp_ubase: int = uint32()


@device("intel-hda", models="vmstate.devices.audio.models:INTEL_HDA", noise={"timer": ("wall_base_ns",)})
@description("intel-hda", version_id=1)
class IntelHDA(VMState):
    """Registers and streams."""

    pci: PCIDevice = struct(PCIDevice)
    g_ctl: int = uint32()
    wake_en: int = uint32()
    state_sts: int = uint32()
    int_ctl: int = uint32()
    int_sts: int = uint32()
    wall_clk: int = uint32()
    corb_lbase: int = uint32()
    corb_ubase: int = uint32()
    corb_rp: int = uint32()
    corb_wp: int = uint32()
    corb_ctl: int = uint32()
    corb_sts: int = uint32()
    corb_size: int = uint32()
    rirb_lbase: int = uint32()
    rirb_ubase: int = uint32()
    rirb_wp: int = uint32()
    rirb_cnt: int = uint32()
    rirb_ctl: int = uint32()
    rirb_sts: int = uint32()
    rirb_size: int = uint32()
    dp_lbase: int = uint32()
    dp_ubase: int = uint32()
    icw: int = uint32()
    irr: int = uint32()
    ics: int = uint32()
    st: list[Stream] = array(Stream, 8)
    rirb_count: int = uint32()
    wall_base_ns: int = int64()
