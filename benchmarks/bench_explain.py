"""What `vmstate explain STREAM --against -- QEMU ...` costs by itself, without QEMU's time, on a q35 as of libvirt.

    python benchmarks/bench_explain.py [OTHER] [--runs N]

The stream is captured from the same command line before. With OTHER, another checkout, both run in turn, each in a
process of its own under this interpreter; the ratio's interval is that of trees.py. A checkout from before the monitor
of its own needs the package qemu.qmp beside it.
"""

from __future__ import annotations

import argparse
import os
import shlex
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from trees import STUDENT, interval

ROOT = Path(__file__).resolve().parent.parent
PORTS = 14
TIMED = """
import contextlib, io, sys, time
from vmstate.cli import main
with contextlib.redirect_stdout(io.StringIO()):
    code = main(sys.argv[1:])
print(time.process_time())
sys.exit(code)
"""


MACHINE = """
qemu-system-x86_64 -name guest=web1,debug-threads=on -M q35,usb=off,dump-guest-core=off -accel tcg -cpu qemu64 -m 64
-smp 2,sockets=2,cores=1,threads=1 -uuid 5a1cf2d8-4a6c-4b8f-b7f2-0b8b6b0f8a11 -no-user-config -nodefaults
-rtc base=utc,driftfix=slew -global ICH9-LPC.disable_s3=1 -global ICH9-LPC.disable_s4=1
"""
DEVICES = """
-device qemu-xhci,p2=15,p3=15,id=usb,bus=pci.2 -device usb-tablet,bus=usb.0,port=1
-device virtio-serial-pci,id=serial,bus=pci.3 -chardev null,id=agent
-device virtserialport,bus=serial.0,nr=1,chardev=agent,name=org.qemu.guest_agent.0
-netdev user,id=n0 -device virtio-net-pci,netdev=n0,mac=52:54:00:12:34:56,bus=pci.1,romfile=
-blockdev null-co,node-name=d0,read-zeroes=on -device virtio-blk-pci,bus=pci.4,drive=d0
-blockdev null-co,node-name=d1,read-zeroes=on -device virtio-scsi-pci,id=scsi,bus=pci.5
-device scsi-hd,bus=scsi.0,drive=d1 -chardev null,id=c0 -device isa-serial,chardev=c0
-device ich9-intel-hda,id=sound,addr=0x1b -audiodev none,id=audio
-device hda-duplex,bus=sound.0,cad=0,audiodev=audio -device virtio-vga,addr=0x1
-device virtio-balloon-pci,bus=pci.6 -object rng-random,id=rng,filename=/dev/urandom
-device virtio-rng-pci,rng=rng,bus=pci.7 -S
"""


def q35() -> list[str]:
    """The command line of a q35 with everything behind root ports."""
    ports = []
    for number in range(PORTS):
        slot, function = 2 + number // 8, number % 8
        more = "" if function else ",multifunction=on"
        port = f"pcie-root-port,chassis={number + 1},id=pci.{number + 1},addr={slot:#x}.{function:#x}{more}"
        ports += ["-device", port]
    return [*shlex.split(MACHINE), *ports, *shlex.split(DEVICES)]


def seconds(tree: Path, stream: str) -> float:
    """Seconds of processor time of one run of a tree, without those of the programs that it starts."""
    command = [sys.executable, "-c", TIMED, "explain", stream, "--against", "--", *q35()]
    environment = {**os.environ, "PYTHONPATH": str(tree)}
    done = subprocess.run(
        command, capture_output=True, text=True, env=environment, cwd=tempfile.gettempdir(), check=False
    )
    if done.returncode:
        raise SystemExit(f"{tree}: {(done.stderr or done.stdout).strip()[-300:]}")
    return float(done.stdout)


def main() -> None:
    """Measure, and print a line for each tree."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("other", metavar="OTHER", type=Path, nargs="?", help="another checkout to compare with")
    parser.add_argument("--runs", type=int, default=min(STUDENT) + 1)
    options = parser.parse_args()
    trees = [ROOT, *([] if options.other is None else [options.other.resolve()])]
    for tree in trees:
        # Compiled modules are part of an installation. The walk does not follow the link to the devices.
        places = [str(tree / name) for name in ("vmstate", "devices")]
        subprocess.run([sys.executable, "-m", "compileall", "-q", *places], check=False)
    times: dict[Path, list[float]] = {tree: [] for tree in trees}
    with tempfile.TemporaryDirectory() as folder:
        stream = os.path.join(folder, "q35.mig")
        capture = [sys.executable, "-m", "vmstate", "capture", "-o", stream, "--", *q35()]
        subprocess.run(capture, check=True, stdout=subprocess.DEVNULL, env={**os.environ, "PYTHONPATH": str(ROOT)})
        for number in range(options.runs):
            for tree in trees if number % 2 else reversed(trees):
                times[tree].append(seconds(tree, stream))
    for tree in trees:
        print(f"{tree}: {1e3 * statistics.median(times[tree]):.0f} ms, least {1e3 * min(times[tree]):.0f} ms")
    if options.other is not None:
        mean, lower, upper = interval([a / b for a, b in zip(*times.values(), strict=True)])
        print(f"ratio {mean:.3f}, 95 % interval {lower:.3f} to {upper:.3f}")


if __name__ == "__main__":
    main()
