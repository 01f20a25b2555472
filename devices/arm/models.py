"""The processors of Arm on QEMU's command line, by what identifies them in their registers.

Facts from QEMU's target/arm (the models' PMCR, whose IMP and IDCODE name implementer and part) and the Arm Architecture
Reference Manual (PMCR_EL0). MIDR itself is in no stream.
"""

from __future__ import annotations

from collections.abc import Callable

from vmstate.vmsd.model import Model, ModelAsk

SYSTEM_REGISTER = 0x013
"""Bits 16 to 27 of the index of a register of AArch64."""
PMCR = 0xDCE0
"""The lower 16 bits of the index of PMCR_EL0: op0 3, op1 3, CRn 9, CRm 12, op2 0."""
ISAR0 = 0xC030
"""The same of ID_AA64ISAR0_EL1."""

_PROCESSORS = {
    0x410F: "cortex-a15",
    0x4107: "cortex-a7",
    0x410A: "cortex-a35",
    0x4103: "cortex-a53",
    0x4101: "cortex-a57",
    0x4102: "cortex-a72",
    0x410B: "cortex-a76",
    0x410C: "neoverse-n1",
    0x4601: "a64fx",
}
"""Implementer and identification code -> the model."""

_ISAR0_OF_A57 = 0x11120
"""`max` calls itself a Cortex-A57 here, but has more instructions."""


def _register(ask: ModelAsk, register: int) -> int | None:
    indexes, values = ask("cpreg_vmstate_indexes"), ask("cpreg_vmstate_values")
    for index, told in zip(indexes or (), values or (), strict=False):
        if index >> 16 & 0xFFF == SYSTEM_REGISTER and index & 0xFFFF == register:
            return int(told)
    return None


def model_of(ask: ModelAsk) -> str | None:
    """The model that the registers tell; None where they tell none that is known."""
    told = _register(ask, PMCR)
    name = None if told is None else _PROCESSORS.get(told >> 16 & 0xFFFF)
    return "max" if name == "cortex-a57" and _register(ask, ISAR0) != _ISAR0_OF_A57 else name


def _is(name: str) -> Callable[[ModelAsk], bool]:
    return lambda ask: model_of(ask) == name


CPU = tuple(Model(name, when=_is(name)) for name in (*_PROCESSORS.values(), "max"))
