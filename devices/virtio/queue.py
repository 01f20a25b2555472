"""The queues of a saved device together with guest memory: what QEMU makes of them when it loads the device.

A split queue's used_idx, shadow_avail_idx and inuse are not in a stream: virtio_load reads them from the rings and
holds them against last_avail_idx. Those of a packed queue are, but for the shadow. Facts from QEMU's
hw/virtio/virtio.c (virtio_load, virtio_queue_update_rings, vring_avail_idx, vring_used_idx).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import compress
from types import SimpleNamespace
from typing import Any, Literal, Protocol

from vmstate.declare import facts_of
from vmstate.devices.virtio.config import VERSION_1, byte_order, features_of
from vmstate.devices.virtio.pci import QUEUE_MAX
from vmstate.devices.virtio.rings import RING_PACKED, VRING_ALIGN, legacy_rings
from vmstate.errors import VMStateError
from vmstate.vmsd.data import Value

ACCESS_PLATFORM = 33
"""The bit of VIRTIO_F_ACCESS_PLATFORM: addresses are those that the device's bus has."""
IDX = 2
"""Where the index stands in an avail or used ring, behind its 16 bits of flags."""
WRAP = 1 << 16
NET_QUEUES = 3
"""Queues of a network card at least: to receive, to send, and for commands."""


class Memory(Protocol):
    """Guest memory: `vmstate.Stream.memory` gives one."""

    def read_all(self, spans: Sequence[tuple[int, int]]) -> list[bytes]:
        """The bytes of several (guest physical address, size)."""

    def has(self, address: int, size: int) -> bool:
        """Whether the machine has memory there."""


class Queue(Value):
    """A queue as QEMU has it after loading.

    Addresses are guest physical. `avail_idx` is the index that the driver has in memory (None for a packed queue).
    `problem` names the check of virtio_load that fails: "guest index", and the device is marked broken, with its
    indices zero; or "inuse", and the load fails. `message` is what QEMU then says.
    """

    number: int
    num: int
    desc: int
    avail: int
    used: int
    last_avail_idx: int
    avail_idx: int | None
    used_idx: int
    shadow_avail_idx: int
    inuse: int
    problem: Literal["guest index", "inuse"] | None = None
    message: str | None = None


def queues(device: Any, memory: Memory) -> list[Queue]:
    """The queues of a virtio device that are set up, as they are after loading.

    Raises `VMStateError` where `memory` does not hold the rings.
    """
    body = device.virtio
    features = features_of(body)
    places = {number: rings(body, number) for number, queue in enumerate(body.vq) if queue.desc}
    if features >> RING_PACKED & 1:
        return [_packed(body, number, *place) for number, place in places.items()]
    # A legacy device's words are in its own order.
    order: Any = "little" if features >> VERSION_1 & 1 else byte_order(body, _default(device))
    words = memory.read_all([(ring + IDX, 2) for place in places.values() for ring in place])
    indices = [int.from_bytes(word, order) for word in words]
    return [
        _split(body, number, *place, *indices[2 * row : 2 * row + 2])
        for row, (number, place) in enumerate(places.items())
    ]


def rings(body: Any, number: int) -> tuple[int, int]:
    """Where the driver area and the device area of a queue begin: as sent, or as a legacy device has them."""
    virtqueues = body.virtio.virtqueues
    if features_of(body) >> VERSION_1 & 1:
        # What is not sent stays what a reset made it.
        return (0, 0) if virtqueues is None else (virtqueues.vq[number].avail, virtqueues.vq[number].used)
    queue = body.vq[number]
    return legacy_rings(queue.num, queue.desc, VRING_ALIGN if queue.align is None else queue.align)


def _default(device: Any) -> str:
    return str(facts_of(device).get("device_endian", "little"))


def _packed(body: Any, number: int, avail: int, used: int) -> Queue:
    queue, sent = body.vq[number], body.virtio.packed_virtqueues.vq[number]
    shadow = sent.last_avail_idx
    return Queue(
        number, queue.num, queue.desc, avail, used, sent.last_avail_idx, None, sent.used_idx, shadow, sent.inuse
    )


