"""A tiny Linux guest: a kernel and an initial RAM disk of busybox, the virtio drivers and ethtool.

    python -m vmstate.lab.guest FOLDER      from Debian's packages: FOLDER/vmlinuz and FOLDER/initrd.gz, some 17 MB

It boots to a root shell on its first serial port in about 3 s under TCG, prints GUEST-READY, and has eth0 up as
10.0.2.15/24, which is what QEMU's user network expects. Boot it with the words of `Guest.words`.
"""

from __future__ import annotations

import gzip
import lzma
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from vmstate.errors import MachineError
from vmstate.files import write_atomic
from vmstate.vmsd.data import Data

READY = "GUEST-READY"
"""What the guest prints when its shell is there."""

MODULES = (
    *("virtio_ring", "virtio", "virtio_pci_modern_dev", "virtio_pci_legacy_dev", "virtio_pci", "virtio_mmio"),
    *("failover", "net_failover", "virtio_net", "virtio_blk", "virtio_balloon", "virtio-rng", "virtio_console"),
    *("virtio_mem", "virtio_input", "llc", "stp", "garp", "mrp", "8021q"),
)
"""In the order in which they are loaded; a kernel that has one built in has no file for it."""

PACKAGES = ("busybox-static", "ethtool", "libmnl0", "libc6")
KERNEL_PACKAGE = "linux-image-cloud-amd64"
"""A package that depends on the kernel of the day."""

_LIBRARIES = ("libc.so.6", "libm.so.6", "libmnl.so.0", "ld-linux-x86-64.so.2")
_FOLDERS = ("bin", "dev", "lib", "lib/modules", "lib/x86_64-linux-gnu", "lib64", "proc", "sys")
_INIT = """#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc; mount -t sysfs sysfs /sys; mount -t devtmpfs dev /dev
for module in {modules}; do [ -f /lib/modules/$module.ko ] && insmod /lib/modules/$module.ko; done
ip link set lo up; ip link set eth0 up; ip addr add 10.0.2.15/24 dev eth0
echo {ready}
exec setsid cttyhack sh
"""


class Guest(Data):
    """A guest's kernel and initial RAM disk, as paths."""

    kernel: str
    initrd: str

    @property
    def words(self) -> list[str]:
        """The words of a QEMU command line that boot it."""
        return ["-kernel", self.kernel, "-initrd", self.initrd, "-append", "console=ttyS0 quiet panic=-1"]


def guest_in(folder: str | os.PathLike[str]) -> Guest | None:
    """The guest that was made in a folder, if one was."""
    guest = Guest(str(Path(folder, "vmlinuz").absolute()), str(Path(folder, "initrd.gz").absolute()))
    return guest if os.path.exists(guest.kernel) and os.path.exists(guest.initrd) else None


def build_guest(root: str | os.PathLike[str], folder: str | os.PathLike[str]) -> Guest:
    """Make a guest of what is in `root`, the folder of a system or of unpacked packages. Raises `MachineError`."""
    top = Path(root)
    kernels = sorted(top.glob("boot/vmlinuz-*"))
    kernel = next((candidate for candidate in reversed(kernels) if _modules_of(top, candidate) is not None), None)
    busybox = next((candidate for name in ("bin", "usr/bin") if (candidate := top / name / "busybox").exists()), None)
    if kernel is None or busybox is None:
        missing = "a kernel with its modules" if kernel is None else "busybox"
        raise MachineError(f"no guest can be made: {missing} is not there", file=str(top), expected="boot, lib, bin")
    Path(folder).mkdir(parents=True, exist_ok=True)
    archive = _cpio(_contents(top, busybox, _modules_of(top, kernel) or top))
    write_atomic(Path(folder, "initrd.gz"), [gzip.compress(b"".join(archive), mtime=0)])
    write_atomic(Path(folder, "vmlinuz"), [kernel.read_bytes()])
    made = guest_in(folder)
    assert made is not None
    return made


