"""The features that a host offers to the virtio devices of a machine, asked of QEMU's loader.

x-query-virtio-status is not there before 7.2 and ends 11.1, so each device is given a section in which its driver has
accepted every feature: the refusal says which are allowed. Such a stream holds nothing but that section, since QEMU
loads without the others. The machine that was saved takes them one after the other, from a snapshot that is changed
between (vmstate.qemu.snapshot); where it cannot, since it is older than 6.0 and has disks, a QEMU is started for each.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import cache

from vmstate.errors import MachineError, NoAnswerError, VMStateError
from vmstate.qemu.machine import Machine, Qemu
from vmstate.qemu.monitor import LIMIT
from vmstate.qemu.snapshot import JOB_SINCE, SnapshotImage, load_by_command, load_by_job
from vmstate.rules.evaluate import read_as_known
from vmstate.stream.events import ConfigurationSection, EndOfStream, Header
from vmstate.stream.registry import comparison_of
from vmstate.stream.stream import Section, Stream
from vmstate.vmsd.description import VMStateDescription
from vmstate.vmsd.expr import IDSTR
from vmstate.vmsd.path import member, resolve
from vmstate.vmsd.types import Scalar
from vmstate.vmsd.walk import described_states

Place = tuple[str, int]
"""A section: its idstr and instance_id."""

_ALLOWED = re.compile(r"Features 0x[0-9a-f]+ unsupported\. Allowed features: 0x([0-9a-f]+)")


def offered_features(machine: Machine, stream: Stream, folder: str, limit: float = LIMIT) -> dict[Place, int] | None:
    """(idstr, instance_id) -> all bits that the host offers, of each virtio device for which QEMU says it.

    `machine` is paused and was saved as `stream`; afterwards its devices are no longer as they were. None where it
    takes no snapshot, or ended over one. Raises `MachineError` where it does not answer in time.
    """
    probes = dict(probe_streams(stream))
    if not probes:
        return {}
    load = load_by_job if machine.monitor.version >= JOB_SINCE else load_by_command
    offered = {}
    try:
        with SnapshotImage(os.path.join(folder, "probe.qcow2"), max(map(len, probes.values()))) as image:
            image.plug_in(machine)
            for place, probe in probes.items():
                image.put(probe)
                refusal = load(machine, limit)
                allowed = None if refusal is None else _ALLOWED.search(refusal)
                if allowed is not None:
                    offered[place] = int(allowed[1], 16)
                elif refusal is not None and "snapshot" in refusal:
                    return None
    except NoAnswerError:
        raise
    except MachineError:
        # It has no such command, cannot open the file, or has ended.
        return None
    return offered


def features_by_fresh_machines(
    argv: Sequence[str],
    stream: Stream,
    folder: str,
    *,
    qemu: Qemu | None = None,
    console: bool = False,
    limit: float = LIMIT,
) -> dict[Place, int]:
    """The same, of a QEMU that is started for each device."""
    # It is rarely needed, and what explains a refusal takes long to import.
    from vmstate.lab.incoming import QemuDestination

    offered = {}
    for place, probe in probe_streams(stream):
        path = os.path.join(folder, "probe.mig")
        with open(path, "wb") as file:
            file.write(probe)
        with (
            suppress(VMStateError),
            QemuDestination(path, argv, qemu=qemu, console=console, limit=limit) as destination,
        ):
            destination.feed()
            allowed = _ALLOWED.search(destination.machine.output)
            if allowed is not None:
                offered[place] = int(allowed[1], 16)
    return offered


def probe_streams(stream: Stream) -> Iterator[tuple[Place, bytes]]:
    """For each virtio device of a stream, a stream of nothing but its section, with every feature accepted."""
    head = b"".join(part.to_bytes() for part in stream.parts if isinstance(part, (Header, ConfigurationSection)))
    for section in stream.sections:
        if section.kind != "full" or section.described_by != "library" or comparison_of(section.name).features is None:
            continue
        with suppress(VMStateError):
            yield (section.name, section.instance_id), head + _with_all_features(section)


def _with_all_features(section: Section) -> bytes:
    """The section of a virtio device whose driver has accepted every feature, and the end of the stream behind it."""
    features, vmsd = comparison_of(section.name).features, section.vmsd
    assert features is not None and vmsd is not None
    facts = {IDSTR.name: section.name, **read_as_known(section).facts}
    state = vmsd.decode(section.payload(), version_id=section.version_id, facts=facts)
    for path, _, width in features.words:
        _set_all(state, path, width)
    # Fields that may be there now that more features are.
    for _, part, inner in described_states(vmsd, state, wanted=_can_have_more):
        for field in part.fields:
            if field.exists is not None and isinstance(field.type, Scalar) and member(inner, field.attribute) is None:
                setattr(inner, field.attribute, 0)
    payload = vmsd.encode(state, version_id=section.version_id, facts=facts, force=True)
    return section.header.to_bytes() + payload + section.footer.to_bytes() + EndOfStream(0).to_bytes()


@cache
def _can_have_more(vmsd: VMStateDescription) -> bool:
    """Whether a field that is not always there can be in what a description describes."""
    return any(field.exists is not None for part in vmsd.walk() for field in part.fields)


def _set_all(state: object, path: str, width: int) -> None:
    """Set every bit of a number, where the state has it."""
    head, _, last = path.rpartition(".")
    with suppress(VMStateError):
        owner = resolve(state, head)[1]
        if owner is not None and getattr(owner, last, None) is not None:
            setattr(owner, last, (1 << width) - 1)
