"""Early migration between two streams of one machine: plans, record files, and their application.

A record file is a migration stream of its own, as it would come at the stop: the header, the configuration of the
machine, for each device a section `delta-NAME` with the record, behind it the device's own section where the plan is a
full reload, and the end.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import zip_longest
from typing import Any

from vmstate.early.delta import DELTA_PREFIX, FULL
from vmstate.early.items import BackendName, table_of
from vmstate.early.policy import POLICIES, PerItem, Plan, Policy
from vmstate.early.reset import Evidence
from vmstate.early.snapshot import Delta, Snapshot
from vmstate.errors import EarlyError, StreamError, VMStateError
from vmstate.saved.loading import load
from vmstate.saved.opening import StreamLike
from vmstate.schema.vmdesc import DIALECTS, Device, Vmdesc
from vmstate.stream.configuration import Configuration
from vmstate.stream.events import (
    ConfigurationSection,
    DeviceState,
    EndOfStream,
    Header,
    SectionFooter,
    SectionHeader,
    Vmdescription,
)
from vmstate.stream.stream import Section, Stream
from vmstate.stream.writer import StreamWriter
from vmstate.vmsd.data import Data
from vmstate.vmsd.state import State


class DevicePlan(Data):
    """What is to be done about one device: whether it was reset, and each policy's plan."""

    name: str
    evidence: Evidence
    plans: tuple[Plan, ...]

    def as_dict(self) -> dict[str, Any]:
        """The device as JSON values."""
        return {
            "name": self.name,
            "reset": self.evidence.reset,
            "evidence": list(self.evidence.reasons),
            "policies": {plan.policy: plan.as_dict() for plan in self.plans},
        }


def plan_streams(
    early: Stream, final: Stream, policies: Iterable[str] = tuple(POLICIES), backend: str = BackendName.TAP
) -> list[DevicePlan]:
    """The plans for every device of two streams that has a table of items.

    `policies` are names of `POLICIES`. Raises `EarlyError` where the streams are not of one machine.
    """
    chosen: list[Policy] = [POLICIES[name]() for name in policies]
    return [
        DevicePlan(delta.snapshot.name, delta.evidence, tuple(policy.plan(delta, backend) for policy in chosen))
        for _, delta in compare_streams(early, final)
    ]


def compare_streams(early: Stream, final: Stream) -> list[tuple[Section, Delta]]:
    """The deltas of every device that has a table of items, each with its section of the final stream."""
    refuse_other_machine(early, final)
    plans = []
    known, final_devices = devices_of(early), devices_of(final)
    for before, after in zip_longest(known, final_devices):
        if before is None or after is None or (before.name, before.instance_id) != (after.name, after.instance_id):
            # The same sections are there, but not all of them could be opened.
            section = before or after
            assert section is not None
            which = final if before is not None else early
            problem = next((opened.problem for opened in which.sections if opened.name == section.name), None)
            raise EarlyError(
                "one of the two moments cannot be opened", section=section.name, found=f"{problem} ({which.name})"
            )
        if before.version_id != after.version_id:
            raise EarlyError(
                "not the same version of the section",
                section=before.name,
                expected=f"version {before.version_id}, as in {early.name} (early)",
                found=f"version {after.version_id} in {final.name} (final)",
            )
        snapshot = Snapshot.take(before.state)
        plans.append((after, snapshot.compare(after.state)))
    if not plans:
        raise EarlyError(f"{early.name}: no device here has a table of items", expected="a virtio device")
    return plans


def devices_of(stream: Stream) -> list[Section]:
    """The sections whose device has a table of items."""
    return [section for section in stream.sections if section.vmsd is not None and table_of(section.vmsd) is not None]


def refuse_other_machine(early: Stream, final: Stream) -> None:
    """Raise `EarlyError` unless two streams are of one machine: its type, page size and UUID, and its devices."""
    early_configuration, final_configuration = early.configuration, final.configuration
    for what, read in (("machine type", _machine), ("page size", _page_size), ("UUID", _uuid)):
        if read(early_configuration) != read(final_configuration):
            raise EarlyError(
                f"not the same machine: the {what} is {read(early_configuration)} in {early.name} (early) "
                f"and {read(final_configuration)} in {final.name} (final)"
            )
    known, final_names = _device_names(early), _device_names(final)
    if known != final_names:
        missing = [name for name in known if name not in final_names]
        added = [name for name in final_names if name not in known]
        alone = [f"only {early.name} (early) has {', '.join(missing)}"] if missing else []
        alone += [f"only {final.name} (final) has {', '.join(added)}"] if added else []
        raise EarlyError(f"not the same devices: {', and '.join(alone) or 'they come in another order'}")


def _machine(configuration: Configuration | None) -> str:
    return "none named" if configuration is None else configuration.machine


def _page_size(configuration: Configuration | None) -> int | None:
    return None if configuration is None else configuration.page_size


def _uuid(configuration: Configuration | None) -> str | None:
    return None if configuration is None or configuration.uuid is None else bytes(configuration.uuid.data).hex()


def _device_names(stream: Stream) -> list[str]:
    """The devices that are in the stream whole, each by its idstr, instance_id and kind."""
    return [
        f"{section.name}#{section.instance_id}"
        for section in stream.sections
        if section.kind == "full" and not section.is_ram
    ]


# ---------------------------------------------------------------------------------------------------------------------
# Record files.