def _last_avail_idx(body: Any, number: int) -> int:
    """Of a split queue: a device that offers packed ones sends it again in their subsection, which is read later."""
    packed = body.virtio.packed_virtqueues
    queues = body.vq if packed is None else packed.vq
    return int(queues[number].last_avail_idx)


def _split(body: Any, number: int, avail: int, used: int, avail_idx: int, used_idx: int) -> Queue:
    queue = body.vq[number]
    last, num = _last_avail_idx(body, number), queue.num
    place = (number, num, queue.desc, avail, used, last, avail_idx)
    delta = (avail_idx - last) % WRAP
    if delta > num:
        text = f"VQ {number} size {num:#x} Guest index {avail_idx:#x} inconsistent with Host index {last:#x}"
        return Queue(*place, 0, 0, 0, "guest index", f"{text}: delta {delta:#x}")
    inuse = (last - used_idx) % WRAP
    if inuse > num:
        text = f"VQ {number} size {num:#x} < last_avail_idx {last:#x} - used_idx {used_idx:#x}"
        return Queue(*place, used_idx, avail_idx, inuse, "inuse", text)
    return Queue(*place, used_idx, avail_idx, inuse)


def rings_agree(virtio: Any, guest_features: int, vq: Any, transport: Any, memory: Memory) -> bool:
    """Whether no split queue has more buffers in use than it has descriptors: else QEMU refuses the load.

    Where a ring lies outside memory its indices are read as 0. A guest index that is too far ahead breaks the device,
    but not the load. Raises `VMStateError` where the addresses need not be physical ones.
    """
    body = SimpleNamespace(virtio=virtio, guest_features=guest_features, vq=vq, transport=transport)
    features = features_of(body)
    if features >> RING_PACKED & 1:
        return True
    if features >> ACCESS_PLATFORM & 1:
        raise VMStateError("the addresses of the queues are those of an IOMMU, where there is one")
    order: Any = "little" if features >> VERSION_1 & 1 else byte_order(body)
    set_up = [(number, *rings(body, number)) for number, queue in enumerate(vq[:QUEUE_MAX]) if queue.desc]
    reachable = [
        [memory.has(ring + IDX, 2) for ring in places]
        if not features >> VERSION_1 & 1
        else [_mapped(memory, vq[number], *places)] * 2
        for number, *places in set_up
    ]
    words = iter(
        memory.read_all(
            [
                (ring + IDX, 2)
                for (_, *places), reached in zip(set_up, reachable, strict=True)
                for ring in compress(places, reached)
            ]
        )
    )
    for (number, *_), reached in zip(set_up, reachable, strict=True):
        guest_idx, used_idx = (int.from_bytes(next(words), order) if is_there else 0 for is_there in reached)
        last, num = _last_avail_idx(body, number), vq[number].num
        if (guest_idx - last) % WRAP > num:
            continue
        if (last - used_idx) % WRAP > num:
            return False
    return True


def _mapped(memory: Memory, queue: Any, avail: int, used: int) -> bool:
    """Whether all three parts of a ring lie in memory: QEMU maps all, or none."""
    # With one word for the event index behind each ring.
    sizes = ((queue.desc, 16 * queue.num), (avail, 4 + 2 * queue.num + 2), (used, 4 + 8 * queue.num + 2))
    return all(memory.has(address, size) for address, size in sizes)


def net_queues_have_room(vq: Sequence[Any], own: Sequence[Any]) -> bool:
    """Whether a network card that makes as many queues as the source has makes them large enough.

    `own` are those that the card has now. It makes pairs, and behind them one for commands. Of an even number, which no
    card has, it takes a pair too many away where it has more (virtio_net_change_num_queues).
    """
    count, before = len(vq), len(own)
    if count == before or before < NET_QUEUES:
        return True
    pairs = (count - 1) // 2 if count % 2 or count < before else count // 2
    sizes = [queue.num for queue in own[:2]] * pairs + [own[-1].num]
    return all(queue.num <= size for queue, size in zip(vq, sizes + [0] * count, strict=False))
