"""Each device of a QEMU in a machine of its own, saved, and its stream held against -dump-vmstate of the same QEMU.

    python benchmarks/compat_alone.py [--qemu PROGRAM] [--root ROOT] [--machine TYPE] [DEVICE...]

What a QEMU saves it loads, so that a break that `compat` finds there is a false one; each is printed, with its device.
Devices that need what is not here (hardware, another program, a bus of another machine) do not start and are counted.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack

from vmstate.compare.compat import compat
from vmstate.compare.findings import BREAKS, CompatFinding
from vmstate.compare.schemas import Schema, dump_of, dump_schema, schema_of_stream
from vmstate.errors import MachineError, VMStateError, one_line
from vmstate.lab import alone
from vmstate.lab.alone import devices_of
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


class Alone(Value):
    """What was found of one device: the breaks of `compat`, or why it was not saved."""

    machine: str
    device: str
    breaks: tuple[CompatFinding, ...]
    error: str | None


def words_of(qemu: Qemu, machine: str, device: str, bus: str) -> list[str]:
    """The options of a machine with one device, and with what that needs. Raises `MachineError`."""
    words = alone.words_of(qemu, machine, device, bus)
    if words is None:
        raise MachineError("this QEMU has no such device", found=device)
    # The firmware of pseries asks for 128 MiB.
    memory = "256" if machine.startswith("pseries") else "64"
    return ["-machine", machine, "-accel", "tcg", "-nodefaults", "-m", memory, "-S", *words]


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
            try:
                words = [program, *words_of(qemu, machine, device, known.get(device, ""))]
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
