"""A network of one's own for the two QEMUs of a local migration, and a probe that says when packets arrive.

`OwnNetwork` is a network namespace, which needs no privilege: tap devices in it are no devices of this machine. Both
QEMUs have one, with the same MAC address, and 10.0.2.2 answers behind each; so a guest that has moved goes on sending
without noticing. `Probe` receives UDP there, or, for QEMU's user network, on this machine's loopback.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from vmstate.errors import MachineError
from vmstate.files import write_atomic
from vmstate.qemu.process import Process

HOST, GUEST = "10.0.2.2", "10.0.2.15"
"""The addresses that QEMU's user network has, and the guest of `vmstate.lab.guest`."""

_TAP_MAC = "52:54:00:00:02:02"
_READY = "the network is up"
_SET_UP = f"""
for file in /proc/sys/net/ipv4/conf/*/rp_filter; do echo 0 >$file; done
ip link set lo up && ip addr add {HOST}/32 dev lo && echo {_READY} && exec sleep 86400
"""
_SCRIPT = f"#!/bin/sh\nip link set $1 address {_TAP_MAC} up && ip route replace {GUEST}/32 dev $1\n"


def no_tap() -> str | None:
    """None, or why there is no network of one's own with a tap device here."""
    if not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        return "several queue pairs need a tap device, and /dev/net/tun cannot be opened here"
    for program in ("unshare", "nsenter", "ip"):
        if shutil.which(program) is None:
            return f"several queue pairs need a tap device in a network of its own, and there is no {program} here"
    return None


class OwnNetwork:
    """A network namespace that ends with this object. Raises `MachineError` where there can be none."""

    def __init__(self, limit: float = 10.0) -> None:
        reason = no_tap()
        if reason is not None:
            raise MachineError(reason)
        with ExitStack() as stack:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="vmstate-network-"))
            script = Path(folder, "up")
            write_atomic(script, [_SCRIPT.encode()])
            script.chmod(0o755)
            self.script = str(script)
            self._holder = stack.enter_context(
                Process(["unshare", "--map-root-user", "--net", "sh", "-c", _SET_UP], scratch=())
            )
            self._holder.wait_for_output(_READY, limit)
            self._stack = stack.pop_all()

    def inside(self, command: Sequence[str]) -> tuple[str, ...]:
        """A command, run in this network."""
        target = ("--target", str(self._holder.pid), "--user", "--preserve-credentials", "--net")
        return ("nsenter", *target, "--", *command)

    def netdev(self, pairs: int, identifier: str = "n0", more: str = "") -> str:
        """The value of -netdev for a card with so many queue pairs; `more` are further options, `vhost=on`."""
        queues = f",queues={pairs}" if pairs > 1 else ""
        return f"tap,id={identifier}{queues},script={self.script},downscript=no{',' if more else ''}{more}"

    def close(self) -> None:
        """End it."""
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


class Probe:
    """Receives numbered packets, in a process of its own that does nothing else. `port` is where."""

    def __init__(self, network: OwnNetwork | None = None, limit: float = 10.0) -> None:
        receiver = [sys.executable, "-I", "-S", str(Path(__file__).with_name("receiver.py"))]
        receiver.append("127.0.0.1" if network is None else "0.0.0.0")
        self._process = Process(receiver if network is None else network.inside(receiver))
        try:
            line = self._process.wait_for_output("\n", limit)
            self.port = int(line.split()[0])
        except BaseException:
            self._process.stop()
            raise
        self._seen = len(line)

    def start_command(self) -> tuple[str, ...]:
        """The lines that make the guest's shell send a numbered packet every 10 ms, or as fast as it can.

        busybox has no program that sends UDP but the one that passes log messages on.
        """
        loop = "n=0; exec 3<>/probe; while :; do n=$((n+1)); echo $n; read -t 0.01 x <&3; done"
        return ("mkfifo /probe", f"syslogd -R {HOST}:{self.port}", f"({loop} | logger &)")

    def arrivals(self) -> list[tuple[float, int]]:
        """(seconds of CLOCK_MONOTONIC, number) of every packet so far, in the order in which they came."""
        lines = self._process.read_output().splitlines()[1:]
        return [(int(when) / 1e9, int(number)) for when, _, number in (line.partition(" ") for line in lines) if number]

    def wait_for(self, count: int, limit: float) -> None:
        """Wait until so many packets more have come. Raises `MachineError`."""
        begun = len(self.arrivals())
        end = time.monotonic() + limit
        while (came := len(self.arrivals()) - begun) < count:
            if time.monotonic() > end:
                raise MachineError("the guest's packets do not arrive", expected=f"{count}", found=f"{came}")
            time.sleep(0.05)

    def close(self) -> None:
        """End it."""
        self._process.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
