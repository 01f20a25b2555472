"""What every virtio device says to x-query-virtio and its kin.

Facts from QEMU's qapi/virtio.json, hw/virtio/virtio-qmp.c and hw/virtio/virtio.c.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from vmstate.declare import Feature, Release
from vmstate.devices.virtio.config import BIG, VERSION_1
from vmstate.devices.virtio.pci import QUEUE_MAX
from vmstate.devices.virtio.queue import IDX, WRAP
from vmstate.devices.virtio.rings import VRING_ALIGN, legacy_rings
from vmstate.devices.virtio.status import DeviceStatus
from vmstate.devices.virtio.transport import TRANSPORT
from vmstate.errors import QueryError
from vmstate.vmsd.question import LEFT_OUT, Ask, Keys, LeftOut, Questions
from vmstate.vmsd.record import VirtIORecord


def features(ask: Ask) -> int:
    """All features that the driver accepted."""
    low = ask("virtio.virtio.features64.guest_features")
    if low is None:
        low = ask("virtio.guest_features")
    high = ask("virtio.virtio.features128.guest_features")
    return int(low) | int(high or 0) << 64


def has(ask: Ask, bit: int) -> bool:
    """Whether the driver accepted a feature."""
    return bool(features(ask) >> bit & 1)


def taken(bits: int, table: Sequence[Feature], release: Release | None) -> tuple[list[str], int]:
    """The names of the bits that a release has names for, in QMP's order, and the bits that are left."""
    names: list[str] = []
    for feature in table:
        since = feature.since
        if bits >> feature.bit & 1 and since is not None and (release is None or since <= release):
            names.append(feature.symbol)
            bits &= ~(1 << feature.bit)
    return names[::-1], bits


def feature_answer(bits: int, table: Sequence[Feature], release: Release | None) -> dict[str, Any]:
    """A VirtioDeviceFeatures."""
    transports, rest = taken(bits, TRANSPORT, release)
    known, rest = taken(rest, table, release)
    answer: dict[str, Any] = {"transports": transports, "dev-features": known}
    if rest:
        answer["unknown-dev-features"] = rest & (1 << 64) - 1
    if rest >> 64:
        answer["unknown-dev-features2"] = rest >> 64
    return answer


def guest_features(table: Sequence[Feature]) -> Callable[[Ask], dict[str, Any]]:
    """The features that the driver accepted, by the names of a device."""
    return lambda ask: feature_answer(features(ask), table, ask.release)


def status(ask: Ask) -> dict[str, Any]:
    """A VirtioDeviceStatus. QMP names the bits in the order in which a driver sets them."""
    order = ("ACKNOWLEDGE", "FAILED", "NEEDS_RESET", "DRIVER", "FEATURES_OK", "DRIVER_OK")
    bits = int(ask("virtio.status"))
    names = [name for name in order if bits & DeviceStatus[name]]
    answer: dict[str, Any] = {"statuses": [f"VIRTIO_CONFIG_S_{name}" for name in names]}
    rest = bits & ~sum(DeviceStatus[name] for name in names)
    if rest:
        answer["unknown-statuses"] = rest
    return answer


def device_endian(ask: Ask) -> str | LeftOut:
    """The byte order of the device: as the stream says; where it is silent little for VERSION_1, else the target's."""
    told = ask("virtio.virtio.device_endian.device_endian")
    if told is not None:
        return {0: "unknown", BIG: "big"}.get(told, "little")
    if has(ask, VERSION_1):
        return "little"
    return ask.target_endian or LEFT_OUT


def flag(path: str) -> Callable[[Ask], bool]:
    """A flag that a subsection carries, and that is off where there is none."""
    return lambda ask: bool(ask(path))


def constant(value: Any) -> Callable[[Ask], Any]:
    """What every device with such an idstr says."""

    def answer(ask: Ask) -> Any:
        # It is the idstr that tells it, so that is what has been read.
        assert ask.idstr
        return value

    return answer


def idstr(ask: Ask) -> str:
    """The place of the device: QEMU's own path, of the object tree, is not in the stream."""
    return ask.idstr


def number(path: str) -> Callable[[Ask], int]:
    """A number as it stands in the stream."""
    return lambda ask: int(ask(path))


# A queue.


