"""Registers of an Arm processor by name, and what of them tells another release from another model."""

from __future__ import annotations

from typing import Any

import pytest

from vmstate.declare import RELEASE, TARGET_LONG_SIZE, Release
from vmstate.devices.arm.cpu import ARMCPU
from vmstate.devices.arm.registers import is_constant, meaning_of, register_name
from vmstate.devices.ppc.cpu import PPC_CPU_4XX_9_0, TlbEmb, TlbEmbEntry
from vmstate.rules import broken

SYSTEM, COPROCESSOR = 0x6030_0000_0013_0000, 0x4020_0000_000F_0000


def system(op0: int, op1: int, crn: int, crm: int, op2: int) -> int:
    return SYSTEM | op0 << 14 | op1 << 11 | crn << 7 | crm << 3 | op2


def coprocessor(op1: int, crn: int, crm: int, op2: int) -> int:
    return COPROCESSOR | crn << 11 | crm << 7 | op1 << 3 | op2


ID_DFR0 = system(3, 0, 0, 1, 2)
ID_DFR0_32 = coprocessor(0, 0, 1, 2)
PAR_32 = coprocessor(0, 7, 4, 0)


@pytest.mark.parametrize(
    ("index", "name", "meaning"),
    [
        (ID_DFR0, "ID_DFR0_EL1", "debug and performance monitors"),
        (ID_DFR0_32, "ID_DFR0", "debug and performance monitors"),
        (system(3, 0, 0, 6, 0), "ID_AA64ISAR0_EL1", "instructions"),
        (system(3, 0, 1, 2, 0), "ZCR_EL1", "SVE: sve="),
        (system(2, 0, 0, 15, 7), "DBGWCR15_EL1", "debug"),
        (system(3, 3, 9, 12, 6), "PMCEID0_EL0", "performance monitors: pmu="),
        (PAR_32, "PAR", None),
        (system(3, 7, 15, 15, 7), "S3_7_C15_C15_7", None),
        (coprocessor(7, 15, 0, 1), "p15,7,c15,c0,1", None),
    ],
)
def test_names(index: int, name: str, meaning: str | None) -> None:
    assert register_name(index) == name
    assert meaning_of(name) == meaning


SCR_EL3 = system(3, 6, 1, 1, 0)


def cpu(registers: dict[int, int]) -> ARMCPU:
    """With some registers, in the order of their indexes, as QEMU has them."""
    indexes, values = map(list, zip(*sorted(registers.items()), strict=True))
    return ARMCPU(cpreg_vmstate_array_len=len(indexes), cpreg_vmstate_indexes=indexes, cpreg_vmstate_values=values)


def told(source: dict[int, int], local: dict[int, int], release: Release) -> dict[str, Any]:
    results = broken(ARMCPU.vmsd, cpu(source), own=cpu(local), facts={RELEASE.name: release})
    return {result.rule.id: result for result in results if result.is_judged}


def test_another_release_has_other_registers() -> None:
    """As a cortex-a57 of 7.2 is held against that of 10.0. A register of AArch32 that AArch64 has too is told once."""
    assert is_constant(ID_DFR0)
    local = {ID_DFR0: 0x3000006, 1: 0, 2: 0}
    messages = told({ID_DFR0: 0x3010006, ID_DFR0_32: 0x3010006, PAR_32: 0}, local, Release(10, 0))
    assert set(messages) == {"arm-cpu-register-unknown", "arm-cpu-register-release"}
    assert messages["arm-cpu-register-unknown"].text == "the destination's CPU has not the registers PAR"
    assert "ID_DFR0_EL1=0x3010006 (debug and performance monitors)" in messages["arm-cpu-register-release"].text
    assert all("release" in result.rule.advice for result in messages.values())


def test_a_processor_with_el3_that_5_2_does_not_take_from_itself() -> None:
    """virt,secure=on, raspi3b, highbank and others, after a reset."""
    for value, release, rules in (
        (0, Release(5, 2), {"arm-cpu-el3"}),
        (0x430, Release(5, 2), set()),
        (0, Release(6, 0), set()),
    ):
        assert set(told({SCR_EL3: value}, {SCR_EL3: 0}, release)) == rules