def record_streams(early: Stream, final: Stream, policy: Policy | None = None, backend: str = BackendName.TAP) -> bytes:
    """The record file that leads from the early stream to the final one. Without `policy`, each item by itself."""
    policy = policy or PerItem()
    writer = StreamWriter()
    out = bytearray(writer.send(Header(final.version)))
    for part in final.parts:
        if isinstance(part, ConfigurationSection):
            out += writer.send(part)
    number = 0
    for section, delta in compare_streams(early, final):
        plan = policy.plan(delta, backend)
        name = delta_name(section.name)
        number += 1
        header = SectionHeader("full", number, name, section.instance_id, plan.vmsd.vmsd.version_id, 0)
        out += _section_bytes(writer, header, plan.record)
        if plan.section is not None:
            number += 1
            whole = SectionHeader("full", number, section.name, section.instance_id, section.version_id, 0)
            out += _section_bytes(writer, whole, plan.section)
    return bytes(out + writer.send(EndOfStream(0)))


def _section_bytes(writer: StreamWriter, header: SectionHeader, payload: bytes) -> bytes:
    state = DeviceState(payload, None, "none", header.version_id, 0, len(payload))
    return writer.send(header) + writer.send(state) + writer.send(SectionFooter(header.section_id, 0))


def delta_name(idstr: str) -> str:
    """The idstr of a device's record: of "0000:00:02.0/virtio-net", "0000:00:02.0/delta-virtio-net"."""
    path, slash, name = idstr.rpartition("/")
    return f"{path}{slash}{DELTA_PREFIX}{name}"


def apply_record(early: Stream, source: StreamLike) -> list[str]:
    """Bring the devices of an early stream to the state that a record file leads to; their names.

    `source` is what `vmstate.load` takes. Everything is read and checked before the first state changes. Raises
    `EarlyError`, or another `VMStateError` for what is no record file.
    """
    by_name = {(delta_name(section.name), section.instance_id): section for section in devices_of(early)}
    snapshots = {key: Snapshot.take(section.state) for key, section in by_name.items()}
    described = tuple(
        Device(name, instance, snapshots[name, instance].delta_vmsd.vmsd, None) for name, instance in by_name
    )
    with load(source, vmdesc=Vmdesc(None, None, described, DIALECTS["11.1"])) as record:
        file = record.name
        try:
            refuse_other_configuration(early, record)
            results = _states_after_record(record, by_name, snapshots)
        except VMStateError as error:
            raise error.within(file=file) from None
    for section, state in results:
        section.state = state
    describe_again(early)
    return [section.name for section, _ in results]


def describe_again(stream: Stream) -> None:
    """Make the stream's own vmdesc fit its sections: what QEMU does not open has another size now."""
    for place, part in enumerate(stream.parts):
        if isinstance(part, Vmdescription):
            stream.parts[place] = part.replace(text=stream.write_vmdesc())


def refuse_other_configuration(early: Stream, record: Stream) -> None:
    """Raise `EarlyError` unless a record file is of the early stream's machine type."""
    early_machine, record_machine = _machine(early.configuration), _machine(record.configuration)
    if early_machine != record_machine:
        raise EarlyError(
            "the record is of another machine",
            expected=f"{early_machine} ({early.name}, early)",
            found=f"{record_machine} (record)",
        )


def _states_after_record(
    record: Stream, devices: dict[tuple[str, int], Section], snapshots: dict[tuple[str, int], Snapshot]
) -> list[tuple[Section, Any]]:
    """The device sections of the early stream and the states that the record leads to."""
    results: list[tuple[Section, Any]] = []
    sections = iter(record.sections)
    for record_section in sections:
        key = (record_section.name, record_section.instance_id)
        if key not in devices:
            known = ", ".join(name for name, _ in devices) or "no device with a record"
            raise EarlyError(
                "the record is of another device", expected=f"{known} (early)", found=f"{record_section.name} (record)"
            )
        section, snapshot = devices.pop(key), snapshots[key]
        vmsd = snapshot.delta_vmsd
        if record_section.version_id != vmsd.vmsd.version_id:
            raise EarlyError(
                "the record is of another version",
                section=record_section.name,
                expected=f"version {vmsd.vmsd.version_id} (here)",
                found=f"version {record_section.version_id} (record)",
            )
        values = vmsd.decode(record_section.payload(), snapshot.generation, snapshot.facts, record_section.name)
        if values[FULL]:
            results.append((section, _whole(next(sections, None), section, snapshot)))
        else:
            results.append((section, _patched(values, section, snapshot)))
    if not results:
        raise StreamError("there is no record in the file", expected=f"a section {DELTA_PREFIX}...")
    return results


def _patched(values: State, section: Section, snapshot: Snapshot) -> Any:
    try:
        state = snapshot.delta_vmsd.put(values, snapshot.decode())
        # A record can say a count and not what is counted.
        snapshot.encode(state)
        return state
    except VMStateError as error:
        raise error.within(section=section.name) from None


def _whole(early_section: Section | None, section: Section, snapshot: Snapshot) -> Any:
    """The state of the section that follows a record of a full reload: of the same device, and of the same host."""
    if early_section is None or (early_section.name, early_section.instance_id) != (section.name, section.instance_id):
        raise EarlyError(
            "the section of a full reload is missing",
            expected=f"{section.name} (early)",
            found="the end of the record" if early_section is None else f"{early_section.name} (record)",
        )
    if early_section.version_id != section.version_id or early_section.vmsd is None:
        raise EarlyError(
            "the section of a full reload cannot be read",
            section=section.name,
            expected=f"version {section.version_id} (early)",
            found=early_section.problem or f"version {early_section.version_id} (record)",
        )
    return snapshot.compare(early_section.state).state
