"""Strategies of hypothesis: states of a description, and whole streams.

from hypothesis import given
import vmstate.fuzz
from vmstate.devices.virtio.net import VirtIONet

@given(vmstate.fuzz.states(VirtIONet))
def test(state): ...
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from hypothesis import strategies as st

from vmstate.fuzz.compose import compose, description_of
from vmstate.fuzz.grow import Grower
from vmstate.fuzz.residue import odd_bytes
from vmstate.fuzz.source import DrawnSource
from vmstate.stream.stream import Stream
from vmstate.vmsd.description import VMStateDescription

T = TypeVar("T")


def states(
    declared: type[T] | VMStateDescription[T],
    *,
    version_id: int | None = None,
    facts: Mapping[str, Any] | None = None,
    residue: bool = False,
) -> st.SearchStrategy[T]:
    """States of a description, or of a class with one: of every version, with every choice of subsections.

    Each breaks none of QEMU's rules, can be encoded, and decodes to itself under `facts_of(state)` at
    `version_of(state)`. `facts` are what is told of the host (a bus is told by the fact `idstr`); others are drawn.
    With `residue` the states also come from bytes that QEMU reads and would write otherwise. Raises `VMStateError`
    where the description has no codec.
    """
    vmsd = description_of(declared)

    @st.composite
    def drawn(draw: Any) -> Any:
        source = DrawnSource(draw)
        state = Grower(vmsd, source, facts).grow(version_id)
        return odd_bytes(vmsd, state, source) if residue else state

    return drawn()


def streams(
    devices: str | Sequence[str] = "*",
    *,
    most: int = 4,
    vmdesc: bool | None = None,
    ram: bool | None = None,
    residue: bool = False,
) -> st.SearchStrategy[Stream]:
    """Whole streams: a configuration, RAM, sections of devices, their vmdesc.

    `devices` are names of the device library, or patterns of names, with or without a bus path in front
    ("virtio-*", "0000:00:02.0/virtio-net"); up to `most` of them stand in a stream. `vmdesc` and `ram` say whether
    there is one; both are drawn where nothing is said.
    """
    return st.composite(
        lambda draw: compose(DrawnSource(draw), devices, most=most, vmdesc=vmdesc, ram=ram, residue=residue)
    )()
