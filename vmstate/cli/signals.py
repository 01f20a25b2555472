"""Signals that end a command: it tidies up behind itself."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end the command as Ctrl-C does, so that it tidies up behind itself.

    A signal that whoever started the command has it ignore (`nohup`) stays ignored.
    """

    def end(number: int, frame: object) -> None:
        print(f"vmstate: ended by {signal.Signals(number).name}", file=sys.stderr)
        raise SystemExit(128 + number)

    before = {}
    try:
        for number in (signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) is signal.SIG_DFL:
                before[number] = signal.signal(number, end)
    except ValueError:
        # Only the main thread may; in any other the caller sees to it.
        pass
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
