"""Devices of Xilinx: of Zynq, ZynqMP and Versal, and those that are put into an FPGA.

Above each part stands the file of QEMU's that its facts are from.
"""

from __future__ import annotations

from vmstate.declare import (
    CONTENTS,
    VMState,
    array,
    boolean,
    description,
    device,
    gtree,
    secret,
    struct,
    uint8,
    uint16,
    uint32,
    uint64,
    variant,
    vbuffer,
)
from vmstate.devices.core.clock import Clock
from vmstate.devices.core.fifo8 import Fifo8
from vmstate.devices.core.ptimer import Ptimer

# The registers of a DisplayPort monitor, behind Xilinx's display controller (hw/display/dpcd.c).


@device("dpcd")
@description("dpcd")
class Dpcd(VMState):
    """The registers, as the port reads them."""

    dpcd_info: list[int] = array(uint8, 1536)


# An SPI controller of Xilinx's soft logic (XPS) (hw/ssi/xilinx_spi.c).


@device("xilinx_spi")
@description("xilinx_spi", version_id=1, minimum_version_id=1)
class XilinxSPI(VMState):
    """Bytes to be sent and received, and registers."""

    tx_fifo: Fifo8 = struct(Fifo8)
    rx_fifo: Fifo8 = struct(Fifo8)
    regs: list[int] = array(uint32, 31)


# The SPI controllers of Xilinx's Zynq, also with four lines, and the generic one of Zynq UltraScale+
# (hw/ssi/xilinx_spips.c).


@device("xilinx_spips")
@description("xilinx_spips", version_id=2, minimum_version_id=2)
class XilinxSpips(VMState):
    """Bytes to be sent and received, registers, and how a flash memory is spoken to."""

    tx_fifo: Fifo8 = struct(Fifo8)
    rx_fifo: Fifo8 = struct(Fifo8)
    regs: list[int] = array(uint32, 64)
    snoop_state: int = uint8()


@description("xilinx_qspips", version_id=1, minimum_version_id=1)
class XilinxQSPIPS(VMState):
    """The controller with four lines."""

    parent_obj: XilinxSpips = struct(XilinxSpips)


FIFO_G = variant(Fifo8, data=vbuffer(256))
COMMAND_FIFO = variant(Fifo8, data=vbuffer(128))


@device("xlnx_zynqmp_qspips")
@description("xlnx_zynqmp_qspips", version_id=1, minimum_version_id=1)
class XlnxZynqMPQSPIPS(VMState):
    """The generic controller of the Zynq UltraScale+: the older one, its own FIFOs, commands and registers."""

    parent_obj: XilinxQSPIPS = struct(XilinxQSPIPS)
    tx_fifo_g: Fifo8 = struct(FIFO_G)
    rx_fifo_g: Fifo8 = struct(FIFO_G)
    fifo_g: Fifo8 = struct(COMMAND_FIFO, name="fifo_g.fifo")
    regs: list[int] = array(uint32, 128)


XLNX_ZYNQMP_QSPIPS_5_2 = variant(XlnxZynqMPQSPIPS, regs=array(uint32, 524))
"""Up to 5.2, with registers that are not there."""


# The battery-backed memory of Xilinx's SoCs, with a key (hw/nvram/xlnx-bbram.c).

KEY = secret("contents", 4, 9)
"""The registers BBRAM_0 to BBRAM_8: a key and what the user stores."""


@device("xlnx.bbram-ctrl", "xlnx,bbram-ctrl")
@description("xlnx.bbram-ctrl", version_id=1, minimum_version_id=1)
class XlnxBbramCtrl(VMState):
    """Registers."""

    regs: list[int] = array(uint32, 20, private=KEY)


XLNX_BBRAM_CTRL_7_2 = variant(XlnxBbramCtrl, "xlnx,bbram-ctrl")
"""The name up to 7.2 at least."""


# The DMA of Xilinx's configuration unit (hw/dma/xlnx_csu_dma.c).


@device("xlnx.csu_dma")
@description("xlnx.csu_dma")
class XlnxCsuDma(VMState):
    """Registers, the width of the bus, and whether it reads or writes.

    Its timer is a field of version 1 of a description whose version is 0: QEMU sends it never.
    """

    width: int = uint16()
    is_dst: bool = boolean()
    r_size_last_word: bool = boolean()
    regs: list[int] = array(uint32, 11)


# The DisplayPort controller of Xilinx's Zynq UltraScale+ (hw/display/xlnx_dp.c).


@device("xlnx.v-dp")
@description("xlnx.v-dp", version_id=2)
class XlnxVDp(VMState):
    """Registers of its parts, and the timer of the picture."""

    core_registers: list[int] = array(uint32, 236)
    avbufm_registers: list[int] = array(uint32, 142)
    vblend_registers: list[int] = array(uint32, 120)
    audio_registers: list[int] = array(uint32, 20)
    vblank: Ptimer | None = struct(Ptimer, version=1)


