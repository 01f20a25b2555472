"""A PowerPC processor; and what a destination compares of it and of one of RISC-V: the version, the timers of Sstc.

Facts from QEMU's target/ppc/machine.c, target/ppc/cpu_init.c (ppc_pvr_match_power*), target/ppc/compat.c and
target/riscv/machine.c (vmstate_sstc).
"""

from __future__ import annotations

from vmstate.declare import (
    CONTENTS,
    DESTINATION,
    TARGET_LONG_SIZE,
    Release,
    VMState,
    array,
    boolean,
    description,
    device,
    host,
    info,
    int32,
    int32_equal,
    known_since,
    not_,
    part,
    rule,
    subsection,
    this,
    uint32,
    uint64,
    uinttl,
    undescribed,
    unused,
    variant,
    varray,
)
from vmstate.devices.ppc.age import BEFORE_2_8, BEFORE_3_0
from vmstate.vmsd.destination import Comparison, Identity

PVR = 287
"""The number of the register among the special purpose registers."""

_POWER9 = 0x4E
_LEVELS = {0x3F: 2, 0x4A: 2, 0x4B: 3, 0x4C: 3, 0x4D: 3, 0x4E: 4, 0x80: 5, 0x82: 5}
"""The upper half of the register, of POWER7 to POWER11 -> the newest instruction set that the processor has."""

_LEVEL_OF_MODE = {0x0F000002: 1, 0x0F000003: 2, 0x0F100003: 2, 0x0F000004: 3, 0x0F000005: 4, 0x0F000006: 5}
_POWER11 = 0x0F000007
"""What the guest asks for when it is to run as on an older processor, from POWER6 on -> the instruction set of that."""


def _takes(sent: int, local: int, release: Release | None) -> bool:
    """Whether a processor goes on as another: of the same family, and of the same version where that counts."""
    family, level = local >> 16, _LEVELS.get(local >> 16)
    if sent == local or level is None:
        return sent == local
    if release is not None and release < Release(7, 2):
        return _LEVELS.get(sent >> 16) == level
    if sent >> 16 != family or level < _LEVELS[_POWER9]:
        return sent >> 16 == family
    if sent & 0xF00 != local & 0xF00:
        return False
    if family == _POWER9 and (release is None or release >= Release(8, 1)):
        # DD2.0 and DD2.1 are power9_v2.0, DD2.2 and DD2.3 power9_v2.2.
        return sent & 0xF00 == 0x200 and local & 0xF == (0 if sent & 0xF < 2 else 2)
    return True


def _has_mode(mode: int, local: int, release: Release | None) -> bool:
    """Whether a processor can run as the older one."""
    if mode == _POWER11:
        return local >> 16 in (0x80, 0x82) and (release is None or release >= Release(9, 2))
    return mode in _LEVEL_OF_MODE and _LEVEL_OF_MODE[mode] <= _LEVELS.get(local >> 16, 0)


CPU = undescribed(
    "cpu",
    listed=False,
    compares=Comparison(
        identities=(
            Identity(
                "env.spr",
                PVR,
                "the processor version (PVR)",
                _takes,
                "give both sides the same CPU model with its version (-cpu power9_v2.0, power9_v2.2): that without a "
                "version is another from release to release",
                "cpu/compat",
                "the processor that the guest runs as (its logical PVR)",
                _has_mode,
                "give the destination a processor as new as that, or max-cpu-compat= of the machine on both sides",
            ),
        ),
        # SCR_EL3 of Arm (which the devices of this name are as well), and a 4xx processor.
        refuses_itself={bytes.fromhex("603000000013f088"): Release(5, 2), b"\x0acpu/tlb6xx": Release(9, 1)},
        pointers={"cpu/timer": "the timers of the extension Sstc (-cpu ...,sstc=on)"},
    ),
)

BHRB_ENTRIES = 32


@description("avr")
class VectorRegister(VMState):
    """A vector register."""

    high: int = uint64(private=CONTENTS)
    low: int = uint64(private=CONTENTS)


@description("slbe")
class SegmentEntry(VMState):
    """An entry of the segment lookaside buffer."""

    esid: int = uint64()
    vsid: int = uint64()


@part(noise={"register": ("env.vsr", "env.fpscr")})
@description("cpu/fpu", version_id=1, minimum_version_id=1)
class Fpu(VMState):
    """Floating-point registers, the upper halves of the first 32 vector-scalar registers."""

    fpr: list[int] = array(uint64(info="fpr"), 32, name="env.vsr", private=CONTENTS)
    fpscr: int = uinttl(name="env.fpscr")


@part(noise={"register": ("env.vsr", "vscr")})
@description("cpu/altivec", version_id=1, minimum_version_id=1)
class Altivec(VMState):
    """Vector registers, the last 32 vector-scalar registers."""

    avr: list[VectorRegister] = array(info("avr", VectorRegister), 32, name="env.vsr")
    vscr: int = uint32(info="cpu/altivec/vscr")


