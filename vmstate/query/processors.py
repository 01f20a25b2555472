"""Which processor of POWER, RISC-V or s390x a stream is of, as -cpu has it, and the capabilities of `pseries`.

Facts from QEMU's target/ppc/cpu-models.h, hw/ppc/spapr_caps.c, target/riscv/cpu.c and machine.c, and
target/s390x/machine.c.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from vmstate.vmsd.model import ModelAsk
from vmstate.vmsd.release import Release

POWER = {
    0x003B0201: "power5+_v2.1",
    0x003F0203: "power7_v2.3",
    0x004A0201: "power7+_v2.1",
    0x004B0201: "power8e_v2.1",
    0x004C0100: "power8nvl_v1.0",
    0x004D0200: "power8_v2.0",
    0x00390202: "970_v2.2",
    0x003C0301: "970fx_v3.1",
    0x00440101: "970mp_v1.1",
    0x004E0100: "power9_v1.0",
    0x004E1200: "power9_v2.0",
    0x004E1202: "power9_v2.2",
    0x00800100: "power10_v1.0",
    0x00800200: "power10_v2.0",
    0x00801200: "power10_v2.0",
    0x00821200: "power11_v2.0",
}
"""The processor version register -> the model."""

PVR = 287
"""The number of that register."""

_SWITCH = ("off", "on")
_MITIGATION = ("broken", "workaround", "fixed")
CAPABILITIES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "cap_htm": ("cap-htm", _SWITCH),
    "cap_vsx": ("cap-vsx", _SWITCH),
    "cap_dfp": ("cap-dfp", _SWITCH),
    "cap_cfpc": ("cap-cfpc", _MITIGATION),
    "cap_sbbc": ("cap-sbbc", _MITIGATION),
    "cap_ibs": ("cap-ibs", ("broken", "workaround", "fixed-ibs", "fixed-ccd", "fixed-na")),
    "cap_hpt_maxpagesize": ("cap-hpt-max-page-size", ()),
    "cap_nested_kvm_hv": ("cap-nested-hv", _SWITCH),
    "cap_large_decr": ("cap-large-decr", _SWITCH),
    "cap_ccf_assist": ("cap-ccf-assist", _SWITCH),
    "cap_fwnmi": ("cap-fwnmi", _SWITCH),
    "cap_rpt_invalidate": ("cap-rpt-invalidate", _SWITCH),
    "cap_ail_mode_3": ("cap-ail-mode-3", _SWITCH),
    "cap_nested_papr": ("cap-nested-papr", _SWITCH),
    "cap_dawr1": ("cap-dawr1", _SWITCH),
}
"""Subsection of the machine -> the option of the machine type, and what it calls its levels, from 0 on."""


def power_model(ask: ModelAsk) -> str | None:
    """The model that the version register of a POWER processor names. Raises `VMStateError`."""
    registers = ask("spr")
    return None if registers is None else POWER.get(int(registers[PVR]))


AGES = (("msr_mask", Release(2, 8), "pre-2.8-migration"), ("slb.slb_nr", Release(3, 0), "pre-3.0-migration"))
"""What a processor sends in older machine types, from which on it does not, and the property that has it do so."""


def power_globals(ask: ModelAsk, machine: Release | None) -> Iterator[str]:
    """-global of a POWER processor that sends what only older machine types do. Raises `VMStateError`."""
    for path, since, name in AGES:
        if machine is not None and machine >= since and ask(path) is not None:
            yield f"powerpc64-cpu.{name}=on"


def power_capabilities(ask: ModelAsk) -> Iterator[str]:
    """The options of the machine type for the capabilities that are not as usual: only those are sent."""
    for name, (option, levels) in CAPABILITIES.items():
        sent = ask(name)
        if sent is None:
            continue
        level = int(sent.level)
        if not levels:
            # A binary logarithm.
            yield f"{option}={1 << level}"
        elif level < len(levels):
            yield f"{option}={levels[level]}"


OWN_NAMES_SINCE = Release(7, 0)
"""Up to 6.2 the hypervisor and vectors of RISC-V were experiments, whose properties begin with x-."""
SSTC_SINCE = Release(8, 0)
"""From this release on rv64 has the extension Sstc by itself."""
DEBUG_SINCE = Release(7, 2)
"""The same of triggers."""
MODELS = {
    (0, "ACIMU"): "sifive-e51",
    (0, "ACDFIMSU"): "sifive-u54",
    (1, "ACDFGIMSUX"): "thead-c906",
    (2, "ACDFGHIMSUX"): "veyron-v1",
    (2, "ABCDFGIMSU"): "xiangshan-nanhu",
    (2, "ABCDFIMSU"): "rva22s64",
    (0, "I"): "rv64i",
}
"""The version of the privileged architecture and the extensions of MISA -> the model that has them; others are rv64."""
OF_APPLICATIONS = "ABCDFIMU"
"""The extensions of rva22u64, which has no privileged architecture."""
OF_MAX = ("vector", "elp", "ssp", "ctr", "mseccfg")
"""Subsections that are sent together of `max` alone."""

EXTENSIONS = (
    ("pointer_masking", "x-j"),
    ("smtateen", "smstateen"),
    ("jvt", "zcmt"),
    ("elp", "zicfilp"),
    ("ssp", "zicfiss"),
    ("ctr", "smctr"),
    ("mseccfg", "smepmp"),
)
"""Subsection -> an extension with which it is sent, and which rv64 has not got by itself."""


def riscv_model(ask: ModelAsk) -> str | None:
    """The model of a RISC-V processor, or the extensions beside those of rv64, by what is sent; None for rv64 itself.

    Raises `VMStateError`.
    """
    release = ask.release
    letters = "".join(chr(ord("A") + bit) for bit in range(26) if int(ask("misa_ext_mask")) >> bit & 1)
    known = MODELS.get((int(ask("priv_ver")), letters))
    if known is not None:
        return known
    if letters == OF_APPLICATIONS:
        return "rva22u64"
    if all(ask(name) is not None for name in OF_MAX):
        return "max"
    words = ["v=true"] if ask("vector") is not None else []
    words += ["h=false"] if ask("hyper") is None and (release is None or release >= OWN_NAMES_SINCE) else []
    words += ["d=false"] if "D" not in letters and "F" in letters else []
    words += ["pmp=false"] if ask("pmp") is None else []
    if release is not None and release >= SSTC_SINCE and ask("timers") is None:
        words.append("sstc=false")
    if release is not None and release >= DEBUG_SINCE and ask("debug") is None:
        words.append("debug=false")
    words += [f"{extension}=true" for subsection, extension in EXTENSIONS if ask(subsection) is not None]
    return ",".join(["rv64", *words]) if words else None


VECTORS_SINCE = Release(4, 2)
"""From this machine type on the usual processor of s390x has vectors."""


def s390x_model(ask: ModelAsk, machine: Release | None, suppresses: bool) -> str | None:
    """The processor of s390x, where it has vectors and the usual one has not, or the other way; else None.

    `suppresses` is whether it has the suppression of adapters' interrupts. Raises `VMStateError`.
    """
    if machine is None:
        return None
    has_vectors, usual = ask("vregs") is not None, machine >= VECTORS_SINCE
    if has_vectors and not usual:
        return "max"
    words = ["vx=off"] if usual and not has_vectors else []
    words += ["ais=off"] if usual and not suppresses else []
    return ",".join(["qemu", *words]) if words else None


def old_riscv_model(state: Mapping[str, object]) -> str | None:
    """The same of RISC-V's processor up to 6.2, of which only a vmdesc tells, by the names that it has."""
    words = ["x-h=true"] if "cpu/hyper" in state else []
    words += ["x-v=true"] if "cpu/vector" in state else []
    words += ["pmp=false"] if "cpu/pmp" not in state else []
    return ",".join(["rv64", *words]) if words else None
