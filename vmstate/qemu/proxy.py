"""`Proxy`: stands between a source and a destination of a migration, and passes on what they say to each other.

    with Proxy("unix:/run/relay", "unix:/run/in", filter_of=lambda: forward) as proxy:
        proxy.run()

The source connects once for a plain migration, and more often with multifd or postcopy-preempt: each connection is
carried on to the destination before the next is taken, so the destination sees them in the same order. The first that
begins with the magic of a migration is the main one, and what the source says on it goes through a filter; everything
else, and everything that comes back, is passed as it is. TLS is known by its first bytes, and never touched. Who comes
first and goes without a word, as a scanner of ports does, is no source, and the destination never hears of it.

A side that ends its direction ends it for the other as well; a side that is gone takes the other with it. So whoever is
killed, source, destination or this process, the others see what they would have seen without a proxy: the end of a
connection.
"""

from __future__ import annotations

import errno
import fcntl
import os
import select
import selectors
import socket
import stat
import struct
import sys
import termios
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Protocol, Self

from vmstate.errors import MachineError
from vmstate.qemu.monitor import LIMIT
from vmstate.stream.events import MAGIC

PIECE = 1 << 20
"""Bytes that are taken at once."""

TLS = b"\x16\x03"
"""How a TLS connection begins: a handshake record, of whatever version of TLS (RFC 8446, 5.1)."""

_SMALL = 1 << 18
"""Bytes that are copied rather than sent in several calls."""

_SILENT = 64
"""The most connections that may wait, without a word, for a source to begin."""

_PROBE_AFTER, _PROBE_EVERY, _PROBES = 60, 30, 10
"""Seconds without a word over TCP until the other host is asked whether it is there; between two times; how many."""

_LITTLE = 1 << 20
"""Bytes that come back of which a thread is hurried; who says more must not have a processor for itself."""

_SHORT_TURN = 16 << 20
"""Bytes of a short turn through memory, of which the thread that passes them on is hurried."""

_OVER = 1 << 16
"""Bytes that a socket may have beyond its buffer: what comes last is taken whole."""

_SETTLED, _SETTLES = 0.01, 0.1
"""Seconds in which nothing more comes where a side is held up; and for how long that is waited for."""

LONGEST_PATH = 107
"""Bytes of a socket's path: sun_path of Linux has 108, with the byte that ends it."""

MULTIFD = bytes.fromhex("11223344")
"""How a channel of multifd begins (MULTIFD_MAGIC in QEMU's migration/multifd.h)."""

Address = tuple[str, int] | str
Pieces = Sequence[bytes | bytearray | memoryview]


class Filter(Protocol):
    """What is done with the bytes from the source on the main connection."""

    def push(self, data: memoryview) -> Pieces:
        """What is to be sent now that `data` has come; the proxy sends it before it gives more."""

    def finish(self) -> Pieces:
        """What is to be sent where no more will come."""

    def is_to_hold(self) -> bool:
        """Whether, behind what was pushed last, the source is to be held up for a moment."""

    def is_at_stop(self) -> bool:
        """Whether the guest runs nowhere now, and waits for what is passed on."""


def parse_uri(uri: str) -> Address:
    """What `migrate` and -incoming call unix:PATH or tcp:HOST:PORT: a path, or host and port. Raises `MachineError`."""
    kind, _, rest = uri.partition(":")
    if kind == "unix" and rest:
        if len(os.fsencode(rest)) > LONGEST_PATH:
            raise MachineError("a socket has no such long path", expected=f"at most {LONGEST_PATH} bytes", found=rest)
        return rest
    if kind == "tcp":
        host, colon, port = rest.rpartition(":")
        host = host.strip("[]") or "localhost"
        if colon and port.isascii() and port.isdecimal() and int(port) < 1 << 16 and _is_host(host):
            return host, int(port)
    raise MachineError("no address of a migration", expected="unix:PATH or tcp:HOST:PORT", found=repr(uri))