def _modules_of(top: Path, kernel: Path) -> Path | None:
    release = kernel.name.removeprefix("vmlinuz-")
    return next(
        (candidate for name in ("lib", "usr/lib") if (candidate := top / name / "modules" / release).is_dir()), None
    )


def _contents(top: Path, busybox: Path, modules: Path) -> Iterator[tuple[str, int, bytes]]:
    """(name, mode, contents) of all that is in the RAM disk."""
    for folder in _FOLDERS:
        yield folder, 0o40755, b""
    yield "init", 0o100755, _INIT.format(modules=" ".join(MODULES), ready=READY).encode()
    yield "bin/busybox", 0o100755, busybox.read_bytes()
    for file in sorted(modules.rglob("*.ko*")):
        name, dot, packing = file.name.partition(".ko")
        if name in MODULES and dot:
            yield f"lib/modules/{name}.ko", 0o100644, _unpacked(file, packing)
    ethtool = next((candidate for candidate in sorted(top.glob("**/bin/ethtool")) if candidate.is_file()), None)
    ethtool = ethtool or next(
        (candidate for candidate in sorted(top.glob("**/sbin/ethtool")) if candidate.is_file()), None
    )
    libraries = {name: next(iter(sorted(top.glob(f"**/x86_64-linux-gnu/{name}"))), None) for name in _LIBRARIES}
    if ethtool is None or None in libraries.values():
        return
    yield "bin/ethtool", 0o100755, ethtool.read_bytes()
    for name, path in libraries.items():
        assert path is not None
        yield f"lib/x86_64-linux-gnu/{name}", 0o100755, path.read_bytes()
        if name.startswith("ld-"):
            yield f"lib64/{name}", 0o100755, path.read_bytes()


def _unpacked(file: Path, packing: str) -> bytes:
    raw = file.read_bytes()
    if packing == ".xz":
        return lzma.decompress(raw)
    return gzip.decompress(raw) if packing == ".gz" else raw


def _cpio(entries: Iterable[tuple[str, int, bytes]]) -> Iterator[bytes]:
    """An archive of the form "newc": for each file 13 fields of 8 hexadecimal digits, the name, the contents, each
    padded to 4 bytes. From Linux' Documentation/driver-api/early-userspace/buffer-format.rst.
    """
    for number, (name, mode, data) in enumerate([*entries, ("TRAILER!!!", 0, b"")], 1):
        raw = name.encode() + b"\0"
        fields = (number, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(raw), 0)
        head = b"070701" + "".join(f"{field:08x}" for field in fields).encode() + raw
        yield head + bytes(-len(head) % 4) + data + bytes(-len(data) % 4)


def debian_guest(folder: str | os.PathLike[str]) -> Guest:
    """Make a guest of Debian's packages, which apt-get downloads and dpkg unpacks; nothing is installed.

    Raises `MachineError` where there are no such programs or packages.
    """
    depends = _ran(["apt-cache", "depends", KERNEL_PACKAGE])
    kernel = next((line.split()[-1] for line in depends.splitlines() if "Depends: linux-image-" in line), None)
    if kernel is None:
        raise MachineError(f"apt does not know {KERNEL_PACKAGE}: run apt-get update")
    with tempfile.TemporaryDirectory() as scratch:
        _ran(["apt-get", "download", "-qq", kernel, *PACKAGES], scratch)
        root = Path(scratch, "root")
        for package in sorted(Path(scratch).glob("*.deb")):
            _ran(["dpkg", "-x", str(package), str(root)])
        return build_guest(root, folder)


def _ran(command: list[str], folder: str | None = None) -> str:
    """What a program prints. Raises `MachineError`."""
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=300)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise MachineError(f"{command[0]} is needed to fetch the guest's packages: {error}") from None
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["nothing"])[-1]
        raise MachineError(f"{command[0]} failed with {done.returncode}", found=last)
    return done.stdout


def main(folder: str) -> int:
    """Make the guest from Debian's packages, unless it is there."""
    try:
        guest = guest_in(folder) or debian_guest(folder)
    except MachineError as error:
        print(f"vmstate: {error}", file=sys.stderr)
        return 2
    print(guest.kernel, guest.initrd)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
