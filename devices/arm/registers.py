"""Registers of an Arm processor by their index in a stream: their names, and what those of identification stand for.

The index is the one that KVM gives the register (Linux, Documentation/virt/kvm/api.rst, KVM_SET_ONE_REG); names are of
the Arm Architecture Reference Manual.
"""

from __future__ import annotations

from collections.abc import Mapping

SYSTEM_REGISTER = 0x013
"""Bits 16 to 27 of the index of a register of AArch64; those of a register of coprocessor 15 are 0x00f."""

CONSTANT = frozenset({(11, 0, 1, 2), (11, 0, 1, 3), (9, 12, 3, 6), (9, 12, 3, 7)})
"""(CRn, CRm, op1, op2) of registers of AArch64 that are constant beside those of identification and of one model alone:
L2CTLR, L2ECTLR, PMCEID."""
CONSTANT_15 = frozenset({(9, 0, 1, 2), (9, 0, 1, 3), (9, 12, 0, 6), (9, 12, 0, 7)})
"""(CRn, CRm, opc1, opc2) of the same of AArch32."""

# Of op0 3, op1 0 and CRn 0, by CRm: the names from op2 0 on.
_IDENTIFICATION = {
    0: ("MIDR_EL1", "", "", "", "", "MPIDR_EL1", "REVIDR_EL1"),
    1: (
        "ID_PFR0_EL1",
        "ID_PFR1_EL1",
        "ID_DFR0_EL1",
        "ID_AFR0_EL1",
        "ID_MMFR0_EL1",
        "ID_MMFR1_EL1",
        "ID_MMFR2_EL1",
        "ID_MMFR3_EL1",
    ),
    2: (*(f"ID_ISAR{number}_EL1" for number in range(6)), "ID_MMFR4_EL1", "ID_ISAR6_EL1"),
    3: ("MVFR0_EL1", "MVFR1_EL1", "MVFR2_EL1", "", "ID_PFR2_EL1", "ID_DFR1_EL1", "ID_MMFR5_EL1"),
    4: ("ID_AA64PFR0_EL1", "ID_AA64PFR1_EL1", "ID_AA64PFR2_EL1", "", "ID_AA64ZFR0_EL1", "ID_AA64SMFR0_EL1"),
    5: ("ID_AA64DFR0_EL1", "ID_AA64DFR1_EL1", "ID_AA64DFR2_EL1", "", "ID_AA64AFR0_EL1", "ID_AA64AFR1_EL1"),
    6: tuple(f"ID_AA64ISAR{number}_EL1" for number in range(4)),
    7: tuple(f"ID_AA64MMFR{number}_EL1" for number in range(5)),
}

_SYSTEM: Mapping[tuple[int, int, int, int, int], str] = {
    **{(3, 0, 0, crm, op2): name for crm, names in _IDENTIFICATION.items() for op2, name in enumerate(names) if name},
    (2, 0, 0, 0, 2): "OSDTRRX_EL1",
    (2, 0, 0, 2, 0): "MDCCINT_EL1",
    (2, 0, 0, 2, 2): "MDSCR_EL1",
    (2, 0, 0, 3, 2): "OSDTRTX_EL1",
    (2, 0, 0, 6, 2): "OSECCR_EL1",
    **{(2, 0, 0, number, 4): f"DBGBVR{number}_EL1" for number in range(16)},
    **{(2, 0, 0, number, 5): f"DBGBCR{number}_EL1" for number in range(16)},
    **{(2, 0, 0, number, 6): f"DBGWVR{number}_EL1" for number in range(16) if number != 6},
    **{(2, 0, 0, number, 7): f"DBGWCR{number}_EL1" for number in range(16)},
    (2, 0, 1, 1, 4): "OSLSR_EL1",
    (2, 0, 1, 3, 4): "OSDLR_EL1",
    (2, 0, 7, 8, 6): "DBGCLAIMSET_EL1",
    (2, 0, 7, 9, 6): "DBGCLAIMCLR_EL1",
    (2, 4, 0, 7, 0): "DBGVCR32_EL2",
    (3, 0, 1, 0, 0): "SCTLR_EL1",
    (3, 0, 1, 0, 1): "ACTLR_EL1",
    (3, 0, 1, 0, 2): "CPACR_EL1",
    (3, 0, 1, 2, 0): "ZCR_EL1",
    (3, 0, 1, 2, 6): "SMCR_EL1",
    (3, 0, 2, 0, 0): "TTBR0_EL1",
    (3, 0, 2, 0, 1): "TTBR1_EL1",
    (3, 0, 2, 0, 2): "TCR_EL1",
    (3, 0, 5, 1, 0): "AFSR0_EL1",
    (3, 0, 5, 1, 1): "AFSR1_EL1",
    (3, 0, 5, 2, 0): "ESR_EL1",
    (3, 0, 6, 0, 0): "FAR_EL1",
    (3, 0, 7, 4, 0): "PAR_EL1",
    (3, 0, 9, 14, 1): "PMINTENSET_EL1",
    (3, 0, 9, 14, 2): "PMINTENCLR_EL1",
    (3, 0, 10, 2, 0): "MAIR_EL1",
    (3, 0, 10, 3, 0): "AMAIR_EL1",
    (3, 0, 12, 0, 0): "VBAR_EL1",
    (3, 0, 12, 0, 2): "RMR_EL1",
    (3, 0, 13, 0, 1): "CONTEXTIDR_EL1",
    (3, 0, 13, 0, 4): "TPIDR_EL1",
    (3, 0, 14, 1, 0): "CNTKCTL_EL1",
    (3, 1, 0, 0, 0): "CCSIDR_EL1",
    (3, 1, 0, 0, 1): "CLIDR_EL1",
    (3, 1, 0, 0, 7): "AIDR_EL1",
    (3, 1, 11, 0, 2): "L2CTLR_EL1",
    (3, 2, 0, 0, 0): "CSSELR_EL1",
    (3, 3, 0, 0, 1): "CTR_EL0",
    (3, 3, 0, 0, 7): "DCZID_EL0",
    (3, 3, 9, 12, 0): "PMCR_EL0",
    (3, 3, 9, 12, 1): "PMCNTENSET_EL0",
    (3, 3, 9, 12, 2): "PMCNTENCLR_EL0",
    (3, 3, 9, 12, 3): "PMOVSCLR_EL0",
    (3, 3, 9, 12, 5): "PMSELR_EL0",
    (3, 3, 9, 12, 6): "PMCEID0_EL0",
    (3, 3, 9, 12, 7): "PMCEID1_EL0",
    (3, 3, 9, 13, 0): "PMCCNTR_EL0",
    (3, 3, 9, 14, 0): "PMUSERENR_EL0",
    (3, 3, 13, 0, 2): "TPIDR_EL0",
    (3, 3, 13, 0, 3): "TPIDRRO_EL0",
    (3, 3, 14, 0, 0): "CNTFRQ_EL0",
    (3, 4, 1, 1, 0): "HCR_EL2",
}
"""(op0, op1, CRn, CRm, op2) -> the name of a register of AArch64."""

