"""What the relay costs: RAM scanned, the sections of the stop, in processor's time; and bytes passed on over sockets.

python benchmarks/relay.py STREAM       a stream with RAM in it, such as `vmstate capture` makes
"""

from __future__ import annotations

import os
import socket
import struct
import sys
import tempfile
import threading
import time
from pathlib import Path

import vmstate
from vmstate.early.copies import choose
from vmstate.early.forward import Forward
from vmstate.qemu.proxy import Filter, Proxy

PIECE = 1 << 18
PAGES = 60_000


def pushed(forward: Forward, data: memoryview) -> float:
    """Seconds of the processor for so many bytes."""
    begun = time.process_time()
    for start in range(0, len(data), PIECE):
        forward.push(data[start : start + PIECE])
    return time.process_time() - begun


def carried(data: bytes, forward: Filter | None) -> float:
    """Seconds for so many bytes from a socket to another."""
    with tempfile.TemporaryDirectory() as folder:
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(f"{folder}/in")
        listener.listen(1)

        def take() -> None:
            connection, _ = listener.accept()
            with connection:
                while connection.recv(1 << 20):
                    pass

        def send() -> None:
            with socket.socket(socket.AF_UNIX) as source:
                source.connect(f"{folder}/relay")
                source.sendall(data)

        filter_of = None if forward is None else lambda: forward
        with Proxy(f"unix:{folder}/relay", f"unix:{folder}/in", filter_of=filter_of) as proxy:
            threads = [threading.Thread(target=work) for work in (take, send)]
            for thread in threads:
                thread.start()
            begun = time.monotonic()
            proxy.run()
            seconds = time.monotonic() - begun
            for thread in threads:
                thread.join()
        listener.close()
    return seconds


def main(path: str) -> None:
    """Print the figures."""
    data = Path(path).read_bytes()
    with vmstate.load(path) as stream:
        choices = list(choose(stream.sections))
        ram = [section for section in stream.sections if section.is_ram]
        begin, end = ram[0].offset + ram[0].size, ram[-1].offset + ram[-1].size
        number = struct.pack(">I", ram[0].section_id)
    page = struct.pack(">Q", 0x28) + os.urandom(4096)
    pages = data[:begin] + b"\2" + number + page * PAGES + struct.pack(">Q", 0x10) + b"\x7e" + number
    seconds = pushed(Forward(choices, skip=True), memoryview(pages))
    print(f"RAM scanned: {len(pages) / seconds / 1e9:.1f} GB in a second of the processor")
    forward = Forward(choices, skip=True)
    pushed(forward, memoryview(data)[:end])
    seconds = pushed(forward, memoryview(data)[end:])
    print(f"at the stop: {1000 * seconds:.2f} ms of the processor, {len(forward.left_out)} sections left out")
    for name, way in (("through", None), ("skip", Forward(choices, skip=True))):
        print(f"{name}: {len(pages) / carried(pages, way) / 1e9:.2f} GB/s over sockets")


if __name__ == "__main__":
    main(sys.argv[1])
