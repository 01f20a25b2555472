"""The processors of Arm on QEMU's command line, by what identifies them in their registers.

Facts from QEMU's target/arm (the models' PMCR, whose IMP and IDCODE name implementer and part) and the Arm Architecture
Reference Manual (PMCR_EL0). MIDR itself is in no stream.
"""

from __future__ import annotations

from collections.abc import Callable

from vmstate.declare import Release
from vmstate.vmsd.model import Model, ModelAsk, Property

SYSTEM_REGISTER = 0x013
"""Bits 16 to 27 of the index of a register of AArch64."""
PMCR = 0xDCE0
"""The lower 16 bits of the index of PMCR_EL0: op0 3, op1 3, CRn 9, CRm 12, op2 0."""
ISAR1, DFR0, SMFR0, MMFR0 = 0xC031, 0xC028, 0xC025, 0xC038
"""The same of ID_AA64ISAR1_EL1, ID_AA64DFR0_EL1 and so on."""
ZCR, ZFR0 = 0xC090, 0xC024
"""The same of ZCR_EL1, which there is with SVE, and of ID_AA64ZFR0_EL1."""
F64MM = 0xF << 56
"""The bits of ID_AA64ZFR0_EL1 that tell products of matrices of doubles, for which vectors are too short below 256."""
CTR, MMFR0_32 = 0xD801, 0xC00C
"""The same of CTR_EL0, and of ID_MMFR0_EL1 as AArch32 has it."""
HCR, SCR, GMID_TAGS = 0xE088, 0xF088, 0xC085
"""The same of HCR_EL2, SCR_EL3 and RGSR_EL1, which are there with those levels, or with memory tags."""
CPUECTLR = 0xE281
"""The same of a register that a Cortex-A55 has and a Cortex-A76 has not."""

_PROCESSORS = {
    0x410F: "cortex-a15",
    0x4107: "cortex-a7",
    0x410A: "cortex-a35",
    0x4103: "cortex-a53",
    0x4101: "cortex-a57",
    0x4102: "cortex-a72",
    0x410B: "cortex-a76",
    0x410C: "neoverse-n1",
    0x4121: "neoverse-v1",
    0x4601: "a64fx",
}
"""Implementer and identification code -> the model."""

_BY_PMCR = {0xA000: "cortex-a710", 0x3000: "neoverse-n2"}
"""Models whose register names no implementer."""

_MMFR0_OF_A57 = 0x1124
"""`max` calls itself a Cortex-A57 here, but has another memory model."""

ARM = 0x41
"""The implementer, where QEMU up to 5.2 names no part."""
MMFR0_OF_A53, MMFR0_32_OF_A72 = 0x1122, 0x10201105
_BY_CACHE = {0x8444C004: "cortex-a15", 0x84448003: "cortex-a7"}
"""CTR -> the model of 32 bits."""

A55_SINCE = Release(8, 0)
"""The first release with a Cortex-A55; before it a Cortex-A76 had that register too."""

SME_SINCE = Release(7, 1)
"""The first release whose `max` has SME and LPA2."""


def _register(ask: ModelAsk, register: int) -> int | None:
    indexes, values = ask("cpreg_vmstate_indexes"), ask("cpreg_vmstate_values")
    for index, told in zip(indexes or (), values or (), strict=False):
        if index >> 16 & 0xFFF == SYSTEM_REGISTER and index & 0xFFFF == register:
            return int(told)
    return None


def model_of(ask: ModelAsk) -> str | None:
    """The model that the registers tell; None where they tell none that is known."""
    told = _register(ask, PMCR)
    if told is None:
        return None
    if told >> 16 in (0, ARM << 8):
        return _without_a_part(ask, told)
    name = _BY_PMCR.get(told) or _PROCESSORS.get(told >> 16 & 0xFFFF)
    if name == "cortex-a76" and _register(ask, CPUECTLR) is not None:
        release = ask.release
        return name if release is not None and release < A55_SINCE else "cortex-a55"
    return "max" if name == "cortex-a57" and _register(ask, MMFR0) != _MMFR0_OF_A57 else name


def _without_a_part(ask: ModelAsk, told: int) -> str | None:
    """The model where PMCR has no identification code: up to 5.2, by what else differs."""
    if told in _BY_PMCR:
        return _BY_PMCR[told]
    if told >> 24 != ARM:
        return "max" if _register(ask, MMFR0) is not None else None
    memory = _register(ask, MMFR0)
    if memory is None:
        return _BY_CACHE.get(_register(ask, CTR) or 0)
    if memory == _MMFR0_OF_A57:
        return "cortex-a72" if _register(ask, MMFR0_32) == MMFR0_32_OF_A72 else "cortex-a57"
    return "cortex-a53" if memory == MMFR0_OF_A53 else None


def _is(name: str) -> Callable[[ModelAsk], bool]:
    return lambda ask: model_of(ask) == name


def _off_if(register: int, bits: int) -> Property:
    """Off where all these bits of a register are 0."""

    def of(ask: ModelAsk) -> bool | None:
        told = _register(ask, register)
        return False if told is not None and not told & bits else None

    return of


def _off_in_max(register: int, bits: int) -> Property:
    """The same of what is new in `max`."""
    off = _off_if(register, bits)

    def of(ask: ModelAsk) -> bool | None:
        release = ask.release
        is_new = release is not None and release >= SME_SINCE
        return off(ask) if is_new else None

    return of


def _has_short_vectors(ask: ModelAsk) -> bool | None:
    """Off where there are vectors, and none of 256 bits or more."""
    return _off_in_max(ZFR0, F64MM)(ask) if _register(ask, ZCR) is not None else None


def _off_without(register: int) -> Property:
    """Off where a register is not there that comes with what is meant."""
    return lambda ask: None if _register(ask, register) is not None else False


ALL = (1 << 64) - 1
_PMU: dict[str, Property] = {"pmu": _off_if(DFR0, 0xF00)}
_MAX: dict[str, Property] = {
    **_PMU,
    "sve": _off_without(ZCR),
    "sve256": _has_short_vectors,
    "sme": _off_in_max(SMFR0, ALL),
    "pauth": _off_in_max(ISAR1, 0xFF0),
    "lpa2": _off_in_max(MMFR0, 0xF0000000),
}


def _is_secure(ask: ModelAsk) -> bool | None:
    return True if _register(ask, SCR) is not None else None


def _is_virtualized(ask: ModelAsk) -> bool | None:
    """With the secure levels the registers of the hypervisor are there too, whether it is or not."""
    return True if _register(ask, HCR) is not None and not _is_secure(ask) else None


def _has_tags(ask: ModelAsk) -> bool | None:
    return True if _register(ask, GMID_TAGS) is not None else None


_LEVELS: dict[str, Property] = {"secure": _is_secure, "virtualization": _is_virtualized, "mte": _has_tags}

CPU = (
    *(
        Model(name, None, _PMU, when=_is(name), machine=_LEVELS)
        for name in (*_PROCESSORS.values(), *_BY_PMCR.values(), "cortex-a55")
    ),
    Model("max", None, _MAX, when=_is("max"), machine=_LEVELS),
)