def queue_index(ask: Ask) -> int:
    """The number of the queue that is asked about. Raises `QueryError` where the device does not have it."""
    index: int = ask.argument["queue"]
    count = int(ask("virtio.num_queues"))
    if not index < min(count, QUEUE_MAX):
        raise QueryError(
            f"Invalid virtqueue number {index}",
            section=ask.idstr,
            expected=f"a queue below {count}" if count else "nothing: the device has no queue",
        )
    return index


def member(ask: Ask, attribute: str, of: str = "") -> Any:
    """A member of the queue that is asked about, in the legacy body or in a subsection with all queues."""
    return ask(f"virtio.{of}vq[{ask.argument['queue']}].{attribute}")


def of_queue(attribute: str) -> Callable[[Ask], int]:
    """A member of the queue in the legacy body."""
    return lambda ask: int(member(ask, attribute))


def num_default(ask: Ask) -> int:
    """The size before the driver changed it: the sizes are sent if any was changed."""
    told = member(ask, "num_default", of="virtio.ringsize.")
    return int(member(ask, "num") if told is None else told)


def align(ask: Ask) -> int:
    """The alignment: sent where the driver can choose it."""
    told = member(ask, "align")
    return VRING_ALIGN if told is None else int(told)


def avail(ask: Ask) -> int:
    """The driver area; of a legacy device it stands behind the descriptors, 16 bytes each."""
    told = member(ask, "avail", of="virtio.virtqueues.")
    if told is not None:
        return int(told)
    return legacy(ask)[0]


def used(ask: Ask) -> int:
    """The device area; of a legacy device it begins at the next multiple of the alignment behind the driver area."""
    told = member(ask, "used", of="virtio.virtqueues.")
    if told is not None:
        return int(told)
    return legacy(ask)[1]


def legacy(ask: Ask) -> tuple[int, int]:
    """Both areas of a legacy device's queue."""
    return legacy_rings(int(member(ask, "num")), int(member(ask, "desc")), align(ask))


def used_idx(ask: Ask) -> int | LeftOut:
    """The device's index: sent of every queue, packed or not, where the host offers packed rings; else in the ring."""
    told = member(ask, "used_idx", of="virtio.packed_virtqueues.")
    return ring_used_idx(ask) if told is None else int(told)


def inuse(ask: Ask) -> int | LeftOut:
    """How many requests are in flight: sent as the device's index is; else those it took and has not used."""
    told = member(ask, "inuse", of="virtio.packed_virtqueues.")
    if told is not None:
        return int(told)
    index = ring_used_idx(ask)
    return LEFT_OUT if index is LEFT_OUT else (int(member(ask, "last_avail_idx")) - index) % WRAP


def ring_used_idx(ask: Ask) -> int | LeftOut:
    """The device's index in guest memory; 0 of a queue that is not set up."""
    if not member(ask, "desc"):
        return 0
    order = device_endian(ask)
    word = ask.memory(used(ask) + IDX, 2)
    return (
        LEFT_OUT if word is None or order is LEFT_OUT else int.from_bytes(word, "big" if order == "big" else "little")
    )


def of_device(record: VirtIORecord, more: Questions | None) -> Questions:
    """What a device answers that saves itself as the field `virtio`: what every one does, and `more`."""
    called = constant(record.qmp_name)
    info: Keys = {"path": idstr, "name": called}
    whole: Keys = {
        "name": called,
        "device-id": constant(record.id),
        "device-endian": device_endian,
        "guest-features": guest_features(record.features),
        "num-vqs": number("virtio.num_queues"),
        "status": status,
        "isr": number("virtio.isr"),
        "queue-sel": number("virtio.queue_sel"),
        "broken": flag("virtio.virtio.broken.broken"),
        "disabled": flag("virtio.virtio.disabled.disabled"),
        "started": flag("virtio.virtio.started.started"),
    }
    queue: Keys = {
        "name": called,
        "queue-index": queue_index,
        "inuse": inuse,
        "vring-num": of_queue("num"),
        "vring-num-default": num_default,
        "vring-align": align,
        "vring-desc": of_queue("desc"),
        "vring-avail": avail,
        "vring-used": used,
        "last-avail-idx": of_queue("last_avail_idx"),
        "used-idx": used_idx,
    }
    return {
        "x-query-virtio": info,
        "x-query-virtio-status": whole,
        "x-query-virtio-queue-status": queue,
        **(more or {}),
    }
