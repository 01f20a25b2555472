"""A rule that cannot be evaluated is not judged, wherever it is asked for; one that reads no field is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from recorded import FIXTURES

import vmstate
from vmstate.cli import main
from vmstate.declare import (
    OWN,
    VMState,
    array,
    asks,
    description,
    device,
    load_state,
    part,
    rule,
    this,
    uint8,
    unused,
)
from vmstate.errors import DescriptionError
from vmstate.rules import broken, unjudged

NUMBERS = rule("few", this.a < 5, "they are few")


@description("odd", version_id=1, rules=(NUMBERS,))
class Odd(VMState):
    """A rule that compares a list with a number."""

    a: list[int] = array(uint8, 2)


@description("odd field", version_id=1)
class OddField(VMState):
    """The same rule, of the field."""

    a: list[int] = array(uint8, 2, rules=(NUMBERS,))


@pytest.mark.parametrize("declared", [Odd, OddField])
def test_what_cannot_be_evaluated_is_told_and_stops_nothing(declared: Any) -> None:
    state = declared(a=[7, 8])
    assert vmstate.check(state) == []
    (finding,) = unjudged(state)
    assert (finding.rule, finding.severity) == ("few", "not-judged")
    assert "cannot be evaluated" in finding.message
    (result,) = broken(declared.vmsd, state)
    assert not result.is_judged and result.missing == () and "(this.a < 5)" in str(result.why_not_judged)
    data = declared.vmsd.encode(state)
    assert declared.vmsd.decode(data) == state
    assert declared.vmsd.trace(data)["a"].size == 2
    opaque = declared()
    assert load_state(declared.vmsd, data, opaque) == 2 and opaque.a == [7, 8]


def test_a_function_that_fails_is_not_judged() -> None:
    def judges(value: int) -> bool:
        return bool(value.no_such_attribute)  # type: ignore[attr-defined]

    @description("odd function", version_id=1, rules=(rule("r", asks(judges, this.a), "it holds"),))
    class Asks(VMState):
        a: int = uint8()

    assert vmstate.check(Asks(a=1)) == [] and len(unjudged(Asks(a=1))) == 1


@pytest.mark.parametrize(
    ("of_class", "of_field"),
    [
        ((rule("high", this.leve1 < 5, "it is low"),), ()),
        ((), (rule("high", this.leve1 < 5, "it is low"),)),
        ((rule("high", this.level <= OWN.leve1, "it is low"),), ()),
        ((rule("high", this.filler == 0, "it is nothing"),), ()),
    ],
)
def test_a_rule_that_reads_no_field_is_refused(of_class: tuple[Any, ...], of_field: tuple[Any, ...]) -> None:
    with pytest.raises(DescriptionError, match=r"rule 'high' depends on '(leve1|filler)', which is no field here"):

        @description("d", version_id=1, rules=of_class)
        class Level(VMState):
            filler: None = unused(1)
            level: int = uint8(rules=of_field)


@pytest.mark.parametrize("noise", [{"counter": ("beebs",)}, {"counter": (("beebs", (0, 2)),)}, {"timer": ("a", "b")}])
def test_noise_of_no_field_is_refused(noise: Any) -> None:
    for decorate in (device("beeper", noise=noise), part(noise=noise)):
        with pytest.raises(DescriptionError, match="noise of a field that is not there") as caught:

            @decorate
            @description("beeper", version_id=1)
            class Beeper(VMState):
                beeps: int = uint8()
                a: int = uint8()

        assert repr(caught.value.found) in (repr("'beebs'"), repr("'b'"))
        assert str(caught.value).startswith("beeper: ")


def test_noise_goes_by_wire_names_and_stands_for_all_numbers() -> None:
    @device("beeper", noise={"counter": ("env.beeps", "env.cr[0]", "")})
    @description("beeper", version_id=1)
    class Beeper(VMState):
        beeps: int = uint8(name="env.beeps[3]")
        cr: int = uint8(name="env.cr[0]")

    assert Beeper.vmsd.name == "beeper"


# Nobody passes by what is not judged.


@pytest.mark.parametrize("verbose", [False, True])
def test_verify_tells_how_many_rules_are_not_judged(verbose: bool, capsys: pytest.CaptureFixture[str]) -> None:
    file = str(FIXTURES / "qemu-7.2-q35-virtio-net.mig.xz")
    assert main(["verify", "--check", file, *(["--verbose"] if verbose else [])]) == 0
    printed = capsys.readouterr().out
    with vmstate.load(file) as stream:
        open_rules = unjudged(stream)
    assert f"not judged: {len(open_rules)} rules, " in printed
    assert ("--verbose lists them" in printed) is not verbose
    assert printed.count("[virtio-net-vnet-hdr]") == verbose
    assert main(["verify", "--check", "--format", "json", file]) == 0
    assert len(json.loads(capsys.readouterr().out)["not_judged"]) == len(open_rules)
    assert main(["verify", file]) == 0
    assert "not judged" not in capsys.readouterr().out


@pytest.mark.parametrize("verbose", [False, True])
def test_explain_tells_how_many_rules_are_not_judged(verbose: bool, capsys: pytest.CaptureFixture[str]) -> None:
    file = str(FIXTURES / "qemu-7.2-q35-virtio-net.mig.xz")
    explained = vmstate.explain(file, file)
    assert explained.not_judged and not any("pci-config" in text for text in explained.not_judged)
    assert main(["explain", file, "--against", file, *(["--verbose"] if verbose else [])]) == 0
    printed = capsys.readouterr().out
    assert f"not judged: {len(explained.not_judged)} rule" in printed
    assert all((text in printed) is verbose for text in explained.not_judged)