XLNX_V_DP_5_2 = variant(
    XlnxVDp,
    None,
    1,
    core_registers=array(uint32, 235),
    vblend_registers=array(uint32, 119),
    vblank=None,
)
"""Of 5.2."""


# The DMA of Xilinx's DisplayPort controller (hw/dma/xlnx_dpdma.c).


@device("xlnx.dpdma")
@description("xlnx.dpdma", version_id=1)
class XlnxDpdma(VMState):
    """Registers, and which channels are done."""

    registers: list[int] = array(uint32, 1024)
    operation_finished: list[bool] = array(boolean, 6)


# The CAN FD controller of Xilinx's Versal (hw/net/can/xlnx-versal-canfd.c).


@device("xlnx.versal-canfd")
@description("xlnx.versal-canfd", version_id=1, minimum_version_id=1)
class XlnxVersalCanfd(VMState):
    """Registers with the messages, and the timer that stamps these."""

    regs: list[int] = array(uint32, 5312, private=CONTENTS)
    canfd_timer: Ptimer = struct(Ptimer, version=1)


# The configuration frames of Xilinx's Versal (hw/misc/xlnx-versal-cframe-reg.c).


@device("xlnx.cframe-bcast-reg")
@description("xlnx.cframe-bcast-reg", version_id=1, minimum_version_id=1)
class XlnxCframeBcastReg(VMState):
    """A write to all rows, of 128 bits."""

    wfifo: list[int] = array(uint32, 4)


FRAME_FIFO = variant(Fifo8, data=vbuffer(400))


@description("cframe", version_id=1, minimum_version_id=1)
class CFrame(VMState):
    """A frame of configuration: 25 times 128 bits."""

    data: list[int] = array(uint32, 100, private=CONTENTS)


@device("xlnx-cframe-reg")
@description("xlnx-cframe-reg", version_id=1, minimum_version_id=1)
class XlnxVersalCFrameReg(VMState):
    """A row of frames: registers, the frames by their address, and the frame that is being written."""

    wfifo: list[int] = array(uint32, 4, private=CONTENTS)
    regs: list[int] = array(uint32, 144)
    rowon: bool = boolean()
    wcfg: bool = boolean()
    rcfg: bool = boolean()
    cframes: list[tuple[int, CFrame]] = gtree(CFrame, version=1)
    new_f_data: Fifo8 = struct(FRAME_FIFO, name="new_f_data.fifo")


# The configuration frame unit of Xilinx's Versal (hw/misc/xlnx-versal-cfu.c).


@device("xlnx-versal-cfu-apb")
@description("xlnx-versal-cfu-apb", version_id=1, minimum_version_id=1)
class XlnxVersalCfuApb(VMState):
    """Registers, a write of 128 bits, and the row it goes to."""

    wfifo: list[int] = array(uint32, 4, private=CONTENTS)
    regs: list[int] = array(uint32, 72)
    fdri_row_addr: int = uint8()


@device("xlnx-versal-cfu-sfr")
@description("xlnx-versal-cfu-sfr", version_id=1, minimum_version_id=1)
class XlnxVersalCfuSfr(VMState):
    """A write of 128 bits."""

    wfifo: list[int] = array(uint32, 4, private=CONTENTS)


FDRO_FIFO = variant(Fifo8, data=vbuffer(8192))


@device("xlnx-versal-cfu-fdro")
@description("xlnx-versal-cfu-fdro", version_id=1, minimum_version_id=1)
class XlnxVersalCfuFdro(VMState):
    """What was read of the frames and not yet fetched."""

    fdro_data: Fifo8 = struct(FDRO_FIFO, name="fdro_data.fifo")


# The clocks and resets of the low-power domain of Xilinx's Versal (hw/misc/xlnx-versal-crl.c).


@device("xlnx-versal-crl", "xlnx,versal-crl")
@description("xlnx-versal-crl", version_id=1, minimum_version_id=1)
class XlnxVersalCrl(VMState):
    """Registers."""

    regs: list[int] = array(uint32, 221)


@device("xlnx-versal2-crl")
@description("xlnx-versal2-crl", version_id=1, minimum_version_id=1)
class XlnxVersal2Crl(VMState):
    """Registers of the second generation."""

    regs: list[int] = array(uint32, 247)


XLNX_VERSAL_CRL_8_2 = variant(XlnxVersalCrl, "xlnx,versal-crl")
"""The name up to 8.2."""


# The fuses of Xilinx's Versal (hw/nvram/xlnx-versal-efuse-ctrl.c).


