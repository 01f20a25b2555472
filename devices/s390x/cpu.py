"""An s390x processor.

Facts from QEMU's target/s390x/machine.c.
"""

from __future__ import annotations

from vmstate.declare import (
    CONTENTS,
    VMState,
    array,
    boolean,
    description,
    device,
    part,
    subsection,
    this,
    uint8,
    uint32,
    uint64,
    vbuffer,
)


@part(noise={"register": ("env.fpc", "env.vregs")})
@description("cpu/fpu", version_id=1, minimum_version_id=1)
class Fpu(VMState):
    """Floating-point registers, the upper halves of vector registers 0 to 15, and their control."""

    vregs_0_0: int = uint64(name="env.vregs[0][0]", private=CONTENTS)
    vregs_1_0: int = uint64(name="env.vregs[1][0]", private=CONTENTS)
    vregs_2_0: int = uint64(name="env.vregs[2][0]", private=CONTENTS)
    vregs_3_0: int = uint64(name="env.vregs[3][0]", private=CONTENTS)
    vregs_4_0: int = uint64(name="env.vregs[4][0]", private=CONTENTS)
    vregs_5_0: int = uint64(name="env.vregs[5][0]", private=CONTENTS)
    vregs_6_0: int = uint64(name="env.vregs[6][0]", private=CONTENTS)
    vregs_7_0: int = uint64(name="env.vregs[7][0]", private=CONTENTS)
    vregs_8_0: int = uint64(name="env.vregs[8][0]", private=CONTENTS)
    vregs_9_0: int = uint64(name="env.vregs[9][0]", private=CONTENTS)
    vregs_10_0: int = uint64(name="env.vregs[10][0]", private=CONTENTS)
    vregs_11_0: int = uint64(name="env.vregs[11][0]", private=CONTENTS)
    vregs_12_0: int = uint64(name="env.vregs[12][0]", private=CONTENTS)
    vregs_13_0: int = uint64(name="env.vregs[13][0]", private=CONTENTS)
    vregs_14_0: int = uint64(name="env.vregs[14][0]", private=CONTENTS)
    vregs_15_0: int = uint64(name="env.vregs[15][0]", private=CONTENTS)
    fpc: int = uint32(name="env.fpc")


@part(noise={"register": ("env.vregs",)})
@description("cpu/vregs", version_id=1, minimum_version_id=1)
class Vregs(VMState):
    """The other parts of the vector registers."""

    vregs_16_0: int = uint64(name="env.vregs[16][0]", private=CONTENTS)
    vregs_17_0: int = uint64(name="env.vregs[17][0]", private=CONTENTS)
    vregs_18_0: int = uint64(name="env.vregs[18][0]", private=CONTENTS)
    vregs_19_0: int = uint64(name="env.vregs[19][0]", private=CONTENTS)
    vregs_20_0: int = uint64(name="env.vregs[20][0]", private=CONTENTS)
    vregs_21_0: int = uint64(name="env.vregs[21][0]", private=CONTENTS)
    vregs_22_0: int = uint64(name="env.vregs[22][0]", private=CONTENTS)
    vregs_23_0: int = uint64(name="env.vregs[23][0]", private=CONTENTS)
    vregs_24_0: int = uint64(name="env.vregs[24][0]", private=CONTENTS)
    vregs_25_0: int = uint64(name="env.vregs[25][0]", private=CONTENTS)
    vregs_26_0: int = uint64(name="env.vregs[26][0]", private=CONTENTS)
    vregs_27_0: int = uint64(name="env.vregs[27][0]", private=CONTENTS)
    vregs_28_0: int = uint64(name="env.vregs[28][0]", private=CONTENTS)
    vregs_29_0: int = uint64(name="env.vregs[29][0]", private=CONTENTS)
    vregs_30_0: int = uint64(name="env.vregs[30][0]", private=CONTENTS)
    vregs_31_0: int = uint64(name="env.vregs[31][0]", private=CONTENTS)
    vregs_0_1: int = uint64(name="env.vregs[0][1]", private=CONTENTS)
    vregs_1_1: int = uint64(name="env.vregs[1][1]", private=CONTENTS)
    vregs_2_1: int = uint64(name="env.vregs[2][1]", private=CONTENTS)
    vregs_3_1: int = uint64(name="env.vregs[3][1]", private=CONTENTS)
    vregs_4_1: int = uint64(name="env.vregs[4][1]", private=CONTENTS)
    vregs_5_1: int = uint64(name="env.vregs[5][1]", private=CONTENTS)
    vregs_6_1: int = uint64(name="env.vregs[6][1]", private=CONTENTS)
    vregs_7_1: int = uint64(name="env.vregs[7][1]", private=CONTENTS)
    vregs_8_1: int = uint64(name="env.vregs[8][1]", private=CONTENTS)
    vregs_9_1: int = uint64(name="env.vregs[9][1]", private=CONTENTS)
    vregs_10_1: int = uint64(name="env.vregs[10][1]", private=CONTENTS)
    vregs_11_1: int = uint64(name="env.vregs[11][1]", private=CONTENTS)
    vregs_12_1: int = uint64(name="env.vregs[12][1]", private=CONTENTS)
    vregs_13_1: int = uint64(name="env.vregs[13][1]", private=CONTENTS)
    vregs_14_1: int = uint64(name="env.vregs[14][1]", private=CONTENTS)
    vregs_15_1: int = uint64(name="env.vregs[15][1]", private=CONTENTS)
    vregs_16_1: int = uint64(name="env.vregs[16][1]", private=CONTENTS)
    vregs_17_1: int = uint64(name="env.vregs[17][1]", private=CONTENTS)
    vregs_18_1: int = uint64(name="env.vregs[18][1]", private=CONTENTS)
    vregs_19_1: int = uint64(name="env.vregs[19][1]", private=CONTENTS)
    vregs_20_1: int = uint64(name="env.vregs[20][1]", private=CONTENTS)
    vregs_21_1: int = uint64(name="env.vregs[21][1]", private=CONTENTS)
    vregs_22_1: int = uint64(name="env.vregs[22][1]", private=CONTENTS)
    vregs_23_1: int = uint64(name="env.vregs[23][1]", private=CONTENTS)
    vregs_24_1: int = uint64(name="env.vregs[24][1]", private=CONTENTS)
    vregs_25_1: int = uint64(name="env.vregs[25][1]", private=CONTENTS)
    vregs_26_1: int = uint64(name="env.vregs[26][1]", private=CONTENTS)
    vregs_27_1: int = uint64(name="env.vregs[27][1]", private=CONTENTS)
    vregs_28_1: int = uint64(name="env.vregs[28][1]", private=CONTENTS)
    vregs_29_1: int = uint64(name="env.vregs[29][1]", private=CONTENTS)
    vregs_30_1: int = uint64(name="env.vregs[30][1]", private=CONTENTS)
    vregs_31_1: int = uint64(name="env.vregs[31][1]", private=CONTENTS)


