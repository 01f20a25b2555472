"""The configuration space of a virtio device, as an object of a declared class; the features that a driver accepted.

The bytes in a stream are those that the device showed when the guest last read or wrote them, and zeros before. How
many there are depends on the features that the host offers, so the later members of a space can be missing. Words of a
device that can be legacy are in its own byte order, all others little-endian. Layouts from the VIRTIO specification
and QEMU's include/standard-headers/linux/virtio_*.h, lengths from hw/virtio/virtio-config-io.c and the devices.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from vmstate.declare import Expr, VMStateDescription, fact, facts_of

if TYPE_CHECKING:
    from vmstate.vmsd.description import TraceEntry

T = TypeVar("T")

VERSION_1 = 32
BIG = 2
"""The value of `device_endian` in a stream."""

CONFIG_LEN = fact("config_len", (0,))
"""Bytes of configuration space."""


def reaches(end: int) -> Expr:
    """Whether the configuration space has the member that ends at byte `end`."""
    return CONFIG_LEN - end >= 0


def byte_order(body: Any, default: str = "little") -> str:
    """ "little" or "big": the order of a device's words.

    A driver that accepted VERSION_1 sees them little-endian; for any other it is as the stream says, or where that is
    silent as the target has it: big for the channel devices of s390x, `default` for the rest.
    """
    virtio = body.virtio
    if virtio.features64 is not None and virtio.features64.guest_features >> VERSION_1 & 1:
        return "little"
    if virtio.device_endian is not None:
        return "big" if virtio.device_endian.device_endian == BIG else "little"
    # The channel subsystem is of machines whose processor is big-endian.
    return "big" if body.transport.vmsd.name == "s390_virtio_ccw_dev" else default


def features_of(body: Any) -> int:
    """The features that the driver accepted: the low word of the body, or all that the subsections say."""
    return accepted(body.virtio, body.guest_features)


def accepted(virtio: Any, guest_features: int) -> int:
    """The same from the two parts of a body that say it: its `VirtIO` and its low word."""
    low = guest_features if virtio.features64 is None else virtio.features64.guest_features
    high = 0 if virtio.features128 is None else virtio.features128.guest_features
    return int(low | high << 64)


class ConfigSpace(Generic[T]):
    """The attribute `config_space` of a device's state: reads and replaces the bytes of `virtio.config`.

    Reading makes a new object each time; to change the space, set the attribute. Bytes behind the last member that the
    class has, of a later release, stay as they are. For a legacy device of a big-endian target set the fact
    `device_endian` of the state. Raises `VMStateError` where the bytes are not such a space.
    """

    opens = "virtio.config"
    """The path of the bytes in the state."""

    def __init__(self, declared: type[T]) -> None:
        self.declared = declared

    @overload
    def __get__(self, state: None, owner: Any) -> ConfigSpace[T]: ...

    @overload
    def __get__(self, state: Any, owner: Any) -> T: ...

    def __get__(self, state: Any, owner: Any) -> Any:
        if state is None:
            return self
        return self._read(state)[0]

    def __set__(self, state: Any, value: T) -> None:
        rest = state.virtio.config[self._read(state)[1] :]
        state.virtio.config = self._vmsd.encode(value, facts=_facts(state)) + rest

    def trace(self, state: Any) -> Mapping[str, TraceEntry]:
        """Path -> (offset in the bytes, size, field) of the members."""
        config = state.virtio.config[: self._read(state)[1]]
        return self._vmsd.trace(config, facts=_facts(state))

    @property
    def _vmsd(self) -> VMStateDescription:
        vmsd: VMStateDescription = self.declared.vmsd  # type: ignore[attr-defined]
        return vmsd

    def _read(self, state: Any) -> tuple[Any, int]:
        """The object, and the place behind what it says."""
        config = memoryview(state.virtio.config)
        codec: Any = self._vmsd.codec
        read: tuple[Any, int] = codec.decode_at(config, 0, facts=_facts(state))
        return read


def _facts(state: Any) -> dict[str, Any]:
    default = facts_of(state).get("device_endian", "little")
    return {"config_len": state.virtio.config_len, "device_endian": byte_order(state.virtio, default)}
