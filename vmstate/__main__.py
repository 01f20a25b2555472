"""`python -m vmstate` and the command `vmstate`: a signal ends it with a line, from its first instruction on."""

from __future__ import annotations

# What `signal` is made of, which Python has loaded already: that costs as much to import as a small file to read.
import _signal  # type: ignore[import-not-found]
import sys


def _end(number: int, frame: object) -> None:
    sys.stderr.write(f"vmstate: ended by {'SIGTERM' if number == _signal.SIGTERM else 'SIGHUP'}\n")
    raise SystemExit(128 + number)


def _raise_again(lost: sys.UnraisableHookArgs) -> None:
    """Have the end raised again a little later: a signal that comes in a callback raises where Python drops it."""
    if not isinstance(lost.exc_value, SystemExit | KeyboardInterrupt):
        sys.__unraisablehook__(lost)
        return
    end = lost.exc_value

    def again(number: int, frame: object) -> None:
        raise end

    _signal.signal(_signal.SIGALRM, again)
    _signal.setitimer(_signal.ITIMER_REAL, 0.01)


def main() -> int:
    """Run the command; returns its exit code."""
    sys.unraisablehook = _raise_again
    try:
        for number in (_signal.SIGTERM, _signal.SIGHUP):
            # One that whoever started the command has it ignore (`nohup`) stays ignored.
            if _signal.getsignal(number) == _signal.SIG_DFL:
                _signal.signal(number, _end)
        from vmstate.cli import main as run

        return run()
    except KeyboardInterrupt:
        sys.stderr.write("vmstate: interrupted\n")
        return 130


if __name__ == "__main__":
    raise SystemExit(main())