_COPROCESSOR_15: Mapping[tuple[int, int, int, int], str] = {
    **{
        (0, 0, crm, op2): name.removesuffix("_EL1")
        for crm in (0, 1, 2, 3)
        for op2, name in enumerate(_IDENTIFICATION[crm])
        if name
    },
    (0, 0, 0, 1): "CTR",
    (0, 0, 0, 2): "TCMTR",
    (0, 0, 0, 3): "TLBTR",
    (0, 7, 4, 0): "PAR",
    (0, 9, 12, 6): "PMCEID0",
    (0, 9, 12, 7): "PMCEID1",
    (1, 9, 0, 2): "L2CTLR",
}
"""(opc1, CRn, CRm, opc2) -> the name of a register of AArch32."""

STANDS_FOR = (
    ("MIDR", "the CPU model"),
    ("MPIDR", "the place among the CPUs"),
    ("REVIDR", "the revision"),
    ("ID_DFR", "debug and performance monitors"),
    ("ID_AA64DFR", "debug and performance monitors"),
    ("PM", "performance monitors: pmu="),
    ("DBG", "debug"),
    ("MDSCR", "debug"),
    ("OS", "debug"),
    ("ID_MMFR", "the memory system"),
    ("ID_AA64MMFR", "the memory system"),
    ("ID_ISAR", "instructions"),
    ("ID_AA64ISAR", "instructions"),
    ("ID_AA64ZFR", "SVE: sve="),
    ("ZCR", "SVE: sve="),
    ("ID_AA64SMFR", "SME: sme="),
    ("SMCR", "SME: sme="),
    ("MVFR", "floating point"),
    ("ID_PFR", "exception levels, SIMD, SVE, interrupts"),
    ("ID_AA64PFR", "exception levels, SIMD, SVE, interrupts"),
    ("CTR", "caches"),
    ("CLIDR", "caches"),
    ("CCSIDR", "caches"),
    ("L2CTLR", "caches and the number of CPUs"),
)
"""What registers whose name begins so stand for."""


def parts_of(index: int) -> tuple[int, int, int, int]:
    """(CRn, CRm, op1, op2) of an index."""
    if index >> 16 & 0xFFF == SYSTEM_REGISTER:
        return index >> 7 & 15, index >> 3 & 15, index >> 11 & 7, index & 7
    return index >> 11 & 15, index >> 7 & 15, index >> 3 & 15, index & 7


def register_name(index: int) -> str:
    """The name of a register by its index in the stream: the manual's, or that of the instructions that read it."""
    crn, crm, op1, op2 = parts_of(index)
    match index >> 16 & 0xFFF:
        case 0x013:
            op0 = index >> 14 & 3
            return _SYSTEM.get((op0, op1, crn, crm, op2), f"S{op0}_{op1}_C{crn}_C{crm}_{op2}")
        case 0x00F if (op1, crn, crm, op2) in _COPROCESSOR_15:
            return _COPROCESSOR_15[op1, crn, crm, op2]
        case 0x00E | 0x00F as coprocessor:
            return f"p{coprocessor},{op1},c{crn},c{crm},{op2}"
    return f"{index:#x}"


def meaning_of(name: str) -> str | None:
    """What a register stands for; None where the table does not say."""
    return next((text for start, text in STANDS_FOR if name.startswith(start)), None)


def is_of_32_bits(index: int) -> bool:
    """Whether a register has 32 bits, and not 64 (KVM_REG_SIZE_U32)."""
    return index >> 52 & 0xF == 2


def is_constant(index: int) -> bool:
    """Whether a register says what the processor is, and a write changes nothing.

    Identification has CRn 0 and is the same for each level; what models have of their own has CRn 15 in AArch64.
    """
    crn, _, op1, _ = parts = parts_of(index)
    match index >> 16 & 0xFFF:
        case 0x013:
            is_of_model = crn == 15 or (crn == 0 and op1 in (0, 1, 3))
            return (index >> 14 & 3 == 3 and is_of_model) or parts in CONSTANT
        case 0x00F:
            return (crn == 0 and op1 in (0, 1)) or parts in CONSTANT_15
    return False