@device("xlnx-versal-efuse", "xlnx,versal-efuse")
@description("xlnx-versal-efuse", version_id=1, minimum_version_id=1)
class XlnxVersalEfuse(VMState):
    """Registers."""

    regs: list[int] = array(uint32, 65)


XLNX_VERSAL_EFUSE_8_2 = variant(XlnxVersalEfuse, "xlnx,versal-efuse")
"""The name up to 8.2."""


# The flash memory's controller of Xilinx's Versal (OSPI) (hw/ssi/xlnx-versal-ospi.c).


@description("OSPIIndOp", version_id=1, minimum_version_id=1)
class OSPIIndOp(VMState):
    """A transfer by the controller itself: where, how much, how far."""

    flash_addr: int = uint32()
    num_bytes: int = uint32()
    done_bytes: int = uint32()
    completed: bool = boolean()


@device("xlnx.versal-ospi")
@description("xlnx.versal-ospi", version_id=1, minimum_version_id=1)
class XlnxVersalOspi(VMState):
    """Bytes on their way, transfers, and registers."""

    rx_fifo: Fifo8 = struct(Fifo8)
    tx_fifo: Fifo8 = struct(Fifo8)
    rx_sram: Fifo8 = struct(Fifo8)
    tx_sram: Fifo8 = struct(Fifo8)
    ind_write_disabled: bool = boolean()
    dac_with_indac: bool = boolean()
    dac_enable: bool = boolean()
    src_dma_inprog: bool = boolean()
    rd_ind_op: list[OSPIIndOp] = array(OSPIIndOp, 2, version=1)
    wr_ind_op: list[OSPIIndOp] = array(OSPIIndOp, 2, version=1)
    regs: list[int] = array(uint32, 64)
    stig_membank: list[int] = array(uint8, 512)


# The pins and system registers of Xilinx's Versal (hw/misc/xlnx-versal-pmc-iou-slcr.c).


@device("xlnx.versal-pmc-iou-slcr")
@description("xlnx.versal-pmc-iou-slcr", version_id=1, minimum_version_id=1)
class XlnxVersalPmcIouSlcr(VMState):
    """Registers."""

    regs: list[int] = array(uint32, 523)


# The random numbers of Xilinx's Versal (hw/misc/xlnx-versal-trng.c).


@device("xlnx.versal-trng")
@description("xlnx.versal-trng", version_id=1, minimum_version_id=1)
class XlnxVersalTrng(VMState):
    """Registers, how many numbers were made, and the seed that was set."""

    rand_count: int = uint32()
    rand_reseed: int = uint64()
    forced_prng_count: int = uint64()
    tst_seed: list[int] = array(uint64, 2, private=CONTENTS)
    regs: list[int] = array(uint32, 61)


# What Xilinx's USB controller has beside DWC3 (hw/usb/xlnx-versal-usb2-ctrl-regs.c).


@device("xlnx.versal-usb2-ctrl-regs")
@description("xlnx.versal-usb2-ctrl-regs", version_id=1, minimum_version_id=1)
class XlnxVersalUsb2CtrlRegs(VMState):
    """Registers."""

    regs: list[int] = array(uint32, 31)


# The controller of the accelerator memory of Xilinx's Versal (hw/misc/xlnx-versal-xramc.c).


@device("xlnx.versal-xramc")
@description("xlnx.versal-xramc", version_id=1, minimum_version_id=1)
class XlnxVersalXramc(VMState):
    """Registers."""

    regs: list[int] = array(uint32, 1023)


# The DMA controller of Xilinx's Zynq UltraScale+ and Versal (hw/dma/xlnx-zdma.c).


@device("xlnx.zdma")
@description("xlnx.zdma", version_id=1, minimum_version_id=1)
class XlnxZdma(VMState):
    """Registers, and the two descriptors under way."""

    regs: list[int] = array(uint32, 129)
    state: int = uint32()
    dsc_src_words: list[int] = array(uint32, 4, name="dsc_src.words")
    dsc_dst_words: list[int] = array(uint32, 4, name="dsc_dst.words")


# The device configuration of Xilinx's Zynq (hw/dma/xlnx-zynq-devcfg.c).


@description("xlnx_zynq_devcfg_dma_cmd", version_id=1, minimum_version_id=1)
class XlnxZynqDevcfgDmaCmd(VMState):
    """A command of its DMA."""

    src_addr: int = uint32()
    dest_addr: int = uint32()
    src_len: int = uint32()
    dest_len: int = uint32()


@device("xlnx_zynq_devcfg")
@description("xlnx_zynq_devcfg", version_id=1, minimum_version_id=1)
class XlnxZynqDevcfg(VMState):
    """The commands, and registers."""

    dma_cmd_fifo: list[XlnxZynqDevcfgDmaCmd] = array(XlnxZynqDevcfgDmaCmd, 10)
    dma_cmd_fifo_num: int = uint8()
    regs: list[int] = array(uint32, 64)