def _is_host(name: str) -> bool:
    """Whether the system can be asked for such a name at all: its parts have 1 to 63 characters."""
    try:
        name.encode("idna")
    except UnicodeError:
        return False
    return True


def listen(address: Address, backlog: int = 1) -> socket.socket:
    """A socket that listens; where a path is left by a listener that is gone it is taken over. Raises `OSError`."""
    if isinstance(address, tuple):
        family = socket.getaddrinfo(*address, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server(address, family=family, backlog=backlog)
    listener = socket.socket(socket.AF_UNIX)
    try:
        _bind(listener, address)
        listener.listen(backlog)
    except BaseException:
        listener.close()
        raise
    return listener


def stop_listening(listener: socket.socket, address: Address) -> None:
    """Close what `listen` made, and take its path away."""
    listener.close()
    if isinstance(address, str):
        with suppress(OSError):
            os.unlink(address)


def _bind(listener: socket.socket, path: str) -> None:
    """Bind to a path; what a listener that is gone has left there is no obstacle. A file that is no socket stays."""
    try:
        listener.bind(path)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        if not stat.S_ISSOCK(os.stat(path).st_mode):
            raise OSError(errno.EEXIST, "a file that is no socket is there") from None
        with socket.socket(socket.AF_UNIX) as probe:
            if probe.connect_ex(path) != errno.ECONNREFUSED:
                raise
        os.unlink(path)
        listener.bind(path)


def connect(address: Address, limit: float) -> socket.socket:
    """A connection. Raises `OSError`."""
    if isinstance(address, tuple):
        return socket.create_connection(address, limit)
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(limit)
    try:
        connection.connect(address)
    except BaseException:
        connection.close()
        raise
    return connection


def uri_of(listener: socket.socket, address: Address) -> str:
    """The address of a listener as `migrate` takes it, also where the port was 0."""
    if isinstance(address, str):
        return f"unix:{address}"
    host, port = listener.getsockname()[:2]
    return f"tcp:[{host}]:{port}" if ":" in host else f"tcp:{host}:{port}"


def _watch_over(side: socket.socket) -> None:
    """Have the system end a connection whose other host is gone without having said so."""
    side.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (("KEEPIDLE", _PROBE_AFTER), ("KEEPINTVL", _PROBE_EVERY), ("KEEPCNT", _PROBES)):
        option = getattr(socket, f"TCP_{name}", None)
        if option is not None:
            side.setsockopt(socket.IPPROTO_TCP, option, value)


class Channel:
    """A connection of the source, and the one to the destination that it is carried on by.

    `kind` is "migration", "multifd", "tls" or "other", once its first bytes have come. `taken` and `sent` count the
    bytes from the source and to the destination, `returned` those that came back. `ended` says which side went first
    by an error. Whoever has `reading` holds up the source.
    """

    def __init__(self, source: socket.socket, destination: socket.socket) -> None:
        self.source = source
        self.destination = destination
        self.kind = "other"
        self.taken = self.sent = self.returned = 0
        self.ended: str | None = None
        self.reading = threading.Lock()
        for side in (source, destination):
            side.settimeout(None)
            if side.family != socket.AF_UNIX:
                side.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                _watch_over(side)

    def room(self) -> int | None:
        """How many bytes the source can still get rid of while it is held up; None where that is not known.

        That is so over TCP, whose buffers grow. On a unix socket it is the sender's buffer, which no QEMU sets.
        """
        if self.source.family != socket.AF_UNIX:
            return None
        try:
            with open("/proc/sys/net/core/wmem_default") as file:
                most = int(file.read()) + _OVER
        except (OSError, ValueError):
            return None
        end = time.monotonic() + _SETTLES
        waiting = -1
        while waiting != (waiting := _waiting(self.source)) and time.monotonic() < end:
            time.sleep(_SETTLED)
        return max(0, most - waiting)

    def cut(self, why: str) -> None:
        """End both sides at once."""
        self.ended = self.ended or why
        for side in (self.source, self.destination):
            with suppress(OSError):
                side.shutdown(socket.SHUT_RDWR)


class Proxy:
    """Listens at `listen_at` from the start on, and carries connections on to `connect_to`.

    `filter_of` makes the filter of the main connection when it begins; None for none. `hold` waits where that filter
    wants the source held up. `heard` is called with what comes back on a migration's connection, once it is passed on:
    at its end the source's downtime waits for it. `tap` is called with all that either side says on any
    connection, before it is passed on: the channel, whether it came back, and the bytes. `limit` is how many seconds
    the source may take to come and to begin. Raises `MachineError` where nothing can listen there.
    """

    def __init__(
        self,
        listen_at: str,
        connect_to: str,
        *,
        filter_of: Callable[[], Filter | None] | None = None,
        hold: Callable[[], None] | None = None,
        heard: Callable[[memoryview], None] | None = None,
        tap: Callable[[Channel, bool, memoryview], None] | None = None,
        limit: float = LIMIT,
    ) -> None:
        address, self._target = parse_uri(listen_at), parse_uri(connect_to)
        self._target_uri = connect_to
        self._filter_of = filter_of
        self._hold = hold
        self._heard = heard
        self._tap = tap
        self.limit = limit
        self.channels: list[Channel] = []
        self.failed: BaseException | None = None
        self._threads: list[threading.Thread] = []
        self.main: Channel | None = None
        """The connection that goes through the filter; while that is made, nobody reads from its source."""
        self._is_over = threading.Event()
        self._carrying = threading.Lock()
        """Held while a further connection is taken and its threads are not known yet."""
        self._address = address
        try:
            self._listener = listen(address, backlog=64)
        except OSError as error:
            raise MachineError(f"cannot listen at {listen_at}: {in_words(error)}") from None
        if isinstance(address, str) and isinstance(self._target, str) and _is_same_path(address, self._target):
            stop_listening(self._listener, address)
            raise MachineError(f"{listen_at} is where the source comes to", expected="the destination's address")
        self.uri = uri_of(self._listener, address)
        self._woken, self._waking = socket.socketpair()

    def run(self) -> None:
        """Carry one migration: take connections until all that came have ended.

        Raises `MachineError` where no source comes in time, or nobody listens at the destination.
        """
        try:
            sources = self._first()
        except OSError as error:
            raise MachineError(f"{self.uri}: {in_words(error)}") from None
        for number, source in enumerate(sources):
            try:
                self._carry(source)
            except MachineError:
                for silent in sources[number:]:
                    silent.close()
                raise
        taking = threading.Thread(target=self._take_more, daemon=True)
        taking.start()
        while True:
            for thread in self._threads:
                thread.join()
            # What came meanwhile is waited for, too, and what is being taken: its other end may have it already.
            with self._carrying:
                if not any(thread.is_alive() for thread in self._threads):
                    self._end()
                    break
        taking.join(2)
        if self.failed is not None:
            raise self.failed

    def _first(self) -> list[socket.socket]:
        """The connections, in their order, once one of them has said something; those that ended before are no source.

        All that came are the source's: channels of multifd come before the main one has said a word.
        """
        end = time.monotonic() + self.limit
        waiting: list[socket.socket] = []
        with selectors.DefaultSelector() as selector:
            self._listener.settimeout(0.0)
            selector.register(self._listener, selectors.EVENT_READ)
            while not self._is_over.is_set() and (left := end - time.monotonic()) > 0:
                for key, _ in selector.select(min(left, 0.5)):
                    ready = key.fileobj
                    assert isinstance(ready, socket.socket)
                    if ready is self._listener:
                        with suppress(BlockingIOError):
                            source, _ = ready.accept()
                            waiting.append(source)
                            selector.register(source, selectors.EVENT_READ)
                        if len(waiting) <= _SILENT:
                            continue
                        ready = waiting[0]
                    elif _says_something(ready):
                        return waiting
                    selector.unregister(ready)
                    waiting.remove(ready)
                    ready.close()
        for source in waiting:
            source.close()
        came = ", and who came said nothing" if waiting else ""
        raise MachineError(f"no source came to {self.uri} in {self.limit:g} s{came}")

    def _end(self) -> None:
        """Take no more connections."""
        self._is_over.set()
        with suppress(OSError):
            self._waking.send(b"!")

    def _take_more(self) -> None:
        # A listener that is shut down would wake nobody, or have whoever waits with a time limit ask again and again:
        # that would be a whole CPU, at the moment at which the guest starts at the destination.
        ready = select.poll()
        for waited_for in (self._listener, self._woken):
            ready.register(waited_for, select.POLLIN)
        self._listener.settimeout(0.0)
        while not self._is_over.is_set():
            ready.poll()
            with self._carrying:
                try:
                    source, _ = self._listener.accept()
                except BlockingIOError:
                    continue
                except OSError:
                    return
                if any(_is_other_end(source, channel.destination) for channel in self.channels):
                    self.failed = MachineError(
                        f"{self._target_uri} is this proxy", expected="the destination's address"
                    )
                    source.close()
                    for channel in self.channels:
                        channel.cut("it led to itself")
                    return
                with suppress(MachineError):
                    self._carry(source)

    def _carry(self, source: socket.socket) -> None:
        try:
            destination = connect(self._target, self.limit)
        except OSError as error:
            source.close()
            nobody = error.errno in (errno.ECONNREFUSED, errno.ENOENT)
            problem = "nobody listens at" if nobody else "cannot connect to"
            raise MachineError(f"{problem} {self._target_uri}: {in_words(error)}") from None
        channel = Channel(source, destination)
        self.channels.append(channel)
        for pump in (self._forth, self._back):
            thread = threading.Thread(target=self._guarded, args=(pump, channel), daemon=True)
            thread.start()
            # Now that it can be joined: another channel's end may look through them at any time.
            self._threads.append(thread)

    def _guarded(self, pump: Callable[[Channel], None], channel: Channel) -> None:
        try:
            pump(channel)
        except BaseException as error:
            # A fault of a filter must not leave two QEMUs waiting for each other.
            self.failed = error
            channel.cut("the proxy failed")

    def _forth(self, channel: Channel) -> None:
        """From the source to the destination."""
        buffer = bytearray(PIECE)
        view = memoryview(buffer)
        passing: Filter | None = None
        begun = False
        hurried_up_to = 0
        ready = select.poll()
        ready.register(channel.source, select.POLLIN)
        while True:
            try:
                ready.poll()
                with channel.reading:
                    count = channel.source.recv_into(buffer)
            except OSError as error:
                channel.cut(f"the source has gone: {in_words(error)}")
                return
            if not begun:
                begun = True
                passing = self._filter_for(channel, bytes(view[: min(count, 8)]))
            channel.taken += count
            if self._tap is not None:
                self._tap(channel, False, view[:count])
            if passing is None:
                pieces: Pieces = [view[:count]] if count else []
            else:
                pieces = passing.push(view[:count]) if count else passing.finish()
            try:
                for piece in _joined(pieces):
                    channel.destination.sendall(piece)
                    channel.sent += len(piece)
            except OSError as error:
                channel.cut(f"the destination has gone: {in_words(error)}")
                return
            if not count:
                # A destination that has all it wants may have gone already.
                with suppress(OSError):
                    channel.destination.shutdown(socket.SHUT_WR)
                return
            if passing is not None:
                if self._hold is not None and passing.is_to_hold():
                    self._hold()
                    # What follows is short, and behind it is the stop: nobody may have to wait for this thread, or for
                    # another of this process while this one has the interpreter.
                    hurried_up_to = channel.taken + _SHORT_TURN
                    _hurry()
                elif hurried_up_to < sys.maxsize and passing.is_at_stop():
                    hurried_up_to = sys.maxsize
                    _hurry()
                elif 0 < hurried_up_to < channel.taken:
                    hurried_up_to = 0
                    _hurry_no_more()

    def _filter_for(self, channel: Channel, begin: bytes) -> Filter | None:
        """What a connection is, by its first bytes; and the filter of the first that is a migration."""
        if begin[: len(TLS)] == TLS:
            channel.kind = "tls"
        elif begin[: len(MULTIFD)] == MULTIFD:
            channel.kind = "multifd"
        elif begin and MAGIC[: len(begin)] == begin[: len(MAGIC)]:
            channel.kind = "migration"
            if self.main is None and self._filter_of is not None:
                self.main = channel
                return self._filter_of()
        return None

    def _back(self, channel: Channel) -> None:
        """From the destination to the source, which waits for all of it, and little comes."""
        _hurry()
        buffer = bytearray(1 << 16)
        view = memoryview(buffer)
        while True:
            try:
                count = channel.destination.recv_into(buffer)
            except OSError as error:
                channel.cut(f"the destination has gone: {in_words(error)}")
                return
            if channel.returned <= _LITTLE < channel.returned + count:
                _hurry_no_more()
            channel.returned += count
            if self._tap is not None and count:
                self._tap(channel, True, view[:count])
            if not count:
                # It reads no more, either: a source that goes on writing must be told.
                with suppress(OSError):
                    channel.source.shutdown(socket.SHUT_RDWR)
                return
            try:
                channel.source.sendall(view[:count])
            except OSError as error:
                channel.cut(f"the source has gone: {in_words(error)}")
            if self._heard is not None and channel.kind == "migration":
                self._heard(view[:count])
            if channel.ended is not None:
                return

    def close(self) -> None:
        """Listen no longer, and end every connection."""
        self._end()
        for channel in self.channels:
            channel.cut("closed")
        end = time.monotonic() + 5
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))
        for channel in self.channels:
            channel.source.close()
            channel.destination.close()
        stop_listening(self._listener, self._address)
        self._woken.close()
        self._waking.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def _hurry() -> None:
    """Have the system run this thread as soon as there is something to do, if this user may ask for that.

    At the stop the processors of both guests, and both QEMUs, want to run as well.
    """
    with suppress(OSError, AttributeError):
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(os.sched_get_priority_min(os.SCHED_RR)))


