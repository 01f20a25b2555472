"""`Release`: ordered, and read and written in one form."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import vmstate
from vmstate.declare import VMState, description, known_since, rule, this, uint8
from vmstate.errors import VMStateError
from vmstate.rules import KnownDestination, broken
from vmstate.vmsd.release import Release

PLAIN = Path(__file__).resolve().parents[2] / "fixtures" / "recorded" / "qemu-7.2-none.mig.xz"


@pytest.mark.parametrize("text", ["7.2", "7.2.19", "v7.2.0", "7.2.19.1"])
def test_a_release_from_its_text(text: str) -> None:
    assert Release.read(text) == Release(7, 2)
    assert str(Release.read(text)) == "7.2"


@pytest.mark.parametrize("text", ["", "7", "7.x", "7.2-rc1", "seven", "7.2 ", "\u0667.\u0662", "v.7.2", "1000.2"])
def test_what_is_no_release(text: str) -> None:
    with pytest.raises(VMStateError, match="no release of QEMU"):
        Release.read(text)


def test_the_order_is_that_of_the_numbers() -> None:
    assert Release(7, 2) < Release(8, 0) < Release(8, 1) < Release(10, 0) < Release(10, 10)


@pytest.mark.parametrize("value", ["7.2", 702, (7, 2), 7.2])
def test_only_a_release_is_taken_for_one(value: Any) -> None:
    """A number or a text would be compared wrongly, or not at all."""
    with vmstate.load(PLAIN) as stream:
        for use in (
            lambda: known_since(value),
            lambda: rule("r", this.a > 0, "a is set", since=value),
            lambda: vmstate.ask(stream, "query-pci", release=value),
            lambda: KnownDestination(stream, {"qemu_release": value}),
        ):
            with pytest.raises(VMStateError, match=r"no release of QEMU \(expected a Release, such as"):
                use()


def test_a_rule_says_since_when_it_is_and_what_qemu_prints() -> None:
    @description(
        "d", rules=(rule("set", this.a > 0, "a is set", since=Release(10, 0), qemu_error="no a", advice="a=1"),)
    )
    class D(VMState):
        a: int = uint8()

    (judged,) = broken(D.vmsd, D(a=0), facts={"qemu_release": Release(10, 1)})
    assert (judged.is_judged, judged.rule.qemu_error, judged.rule.advice) == (True, "no a", "a=1")
    assert list(broken(D.vmsd, D(a=0), facts={"qemu_release": Release(9, 2)})) == []
    (unjudged,) = broken(D.vmsd, D(a=0))
    assert unjudged.missing == ("qemu_release",)