# The control of the application processors of Xilinx's Zynq UltraScale+ (hw/misc/xlnx-zynqmp-apu-ctrl.c).


@device("xlnx.apu-ctrl")
@description("xlnx.apu-ctrl", version_id=1, minimum_version_id=1)
class XlnxApuCtrl(VMState):
    """Registers."""

    regs: list[int] = array(uint32, 38)


# The CAN controller of Xilinx's Zynq UltraScale+ (hw/net/can/xlnx-zynqmp-can.c).

FIFO = variant(Fifo8, data=vbuffer(1024))
HIGH_PRIORITY_FIFO = variant(Fifo8, data=vbuffer(16))


@device("xlnx.zynqmp-can")
@description("xlnx.zynqmp-can", version_id=1, minimum_version_id=1)
class XlnxZynqMPCAN(VMState):
    """Messages received and to be sent, registers, and the timer that stamps messages."""

    rx_fifo: Fifo8 = struct(FIFO, name="rx_fifo.fifo")
    tx_fifo: Fifo8 = struct(FIFO, name="tx_fifo.fifo")
    txhpb_fifo: Fifo8 = struct(HIGH_PRIORITY_FIFO, name="txhpb_fifo.fifo")
    regs: list[int] = array(uint32, 33)
    can_timer: Ptimer = struct(Ptimer, version=1)


# The clocks and resets of the full-power domain of Xilinx's Zynq UltraScale+ (hw/misc/xlnx-zynqmp-crf.c).


@device("xlnx.zynqmp_crf")
@description("xlnx.zynqmp_crf", version_id=1, minimum_version_id=1)
class XlnxZynqmpCrf(VMState):
    """Registers."""

    regs: list[int] = array(uint32, 67)


# The fuses of Xilinx's Zynq UltraScale+ (hw/nvram/xlnx-zynqmp-efuse.c).

FUSES = secret("contents", 1024, 64)
"""The copies of the fuses: the serial number, the user's words, digests of keys."""


@device("xlnx-zynqmp-efuse", "xlnx,zynqmp-efuse")
@description("xlnx-zynqmp-efuse", version_id=1, minimum_version_id=1)
class XlnxZynqmpEfuse(VMState):
    """Registers, and copies of the fuses."""

    regs: list[int] = array(uint32, 1088, private=FUSES)


XLNX_ZYNQMP_EFUSE_8_2 = variant(XlnxZynqmpEfuse, "xlnx,zynqmp-efuse")
"""The name up to 8.2."""


# The interrupts between processors of Xilinx's Zynq UltraScale+ (hw/intc/xlnx-zynqmp-ipi.c).


@device("xlnx.zynqmp_ipi")
@description("xlnx.zynqmp_ipi", version_id=1, minimum_version_id=1)
class XlnxZynqmpIpi(VMState):
    """Registers."""

    regs: list[int] = array(uint32, 8)


# The real-time clock of Xilinx's Zynq UltraScale+ (hw/rtc/xlnx-zynqmp-rtc.c).


@device("xlnx-zynmp.rtc", noise={"timer": ("tick_offset",)})
@description("xlnx-zynmp.rtc", version_id=1, minimum_version_id=1)
class XlnxZynmpRtc(VMState):
    """Registers, and the time as an offset from the host's."""

    regs: list[int] = array(uint32, 21)
    tick_offset: int = uint32()


# The memory controller of Xilinx's Zynq. Facts from the streams and the descriptions of QEMU 11.1.


@device("zynq_ddrc")
@description("zynq_ddrc", version_id=1, minimum_version_id=1)
class ZynqDdrc(VMState):
    """Registers."""

    reg: list[int] = array(uint32, 256)


# The system registers of Xilinx's Zynq: clocks, resets, pins (hw/misc/zynq_slcr.c).


@device("zynq_slcr")
@description("zynq_slcr", version_id=3, minimum_version_id=2)
class ZynqSlcr(VMState):
    """Registers, and the clock that comes in."""

    regs: list[int] = array(uint32, 1024)
    ps_clk: Clock = struct(Clock, version=3)


# The analogue-to-digital converter of Xilinx's Zynq (hw/adc/zynq-xadc.c).


@device("zynq-xadc")
@description("zynq-xadc", version_id=1, minimum_version_id=1)
class ZynqXadc(VMState):
    """Registers, and the samples."""

    regs: list[int] = array(uint32, 8)
    xadc_regs: list[int] = array(uint16, 128)
    xadc_dfifo: list[int] = array(uint16, 15)
    xadc_read_reg_previous: int = uint16()
    xadc_dfifo_entries: int = uint16()
