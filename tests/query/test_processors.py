"""What the state of a processor says of its model, by the parts of it that tell."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from vmstate.devices.arm.models import model_of
from vmstate.query.processors import (
    PVR,
    power_capabilities,
    power_globals,
    power_model,
    riscv_model,
    s390x_model,
)
from vmstate.vmsd.release import Release


class Asked:
    """A state of which these paths are there, and no others; `release` is that of the QEMU."""

    def __init__(self, release: str = "10.0", **values: Any) -> None:
        self.values = values
        self.release = Release.read(release)

    def __call__(self, path: str) -> Any:
        return self.values.get(path.replace(".", "_"))


def test_the_version_register_names_a_power_processor() -> None:
    registers = [0] * 1024
    registers[PVR] = 0x004E1202
    assert power_model(Asked(spr=registers)) == "power9_v2.2"  # type: ignore[arg-type]
    registers[PVR] = 1
    assert power_model(Asked(spr=registers)) is None  # type: ignore[arg-type]


def test_capabilities_are_called_as_their_options_are() -> None:
    sent = {
        "cap_dfp": SimpleNamespace(level=0),
        "cap_ibs": SimpleNamespace(level=3),
        "cap_hpt_maxpagesize": SimpleNamespace(level=24),
        "cap_cfpc": SimpleNamespace(level=9),
    }
    told = list(power_capabilities(Asked(**sent)))  # type: ignore[arg-type]
    assert told == ["cap-dfp=off", "cap-ibs=fixed-ccd", "cap-hpt-max-page-size=16777216"]


def test_what_only_older_machine_types_send_is_a_property() -> None:
    ask = Asked(slb_slb_nr=64)
    assert list(power_globals(ask, Release(5, 1))) == ["powerpc64-cpu.pre-3.0-migration=on"]  # type: ignore[arg-type]
    assert list(power_globals(ask, Release(2, 12))) == []  # type: ignore[arg-type]


def test_the_usual_processor_of_s390x_has_vectors_from_4_2_on() -> None:
    bare, full = Asked(), Asked(vregs=[0])
    assert s390x_model(bare, Release(4, 1), True) is None  # type: ignore[arg-type]
    assert s390x_model(bare, Release(4, 2), True) == "qemu,vx=off"  # type: ignore[arg-type]
    assert s390x_model(full, Release(4, 1), True) == "max"  # type: ignore[arg-type]
    assert s390x_model(full, Release(4, 2), True) is None  # type: ignore[arg-type]


def misa(letters: str) -> int:
    return sum(1 << (ord(letter) - ord("A")) for letter in letters)


USUAL: dict[str, Any] = {
    "pmp": 1,
    "hyper": 1,
    "debug": 1,
    "timers": 1,
    "priv_ver": 3,
    "misa_ext_mask": misa("ACDFHIMSU"),
}


@pytest.mark.parametrize(
    ("more", "release", "model"),
    (
        ({}, "10.0", None),
        ({"hyper": None, "misa_ext_mask": misa("ACDFIMSU")}, "10.0", "rv64,h=false"),
        ({"timers": None}, "10.0", "rv64,sstc=false"),
        ({"timers": None}, "7.2", None),
        ({"smtateen": 1, "vector": 1}, "10.0", "rv64,v=true,smstateen=true"),
        ({"priv_ver": 0, "misa_ext_mask": misa("ACIMU"), "hyper": None}, "10.0", "sifive-e51"),
        ({"vector": 1, "elp": 1, "ssp": 1, "ctr": 1, "mseccfg": 1}, "11.1", "max"),
    ),
)
def test_what_is_sent_names_a_riscv_processor(more: dict[str, Any], release: str, model: str | None) -> None:
    assert riscv_model(Asked(release, **{**USUAL, **more})) == model  # type: ignore[arg-type]


def test_vectors_and_suppression_tell_the_processor_of_s390x() -> None:
    with_vectors, without = Asked(vregs=1), Asked()
    assert s390x_model(with_vectors, Release(9, 1), suppresses=True) is None  # type: ignore[arg-type]
    assert s390x_model(without, Release(9, 1), suppresses=True) == "qemu,vx=off"  # type: ignore[arg-type]
    assert s390x_model(without, Release(9, 1), suppresses=False) == "qemu,vx=off,ais=off"  # type: ignore[arg-type]
    assert s390x_model(with_vectors, Release(2, 12), suppresses=True) == "max"  # type: ignore[arg-type]
    assert s390x_model(without, Release(2, 12), suppresses=True) is None  # type: ignore[arg-type]


def registers(**values: int) -> Asked:
    """Registers of AArch64, by the lower 16 bits of their indexes."""
    known = {0x0013 << 16 | int(name[1:], 16): value for name, value in values.items()}
    return Asked(cpreg_vmstate_indexes=list(known), cpreg_vmstate_values=list(known.values()))


@pytest.mark.parametrize(
    ("sent", "model"),
    (
        ({"xdce0": 0x41013000, "xc038": 0x1124}, "cortex-a57"),
        ({"xdce0": 0x41013000, "xc038": 0x101126}, "max"),
        ({"xdce0": 0x41002040, "xc038": 0x1122, "xd801": 0x84448004}, "cortex-a53"),
        ({"xdce0": 0x41002040, "xc038": 0x1124, "xc00c": 0x10101105}, "cortex-a57"),
        ({"xdce0": 0x41002040, "xc038": 0x1124, "xc00c": 0x10201105}, "cortex-a72"),
        ({"xdce0": 0x41002040, "xd801": 0x8444C004}, "cortex-a15"),
        ({"xdce0": 0x41002040, "xd801": 0x84448003}, "cortex-a7"),
        ({"xdce0": 0x2040, "xc038": 0x1125}, "max"),
        ({"xdce0": 0xA000}, "cortex-a710"),
        ({}, None),
    ),
)
def test_the_registers_name_an_arm_processor(sent: dict[str, int], model: str | None) -> None:
    assert model_of(registers(**sent)) == model  # type: ignore[arg-type]
