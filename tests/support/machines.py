"""Real QEMUs and a real guest, for the tests that run them.

`VMSTATE_GUEST` is the folder of a guest (vmlinuz, initrd.gz), .guest beside this folder where it is not set: `make
guest` makes it. `VMSTATE_QEMU_ROOTS` names roots with other releases of QEMU, with colons between.
"""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest

from vmstate.lab.guest import Guest, guest_in
from vmstate.qemu.machine import Qemu, find_qemu

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = "qemu-system-x86_64"
QEMU = shutil.which(PROGRAM)
GUEST = guest_in(os.environ.get("VMSTATE_GUEST", ROOT / ".guest"))
ROOTS = [path for path in os.environ.get("VMSTATE_QEMU_ROOTS", "").split(":") if path]

needs_qemu = pytest.mark.skipif(QEMU is None, reason="needs a real QEMU: install qemu-system-x86 (or the like)")
needs_guest = pytest.mark.skipif(GUEST is None, reason="needs a Linux guest: run `make guest` (on Debian; 28 MB)")

BARE = [PROGRAM, "-M", "q35", "-accel", "tcg", "-nodefaults", "-vga", "none"]
NIC = ["-netdev", "user,id=n0", "-device", "virtio-net-pci,netdev=n0,id=nic,mac=52:54:00:12:34:56,romfile="]
COLD = [*BARE, "-m", "16", *NIC, "-S"]


def booting() -> list[str]:
    """The command line of a machine with a Linux guest."""
    assert GUEST is not None
    # IPv6 goes on configuring itself for seconds, and the driver then sets the receive filter anew.
    return [*BARE, "-m", "96", *NIC, *GUEST.words[:-1], f"{GUEST.words[-1]} ipv6.disable=1"]


def qemu_of(root: str | None) -> Qemu:
    return find_qemu(PROGRAM, root)


def guest() -> Guest:
    assert GUEST is not None
    return GUEST


def children_of(pid: int) -> set[int]:
    """The processes that a process has started, and theirs."""
    children: set[int] = set()
    for task in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((task / "stat").read_text().rpartition(")")[2].split()[1])
        except (OSError, ValueError, IndexError):
            continue
        if parent == pid:
            child = int(task.name)
            children |= {child} | children_of(child)
    return children


def name_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def gone(pids: set[int], limit: float = 10) -> bool:
    """Whether processes have ended, or end in time."""
    end = time.monotonic() + limit
    while time.monotonic() < end:
        if not any(map(is_running, pids)):
            return True
        time.sleep(0.02)
    return False
