"""Residue: bytes that QEMU reads and would have written otherwise, put where a state allows them."""

from __future__ import annotations

from typing import Any

from vmstate.errors import VMStateError
from vmstate.fuzz.source import ChoiceSource
from vmstate.vmsd import types as t
from vmstate.vmsd.description import TraceEntry, VMStateDescription
from vmstate.vmsd.state import facts_of, meta_of

MOST = 4
"""Places of a state that are given odd bytes."""


def odd_bytes(vmsd: VMStateDescription, state: Any, source: ChoiceSource) -> Any:
    """The state read from bytes of itself in which bools are not 0 or 1 and padding is not zero."""
    meta = meta_of(state)
    version = vmsd.version_id if meta is None or meta.version_id is None else meta.version_id
    facts = facts_of(state)
    raw = bytearray(vmsd.encode(state, force=True))
    trace = vmsd.trace(bytes(raw), version_id=version, facts=facts)
    places = [entry for entry in trace.values() if takes_odd_bytes(entry)]
    for _ in range(min(MOST, len(places))):
        entry = source.choice(places)
        assert entry.field is not None
        at = entry.offset + source.integer(0, entry.size - 1)
        # A bool that was false must not become true: a condition may read it.
        if isinstance(entry.field.type, t.Unused) or raw[at]:
            raw[at] = source.integer(1, 255)
    try:
        return vmsd.decode(raw, version_id=version, facts=facts)
    except VMStateError:
        # A fact told by bytes of the padding, or a rule that compares them.
        return state


def takes_odd_bytes(entry: TraceEntry) -> bool:
    """Whether a place of a state can hold what QEMU would write otherwise."""
    if entry.field is None or entry.size == 0:
        return False
    kind = entry.field.type
    return isinstance(kind, t.Unused) or (isinstance(kind, t.Scalar) and kind.code == "?")