@description("cpu/riccb", version_id=1, minimum_version_id=1)
class Riccb(VMState):
    """Runtime-instrumentation control block."""

    riccb: list[int] = array(uint8, 64, name="env.riccb")


@description("cpu/exval", version_id=1, minimum_version_id=1, needed=this.ex_value != 0)
class Exval(VMState):
    """The target of an execute instruction that is under way (TCG)."""

    ex_value: int = uint64(name="env.ex_value")


@description("cpu/gscb", version_id=1, minimum_version_id=1)
class Gscb(VMState):
    """Guarded-storage control block."""

    gscb: list[int] = array(uint64, 4, name="env.gscb")


@description("cpu/bpbc", version_id=1, minimum_version_id=1)
class Bpbc(VMState):
    """Branch-prediction blocking."""

    bpbc: bool = boolean(name="env.bpbc")


@description("cpu/etoken", version_id=1, minimum_version_id=1)
class Etoken(VMState):
    """The ETOKEN facility."""

    etoken: int = uint64(name="env.etoken")
    etoken_extension: int = uint64(name="env.etoken_extension")


@description("cpu/diag318", version_id=1, minimum_version_id=1)
class Diag318(VMState):
    """What the guest has told by diagnose 318."""

    diag318_info: int = uint64(name="env.diag318_info")


@device(
    "cpu",
    order=1,
    listed=False,
    per_cpu=True,
    noise={
        "register": ("env.regs", "env.psw.mask", "env.psw.addr", "env.aregs", "env.cregs", "env.gbea", "env.pp"),
        "timer": ("env.todpr", "env.cputm", "env.ckc"),
        "interrupt": ("irqstate",),
    },
)
@description("cpu", version_id=4, minimum_version_id=3)
class S390CPU(VMState):
    """Registers and state of the processor."""

    regs: list[int] = array(uint64, 16, name="env.regs")
    psw_mask: int = uint64(name="env.psw.mask")
    psw_addr: int = uint64(name="env.psw.addr")
    psa: int = uint64(name="env.psa")
    todpr: int = uint32(name="env.todpr")
    pfault_token: int = uint64(name="env.pfault_token")
    pfault_compare: int = uint64(name="env.pfault_compare")
    pfault_select: int = uint64(name="env.pfault_select")
    cputm: int = uint64(name="env.cputm")
    ckc: int = uint64(name="env.ckc")
    gbea: int = uint64(name="env.gbea")
    pp: int = uint64(name="env.pp")
    aregs: list[int] = array(uint32, 16, name="env.aregs")
    cregs: list[int] = array(uint64, 16, name="env.cregs")
    cpu_state: int = uint8(name="env.cpu_state")
    sigp_order: int = uint8(name="env.sigp_order")
    irqstate_saved_size: int = uint32(version=4)
    irqstate: bytes = vbuffer(this.irqstate_saved_size, version=4)
    fpu: Fpu | None = subsection(Fpu)
    vregs: Vregs | None = subsection(Vregs)
    riccb: Riccb | None = subsection(Riccb)
    exval: Exval | None = subsection(Exval)
    gscb: Gscb | None = subsection(Gscb)
    bpbc: Bpbc | None = subsection(Bpbc)
    etoken: Etoken | None = subsection(Etoken)
    diag318: Diag318 | None = subsection(Diag318)