def _hurry_no_more() -> None:
    """Have the system run this thread as it runs all."""
    with suppress(OSError, AttributeError):
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


def _waiting(side: socket.socket) -> int:
    """Bytes that have come and nobody has read."""
    (count,) = struct.unpack("i", fcntl.ioctl(side, termios.FIONREAD, bytes(4)))
    return int(count)


def _joined(pieces: Pieces) -> Pieces:
    """The pieces, as one where they are small: each that is sent by itself wakes the other side."""
    if len(pieces) > 1 and sum(map(len, pieces)) <= _SMALL:
        return [b"".join(pieces)]
    return pieces


def _is_same_path(first: str, second: str) -> bool:
    try:
        return os.path.samefile(first, second)
    except OSError:
        return False


def _is_other_end(source: socket.socket, destination: socket.socket) -> bool:
    """Whether two sockets are the two ends of one connection over TCP."""
    try:
        return source.family != socket.AF_UNIX and source.getpeername() == destination.getsockname()
    except OSError:
        return False


def _says_something(connection: socket.socket) -> bool:
    """Whether something can be read, which then stays there, rather than an end."""
    try:
        return bool(connection.recv(1, socket.MSG_PEEK))
    except OSError:
        return False


def in_words(error: OSError) -> str:
    """What the system says of an error."""
    return (error.strerror or str(error) or type(error).__name__).lower()
