"""Each device of a QEMU in a machine of its own, saved, and its stream held against -dump-vmstate of the same QEMU.

    python benchmarks/compat_alone.py [--qemu PROGRAM] [--root ROOT] [--machine TYPE] [DEVICE...]

What a QEMU saves it loads, so that a break that `compat` finds there is a false one; each is printed, with its device.
Devices that need what is not here (hardware, another program, a bus of another machine) do not start and are counted.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack

from vmstate.compare.compat import compat
from vmstate.compare.findings import BREAKS, CompatFinding
from vmstate.compare.schemas import Schema, dump_of, dump_schema, schema_of_stream
from vmstate.errors import MachineError, VMStateError, one_line
from vmstate.qemu.machine import Machine, Qemu, find_qemu
from vmstate.qemu.migration import NO_LIMIT, save
from vmstate.qemu.process import Keeper
from vmstate.saved.loading import load
from vmstate.vmsd.data import Value

LIMIT = 20.0
"""Seconds that each device may take."""

MACHINES = {
    "x86_64": ("q35", "pc", "microvm"),
    "aarch64": ("virt",),
    "arm": ("virt",),
    "riscv64": ("virt",),
    "riscv32": ("virt",),
    "s390x": ("s390-ccw-virtio",),
    "loongarch64": ("virt",),
    "ppc64": ("pseries",),
}
"""Target -> the machine types whose buses its devices are put on."""

_LISTED = re.compile(r'^name "([^"]+)"(?:, bus ([\w.-]+))?(?:, alias "([^"]+)")?')
_DRIVE = re.compile(r"virtio-blk|^nvme(?:-ns)?$|^(?:ide|scsi)-(?:hd|cd)$|usb-storage|^sd-card|^floppy$")
_SOUND = re.compile(r"^hda-(?:duplex|micro|output)|^(?:AC97|ES1370|sb16|gus|cs4231a|adlib)$|usb-audio|^virtio-sound")
_CHARACTERS = re.compile(r"serial$|parallel$|isa-debugcon|^virt(?:console|serialport)$|usb-redir|ccid-card-pass")
_FRONT = {
    "HDA": ["-device", "ich9-intel-hda,id=sound"],
    "usb-bus": ["-device", "qemu-xhci,id=xhci"],
    "SCSI": ["-device", "virtio-scsi-{kind},id=scsi"],
    "virtio-serial-bus": ["-device", "virtio-serial-{kind},id=serial"],
    "ccid-bus": ["-device", "qemu-xhci", "-device", "usb-ccid"],
    "sd-bus": ["-device", "sdhci-pci"],
}
_NEEDED = {
    "isa-ipmi-kcs": ["-device", "ipmi-bmc-sim,id=bmc"],
    "isa-ipmi-bt": ["-device", "ipmi-bmc-sim,id=bmc"],
    "pci-ipmi-kcs": ["-device", "ipmi-bmc-sim,id=bmc"],
    "pci-ipmi-bt": ["-device", "ipmi-bmc-sim,id=bmc"],
    "smbus-ipmi": ["-device", "ipmi-bmc-sim,id=bmc"],
    "xio3130-downstream": ["-device", "pcie-root-port,id=root-port", "-device", "x3130-upstream,id=up,bus=root-port"],
    "x3130-upstream": ["-device", "pcie-root-port,id=root-port"],
    "nvme-ns": ["-device", "nvme,serial=a,id=nvme"],
    "kvaser_pci": ["-object", "can-bus,id=can"],
    "ctucan_pci": ["-object", "can-bus,id=can"],
    "pcm3680_pci": ["-object", "can-bus,id=can"],
    "mioe3680_pci": ["-object", "can-bus,id=can"],
    "ipoctal232": ["-device", "tpci200,id=carrier"],
    "floppy": ["-device", "isa-fdc,id=floppies"],
    "nvdimm": ["-machine", "nvdimm=on"],
    "virtio-crypto-pci": ["-object", "cryptodev-backend-builtin,id=crypto"],
}
_MORE = {
    "isa-ipmi-kcs": ",bmc=bmc",
    "isa-ipmi-bt": ",bmc=bmc",
    "pci-ipmi-kcs": ",bmc=bmc",
    "pci-ipmi-bt": ",bmc=bmc",
    "smbus-ipmi": ",bmc=bmc",
    "xio3130-downstream": ",bus=up,chassis=3",
    "x3130-upstream": ",bus=root-port",
    "pci-bridge": ",chassis_nr=1",
    "pcie-root-port": ",chassis=1",
    "ioh3420": ",chassis=1",
    "nvme": ",serial=a",
    "virtio-mem-pci": ",memdev=memory,requested-size=0",
    "virtio-pmem-pci": ",memdev=memory",
    "pc-dimm": ",memdev=memory",
    "nvdimm": ",memdev=memory",
    "ivshmem-plain": ",memdev=memory",
    "acpi-erst": ",memdev=memory",
    "pci-bridge-seat": ",chassis_nr=1",
    "kvaser_pci": ",canbus=can",
    "ctucan_pci": ",canbus0=can,canbus1=can",
    "pcm3680_pci": ",canbus0=can,canbus1=can",
    "mioe3680_pci": ",canbus0=can,canbus1=can",
    "virtio-crypto-pci": ",cryptodev=crypto",
}


class Alone(Value):
    """What was found of one device: the breaks of `compat`, or why it was not saved."""

    machine: str
    device: str
    breaks: tuple[CompatFinding, ...]
    error: str | None


def devices_of(qemu: Qemu, machine: str) -> dict[str, str]:
    """The devices of a QEMU that a user can add, name -> bus. Raises `MachineError`."""
    command = [*qemu.command, "-machine", machine, "-device", "help"]
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=LIMIT,
            check=False,
            env={**os.environ, **dict(qemu.environment)},
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise MachineError(f"cannot say its devices: {error}", file=qemu.command[0]) from None
    listed = (_LISTED.match(line) for line in done.stdout.splitlines())
    return {match[1]: match[2] or "" for match in listed if match is not None}


def words_of(machine: str, device: str, bus: str) -> list[str]:
    """The options of a machine with one device, and with what that needs."""
    # The firmware of pseries asks for 128 MiB.
    memory = "256" if machine.startswith("pseries") else "64"
    kind = "ccw" if "s390" in machine else "device" if machine == "microvm" else "pci"
    words = ["-machine", machine, "-accel", "tcg", "-nodefaults", "-m", memory, "-S"]
    if machine == "virt":
        words += ["-cpu", "max"] if device.endswith("-cpu") else []
    more = _MORE.get(device, "")
    words += [word.format(kind=kind) for word in _FRONT.get(bus, [])] + _NEEDED.get(device, [])
    if "memdev=" in more:
        words += ["-m", f"size={memory}M,slots=2,maxmem=1G", "-object", "memory-backend-ram,id=memory,size=16M"]
    if _DRIVE.search(device):
        words += ["-blockdev", "driver=null-co,node-name=disk,read-zeroes=on,size=1073741824"]
        more += ",drive=disk"
    if _SOUND.search(device):
        words += ["-audiodev", "none,id=audio"]
        more += ",audiodev=audio"
    if _CHARACTERS.search(device):
        words += ["-chardev", "null,id=characters"]
        more += ",chardev=characters"
    if device.startswith("virtio-rng"):
        words += ["-object", "rng-builtin,id=numbers"]
        more += ",rng=numbers"
    return [*words, "-device", f"{device}{more}"]


def each_alone(
    qemu: Qemu, program: str, machine: str, devices: Sequence[str] = (), *, limit: float = LIMIT
) -> Iterator[Alone]:
    """Each device of a QEMU, or each that is named, in a machine of its own. Raises `VMStateError`."""
    known = devices_of(qemu, machine)
    dump = dump_schema(
        dump_of(qemu.command, machine, environment=qemu.environment, seconds=limit), f"{program}:{machine}"
    )
    with ExitStack() as stack:
        keeper = stack.enter_context(Keeper())
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="vmstate-"))
        for device in devices or sorted(known):
            words = [program, *words_of(machine, device, known.get(device, ""))]
            try:
                yield Alone(machine, device, tuple(_breaks(words, qemu, keeper, folder, dump, limit)), None)
            except MachineError as error:
                yield Alone(machine, device, (), str(error))


def _breaks(
    words: Sequence[str], qemu: Qemu, keeper: Keeper, folder: str, dump: Schema, limit: float
) -> Iterator[CompatFinding]:
    """What `compat` says breaks, of the stream of a machine and the dump. Raises `MachineError`."""
    path = os.path.join(folder, "alone.mig")
    with Machine(words, qemu=qemu, keeper=keeper, limit=limit) as started:
        started.ask("migrate-set-parameters", dict(NO_LIMIT))
        save(started, path, limit=limit)
    with load(path) as stream:
        schema = schema_of_stream(stream, {})
        # An alias of the machine type is none of the stream's.
        schema = Schema(schema.name, schema.kind, None, schema.sections)
        yield from (finding for finding in compat(schema, dump).findings if finding.severity == BREAKS)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print what breaks; 1 where anything does."""
    parser = argparse.ArgumentParser(
        prog="python benchmarks/compat_alone.py", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--qemu", default="qemu-system-x86_64", metavar="PROGRAM")
    parser.add_argument("--root", metavar="ROOT", help="another system's root, whose QEMU is started")
    parser.add_argument("--machine", metavar="TYPE", help="one machine type; else those of the target")
    parser.add_argument("devices", metavar="DEVICE", nargs="*", help="these alone")
    options = parser.parse_args(arguments)
    target = options.qemu.rpartition("-")[2]
    saved = failed = broken = 0
    try:
        qemu = find_qemu(options.qemu, options.root)
        for machine in [options.machine] if options.machine else MACHINES.get(target, ("none",)):
            for result in each_alone(qemu, options.qemu, machine, options.devices):
                if result.error is not None:
                    failed += 1
                    if options.devices:
                        print(one_line(f"{result.machine} {result.device}: not saved: {result.error}"))
                    continue
                saved += 1
                broken += bool(result.breaks)
                for finding in result.breaks:
                    place = f"{finding.section}: {finding.path}"
                    print(one_line(f"{result.machine} {result.device}: {finding.rule}: {place}: {finding.message}"))
    except VMStateError as error:
        print(f"vmstate: {error}", file=sys.stderr)
        return 2
    print(f"{saved} saved, {broken} of them with breaks; {failed} did not start or cannot be saved")
    return int(bool(broken))


if __name__ == "__main__":
    sys.exit(main())