@part(noise={"register": ("env.vsr",)})
@description("cpu/vsx", version_id=1, minimum_version_id=1)
class Vsx(VMState):
    """The lower halves of the first 32 vector-scalar registers."""

    vsr: list[int] = array(uint64(info="vsr"), 32, name="env.vsr", private=CONTENTS)


@description("cpu/sr", version_id=1, minimum_version_id=1)
class SegmentRegisters(VMState):
    """Segment registers; sent where memory is not of 64 bits."""

    sr: list[int] = array(uinttl, 32, name="env.sr")


@description("cpu/tm", version_id=1, minimum_version_id=1)
class TransactionalMemory(VMState):
    """What the registers were before a transaction that is under way."""

    tm_gpr: list[int] = array(uinttl, 32, name="env.tm_gpr")
    tm_vsr: list[VectorRegister] = array(info("avr", VectorRegister), 64, name="env.tm_vsr")
    tm_cr: int = uint64(name="env.tm_cr")
    tm_lr: int = uint64(name="env.tm_lr")
    tm_ctr: int = uint64(name="env.tm_ctr")
    tm_fpscr: int = uint64(name="env.tm_fpscr")
    tm_amr: int = uint64(name="env.tm_amr")
    tm_ppr: int = uint64(name="env.tm_ppr")
    tm_vrsave: int = uint64(name="env.tm_vrsave")
    tm_vscr: int = uint32(name="env.tm_vscr")
    tm_dscr: int = uint64(name="env.tm_dscr")
    tm_tar: int = uint64(name="env.tm_tar")


@description("cpu/slb", version_id=2, minimum_version_id=1)
class SegmentLookaside(VMState):
    """The segment lookaside buffer; sent where memory is of 64 bits."""

    slb_nr: int | None = int32(name="mig_slb_nr", exists=BEFORE_3_0)
    slb: list[SegmentEntry] = array(info("slbe", SegmentEntry), 64, name="env.slb")


@description("cpu/bhrb", version_id=1, minimum_version_id=1, rules=(known_since(Release(9, 1)),))
class BranchHistory(VMState):
    """The branches that were taken last; sent of POWER8 and later."""

    bhrb_offset: int = uinttl(name="env.bhrb_offset")
    bhrb: list[int] = array(uint64, BHRB_ENTRIES, name="env.bhrb")


@description("cpu/tlb6xx_entry", version_id=1, minimum_version_id=1)
class Tlb6xxEntry(VMState):
    """A translation."""

    pte0: int = uinttl()
    pte1: int = uinttl()
    EPN: int = uinttl()


@description("cpu/tlb6xx", version_id=1, minimum_version_id=1)
class Tlb6xx(VMState):
    """The translations of a processor that has software look them up."""

    nb_tlb: int = int32_equal(name="env.nb_tlb")
    tlb6: list[Tlb6xxEntry] = varray(Tlb6xxEntry, count=this.nb_tlb, name="env.tlb.tlb6")
    tgpr: list[int] = array(uinttl, 4, name="env.tgpr")


@description("cpu/tlbemb_entry", version_id=1, minimum_version_id=1)
class TlbEmbEntry(VMState):
    """A translation."""

    RPN: int = uint64()
    EPN: int = uinttl()
    PID: int = uinttl()
    size: int = uinttl()
    prot: int = uint32()
    attr: int = uint32()


@description("cpu/tlbemb", version_id=1, minimum_version_id=1, rules=(known_since(Release(9, 2)),))
class TlbEmb(VMState):
    """The translations of a 4xx processor."""

    nb_tlb: int = int32_equal(name="env.nb_tlb")
    tlbe: list[TlbEmbEntry] = varray(TlbEmbEntry, count=this.nb_tlb, name="env.tlb.tlbe")


@description("cpu/tlbmas_entry", version_id=1, minimum_version_id=1)
class TlbMasEntry(VMState):
    """A translation."""

    mas8: int = uint32()
    mas1: int = uint32()
    mas2: int = uint64()
    mas7_3: int = uint64()


@description("cpu/tlbmas", version_id=1, minimum_version_id=1)
class TlbMas(VMState):
    """The translations of an e500 processor."""

    nb_tlb: int = int32_equal(name="env.nb_tlb")
    tlbm: list[TlbMasEntry] = varray(TlbMasEntry, count=this.nb_tlb, name="env.tlb.tlbm")


@description("cpu/compat", version_id=1, minimum_version_id=1, needed=this.compat_pvr != 0)
class Compat(VMState):
    """The version of an older processor that the guest asked for."""

    compat_pvr: int = uint32()


