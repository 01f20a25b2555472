"""`FrontEnd`: the front end of vhost-user, with a real back end at the other end of a socket.

    memory = GuestMemory.around(layout.rings)
    with FrontEnd.connect("/run/passt.sock", memory).open() as back_end:
        back_end.run(back_end.early_start(layout))
        back_end.run(back_end.finish(layout))

It is the model of `vmstate.early.backends` that also does what it is told: an operation that the model refuses is never
sent, and one that the back end refuses, or does not answer, is a `BackendFailure`. So whatever drives the model
(`vmstate.early.destination`) drives a real back end.

Where REPLY_ACK was agreed on, every message asks for a reply: what a message takes is then the back end's work too, and
a refusal is seen where it happens. Facts from QEMU's docs/interop/vhost-user.rst.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Self

from vmstate.devices.vhost.driver import GuestMemory
from vmstate.devices.vhost.kernel import VringAddr, VringBase, VringState
from vmstate.devices.vhost.user import (
    Ack,
    DeviceStateReply,
    DeviceStateTransfer,
    FdFlags,
    FrontendRequest,
    Header,
    MemoryRegion,
    MemoryTable,
    Message,
    MessageFlags,
    ProtocolFeature,
    ProtocolFeatures,
    TransferDirection,
    U64Value,
    VringFd,
)
from vmstate.early.backends.base import BackendFailure, Fault
from vmstate.early.backends.kernel import UNBIND
from vmstate.early.backends.user import VhostUser
from vmstate.early.operations import Operation
from vmstate.errors import VMStateError
from vmstate.vmsd.data import Value

LIMIT = 5.0
"""Seconds that a back end has for an answer, unless the caller says otherwise."""

PROTOCOL_FEATURES = 1 << 30
"""VHOST_USER_F_PROTOCOL_FEATURES: agreed on like a feature of the device; rings then wait for SET_VRING_ENABLE."""

SPOKEN = ProtocolFeature.MQ | ProtocolFeature.REPLY_ACK | ProtocolFeature.DEVICE_STATE
"""What this front end agrees on, where the back end offers it."""

LONGEST = 1 << 16
"""No answer is as long as this."""

NO_QUEUE = 0xFE
"""A queue that no back end has."""

_GET = {FrontendRequest.GET_FEATURES, FrontendRequest.GET_PROTOCOL_FEATURES, FrontendRequest.GET_QUEUE_NUM}
_ANSWERED = _GET | {
    FrontendRequest.GET_VRING_BASE,
    FrontendRequest.SET_DEVICE_STATE_FD,
    FrontendRequest.CHECK_DEVICE_STATE,
}
"""What has an answer of its own."""

Told = Callable[[dict[str, Any]], None]
"""Called with every message: a line of a transcript (see `FrontEnd.record`)."""


class MessageFailure(BackendFailure):
    """A message that a back end refused, or did not answer; the reason is in words."""

    def __init__(self, operation: Operation, why: str) -> None:
        super().__init__(VhostUser.name, operation)
        self.message = f"{self.message}: {why}"


class Timed(Value):
    """An operation that was carried out, and the seconds from its first byte to the last of its answer."""

    operation: Operation
    seconds: float


class FrontEnd(VhostUser):
    """A back end in another process, by the path of its socket. The memory is taken over.

    `state` are the bytes of the back end's own state that SET_DEVICE_STATE_FD loads. `told` is called with every
    message, `before` with every operation before it is sent. `spoiled` is the message that is sent with the number of a
    queue that no back end has, so that it is refused; it is one with a descriptor, whose queue every back end checks.

    `offered` are the features the back end has, `agreed` those of the protocol that both have, `bases` what
    GET_VRING_BASE answered last, by queue. `times` has every operation that was carried out. Where the connection is
    lost every operation fails until `drop` has connected again.
    """

    def __init__(
        self,
        path: str,
        memory: GuestMemory,
        *,
        state: bytes = b"",
        limit: float = LIMIT,
        told: Told | None = None,
        before: Callable[[Operation], None] | None = None,
        spoiled: Fault | None = None,
    ) -> None:
        super().__init__()
        self.path = path
        self.memory = memory
        self.state_to_load = state
        self.limit = limit
        self.told = told
        self.before = before
        self.spoiled = spoiled
        self.offered = 0
        self.agreed = ProtocolFeature(0)
        self.bases: dict[int, int] = {}
        self.times: list[Timed] = []
        self.connections = 0
        self.kicks: dict[int, int] = {}
        self.calls: dict[int, int] = {}
        self._began = time.monotonic()
        self._seconds = 0.0
        self._socket: socket.socket | None = None

    @classmethod
    def connect(cls, path: str, memory: GuestMemory, **options: Any) -> Self:
        """A front end whose back end listens at `path`. Raises `VMStateError` where nobody does within the limit."""
        made = cls(path, memory, **options)
        made.connect_again(wait=True)
        return made

    def connect_again(self, *, wait: bool = False) -> None:
        """Connect, or connect once more after the connection was lost; with `wait` until somebody listens."""
        self._disconnect()
        end = time.monotonic() + (self.limit if wait else 0)
        while True:
            made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                made.connect(self.path)
                break
            except OSError as error:
                made.close()
                if time.monotonic() >= end:
                    why = (error.strerror or str(error)).lower()
                    raise VMStateError(f"no vhost-user back end listens: {why}", file=self.path) from None
                time.sleep(0.01)
        made.settimeout(self.limit)
        self._socket = made
        self.connections += 1

    def drop(self) -> None:
        """Let go of the connection, and of all that was agreed on; connect again, where somebody listens."""
        with suppress(VMStateError):
            self._reopen(wait=False)

    def reopen(self) -> None:
        """Connect to a back end that is coming back, and open it. Raises `VMStateError` where none comes in time."""
        self._reopen(wait=True)

    def _reopen(self, *, wait: bool) -> None:
        self._disconnect()
        self.facts.clear()
        self.queues.clear()
        self.connect_again(wait=wait)
        self.open()

    def close(self) -> None:
        """Let go of the connection, of the descriptors and of the memory."""
        self._disconnect()
        self.memory.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def kick(self, queue: int) -> None:
        """Tell the back end that there is something in a queue."""
        if queue in self.kicks:
            os.eventfd_write(self.kicks[queue], 1)

    # One operation.

    def do(self, operation: Operation) -> None:
        """Take one operation. Raises `IllegalOperation`, or `BackendFailure` for what the back end did not do."""
        if self._socket is None:
            raise MessageFailure(operation, "there is no connection")
        super().do(operation)

    def carry_out(self, operation: Operation) -> None:
        """Send the message, with its descriptors, and wait for the answer. Raises `BackendFailure`."""
        if self.before is not None:
            self.before(operation)
        self._seconds = 0.0
        try:
            self._carry_out(operation)
        except (OSError, EOFError) as error:
            why = "no answer in time" if isinstance(error, TimeoutError) else f"the back end is gone ({error})"
            self._disconnect()
            raise MessageFailure(operation, why) from None
        except BackendFailure:
            raise
        except VMStateError as error:
            self._disconnect()
            raise MessageFailure(operation, f"no answer of vhost-user: {error}") from None
        self.times.append(Timed(operation, self._seconds))

    def _carry_out(self, operation: Operation) -> None:
        if operation.name == "SET_DEVICE_STATE_FD":
            self._load_state(operation)
            return
        request = FrontendRequest[operation.name]
        descriptors: list[int] = []
        made: int | None = None
        payload = self._payload(request, operation)
        match request:
            case FrontendRequest.SET_MEM_TABLE:
                descriptors = [self.memory.descriptor]
            case FrontendRequest.SET_VRING_KICK | FrontendRequest.SET_VRING_CALL if operation.value != UNBIND:
                made = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
                descriptors = [made]
        try:
            answer = self._exchange(operation, request, payload, descriptors)
        except BaseException:
            if made is not None:
                os.close(made)
            raise
        if made is not None:
            kept = self.kicks if request is FrontendRequest.SET_VRING_KICK else self.calls
            _replace(kept, operation.queue or 0, made)
        self._answered(operation, request, answer)

    def _payload(self, request: FrontendRequest, operation: Operation) -> Any:
        queue, value = operation.queue or 0, operation.value
        match request:
            case FrontendRequest.SET_FEATURES:
                # What the device itself does, QEMU keeps; the back end is told of what it has offered.
                return U64Value(value=(int(value) | PROTOCOL_FEATURES) & self.offered)
            case FrontendRequest.SET_PROTOCOL_FEATURES:
                return ProtocolFeatures(features=self.agreed)
            case FrontendRequest.SET_MEM_TABLE:
                region = MemoryRegion(
                    guest_phys_addr=0,
                    memory_size=self.memory.size,
                    userspace_addr=self.memory.address,
                    mmap_offset=0,
                )
                return MemoryTable(regions=(region,))
            case FrontendRequest.SET_VRING_NUM | FrontendRequest.SET_VRING_ENABLE:
                return VringState(index=queue, num=int(value))
            case FrontendRequest.SET_VRING_BASE:
                return VringBase(index=queue, num=int(value))
            case FrontendRequest.GET_VRING_BASE:
                return VringState(index=queue, num=0)
            case FrontendRequest.SET_VRING_ADDR:
                flags, desc, used, avail = value
                at = self.memory.address
                return VringAddr(
                    index=queue,
                    flags=flags,
                    desc_user_addr=at + desc,
                    used_user_addr=at + used,
                    avail_user_addr=at + avail,
                    log_guest_addr=used,
                )
            case FrontendRequest.SET_VRING_KICK | FrontendRequest.SET_VRING_CALL | FrontendRequest.SET_VRING_ERR:
                if self.spoiled is not None and self.spoiled.hits(operation):
                    self.spoiled = None
                    return VringFd(index=NO_QUEUE)
                return VringFd(index=queue, flags=FdFlags.INVALID_FD if value == UNBIND else FdFlags(0))
        return None

    def _answered(self, operation: Operation, request: FrontendRequest, answer: Message | None) -> None:
        payload = None if answer is None else answer.payload
        match payload:
            case VringState() if request is FrontendRequest.GET_VRING_BASE:
                self.bases[payload.index] = payload.num
                for kept in (self.kicks, self.calls):
                    _replace(kept, payload.index, None)
            case U64Value() if request is FrontendRequest.GET_FEATURES:
                self.offered = payload.value
            case ProtocolFeatures():
                self.agreed = payload.features & SPOKEN
            case Ack() if payload.status:
                raise MessageFailure(operation, f"the back end answers {payload.status}")

    def _load_state(self, operation: Operation) -> None:
        """SET_DEVICE_STATE_FD: the back end reads its state from a pipe, up to its end."""
        if ProtocolFeature.DEVICE_STATE not in self.agreed:
            raise MessageFailure(operation, "DEVICE_STATE is not agreed on")
        reading, writing = os.pipe()
        try:
            transfer = DeviceStateTransfer(direction=TransferDirection.LOAD)
            answer = self._exchange(operation, FrontendRequest.SET_DEVICE_STATE_FD, transfer, [reading])
            reply = None if answer is None else answer.payload
            if not isinstance(reply, DeviceStateReply) or reply.status or FdFlags.INVALID_FD not in reply.flags:
                raise MessageFailure(operation, f"the back end does not take its state: {reply}")
            os.set_blocking(writing, False)
            written = os.write(writing, self.state_to_load) if self.state_to_load else 0
            if written < len(self.state_to_load):
                raise MessageFailure(operation, f"the back end's state is longer than a pipe: {written} bytes fit")
        finally:
            os.close(reading)
            os.close(writing)

    # The socket.

    def _exchange(
        self, operation: Operation, request: FrontendRequest, payload: Any, descriptors: list[int]
    ) -> Message | None:
        """Send a request; its answer, where it has one."""
        has_answer = request in _ANSWERED
        asks = not has_answer and ProtocolFeature.REPLY_ACK in self.agreed and "agreed" in self.facts
        flags = MessageFlags.VERSION_1 | (MessageFlags.NEED_REPLY if asks else MessageFlags(0))
        assert self._socket is not None
        data = Message(request, payload, flags).encode()
        self.record(">", data, len(descriptors))
        begun = time.perf_counter()
        # A header and its descriptors go in one piece, or the descriptors would arrive with another message.
        sent = socket.send_fds(self._socket, [data], descriptors) if descriptors else self._socket.send(data)
        self._socket.sendall(data[sent:])
        raw = _receive_message(self._socket) if has_answer or asks else None
        # What reading and writing messages takes in Python is not the back end's.
        self._seconds += time.perf_counter() - begun
        if raw is None:
            return None
        self.record("<", raw, 0)
        answer = Message.decode(raw)
        if answer.request is not request or not answer.is_reply:
            raise MessageFailure(operation, f"the answer is one to {answer.request.name}")
        return answer

    def record(self, direction: str, data: bytes, descriptors: int) -> None:
        """Tell whoever wants to know of a message: seconds, connection, direction, header, payload, descriptors."""
        if self.told is None:
            return
        header = Header.decode(data)
        self.told(
            {
                "t": round(time.monotonic() - self._began, 6),
                "conn": self.connections,
                "dir": direction,
                "request": header.request,
                "flags": int(header.flags),
                "size": header.size,
                "payload": data[Header.sizeof() :].hex(),
                "fds": descriptors,
            }
        )

    def _disconnect(self) -> None:
        for kept in (self.kicks, self.calls):
            for queue in list(kept):
                _replace(kept, queue, None)
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def _receive_message(connection: socket.socket) -> bytes:
    head = _receive(connection, Header.sizeof())
    size = int.from_bytes(head[8:], "little")
    if size > LONGEST:
        raise VMStateError("an answer that cannot be", expected=f"at most {LONGEST} bytes", found=f"{size}")
    return head + _receive(connection, size)


def _receive(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        piece = connection.recv(size - len(data))
        if not piece:
            raise EOFError("it has closed the connection")
        data += piece
    return data


def _replace(kept: dict[int, int], queue: int, descriptor: int | None) -> None:
    """Keep another descriptor for a queue, or none."""
    old = kept.pop(queue, None)
    if old is not None:
        with suppress(OSError):
            os.close(old)
    if descriptor is not None:
        kept[queue] = descriptor
