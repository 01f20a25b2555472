"""Both ends of a live migration, without a QEMU: a sink that receives one, and a source that sends a stream.

    with Sink("unix:/tmp/sink") as sink:
        # QMP of the source: {"execute": "migrate", "arguments": {"uri": sink.uri}}
        stream = sink.receive()

    send(stream, "tcp:localhost:4444")      # a QEMU that was started with -incoming tcp:localhost:4444

Both do input and output around `StreamReader` and `StreamWriter`. The sink decodes while the bytes arrive: a section is
told as soon as it is there and described, by the library or by a vmdesc that was given; what only the stream's own
vmdesc describes waits for it, and no more than `WAITING` bytes may wait. The stream as a whole is read again with its
vmdesc, so that it is what `vmstate.load` makes of a file with the same bytes. The sink answers what a source with the
capability return-path asks: a PONG for each PING, and SHUT at the end (enum mig_rp_message_type in QEMU's
migration/migration.c).
"""

from __future__ import annotations

import hashlib
import mmap
import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, suppress
from typing import IO, Any, Self

from vmstate.errors import MachineError, StreamError
from vmstate.files import replacing
from vmstate.qemu.monitor import LIMIT
from vmstate.qemu.proxy import Address, connect, in_words, listen, parse_uri, stop_listening, uri_of
from vmstate.saved.loading import load
from vmstate.saved.opening import Input
from vmstate.schema.vmdesc import Vmdesc
from vmstate.stream.ends import find_vmdesc
from vmstate.stream.events import (
    DONE,
    NEED_DATA,
    Command,
    CommandType,
    DeviceState,
    EndOfStream,
    Event,
    SectionHeader,
)
from vmstate.stream.reader import StreamReader
from vmstate.stream.return_path import ReturnMessage, ReturnType
from vmstate.stream.stream import Stream
from vmstate.stream.writer import StreamWriter

WAITING = 256 << 20
"""Bytes that may wait for their description; the device sections of a large machine are far below."""

_PIECE = 1 << 20
_PAUSE = 0.2
"""Seconds of silence after which a source that has opened the return path may be waiting for SHUT."""