@description("cpu/reservation", version_id=1, minimum_version_id=1, rules=(known_since(Release(8, 2)),))
class Reservation(VMState):
    """What was reserved by a load, for the store that goes with it; sent while QEMU records or replays."""

    reserve_addr: int = uinttl(name="env.reserve_addr")
    reserve_length: int = uinttl(name="env.reserve_length")
    reserve_val: int = uinttl(name="env.reserve_val")
    reserve_val2: int | None = uinttl(name="env.reserve_val2", exists=TARGET_LONG_SIZE == 8)


@description("cpu/rtas_stopped", version_id=1, minimum_version_id=1, rules=(known_since(Release(11, 0)),))
class RtasStopped(VMState):
    """Whether the firmware has stopped the processor."""

    quiesced: bool = boolean(name="env.quiesced")


@device(
    "cpu",
    order=2,
    listed=False,
    per_cpu=True,
    noise={"register": ("env.gpr", "env.crf", "env.nip", "env.spr", "env.msr")},
)
@description("cpu", version_id=5, minimum_version_id=5)
class PowerPCCPU(VMState):
    """Registers of the processor."""

    pvr: None = unused(TARGET_LONG_SIZE)
    gpr: list[int] = array(uinttl, 32, name="env.gpr")
    gprh: list[int] | None = array(uinttl, 32, name="env.gprh", exists=TARGET_LONG_SIZE == 4)
    crf: list[int] = array(uint32, 8, name="env.crf")
    nip: int = uinttl(name="env.nip")
    spr: list[int] = array(uinttl, 1024, name="env.spr")
    spe_acc: int = uint64(name="env.spe_acc")
    reserve_addr: int = host(0)
    unused_0: None = unused(TARGET_LONG_SIZE)
    msr: int = uinttl(name="env.msr")
    hflags_compat_nmsr: int = uinttl(name="env.hflags_compat_nmsr")
    msr_mask: int | None = uinttl(name="mig_msr_mask", exists=BEFORE_2_8)
    insns_flags: int | None = uint64(name="mig_insns_flags", exists=BEFORE_2_8)
    insns_flags2: int | None = uint64(name="mig_insns_flags2", exists=BEFORE_2_8)
    nb_BATs: int | None = uint32(name="mig_nb_BATs", exists=BEFORE_2_8)
    fpu: Fpu | None = subsection(Fpu)
    altivec: Altivec | None = subsection(Altivec)
    vsx: Vsx | None = subsection(Vsx)
    sr: SegmentRegisters | None = subsection(SegmentRegisters)
    tm: TransactionalMemory | None = subsection(TransactionalMemory)
    slb: SegmentLookaside | None = subsection(SegmentLookaside)
    bhrb: BranchHistory | None = subsection(BranchHistory)
    tlb6xx: Tlb6xx | None = subsection(Tlb6xx)
    tlbemb: TlbEmb | None = subsection(TlbEmb)
    tlbmas: TlbMas | None = subsection(TlbMas)
    compat: Compat | None = subsection(Compat)
    reservation: Reservation | None = subsection(Reservation)
    rtas_stopped: RtasStopped | None = subsection(RtasStopped)


PPC_CPU_8_1 = variant(PowerPCCPU, reserve_addr=uinttl(name="env.reserve_addr"), unused_0=None)
"""Up to 8.1 what is reserved was sent; what goes with it never was."""

PPC_CPU_5_2 = variant(
    PPC_CPU_8_1,
    hflags_compat_nmsr=uinttl(name="env.hflags_nmsr"),
)
"""Up to 5.2 a field had another name."""

_NAMED_OTHERWISE = rule(
    "ppc-tlb-emb",
    not_(DESTINATION) | (this.nb_tlb <= 0),
    "QEMU before 9.2 (203beb6f04) reads the translations of a 4xx processor as those of another, and takes none, not "
    "even its own",
    qemu_error="Missing section footer for cpu",
    advice="save and load it with QEMU 9.2 or later",
)

PPC_CPU_4XX_9_0 = variant(
    PowerPCCPU,
    tlb6xx=None,
    tlbemb=variant(TlbEmb, "cpu/tlb6xx", nb_tlb=int32_equal(name="env.nb_tlb", rules=(_NAMED_OTHERWISE,))),
)
"""Up to 9.0 the translations of a 4xx processor had the name of those of another, so that QEMU did not load them."""

PPC_CPU_4XX_8_1 = variant(PPC_CPU_4XX_9_0, reserve_addr=uinttl(name="env.reserve_addr"), unused_0=None)
"""The same up to 8.1."""

PPC_CPU_4XX_5_2 = variant(PPC_CPU_4XX_8_1, hflags_compat_nmsr=uinttl(name="env.hflags_nmsr"))
"""The same up to 5.2."""
