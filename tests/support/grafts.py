"""States for a machine that is there: of `fuzz.states` and recorded streams; what the host decides is as it has it."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from recorded import FIXTURES, QUICK, opened

import vmstate
from vmstate.codec.records import Records
from vmstate.early.provisional import by_library
from vmstate.errors import VMStateError
from vmstate.fuzz.targets.loadvm import LongLived
from vmstate.qemu.live import live_state
from vmstate.stream.registry import last_part
from vmstate.vmsd.state import is_state, items_of

LONG = os.environ.get("VMSTATE_LONG") == "1"

OF_THE_HOST = {
    # What a bus, a subchannel, and the interrupt lines of the platform say of the device.
    *("pci_dev", "parent_obj"),
    # What the command line has decided.
    *("config_len", "num_queues", "has_ufo", "has_vnet_hdr", "max_queue_pairs", "mergeable_rx_bufs"),
    *("ports_map", "id", "nr_active_ports", "version_id", "log_max", "queue_size"),
    *("table_mr_size", "linker_mr_size", "rsdp_mr_size"),
    # What must agree with other devices: the interrupts that they hold, and how many of a bus are held.
    *("irq_state", "irq_count"),
}
"""Fields that are as the machine has them."""

LACKING = {"ringsize", "broken", "started", "disabled"}
"""Subsections that a state may have and another lack."""


def graft(state: Any, values: Any, generator: random.Random, share: float) -> None:
    """Put a share of the values of a state into one of the same device in a machine that is there."""
    for name, value in list(items_of(state)):
        given = getattr(values, name, None)
        if name in OF_THE_HOST or given is None:
            continue
        if is_state(value):
            if type(value) is type(given):
                graft(value, given, generator, share)
        elif isinstance(value, (list, Records)):
            # Of 1024 places for queues the first have all there is.
            for number in range(min(len(value), len(given), 12 if len(value) > 100 else len(value))):
                if is_state(value[number]):
                    graft(value[number], given[number], generator, share)
                elif generator.random() < share:
                    value[number] = given[number]
        elif generator.random() < share:
            if value is None:
                if name in LACKING:
                    setattr(state, name, given)
            elif isinstance(value, bytes) and isinstance(given, bytes):
                if value and given:
                    setattr(state, name, (given * (len(value) // len(given) + 1))[: len(value)])
            elif isinstance(value, int) and isinstance(given, int):
                if name.startswith("guest_features"):
                    # A host takes no feature that it has not got.
                    setattr(state, name, value & given)
                elif name != "num" or (value and given):
                    # A ring that there is has a size, whatever a driver does.
                    setattr(state, name, given)


def recorded_states(is_wanted: Callable[[str], bool]) -> dict[str, list[Any]]:
    """The states of the recorded streams' devices whose idstr is wanted, by the name of the device."""
    states: dict[str, list[Any]] = {}
    for path in sorted(str(path.relative_to(FIXTURES)) for path in FIXTURES.rglob("*.mig.xz")) if LONG else QUICK:
        with suppress(VMStateError), opened(path) as stream:
            for section in stream.sections:
                if section.kind == "full" and is_wanted(section.name):
                    state = by_library(section.name, section.payload(), section.version_id)
                    if state is not None:
                        states.setdefault(last_part(section.name), []).append(state)
    return states


def state_in(qemu: LongLived) -> dict[tuple[str, int], bytes]:
    """The device state of the machine that a QEMU has loaded."""
    assert qemu._machine is not None
    with vmstate.load(live_state(qemu._machine.monitor).data) as stream:
        return {
            (section.name, section.instance_id): section.payload()
            for section in stream.sections
            # The clock of the host goes on.
            if section.name not in ("mc146818rtc", "pl031")
        }
