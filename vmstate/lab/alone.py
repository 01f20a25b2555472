"""Each device of a QEMU by itself: what there is, and the options of one with stand-ins for what it needs."""

from __future__ import annotations

import os
import re
import subprocess

from vmstate.errors import MachineError, one_line
from vmstate.qemu.machine import Qemu
from vmstate.qemu.monitor import LIMIT

_LISTED = re.compile(r'^name "([^"]+)"(?:, bus ([\w.-]+))?', re.M)
_PROPERTY = re.compile(r"^ +([\w-]+)=<(?!child)", re.M)

_CARRIERS = {
    "HDA": "-device intel-hda",
    "IndustryPack": "-device tpci200",
    "SCSI": "-device virtio-scsi{transport}",
    "ccid-bus": "-device qemu-xhci -device usb-ccid",
    "floppy-bus": "-device isa-fdc",
    "nvme-bus": "-device nvme,serial=1",
    "sd-bus": "-device sdhci-pci",
    "usb-bus": "-device qemu-xhci",
    "virtio-serial-bus": "-device virtio-serial{transport}",
}
"""Bus -> what has it."""

_STAND_INS = {
    "audiodev": "-audiodev none,id=x",
    "bmc": "-device ipmi-bmc-sim,id=x",
    "canbus": "-object can-bus,id=x",
    "canbus0": "-object can-bus,id=x",
    "canbus1": "-object can-bus,id=x",
    "chardev": "-chardev null,id=x",
    "chassis": "",
    "chassis_nr": "",
    "cryptodev": "-object cryptodev-backend-builtin,id=x",
    "drive": "-blockdev driver=null-co,node-name=x,read-zeroes=on,size=1073741824",
    "memdev": "-m slots=2,maxmem=1G -object memory-backend-ram,id=x,size=16M",
    "rng": "-object rng-builtin,id=x",
    "serial": "",
}
"""Property -> the options of what it names; where there are none it is a number."""

_OF_MACHINE = {"nvdimm": "-machine nvdimm=on"}
"""Device -> what its machine has to be told, which no property of it says."""


def devices_of(qemu: Qemu, machine: str) -> dict[str, str]:
    """The devices of a QEMU that a user can add, but for processors: name -> bus. Raises `MachineError`."""
    text = text_of(qemu, "-machine", machine, "-device", "help")
    return {name: bus for part in text.split("\n\n") if part[:4] != "CPU " for name, bus in _LISTED.findall(part)}


def words_of(qemu: Qemu, machine: str, device: str, bus: str) -> list[str] | None:
    """The options of a device and of what it needs; None where this QEMU has no such device."""
    try:
        text = text_of(qemu, "-machine", machine, "-device", f"{device},help")
    except MachineError:
        text = ""
    if not text:
        return None
    properties = _PROPERTY.findall(text)
    needed = [name for name in _STAND_INS if name in properties]
    # The other names of these lead to PCI or to channel devices, and microvm need have neither.
    carrier = _CARRIERS.get(bus, "").format(transport="-device" if machine == "microvm" else "")
    # Two properties can name one thing.
    stand_ins = dict.fromkeys(_STAND_INS[name] for name in needed)
    words = " ".join([_OF_MACHINE.get(device, ""), carrier, *stand_ins]).split()
    return [*words, "-device", ",".join([device, *(f"{name}={'x' if _STAND_INS[name] else 1}" for name in needed)])]


def text_of(qemu: Qemu, *options: str) -> str:
    """What a QEMU prints that only tells something. Raises `MachineError`."""
    command, environment = [*qemu.command, *options], {**os.environ, **dict(qemu.environment)}
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT, check=False, env=environment)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise MachineError(str(error)) from None
    if done.returncode:
        raise MachineError(f"{' '.join(options)}: {one_line(done.stderr)[:200]}")
    return done.stdout
