"""Walks and paths: everything inside a state is met, and found again by the steps that it was met at."""

from __future__ import annotations

from vmstate.stream.verify import residues
from vmstate.vmsd.declare import (
    array,
    boolean,
    description,
    gtree,
    later,
    one_of,
    qlist,
    struct,
    subsection,
    uint8,
    varray,
)
from vmstate.vmsd.expr import this
from vmstate.vmsd.path import at_steps, format_path, member, resolve
from vmstate.vmsd.walk import described_states, states_in


@description("leaf")
class Leaf:
    flag: bool = boolean()


@description("part")
class Part:
    leaf: Leaf = struct(Leaf)


@description("whole/optional")
class Optional:
    leaf: Leaf = struct(Leaf)


@description("whole")
class Whole:
    number: int = uint8()
    one_leaf: Leaf = struct(Leaf)
    fixed: list[Leaf] = array(Leaf, 2)
    counted: list[Part] = varray(Part, count=this.number)
    listed: list[Leaf] = qlist(Leaf)
    tree: list[tuple[int, Leaf]] = gtree(Leaf)
    optional: Optional | None = subsection(Optional)


def whole() -> Whole:
    """A state with a bool of 2 in every place."""
    tree = bytes.fromhex("00000001 01 0000000000000007 02 00")
    data = b"\x01" + b"\x02" + b"\x02\x02" + b"\x02" + b"\x01\x02\x00" + tree
    name = b"whole/optional"
    return Whole.vmsd.decode(data + b"\x05" + bytes([len(name)]) + name + bytes(4) + b"\x02")


PLACES = [
    "",
    "one_leaf",
    "fixed[0]",
    "fixed[1]",
    "counted[0]",
    "counted[0].leaf",
    "listed[0]",
    "tree[0][1]",
    "optional",
    "optional.leaf",
]


def test_a_walk_meets_every_state() -> None:
    state = whole()
    assert [format_path(steps) for steps, _ in states_in(state)] == PLACES
    for steps, inner in states_in(state):
        assert at_steps(state, steps) is inner
        if steps:
            assert resolve(state, format_path(steps)) == (steps, inner)


def test_a_walk_knows_the_descriptions() -> None:
    met = [(format_path(steps), vmsd.name) for steps, vmsd, _ in described_states(Whole.vmsd, whole())]
    assert [path for path, _ in met] == PLACES
    assert dict(met)["tree[0][1]"] == "leaf"
    assert {vmsd.name for vmsd in Whole.vmsd.parts()} == {"leaf", "part", "whole/optional"}


@description("chosen")
class Chosen:
    kind: int = uint8()
    either: object = one_of(this.kind, {0: Leaf, 1: later(f"{__name__}:Part")})


def test_a_walk_goes_into_what_is_imported_when_it_is_met() -> None:
    assert [vmsd.name for vmsd in Chosen.vmsd.walk()] == ["chosen", "leaf", "part", "leaf"]


def test_residue_is_found_in_every_place() -> None:
    """Also in the nodes of a tree."""
    assert len(list(residues(whole()))) == 7


def test_what_is_not_there() -> None:
    state = whole()
    assert at_steps(state, ("counted", 1, "leaf")) is None
    assert member(state, "nothing") is None
    assert member(7, "real") is None
