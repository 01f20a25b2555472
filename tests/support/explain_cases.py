"""Machines and cases for `vmstate explain`, and what real QEMU said of each: fixtures/explain/machines.

Each machine is a recorded destination (`vmstate explain --record`): its own stream and what was asked of it. A case is
the stream of one machine, changed or not, loaded into another. A change is made anew each time it is needed:

    set PATH=VALUE          a value, as `vmstate set --force` changes it
    version SECTION=N       the version_id in the header of a section
    subversion NAME=N       the version_id in the header of a subsection
    drop PATH               a subsection that is not sent
    cut MACHINE             the machine type in the configuration

To record all again (about five minutes; the roots of other releases as in tests/guests.py):

    VMSTATE_QEMU_ROOTS=ROOT:ROOT:ROOT python tests/explain_cases.py [NAME...]
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

from vmstate.compare.target import Target, open_target, write_target
from vmstate.errors import VMStateError
from vmstate.lab.incoming import QemuDestination
from vmstate.lab.target import target_of
from vmstate.qemu.machine import Machine as LabMachine
from vmstate.qemu.machine import Qemu, find_qemu
from vmstate.qemu.migration import NO_LIMIT, save
from vmstate.qemu.provenance import FORM, KIND, provenance_path
from vmstate.rules.edit import assign
from vmstate.saved.loading import load

FOLDER = Path(__file__).resolve().parents[2] / "fixtures" / "explain" / "machines"
ANSWERS = FOLDER / "answers.json"
"""What QEMU said of each case."""
PROGRAM = "qemu-system-x86_64"
RELEASES = ("5.2", "7.2", "10.0", "11.1")

BIOS = {"bios64": 64 << 10, "bios128": 128 << 10}
ROMS = {"rom64": 60000, "rom128": 100000}


class Machine(NamedTuple):
    """A machine: the release, and the command line behind the program. `seconds`: how long its firmware ran."""

    release: str
    words: str
    seconds: float = 0


def _machine(kind: str, release: str, words: str, *, memory: str = "16", bios: str = "bios64") -> Machine:
    base = f"-M {kind} -accel tcg -m {memory} -nodefaults -S -bios DIR/{bios}"
    return Machine(release, f"{base} {words}".rstrip())


NET = "-netdev user,id=n0 -device virtio-net-pci,netdev=n0,addr=2,romfile="
DISK = "-drive if=none,id=d0,driver=null-co,read-zeroes=on"
TAP = "-netdev tap,id=n0,queues={},script=no,downscript=no -device virtio-net-pci,netdev=n0,addr=2,romfile=,vectors=10"
PORT = (
    "-device pcie-root-port,id=rp,addr=3,chassis=1 -netdev user,id=n0 -device virtio-net-pci,netdev=n0,bus=rp,romfile="
)
MEM = "-object memory-backend-ram,id=vm,size=16M -device virtio-mem-pci,memdev=vm,addr=3,requested-size=0,block-size="
SLOTS = "16,slots=2,maxmem=1G"
Q35 = "pc-q35-7.2"

MACHINES: dict[str, Machine] = {
    **{f"q35-5.2-{release}": _machine("pc-q35-5.2", release, NET) for release in RELEASES},
    **{f"q35-7.2-{release}": _machine(Q35, release, NET) for release in RELEASES[1:]},
    **{
        f"microvm-{release}": _machine("microvm", release, "-netdev user,id=n0 -device virtio-net-device,netdev=n0")
        for release in RELEASES[1:]
    },
    **{
        f"pc-7.2-{release}": _machine(
            "pc-i440fx-7.2",
            release,
            f"{NET} -device virtio-blk-pci,drive=d0,addr=3 {DISK} -device e1000,addr=4,romfile= "
            "-device piix3-usb-uhci,addr=5",
        )
        for release in RELEASES[1:]
    },
    "memory32": _machine(Q35, "7.2", NET, memory="32"),
    "slots2": _machine(Q35, "7.2", NET, memory=SLOTS),
    "bios128": _machine(Q35, "7.2", NET, bios="bios128"),
    "q35-6.2": _machine("pc-q35-6.2", "7.2", NET),
    "pc": _machine("pc-i440fx-7.2", "7.2", NET),
    "no-hpet": _machine(f"{Q35},hpet=off", "7.2", NET),
    "no-sata": _machine(f"{Q35},sata=off", "7.2", NET),
    "smp2": _machine(Q35, "7.2", f"{NET} -smp 2"),
    "bare": _machine(Q35, "7.2", ""),
    "slot3": _machine(Q35, "7.2", NET.replace("addr=2", "addr=3")),
    "with-rng": _machine(Q35, "7.2", f"{NET} -device virtio-rng-pci,addr=4"),
    "serial": _machine(Q35, "7.2", f"{NET} -serial null"),
    "rom64": _machine(Q35, "7.2", NET.replace("romfile=", "romfile=DIR/rom64")),
    "rom128": _machine(Q35, "7.2", NET.replace("romfile=", "romfile=DIR/rom128")),
    **{
        name: _machine(Q35, "7.2", f"{NET},{option}")
        for name, option in {
            "vectors5": "vectors=5",
            "no-vectors": "vectors=0",
            "legacy": "disable-modern=on",
            "modern": "disable-legacy=on",
            "multifunction": "multifunction=on",
            "no-mrg_rxbuf": "mrg_rxbuf=off",
            "no-ctrl_vq": "ctrl_vq=off",
            "no-event_idx": "event_idx=off",
            "no-indirect_desc": "indirect_desc=off",
            "packed": "packed=on",
            "queue1024": "rx_queue_size=1024",
        }.items()
    },
    "no-status-11.1": _machine(Q35, "11.1", f"{NET},status=off"),
    "no-ctrl_vlan-10.0": _machine(Q35, "10.0", f"{NET},ctrl_vlan=off"),
    "no-ctrl_rx-5.2": _machine("pc-q35-5.2", "5.2", f"{NET},ctrl_rx=off"),
    "tap1": _machine(Q35, "7.2", TAP.replace(",queues={}", "")),
    "tap2": _machine(Q35, "7.2", TAP.format(2) + ",mq=on"),
    "tap4": _machine(Q35, "7.2", TAP.format(4) + ",mq=on"),
    "user10": _machine(Q35, "7.2", f"{NET},vectors=10"),
    "tap4-11.1": _machine(Q35, "11.1", TAP.format(4) + ",mq=on"),
    "rss-11.1": _machine(Q35, "11.1", TAP.format(4) + ",mq=on,rss=on,hash=on"),
    "blk4": _machine(Q35, "7.2", f"-device virtio-blk-pci,drive=d0,addr=3,num-queues=4,vectors=5 {DISK}"),
    "blk1": _machine(Q35, "7.2", f"-device virtio-blk-pci,drive=d0,addr=3,num-queues=1 {DISK}"),
    "blk1-vectors5": _machine(Q35, "7.2", f"-device virtio-blk-pci,drive=d0,addr=3,num-queues=1,vectors=5 {DISK}"),
    "scsi4": _machine(Q35, "7.2", "-device virtio-scsi-pci,addr=3,num_queues=4,vectors=7"),
    "scsi1": _machine(Q35, "7.2", "-device virtio-scsi-pci,addr=3,num_queues=1,vectors=7"),
    "ports0": _machine(Q35, "7.2", "-device virtio-serial-pci,addr=3"),
    "ports1": _machine(
        Q35, "7.2", "-device virtio-serial-pci,addr=3 -chardev null,id=c0 -device virtserialport,chardev=c0,name=a"
    ),
    "ports64": _machine(Q35, "7.2", "-device virtio-serial-pci,addr=3,max_ports=64"),
    "balloon": _machine(Q35, "7.2", "-device virtio-balloon-pci,addr=3"),
    "balloon-deflate": _machine(Q35, "7.2", "-device virtio-balloon-pci,addr=3,deflate-on-oom=on"),
    "gpu": _machine(Q35, "7.2", "-device virtio-gpu-pci,addr=3"),
    "gpu2": _machine(Q35, "7.2", "-device virtio-gpu-pci,addr=3,max_outputs=2"),
    "gpu-11.1": _machine(Q35, "11.1", "-device virtio-gpu-pci,addr=3"),
    "gpu-scanouts-11.1": _machine(Q35, "11.1", "-device virtio-gpu-pci,addr=3,x-scanout-vmstate-version=2"),
    "mem2": _machine(Q35, "7.2", f"{MEM}2M", memory=SLOTS),
    "mem4": _machine(Q35, "7.2", f"{MEM}4M", memory=SLOTS),
    "mem2-11.1": _machine(Q35, "11.1", f"{MEM}2M", memory=SLOTS),
    "mem-early-11.1": _machine(Q35, "11.1", f"{MEM}2M,x-early-migration=on", memory=SLOTS),
    "keyboard": _machine(Q35, "7.2", "-device virtio-keyboard-pci,addr=3"),
    "tablet": _machine(Q35, "7.2", "-device virtio-tablet-pci,addr=3"),
    "vga16": _machine(Q35, "7.2", "-device VGA,addr=3,romfile=,vgamem_mb=16"),
    "vga8": _machine(Q35, "7.2", "-device VGA,addr=3,romfile=,vgamem_mb=8"),
    "e1000": _machine(Q35, "7.2", "-device e1000,addr=3,romfile="),
    "e1000-82544gc": _machine(Q35, "7.2", "-device e1000-82544gc,addr=3,romfile="),
    "rtl8139": _machine(Q35, "7.2", "-device rtl8139,addr=3,romfile="),
    "e1000e": _machine(Q35, "7.2", "-device e1000e,addr=3,romfile="),
    "e1000e-10.0": _machine(Q35, "10.0", "-device e1000e,addr=3,romfile="),
    "port": _machine(Q35, "7.2", PORT),
    "port-aer": _machine(Q35, "7.2", f"{PORT},aer=on"),
    "port-ats": _machine(Q35, "7.2", f"{PORT},ats=on"),
    "port-no-flr": _machine(Q35, "7.2", f"{PORT},x-pcie-flr-init=off"),
    "port-1": _machine(Q35, "7.2", PORT.replace("chassis=1", "chassis=1,port=1")),
    "port-10.0": _machine(Q35, "10.0", PORT),
    "port-mask-10.0": _machine(
        Q35, "10.0", PORT.replace("chassis=1", "chassis=1,x-pcie-err-unc-mask=on") + ",aer=on,x-pcie-err-unc-mask=on"
    ),
    "xhci": _machine(Q35, "7.2", "-device qemu-xhci,id=x,addr=3"),
    "xhci-tablet": _machine(Q35, "7.2", "-device qemu-xhci,id=x,addr=3 -device usb-tablet,bus=x.0"),
    "xhci8": _machine(Q35, "7.2", "-device qemu-xhci,id=x,addr=3,p2=8,p3=8"),
    **{
        f"{name}{ran and '-ran'}": Machine(
            release,
            f"-M {kind} -accel tcg -m 16 -nodefaults {'' if ran else '-S '}-device "
            f"virtio-blk-pci,drive=d0,addr=3{options} {DISK}",
            3 if ran else 0,
        )
        for name, release, kind, options in (
            ("disk-7.2", "7.2", Q35, ""),
            ("disk-10.0", "10.0", Q35, ""),
            ("disk-no-event_idx", "7.2", Q35, ",event_idx=off"),
            ("disk-5.2", "5.2", "pc-q35-5.2", ""),
            ("disk-old-7.2", "7.2", "pc-q35-5.2", ""),
        )
        for ran in ("", "ran")
    },
}
"""Real firmware has driven the disk of those called `*-ran`; the others are as they are before a guest runs."""


class Case(NamedTuple):
    """A stream and a destination; `names`: texts that the findings that break must name, where it does not load."""

    source: str
    destination: str
    names: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """What the case is called."""
        return f"{self.source} -> {self.destination}" + "".join(f" [{change}]" for change in self.changes)


def _ways(first: str, second: str, *names: str) -> tuple[Case, Case]:
    return Case(first, second, names), Case(second, first, names)


GUEST = "virtio-net.virtio.guest_features"
GUEST64 = "virtio-net.virtio.virtio.features64.guest_features"


def accepts(*bits: int) -> tuple[str, ...]:
    """A driver that accepted these features."""
    whole = sum(1 << bit for bit in bits)
    return f"set {GUEST}={whole & 0xFFFFFFFF:#x}", f"set {GUEST64}={whole:#x}"


V1 = 32

CASES: tuple[Case, ...] = (
    # Releases, with one machine type.
    *(
        Case(f"q35-5.2-{old}", f"q35-5.2-{new}")
        for old in RELEASES
        for new in RELEASES
        if (old, new) != ("10.0", "11.1") and old != new
    ),
    Case("q35-5.2-10.0", "q35-5.2-11.1", ("vq[0].num", "1024", "256")),
    *_ways("q35-7.2-7.2", "q35-7.2-10.0"),
    *_ways("q35-7.2-7.2", "q35-7.2-11.1"),
    Case("q35-7.2-10.0", "q35-7.2-11.1", ("vq[0].num",)),
    *_ways("pc-7.2-7.2", "pc-7.2-11.1"),
    Case("microvm-7.2", "microvm-10.0"),
    Case("microvm-7.2", "microvm-11.1"),
    Case("microvm-10.0", "microvm-7.2", ("SWITCHOVER_START",)),
    Case("microvm-11.1", "microvm-10.0"),
    *_ways("e1000e", "e1000e-10.0"),
    *_ways("gpu", "gpu-11.1"),
    *_ways("port", "port-10.0"),
    # Machine types and their properties.
    *_ways("q35-7.2-7.2", "q35-6.2", "pc-q35-7.2", "pc-q35-6.2"),
    *_ways("q35-7.2-7.2", "pc", "pc-q35-7.2", "pc-i440fx-7.2"),
    Case("q35-6.2", "q35-7.2-11.1", ("pc-q35-6.2",)),
    Case("q35-7.2-7.2", "no-hpet", ("hpet",)),
    Case("no-hpet", "q35-7.2-7.2"),
    Case("q35-7.2-7.2", "no-sata", ("0000:00:1f.2/ich9_ahci",)),
    # Memory, ROMs.
    *_ways("q35-7.2-7.2", "memory32", "pc.ram"),
    *_ways("q35-7.2-7.2", "bios128", "pc.bios"),
    *_ways("rom64", "rom128", "0000:00:02.0/virtio-net-pci.rom"),
    Case("rom64", "q35-7.2-11.1", ("0000:00:02.0/virtio-net-pci.rom",)),
    Case("q35-7.2-7.2", "rom64"),
    *_ways("vga16", "vga8", "0000:00:03.0/vga.vram"),
    *_ways("q35-7.2-7.2", "slots2", "ICH9LPC", "memory_slots"),
    # Devices that are there, or not, or elsewhere.
    Case("smp2", "q35-7.2-7.2", ("cpu_common#1",)),
    Case("q35-7.2-7.2", "smp2"),
    *_ways("q35-7.2-7.2", "slot3", "virtio-net"),
    Case("q35-7.2-7.2", "bare", ("0000:00:02.0/virtio-net", "slirp")),
    Case("bare", "q35-7.2-7.2"),
    Case("with-rng", "q35-7.2-7.2", ("0000:00:04.0/virtio-rng",)),
    Case("with-rng", "q35-7.2-10.0", ("0000:00:04.0/virtio-rng",)),
    Case("q35-7.2-7.2", "with-rng"),
    Case("serial", "q35-7.2-7.2", ("serial",)),
    Case("e1000", "rtl8139", ("0000:00:03.0/e1000",)),
    Case("xhci-tablet", "xhci", ("0000:00:03.0/1/usb-ptr",)),
    Case("xhci", "xhci-tablet"),
    # Properties of PCI devices.
    *_ways("q35-7.2-7.2", "vectors5", "MSI-X capability"),
    *_ways("q35-7.2-7.2", "no-vectors", "conventional_config[0x34]"),
    *_ways("q35-7.2-7.2", "legacy", "config"),
    *_ways("q35-7.2-7.2", "modern", "device id"),
    *_ways("q35-7.2-7.2", "multifunction", "header type"),
    *_ways("e1000", "e1000-82544gc", "device id"),
    *_ways("keyboard", "tablet", "class"),
    Case("port", "port-aer", ("express_config[0x100]",)),
    Case("port-aer", "port"),
    *_ways("port-aer", "port-ats", "express_config[0x100]"),
    *_ways("port", "port-no-flr", "PCI Express capability"),
    *_ways("port", "port-1", "PCI Express capability"),
    Case("port-mask-10.0", "port", ("AER",)),
    # Queues.
    *_ways("tap4", "tap2", "max_queue_pairs"),
    Case("tap4", "tap4-11.1"),
    *_ways("tap4", "tap1", "max_queue_pairs"),
    *_ways("tap4-11.1", "rss-11.1"),
    Case("tap1", "user10", ("has_vnet_hdr",)),
    Case("tap1", "q35-7.2-7.2", ("MSI-X",)),
    *_ways("blk4", "blk1-vectors5"),
    *_ways("blk4", "blk1", "MSI-X"),
    *_ways("scsi4", "scsi1"),
    *_ways("ports0", "ports1", "ports_map"),
    *_ways("ports0", "ports64", "ports_map"),
    Case("queue1024", "q35-7.2-7.2"),
    Case("queue1024", "q35-7.2-11.1", ("vq[0].num", "1024")),
    # What devices compare.
    *_ways("gpu", "gpu2", "max_outputs"),
    *_ways("gpu-11.1", "gpu-scanouts-11.1", "virtio_gpu_scanout_fb"),
    *_ways("mem2", "mem4", "block_size"),
    Case("mem2", "mem2-11.1"),
    Case("mem4", "mem2-11.1", ("block_size",)),
    Case("mem-early-11.1", "mem2-11.1", ("virtio-mem-device-early",)),
    Case("mem2-11.1", "mem-early-11.1", ("virtio_mem_early",)),
    *_ways("xhci", "xhci8", "xhci"),
    *_ways("balloon", "balloon-deflate"),
    # Features that a driver accepted.
    Case("q35-7.2-7.2", "q35-7.2-7.2", (), accepts(5, 15, 16, 17, V1)),
    Case("q35-7.2-7.2", "q35-7.2-11.1", (), accepts(5, 15, 16, 17, 29, V1)),
    Case("q35-7.2-7.2", "no-mrg_rxbuf", ("VIRTIO_NET_F_MRG_RXBUF",), accepts(5, 15, 16, V1)),
    Case("q35-7.2-7.2", "no-mrg_rxbuf", (), accepts(5, 16, V1)),
    Case("q35-7.2-7.2", "no-ctrl_vq", ("VIRTIO_NET_F_CTRL_VQ",), accepts(5, 17, V1)),
    Case("q35-7.2-7.2", "no-event_idx", ("VIRTIO_RING_F_EVENT_IDX",), accepts(5, 29, V1)),
    Case("q35-7.2-10.0", "no-indirect_desc", ("VIRTIO_RING_F_INDIRECT_DESC",), accepts(5, 28, 29, V1)),
    Case("q35-7.2-11.1", "no-ctrl_vlan-10.0", ("VIRTIO_NET_F_CTRL_VLAN",), accepts(17, 19, V1)),
    Case("q35-7.2-7.2", "no-status-11.1", ("VIRTIO_NET_F_STATUS",), accepts(16, V1)),
    Case("q35-5.2-7.2", "no-ctrl_rx-5.2", ("VIRTIO_NET_F_CTRL_RX",), accepts(17, 18, V1)),
    Case("q35-7.2-7.2", "q35-7.2-10.0", ("VIRTIO_NET_F_CSUM",), accepts(0, 5, V1)),
    Case("packed", "q35-7.2-7.2", ("VIRTIO_F_RING_PACKED",), accepts(V1, 34)),
    Case("packed", "packed", (), accepts(V1, 34)),
    Case("tap4", "tap4", (), accepts(0, 1, 5, 7, 22, V1)),
    Case("rss-11.1", "tap4-11.1", ("VIRTIO_NET_F_RSS",), accepts(22, V1, 60)),
    Case("legacy", "legacy", (), (f"set {GUEST}=0x8020",)),
    Case("legacy", "no-mrg_rxbuf", ("config",), (f"set {GUEST}=0x8020",)),
    # Versions and subsections.
    Case("q35-7.2-7.2", "q35-7.2-7.2", ("version 4",), ("version i8254=4",)),
    Case("q35-7.2-7.2", "q35-7.2-11.1", ("version 4",), ("version i8254=4",)),
    Case("q35-5.2-7.2", "q35-5.2-5.2", ("version 12",), ("version virtio-net=12",)),
    Case("e1000", "e1000", ("version 3",), ("version e1000=3",)),
    Case("q35-7.2-7.2", "q35-7.2-10.0", ("version 1",), ("version virtio-net=1",)),
    Case("e1000", "e1000", ("version 7",), ("subversion e1000/full_mac_state=7",)),
    Case("e1000", "e1000", (), ('drop e1000."e1000/full_mac_state"',)),
    Case("q35-7.2-7.2", "q35-7.2-7.2", (), ("drop virtio-net.virtio.virtio.virtqueues",)),
    Case("q35-7.2-7.2", "q35-7.2-7.2", ("machine types differ",), ("cut pc-q35-7.1",)),
    # Values that no QEMU takes.
    Case("q35-7.2-7.2", "q35-7.2-7.2", ("vq[0].vector",), ("set virtio-net.virtio.vq[0].vector=77",)),
    Case("q35-7.2-7.2", "q35-7.2-11.1", ("vq[0].last_avail_idx",), ("set virtio-net.virtio.vq[0].last_avail_idx=5",)),
    # Real firmware has driven the disk.
    Case("disk-7.2-ran", "disk-7.2"),
    Case("disk-7.2-ran", "disk-10.0"),
    Case("disk-10.0-ran", "disk-7.2"),
    Case("disk-old-7.2-ran", "disk-5.2"),
    Case("disk-5.2-ran", "disk-old-7.2"),
    Case("q35-5.2-5.2", "q35-5.2-7.2", (), accepts(5, 16, 17, 29, V1)),
    Case("disk-7.2-ran", "disk-no-event_idx"),
    Case("disk-no-event_idx-ran", "disk-7.2"),
    Case("disk-7.2-ran", "bare", ("pc.bios",)),
)


# Changes.


def changed(stream: bytes, changes: tuple[str, ...]) -> bytes:
    """A stream with changes made to it."""
    settings = [change.partition(" ")[2] for change in changes if change.startswith("set ")]
    settings += [f"{change.partition(' ')[2]}=null" for change in changes if change.startswith("drop ")]
    if settings:
        with load(stream) as loaded:
            assign(loaded, *settings, force=True)
            stream = loaded.to_bytes()
    for change in changes:
        word, _, rest = change.partition(" ")
        what, _, number = rest.partition("=")
        if word == "version":
            with load(stream) as loaded:
                section = loaded[what]
            at = section.offset + 1 + 4 + 1 + len(section.name) + 4
            stream = _patched(stream, at, int(number))
        elif word == "subversion":
            mark = bytes([5, len(what)]) + what.encode()
            assert stream.count(mark) == 1
            stream = _patched(stream, stream.index(mark) + len(mark), int(number))
        elif word == "cut":
            with load(stream) as loaded:
                assert loaded.configuration is not None
                name = loaded.configuration.machine.encode()
            assert len(name) == len(rest)
            stream = stream.replace(name, rest.encode(), 1)
    return stream


def _patched(stream: bytes, at: int, number: int) -> bytes:
    return stream[:at] + number.to_bytes(4, "big") + stream[at + 4 :]


# Real QEMU.


def firmware_files(folder: str) -> None:
    """The files that the command lines name: firmware that does nothing, option ROMs of two sizes."""
    for name, size in BIOS.items():
        Path(folder, name).write_bytes(bytes(size))
    for name, size in ROMS.items():
        Path(folder, name).write_bytes(b"\x55\xaa\x10" + bytes(size - 3))


def qemu_of_release(release: str) -> Qemu | None:
    """The QEMU of a release: the system's, or that of a root in VMSTATE_QEMU_ROOTS; None where it is not there."""
    for root in (None, *filter(None, os.environ.get("VMSTATE_QEMU_ROOTS", "").split(":"))):
        with contextlib.suppress(Exception):
            qemu = find_qemu(PROGRAM, root)
            if _release_of(qemu) == release:
                return qemu
    return None


