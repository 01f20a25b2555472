"""The provisional state of a device: one that a stock QEMU takes before guest memory is there.

    state = provisional(section_state)

A device's load looks into guest memory where its state says that something is there: the rings of a queue that is set
up, the buffers of a request under way, the backing of a resource. In a provisional state nothing is. What a field is
then is declared beside it (`provisional=` of its struct's record), so that it holds for every device and transport in
which the struct is: the queues of a legacy, transitional and modern device, of virtio-mmio and of CCW, packed ones too.

A subsection that a later state can lack is left out, because QEMU keeps what an earlier load has set where a later one
says nothing of it (vmstate_subsection_load; `vmstate.early.load`).
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

from vmstate.codec.records import Records
from vmstate.errors import EarlyError, VMStateError
from vmstate.stream.registry import all_descriptions
from vmstate.stream.stream import Section
from vmstate.vmsd.declare import default_value
from vmstate.vmsd.description import VMStateDescription
from vmstate.vmsd.expr import IDSTR
from vmstate.vmsd.record import record_of
from vmstate.vmsd.state import is_state, items_of
from vmstate.vmsd.types import Scalar
from vmstate.vmsd.walk import states_in


def has_provisional(vmsd: VMStateDescription) -> bool:
    """Whether anything of a device refers to guest memory, or may be lacking later, so that a copy must be changed."""
    return any(_values(part) for part in vmsd.walk())


def provisional(state: Any) -> Any:
    """The provisional state of a device, from any state of it; a state of its own."""
    early = deepcopy(state)
    for part in _changing(early):
        for attribute, value in _values(type(part).vmsd).items():
            if getattr(part, attribute) != value:
                setattr(part, attribute, deepcopy(value))
    return early


def negotiated(state: Any, features: int) -> Any:
    """The state of a virtio device as its driver has accepted these features (a number, bit by bit); one of its own.

    For a machine that no guest has run on yet. A provisional state of it prepares a destination as one of the running
    machine would: the features decide how many queues there are, and what its back end is told. Raises `EarlyError`
    for features that the device cannot have said, since it does not offer as many.
    """
    early = deepcopy(state)
    words = [features >> shift & 0xFFFF_FFFF for shift in (0, 32, 64, 96)]
    virtio = early.virtio.virtio
    has_room = 128 if virtio.features128 is not None else 64 if virtio.features64 is not None else 32
    if features < 0 or features >> has_room:
        raise EarlyError("not so many features are offered", expected=f"{has_room} bits", found=f"{features:#x}")
    early.virtio.guest_features = words[0]
    if virtio.features64 is not None:
        virtio.features64.guest_features = words[1] << 32 | words[0]
    if virtio.features128 is not None:
        virtio.features128.guest_features = words[3] << 32 | words[2]
    for _, part in states_in(early.virtio):
        for field in type(part).vmsd.fields:
            # What is sent of a device goes by its features, too; where it is not sent, a value is none the less.
            if field.exists is not None and isinstance(field.type, Scalar) and getattr(part, field.attribute) is None:
                setattr(part, field.attribute, default_value(field))
    registers = getattr(getattr(virtio.extra_state, "extra_state", None), "modern_state", None)
    if registers is not None:
        registers.guest_features = words[:2]
    return early


def by_library(name: str, payload: bytes | memoryview, version_id: int) -> Any | None:
    """The state that the bytes of a section say by the first layout of the library that they fit; None without one."""
    for vmsd in all_descriptions(name):
        if vmsd.state_class is None:
            continue
        try:
            return vmsd.decode(payload, version_id=version_id, facts={IDSTR.name: name})
        except VMStateError:
            continue
    return None


def provisional_payload(section: Section) -> bytes:
    """The bytes of a section's provisional state, without header and footer.

    Raises `EarlyError` where the library does not describe the section.
    """
    state = section.state
    if section.described_by != "library":
        state = by_library(section.name, section.payload(), section.version_id)
    if state is None or section.vmsd is None:
        raise EarlyError("nothing describes the section, so there is no early copy of it", section=section.name)
    vmsd: VMStateDescription = type(state).vmsd
    return vmsd.encode(provisional(state), version_id=section.version_id, force=True)


def _values(vmsd: VMStateDescription) -> Any:
    record = record_of(vmsd)
    return {} if record is None else record.provisional


def _changing(state: Any) -> Iterator[Any]:
    """Every struct in a state of which something is declared to be otherwise in a provisional one."""
    if _values(type(state).vmsd):
        yield state
    for _, inner in items_of(state):
        yield from _changing_in(inner)


def _changing_in(value: Any) -> Iterator[Any]:
    if is_state(value):
        yield from _changing(value)
    elif isinstance(value, (list, Records)) and len(value) and is_state(value[0]):
        # Of a thousand places for queues few are in use: what is as it must be is not made.
        first = value[0]
        if any(_values(part) for part in type(first).vmsd.walk()):
            for element in value:
                yield from _changing(element)
