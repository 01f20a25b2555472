"""A command line as a domain of libvirt, for `virsh define`.

What libvirt has words for that say the same stands in elements: name, UUID, memory, processors, machine type,
emulator. Everything else is handed to QEMU as it is (qemu:commandline): libvirt gives buses and devices names and
properties of its own, and a state is loaded only where they are those of the stream. What libvirt would add by itself
is switched off. The form is that of libvirt's docs/formatdomain.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from xml.sax.saxutils import escape, quoteattr

from vmstate.query.cmdline import CommandLine

NAMESPACE = "http://libvirt.org/schemas/domain/qemu/1.0"
PLACE = "/usr/bin/"
"""Where a program is taken to be that is named without a path: libvirt wants one."""

_PC = ("x86_64", "i386")
"""The architectures on which libvirt takes ACPI without more: elsewhere it wants UEFI for it, or has none."""

_SWITCHED = ("aarch64", "riscv64")
"""Those of which it switches ACPI off where the domain does not have it."""

_UNITS = {"B": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
_BETWEEN_PARTS = re.compile(r"(?<!,),(?!,)")


def domain_xml(line: CommandLine, name: str) -> str:
    """The domain of a command line, as the text of an XML document."""
    return "\n".join(_lines(line, name)) + "\n"


def _lines(line: CommandLine, name: str) -> Iterator[str]:
    options = {option.words[0]: option.words[1] for option in line.options if len(option.words) > 1}
    machine, *_ = _BETWEEN_PARTS.split(options["-M"])
    kind = "kvm" if options.get("-accel", "").startswith("kvm") else "qemu"
    architecture = line.program.rpartition("qemu-system-")[2] or "x86_64"
    there_are, *more = options.get("-smp", "1").split(",")
    most = next((part.partition("=")[2] for part in more if part.startswith("maxcpus=")), there_are)
    current = "" if most == there_are else f" current='{there_are}'"
    yield f"<domain type='{kind}' xmlns:qemu='{NAMESPACE}'>"
    yield f"  <name>{escape(name)}</name>"
    if "-uuid" in options:
        yield f"  <uuid>{escape(options['-uuid'])}</uuid>"
    yield f"  <memory unit='KiB'>{_bytes_of(options.get('-m', '128M')) >> 10}</memory>"
    yield f"  <vcpu{current}>{most}</vcpu>"
    yield f"  <os><type arch='{escape(architecture)}' machine={quoteattr(machine)}>hvm</type></os>"
    if "acpi=off" not in options["-M"] and architecture in _PC:
        yield "  <features><acpi/></features>"
    yield "  <devices>"
    yield f"    <emulator>{escape(line.program if '/' in line.program else PLACE + line.program)}</emulator>"
    yield "    <controller type='usb' model='none'/>"
    yield "    <memballoon model='none'/>"
    yield "  </devices>"
    yield "  <qemu:commandline>"
    acpi = ("-machine", "acpi=on") if "acpi=off" not in options["-M"] and architecture in _SWITCHED else ()
    for word in (*_other_words(line), *acpi):
        yield f"    <qemu:arg value={quoteattr(word)}/>"
    yield "  </qemu:commandline>"
    yield "</domain>"


def _other_words(line: CommandLine) -> Iterator[str]:
    """What the elements do not say; QEMU puts together what it is told twice."""
    for option in line.options:
        name, *values = option.words
        if name == "-M":
            _, *parts = _BETWEEN_PARTS.split(values[0])
            if parts:
                yield from ("-machine", ",".join(parts))
        elif name == "-m":
            if "," in values[0]:
                yield from option.words
        elif name not in ("-accel", "-smp", "-uuid", "-nodefaults"):
            yield from option.words


def _bytes_of(text: str) -> int:
    """The bytes of a size of -m."""
    size = text.partition(",")[0]
    return int(size[:-1]) * _UNITS[size[-1]] if size[-1] in _UNITS else int(size) << 20