def system_release() -> str | None:
    """The release of the system's QEMU; None where there is none."""
    with contextlib.suppress(VMStateError):
        return _release_of(find_qemu(PROGRAM))
    return None


_RELEASES: dict[Qemu, str] = {}


def _release_of(qemu: Qemu) -> str:
    import subprocess

    if qemu not in _RELEASES:
        done = subprocess.run([*qemu.command, "--version"], capture_output=True, text=True, timeout=30, check=True)
        match = re.search(r"version (\d+\.\d+)", done.stdout)
        assert match is not None
        _RELEASES[qemu] = match[1]
    return _RELEASES[qemu]


def argv_of(machine: Machine, folder: str) -> list[str]:
    """The command line, with a folder of files put in."""
    return [PROGRAM, *machine.words.replace("DIR", folder).split()]


def ran(machine: Machine, folder: str, qemu: Qemu) -> Target:
    """A machine whose firmware has run: no destination, only its stream."""
    path = Path(folder, "ran.mig")
    with LabMachine(argv_of(machine, folder), qemu=qemu) as started:
        time.sleep(machine.seconds)
        started.ask("migrate-set-parameters", dict(NO_LIMIT))
        save(started, path)
    return open_target(load(path.read_bytes()))


def loaded(stream: bytes, machine: Machine, folder: str, qemu: Qemu) -> tuple[bool, str]:
    """Whether a real QEMU takes a stream, and what it prints."""
    path = Path(folder, "case.mig")
    path.write_bytes(stream)
    words = [word for word in argv_of(machine, folder) if word != "-S"]
    with QemuDestination(path, [*words, "-S"], qemu=qemu, limit=60) as destination:
        outcome = destination.feed()
        return outcome.accepted, plain(destination.machine.output)


