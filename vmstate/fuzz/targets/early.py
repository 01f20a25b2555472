"""The early-migration engine: two moments of a device, its record, and random schedules of source and destination.

The early moment is the seed, the final one the seed as it was spoilt, as far as that decodes. What the record leads to,
and what a destination ends up with, must be the final section byte for byte, or be refused. The record itself is then
spoilt, too: it is applied as a whole or not at all.
"""

from __future__ import annotations

import zlib
from typing import Any

from vmstate.early.backends import BACKENDS
from vmstate.early.backends.base import BackendFailure
from vmstate.early.destination import Destination
from vmstate.early.migration import cancel, set_up, switch_over
from vmstate.early.policy import PerItem
from vmstate.early.snapshot import Snapshot
from vmstate.early.source import Source
from vmstate.early.streams import apply_record, delta_name, devices_of, record_streams
from vmstate.errors import VMStateError
from vmstate.fuzz.mutate import Mutation, applicable, mutate
from vmstate.fuzz.source import RandomSource
from vmstate.fuzz.subject import Subject, apply
from vmstate.fuzz.targets import Left
from vmstate.fuzz.targets.decoder import SECONDS, TooLong, place_of, time_limit
from vmstate.fuzz.verdict import ACCEPTED, CRASHED, DIFFERS, HUNG, REFUSED, Verdict
from vmstate.saved.loading import load
from vmstate.schema.vmdesc import DIALECTS, Device, Vmdesc
from vmstate.stream.registry import last_part
from vmstate.stream.stream import Section, Stream
from vmstate.vmsd.state import facts_of

ATTEMPTS = 3
"""The most attempts of one migration that a schedule gives up before it completes one."""


class EarlyTarget:
    """Snapshot, comparison, record, source, destination."""

    name = "early"

    def settle(self) -> list[Left]:
        """No stream meets what another left."""
        return []

    def close(self) -> None:
        """There is nothing to leave behind."""

    def run(self, subject: Subject, data: bytes, mutations: list[Mutation]) -> Verdict:
        """Migrate from the seed to the spoilt seed."""
        try:
            with time_limit(4 * SECONDS):
                return self._run(subject, data)
        except TooLong as error:
            return Verdict(HUNG, f"more than {4 * SECONDS:g} s of processor time", place_of(error.__traceback__))
        except Exception as error:
            message = f"{type(error).__name__}: {error}"
            return Verdict(CRASHED, message[:300], f"{type(error).__name__} in {place_of(error.__traceback__)}")

    def _run(self, subject: Subject, data: bytes) -> Verdict:
        source = RandomSource(zlib.crc32(data))
        backend = source.choice(sorted(BACKENDS))
        try:
            early, final = (load(stream, vmdesc=subject.described) for stream in (subject.data, data))
            record = record_streams(early, final, PerItem(), backend)
        except VMStateError as error:
            return Verdict(REFUSED, str(error)[:300], f"{last_part(error.section or 'stream')}: {error.message}"[:120])
        restored = load(subject.data, vmdesc=subject.described)
        apply_record(restored, record)
        for restored_device, final_device in zip(devices_of(restored), devices_of(final), strict=True):
            if restored_device.payload() != final_device.payload():
                return Verdict(
                    DIFFERS,
                    "early state and record are not the final section",
                    f"{last_part(restored_device.name)}: record",
                )
        wrong = self._spoilt_record(subject, early, record, source)
        for early_device, final_device in zip(devices_of(early), devices_of(final), strict=True):
            wrong = wrong or scheduled(early_device, final_device, backend, source)
        return wrong or Verdict(ACCEPTED)

    def _spoilt_record(self, subject: Subject, early: Stream, record: bytes, source: RandomSource) -> Verdict | None:
        """Spoil the record, by what its own description says: nobody may take half of it."""
        described = tuple(
            Device(delta_name(device.name), device.instance_id, Snapshot.take(device.state).delta_vmsd.vmsd, None)
            for device in devices_of(early)
        )
        cut = Subject("record", record, Vmdesc(None, None, described, DIALECTS["11.1"]))
        mutations = mutate(cut, source, applicable(cut), 2)
        restored = load(subject.data, vmdesc=subject.described)
        before = restored.to_bytes()
        try:
            apply_record(restored, apply(record, [edit for mutation in mutations for edit in mutation.edits]))
        except VMStateError:
            if restored.to_bytes() != before:
                text = f"a record was refused and changed the state: {'; '.join(map(str, mutations))}"
                return Verdict(DIFFERS, text[:300], "record: applied in part")
            return None
        restored.to_bytes()
        return None


def scheduled(early: Section, final: Section, backend: str, source: RandomSource) -> Verdict | None:
    """A random schedule of one migration: attempts that are given up, changes on the way, and one to the end."""
    vmsd: Any = early.vmsd
    facts = facts_of(early.state)
    here = Source(vmsd.decode(early.payload(), version_id=early.version_id, facts=facts), backend=backend)
    last = vmsd.decode(final.payload(), version_id=final.version_id, facts=facts_of(final.state))
    name = last_part(early.name)

    def changed(device: Any) -> None:
        for attribute in type(device).__vmstate_defaults__:
            setattr(device, attribute, getattr(last, attribute))

    try:
        for _ in range(source.integer(0, ATTEMPTS - 1)):
            destination = Destination(vmsd, facts, backend=BACKENDS[backend]().open())
            set_up(here, destination)
            cancel(here, destination)
        destination = Destination(vmsd, facts, backend=BACKENDS[backend]().open())
        set_up(here, destination)
        here.change(changed)
        switch_over(here, destination)
    except VMStateError as error:
        if isinstance(destination.failure, BackendFailure):
            return Verdict(
                DIFFERS, f"a back end failed without a fault: {destination.failure}"[:300], f"{name}: back end"
            )
        del error
        return None
    if vmsd.encode(destination.device, force=True) != vmsd.encode(last, force=True):
        return Verdict(DIFFERS, f"the destination is not as the source ({backend})", f"{name}: schedule")
    return None
