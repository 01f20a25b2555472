"""Our own decoder and encoder, in process: what is read must be written back the same, in bounded time and memory."""

from __future__ import annotations

import json
import resource
import signal
import threading
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any

from vmstate.errors import VMStateError
from vmstate.fuzz.mutate import Mutation
from vmstate.fuzz.subject import Subject
from vmstate.fuzz.targets import Left
from vmstate.fuzz.verdict import ACCEPTED, CRASHED, DIFFERS, HUNG, MEMORY, REFUSED, Verdict, generalised
from vmstate.rules.check import check
from vmstate.saved.document import read_document, to_document
from vmstate.saved.loading import load
from vmstate.stream.registry import last_part
from vmstate.stream.stream import Stream
from vmstate.stream.verify import verify

SECONDS = 1.0
SECONDS_PER_BYTE = 2e-6
"""Processor seconds that one stream may take: `SECONDS`, and this for each of its bytes."""

BASE = 8 << 20
PER_BYTE = 64
"""Bytes of memory that a stream may take: `BASE`, and this many for each of its own."""

MEASURED = 256
"""One stream in so many is read with every allocation counted, which takes several times as long."""

CHECKED = 16
"""One stream in so many that was accepted is also checked against QEMU's rules, verified, and made a document."""

JUMP = 64 << 20
"""A growth of the process by so many bytes is looked into at once."""


class TooLong(BaseException):
    """Raised by the timer, wherever the decoder is; no handler of the library's may take it for its own."""


class DecoderTarget:
    """`load`, `to_bytes`, now and then `check`, `verify` and the document."""

    name = "decoder"

    def __init__(self) -> None:
        self._runs = 0
        self._accepted = 0
        self._peak = _resident_bytes()
        self._begun: set[int] = set()

    def settle(self) -> list[Left]:
        """No stream meets what another left."""
        return []

    def close(self) -> None:
        """There is nothing to leave behind."""

    def run(self, subject: Subject, data: bytes, mutations: list[Mutation]) -> Verdict:
        """Read the stream, and write it back. Of each seed first the seed itself, which must be accepted."""
        if id(subject) not in self._begun:
            self._begun.add(id(subject))
            plain = self._timed(subject, subject.data)
            if plain.kind != ACCEPTED:
                return Verdict(DIFFERS, f"the seed itself is {plain.kind}: {plain.message}", f"seed: {plain.place}")
            if (lost := _not_described(subject)) is not None:
                return Verdict(DIFFERS, f"{lost} of the seed is not described any more", "seed: not described")
        self._runs += 1
        if self._runs % MEASURED == 1:
            return self._measured(subject, data)
        verdict = self._timed(subject, data)
        if verdict.kind == HUNG:
            # Others may have had the processor: it counts if it happens again.
            verdict = self._timed(subject, data)
        peak = _resident_bytes()
        if peak - self._peak > JUMP:
            again = self._measured(subject, data)
            verdict = again if again.is_finding else verdict
        self._peak = max(peak, self._peak)
        return verdict

    def _timed(self, subject: Subject, data: bytes) -> Verdict:
        limit = SECONDS + SECONDS_PER_BYTE * len(data)
        try:
            with time_limit(limit):
                return self._verdict_of_errors(subject, data)
        except TooLong as error:
            return Verdict(HUNG, f"more than {limit:.1f} s of processor time", place_of(error.__traceback__))

    def _verdict_of_errors(self, subject: Subject, data: bytes) -> Verdict:
        try:
            return self._read(subject, data)
        except MemoryError as error:
            return Verdict(MEMORY, "the memory was used up", place_of(error.__traceback__))
        except Exception as error:
            message = f"{type(error).__name__}: {error}"
            return Verdict(CRASHED, message[:300], f"{type(error).__name__} in {place_of(error.__traceback__)}")

    def _read(self, subject: Subject, data: bytes) -> Verdict:
        try:
            stream = load(data, vmdesc=subject.told)
        except VMStateError as error:
            if not str(error).isprintable():
                return Verdict(CRASHED, repr(error)[:300], "a message that is not printable")
            return Verdict(REFUSED, str(error)[:300], refusal(error))
        with stream:
            return self._write_back(subject, stream, data)

    def _write_back(self, subject: Subject, stream: Stream, data: bytes) -> Verdict:
        try:
            again = stream.to_bytes()
        except VMStateError as error:
            return Verdict(DIFFERS, f"what was read cannot be written: {error}"[:300], refusal(error))
        if again != data:
            at = next((index for index, pair in enumerate(zip(again, data, strict=False)) if pair[0] != pair[1]), None)
            at = min(len(again), len(data)) if at is None else at
            section = stream.section_at(at)
            name = last_part(section.name) if section is not None else "stream"
            return Verdict(DIFFERS, f"written back otherwise from offset {at:#x} on", f"{name}: not written back")
        self._accepted += 1
        if self._accepted % CHECKED == 0:
            check(stream)
            if subject.told is None:
                # Of another vmdesc than its own neither its document nor `verify` knows.
                verify(stream, memoryview(data))
                return self._as_document(stream, data)
        return Verdict(ACCEPTED)

    def _as_document(self, stream: Stream, data: bytes) -> Verdict:
        """Write it back by way of its document."""
        text = json.dumps(to_document(stream, None)).encode()
        try:
            again = read_document(text, "", "<document>").to_bytes()
        except VMStateError as error:
            return Verdict(DIFFERS, f"its document is refused: {error}"[:300], f"document: {refusal(error)}")
        if again != data:
            return Verdict(DIFFERS, "its document is of another stream", "document: not written back")
        return Verdict(ACCEPTED)

    def _measured(self, subject: Subject, data: bytes) -> Verdict:
        """Give a stream to the decoder and count its memory. It is not timed: counting is what takes long then."""
        tracemalloc.start()
        try:
            verdict = self._verdict_of_errors(subject, data)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        limit = BASE + PER_BYTE * len(data)
        if peak > limit and not verdict.is_finding:
            return Verdict(MEMORY, f"{peak} bytes for a stream of {len(data)}, more than {limit}", "decode")
        return verdict


def _not_described(subject: Subject) -> str | None:
    """A section of a seed that is not described by what it was when the seed was cut."""
    with load(subject.data, vmdesc=subject.told) as stream:
        for part, section in zip(subject.parts, stream.sections, strict=True):
            if section.described_by != part.described_by:
                return part.name
    return None


def refusal(error: VMStateError) -> str:
    """Where and why something was refused, without the numbers: the same for all cases of one check."""
    section = last_part(error.section) if error.section else "stream"
    return f"{section}: {generalised(error.message)}"


def place_of(traceback: TracebackType | None) -> str:
    """The innermost place of a traceback that is in this library: file and function."""
    place = "?"
    while traceback is not None:
        code = traceback.tb_frame.f_code
        if "vmstate" in code.co_filename and code.co_name != "expire":
            place = f"{code.co_filename.rpartition('/')[2]}:{code.co_name}"
        traceback = traceback.tb_next
    return place


def _resident_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise `TooLong` after so many seconds of processor time, where this is the main thread."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    # A timer that was late must not hit whatever comes behind.
    active = [True]

    def expire(number: int, frame: FrameType | None) -> Any:
        if active[0]:
            raise TooLong

    before = signal.signal(signal.SIGVTALRM, expire)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        active[0] = False
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