def plain(output: str) -> str:
    """QEMU's lines without its name, and without those that are of no load."""
    lines = [re.sub(r"^.*?qemu-system-x86_64: ", "", line) for line in output.splitlines()]
    return "\n".join(line for line in lines if line.strip() and "warning:" not in line)


def record(names: list[str]) -> None:
    """Record the machines that are named (all without a name), and every case."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    today = time.strftime("%Y-%m-%d")
    with tempfile.TemporaryDirectory() as folder:
        firmware_files(folder)
        for name, machine in MACHINES.items():
            path = FOLDER / f"{name}.json"
            qemu = qemu_of_release(machine.release)
            assert qemu is not None, f"no QEMU {machine.release}"
            if not path.exists() or name in names:
                print(name, flush=True)
                target = (
                    ran(machine, folder, qemu) if machine.seconds else target_of(argv_of(machine, folder), qemu=qemu)
                )
                shown = tuple(word.replace(folder, "DIR") for word in argv_of(machine, folder))
                write_target(path, Target(**{**vars(target), "name": name, "command": shown}))
            data = path.read_bytes()
            known = {
                "kind": KIND,
                "vmstate": FORM,
                "file": path.name,
                "sha256": hashlib.sha256(data).hexdigest(),
                "size": len(data),
                "qemu_version": machine.release,
                "argv": [PROGRAM, *machine.words.split()],
                **({"firmware_ran": machine.seconds} if machine.seconds else {}),
                "recorded": today,
            }
            Path(provenance_path(path)).write_text(json.dumps(known, indent=1) + "\n")
        cases = []
        for case in CASES:
            accepted, printed = _said(case, folder)
            print(accepted, case.name, flush=True)
            cases.append({"case": case.name, "accepted": accepted, "stderr": printed})
    ANSWERS.write_text(json.dumps({"recorded": today, "cases": cases}, indent=1) + "\n")


def _said(case: Case, folder: str) -> tuple[bool, str]:
    machine = MACHINES[case.destination]
    qemu = qemu_of_release(machine.release)
    assert qemu is not None
    return loaded(changed(stream_of(case.source), case.changes), machine, folder, qemu)


def target_named(name: str) -> Target:
    """A recorded machine as a destination."""
    return open_target(str(FOLDER / f"{name}.json"))


def stream_of(name: str) -> bytes:
    """The stream of a recorded machine."""
    target = target_named(name)
    assert target.stream is not None
    return target.stream.to_bytes()


def said_of() -> dict[str, Any]:
    """What QEMU said of each case."""
    top = json.loads(ANSWERS.read_text())
    return {entry["case"]: entry for entry in top["cases"]}


if __name__ == "__main__":
    record(sys.argv[1:])