def test_another_model_has_other_values() -> None:
    messages = told({ID_DFR0: 1, PAR_32: 0}, {ID_DFR0: 2, PAR_32: 5}, Release(10, 0))
    assert set(messages) == {"arm-cpu-register-constant"}
    assert "-cpu MODEL" in messages["arm-cpu-register-constant"].rule.advice


def test_registers_are_looked_for_in_the_order_of_their_indexes() -> None:
    """What comes behind the destination's last one only 11.1 refuses, and there one that comes twice, too."""
    assert "arm-cpu-register-unknown" not in told({1: 0, ID_DFR0: 1}, {1: 0, 2: 0}, Release(10, 0))
    assert "arm-cpu-register-unknown" in told({1: 0, ID_DFR0: 1}, {1: 0, 2: 0}, Release(11, 1))
    assert set(told({1: 0, 3: 0}, {2: 0, 3: 0}, Release(10, 0))) == {"arm-cpu-register-unknown"}
    twice = ARMCPU(cpreg_vmstate_array_len=3, cpreg_vmstate_indexes=[1, PAR_32, PAR_32], cpreg_vmstate_values=[0, 0, 0])
    facts = {RELEASE.name: Release(11, 1)}
    (result,) = broken(ARMCPU.vmsd, twice, own=cpu({1: 0, PAR_32: 0}), facts=facts)
    assert result.text == "the destination's CPU has not the registers PAR"


@pytest.mark.parametrize(("op2", "kept", "lost"), [(0, 0x07C0_0000, 0x100), (1, 0xF800_009F, 0x20)])
def test_bits_that_read_as_zeros(op2: int, kept: int, lost: int) -> None:
    """FPCR and FPSR, held against QEMU 5.2 to 11.1."""
    register = system(3, 3, 4, 4, op2)
    assert told({register: kept}, {register: 0}, Release(7, 2)) == {}
    assert set(told({register: lost}, {register: 0}, Release(7, 2))) == {"arm-cpu-register-width"}


def test_what_a_model_has_of_its_own_is_constant() -> None:
    """CPUECTLR of cortex-a57."""
    register = system(3, 1, 15, 2, 1)
    assert set(told({register: 1 << 51}, {register: 0}, Release(7, 2))) == {"arm-cpu-register-constant"}


def test_what_has_more_bits_than_its_register() -> None:
    """CTR of neoverse-n2 has 35 in QEMU, which takes it from itself; what the guest writes has no more than 32."""
    constant = coprocessor(0, 0, 0, 1)
    assert told({constant: 0x4_B444_C004}, {constant: 0x4_B444_C004}, Release(11, 1)) == {}
    assert set(told({PAR_32: 1 << 32}, {PAR_32: 0}, Release(11, 1))) == {"arm-cpu-register-width"}


def test_the_number_of_registers() -> None:
    """11.1 no longer compares it, and says which register it does not know."""
    source, local = {ID_DFR0: 1, PAR_32: 0}, {ID_DFR0: 1}
    assert "arm-cpu-register-count" in told(source, local, Release(10, 0))
    assert set(told(source, local, Release(11, 1))) == {"arm-cpu-register-unknown"}


def test_a_4xx_processor_is_taken_by_no_qemu_before_9_2() -> None:
    """bamboo, sam460ex, ref405ep and virtex-ml507 do not take what they have saved themselves."""
    (layout,) = (sub.vmsd for sub in PPC_CPU_4XX_9_0.subsections if sub.vmsd.name == "cpu/tlb6xx")
    words = {TARGET_LONG_SIZE.name: 8, RELEASE.name: Release(9, 2)}
    state = TlbEmb(nb_tlb=1, tlbe=[TlbEmbEntry(RPN=0, EPN=0, PID=0, size=0, prot=0, attr=0)])
    assert {result.rule.id for result in broken(layout, state, own=state, facts=words)} == {"ppc-tlb-emb"}
    assert not [result for result in broken(TlbEmb.vmsd, state, own=state, facts=words) if result.is_judged]
