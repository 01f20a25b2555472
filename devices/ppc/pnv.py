"""The parts of a chip of `powernv` machines, which QEMU sends from 11.0 on.

Facts from QEMU's hw/ppc/pnv_*.c and hw/ssi/pnv_spi.c, and the vmdesc of streams of 11.1.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, boolean, description, device, uint8, uint32, uint64


@device("pnv-i2c")
@description("pnv-i2c", version_id=1)
class PnvI2C(VMState):
    """A master of the I2C bus."""

    regs: list[int] = array(uint64, 32)


@device("pnv-spi")
@description("pnv-spi", version_id=1)
class PnvSPI(VMState):
    """A master of the SPI bus: its registers, and how far its sequence is."""

    fail_count: int = uint8()
    transfer_len: int = uint8()
    responder_select: int = uint8()
    shift_n1_done: bool = boolean()
    loop_counter_1: int = uint8()
    loop_counter_2: int = uint8()
    N1_bits: int = uint8()
    N2_bits: int = uint8()
    N1_bytes: int = uint8()
    N2_bytes: int = uint8()
    N1_tx: int = uint8()
    N2_tx: int = uint8()
    N1_rx: int = uint8()
    N2_rx: int = uint8()
    regs: list[int] = array(uint64, 7)
    seq_op: list[int] = array(uint8, 8)
    status: int = uint64()


@device("powernv-cpu-core")
@description("powernv-cpu-core", version_id=1)
class PnvCore(VMState):
    """The scratch registers of a core."""

    scratch: list[int] = array(uint64, 8)


@device("powernv-cpu-quad")
@description("powernv-cpu-quad", version_id=1)
class PnvQuad(VMState):
    """Which cores of four are to stay awake."""

    special_wakeup_done: bool = boolean()
    special_wakeup: list[bool] = array(boolean, 4)


@device("pnv-adu")
@description("pnv-adu", version_id=1)
class PnvADU(VMState):
    """The unit that reaches the LPC bus by its alter and display registers."""

    lpc_cmd_reg: int = uint64()
    lpc_data_reg: int = uint64()


@device("pnv-lpc")
@description("pnv-lpc", version_id=1, minimum_version_id=1)
class PnvLPC(VMState):
    """The controller of the LPC bus."""

    eccb_stat_reg: int = uint64()
    eccb_data_reg: int = uint32()
    opb_irq_route0: int = uint32()
    opb_irq_route1: int = uint32()
    opb_irq_stat: int = uint32()
    opb_irq_mask: int = uint32()
    opb_irq_pol: int = uint32()
    opb_irq_input: int = uint32()
    lpc_hc_irq_inputs: int = uint32()
    lpc_hc_fw_seg_idsel: int = uint32()
    lpc_hc_irqser_ctrl: int = uint32()
    lpc_hc_irqmask: int = uint32()
    lpc_hc_irqstat: int = uint32()
    lpc_hc_error_addr: int = uint32()
    lpc_hc_fw_rd_acc_size: int = uint32()


@device("pnv-chiptod")
@description("pnv-chiptod", version_id=1)
class PnvChipTOD(VMState):
    """The time-of-day clock of a chip."""

    primary: bool = boolean()
    secondary: bool = boolean()
    tod_error: int = uint64()
    pss_mss_ctrl_reg: int = uint64()
    tx_ttype_ctrl: int = uint64()
    tod_state_val: int = uint8()


@device("pnv-psi")
@description("pnv-psi", version_id=1, minimum_version_id=1)
class PnvPSI(VMState):
    """The processor service interface."""

    regs: list[int] = array(uint64, 32)
