"""Receives UDP packets and prints when each came: nothing else runs in this process that could make it late.

    python -I -S receiver.py ADDRESS

Prints the port, then for each packet nanoseconds of CLOCK_MONOTONIC and the last number in it. This file runs as a
script and imports nothing of vmstate.
"""

from __future__ import annotations

import socket
import sys
import time


def main() -> None:
    """Run as a script."""
    receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    receiver.bind((sys.argv[1], 0))
    print(receiver.getsockname()[1], flush=True)
    while True:
        data = receiver.recv(2048)
        now = time.monotonic_ns()
        words = data.split()
        if words and words[-1].isdigit():
            print(now, int(words[-1]), flush=True)


if __name__ == "__main__":
    main()
