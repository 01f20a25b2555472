"""Operations of back ends as tests name them, and the card of a recorded stream."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from recorded import opened

from vmstate.devices.vhost.user import FdFlags, Message, VringAddr, VringFd, VringState
from vmstate.devices.virtio.net import Rss, VirtIONet
from vmstate.early.backends.kernel import UNBIND
from vmstate.early.operations import Operation


def names(operations: Iterable[Operation]) -> list[str]:
    return [operation.name for operation in operations]


def operation_of(message: Message) -> Operation:
    """A message of the front end as an operation."""
    payload = message.payload
    name = message.request.name
    match payload:
        case VringAddr():
            place = payload.desc_user_addr, payload.used_user_addr, payload.avail_user_addr
            return Operation(name, payload.index, (int(payload.flags), *place))
        case VringState():
            return Operation(name, payload.index, payload.num)
        case VringFd():
            return Operation(name, payload.index, UNBIND if FdFlags.INVALID_FD in payload.flags else None)
    value = getattr(payload, "value", None)
    return Operation(name, value=value if isinstance(value, int) else None)


RSS = Rss(
    enabled=True,
    redirect=True,
    populate_hash=False,
    hash_types=3,
    supported_hash_types=511,
    indirections_len=4,
    default_queue=0,
    key=bytes([7]) * 40,
    indirections_table=[0, 1, 0, 1],
)


@cache
def recorded_card() -> VirtIONet:
    with opened("qemu-11.1-q35-virtio-net-mq4.mig.xz") as stream:
        device: VirtIONet = stream["virtio-net"].state
    return device
