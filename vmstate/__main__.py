"""`python -m vmstate` and the command `vmstate`: a signal ends it with a line, from its first instruction on."""

from __future__ import annotations

# What `signal` is made of, which Python has loaded already: that costs as much to import as a small file to read.
import _signal  # type: ignore[import-not-found]
import sys


def _end(number: int, frame: object) -> None:
    sys.stderr.write(f"vmstate: ended by {'SIGTERM' if number == _signal.SIGTERM else 'SIGHUP'}\n")
    raise SystemExit(128 + number)


def main() -> int:
    """Run the command; returns its exit code."""
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