class Sink:
    """A destination that no QEMU is behind: it listens from the start on, for one source.

    `uri` says where to, also where the port was 0. `limit` is how many seconds the source may be silent. `vmdesc`,
    `library` and `facts` are `StreamReader`'s. Raises `MachineError` where nothing can listen there.
    """

    def __init__(
        self,
        uri: str,
        *,
        limit: float = LIMIT,
        waiting: int = WAITING,
        vmdesc: Vmdesc | None = None,
        library: bool = True,
        facts: Mapping[str, Any] | None = None,
    ) -> None:
        address = parse_uri(uri)
        self.limit = limit
        self.sha256: str | None = None
        self._vmdesc, self._library, self._facts = vmdesc, library, facts
        self._reader = StreamReader(vmdesc=vmdesc, library=library, facts=facts, limit=waiting)
        self._address = address
        self._source: socket.socket | None = None
        self._return_path = False
        try:
            self._listener = listen(address)
        except OSError as error:
            raise MachineError(f"cannot listen at {uri}: {in_words(error)}") from None
        self.uri = uri_of(self._listener, address)

    def events(self, keep: IO[bytes] | None = None) -> Iterator[Event]:
        """The events of the stream, each as soon as its bytes are there. `keep` is a file that the bytes go into.

        Raises `MachineError` where the source does not come or falls silent, `StreamError` where it sends no stream.
        """
        self._source = self._accept()
        digest = hashlib.sha256()
        while (event := self._reader.next_event()) is not DONE:
            if event is NEED_DATA:
                data = self._receive()
                digest.update(data)
                if keep is not None:
                    keep.write(data)
                self._reader.receive_data(data)
                continue
            self._answer(event)
            yield event
        self.sha256 = digest.hexdigest()

    def receive(
        self, path: str | os.PathLike[str] | None = None, *, told: Callable[[Event], None] | None = None
    ) -> Stream:
        """The whole stream, once it is there; `told` is called with each event before that.

        The bytes go into the file `path`, which is whole or not there, or into a nameless temporary one, where RAM
        stays as long as the stream is open. Raises `VMStateError`.
        """
        with ExitStack() as stack:
            keep = stack.enter_context(_temporary_file() if path is None else replacing(path))
            try:
                for event in self.events(keep):
                    if told is not None:
                        told(event)
                keep.flush()
                mapping = mmap.mmap(keep.fileno(), 0, access=mmap.ACCESS_READ)
            except OSError as error:
                raise StreamError(f"the stream cannot be kept: {in_words(error)}", file=os.fspath(path or "")) from None
        opened = Input(memoryview(mapping), self.uri, mapping)
        return load(opened, vmdesc=self._vmdesc, library=self._library, facts=self._facts)

    def _accept(self) -> socket.socket:
        self._listener.settimeout(self.limit)
        try:
            source, _ = self._listener.accept()
        except TimeoutError:
            raise MachineError(f"no source came to {self.uri} in {self.limit:g} s") from None
        source.settimeout(self.limit)
        return source

    def _receive(self) -> bytes:
        """The next bytes; none at the end."""
        assert self._source is not None
        end = time.monotonic() + self.limit
        while True:
            self._source.settimeout(min(_PAUSE, self.limit) if self._return_path else self.limit)
            try:
                return self._source.recv(_PIECE)
            except TimeoutError:
                if time.monotonic() > end:
                    at = f"{self._reader.offset} bytes of the stream have been read"
                    raise MachineError(f"the source has been silent for {self.limit:g} s", found=at) from None
                if self._seems_over():
                    self._send_shut()
            except OSError as error:
                raise MachineError(f"the source has gone: {in_words(error)}") from None

    def _seems_over(self) -> bool:
        """Whether a source that is silent may be waiting for SHUT: nothing can be missing behind a vmdesc.

        The reader cannot tell while a section waits for the vmdesc, which it takes only at the end of the data.
        """
        unread = self._reader.unread()
        text = find_vmdesc(memoryview(unread))
        return text is not None and unread.endswith(text)

    def _send_shut(self) -> None:
        if self._return_path:
            self._return_path = False
            self._send_answer(ReturnMessage(ReturnType.SHUT, bytes(4)))

    def _answer(self, event: Event) -> None:
        """What a destination says on the return path."""
        if isinstance(event, Command):
            if event.command == CommandType.OPEN_RETURN_PATH:
                self._return_path = True
            elif event.command == CommandType.PING and self._return_path:
                self._send_answer(ReturnMessage(ReturnType.PONG, event.data))
        elif isinstance(event, EndOfStream):
            self._send_shut()

    def _send_answer(self, message: ReturnMessage) -> None:
        assert self._source is not None
        # A source that has gone is met when its bytes end.
        with suppress(OSError):
            self._source.sendall(message.to_bytes())

    def close(self) -> None:
        """Listen no longer, and let the source go."""
        if self._source is not None:
            self._source.close()
        stop_listening(self._listener, self._address)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def send(stream: Stream, uri: str, *, limit: float = LIMIT) -> int:
    """Send a stream, as it is now, to a destination that listens (-incoming); the number of bytes.

    Raises `MachineError` where nobody listens, or the destination closes the connection or takes nothing for `limit`
    seconds, with the section that was being sent.
    """
    writer, sent, section = StreamWriter(), 0, "the header"
    with _connected(parse_uri(uri), uri, limit) as destination:
        try:
            for event in stream.events():
                if isinstance(event, SectionHeader):
                    section = event.name
                data = writer.send(event)
                destination.sendall(data)
                sent += len(data)
            destination.shutdown(socket.SHUT_WR)
            # The destination ends the connection when it has taken everything; what it says until then is not asked.
            while destination.recv(_PIECE):
                pass
        except TimeoutError:
            raise MachineError(f"the destination takes nothing for {limit:g} s", section=section, offset=sent) from None
        except OSError as error:
            raise MachineError(
                f"the destination closed the connection: {in_words(error)}", section=section, offset=sent
            ) from None
    return sent


def summary_of(event: Event) -> str | None:
    """One line on an event that is worth one: a section as it arrives."""
    if isinstance(event, SectionHeader):
        return f"{event.offset:#10x}  {event.kind:5} {event.name}"
    if isinstance(event, DeviceState):
        return f"{event.offset:#10x}        {event.size} bytes, described by {event.described_by}"
    return None


def _temporary_file() -> IO[bytes]:
    import tempfile

    return tempfile.TemporaryFile()


def _connected(address: Address, uri: str, limit: float) -> socket.socket:
    try:
        return connect(address, limit)
    except OSError as error:
        raise MachineError(f"nobody listens at {uri}: {in_words(error)}") from None
