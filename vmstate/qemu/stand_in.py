"""A command line that came with a file, as one that reaches nothing of this host: libvirt's, out of its log.

    domain = stand_in(command)
    domain.command, domain.left_out

What shows in a migration stream stays: machine, processor, memory, devices and their properties. What is behind the
devices is replaced: networks by `-netdev user`, disks by null-co, character devices and sound by ones that go nowhere,
memory and random numbers by QEMU's own. Of other options none is kept, and of a device no property that names a file.
So nothing is opened, connected to or run but the program, which is the one of that name on the PATH. What is left out
is told.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence

from vmstate.qemu.domain import Domain
from vmstate.qemu.trust import program_of

_KEPT = frozenset(("machine", "M", "cpu", "m", "smp", "uuid", "global", "rtc", "accel", "no-hpet", "no-acpi", "numa"))
_ALONE = frozenset(
    ("S", "nodefaults", "no-user-config", "no-shutdown", "no-reboot", "nographic", "enable-kvm", "no-hpet", "no-acpi")
)
"""Options without a value."""

_QUIET = _ALONE | {
    *("name", "sandbox", "msg", "mon", "pidfile", "incoming", "display", "boot", "overcommit", "vnc", "spice", "k"),
    *("chardev", "netdev", "blockdev", "drive", "audiodev", "daemonize", "watchdog-action", "add-fd"),
}
"""Options that are replaced or show in no stream: that they are not kept is not told."""

_OF_KVM = {("accel", "kvm"): ["-accel", "tcg"], ("cpu", "host"): ["-cpu", "max"]}
"""Options that want KVM -> what stands for them by TCG."""

_HOST_DEVICES = re.compile(r"^(?:vfio|vhost|usb-host|loader|guest-loader|virtio-9p|ivshmem|tpm-|u2f-|ccid-card-emul)")
_MEMORY = re.compile(r"memory-backend-(?:ram|file|memfd|epc)")
_PLAIN = re.compile(r"[^/\\$`\n]*")


def stand_in(command: Sequence[str], *, kvm: bool = False) -> Domain:
    """A command line with the same devices that reaches nothing; without `kvm` it is for TCG.

    Raises `MachineError` for one that starts no QEMU.
    """
    return _StandIn(command, kvm=kvm).domain()


class _StandIn:
    """A command line on its way to one of its own."""

    def __init__(self, command: Sequence[str], *, kvm: bool) -> None:
        self.command = command
        self.kvm = kvm
        self.words: list[str] = []
        self.left_out: list[str] = []
        self.made: set[str] = set()
        self.name = "the log's QEMU"

    def domain(self) -> Domain:
        """The whole."""
        program = program_of(self.command)
        for option, value in _options(self.command[1:]):
            self.option(option, value)
        rest = ("-nodefaults", "-no-user-config", "-display", "none")
        return Domain(self.name, (program, *self.words, *rest), tuple(dict.fromkeys(self.left_out)))

    def option(self, option: str, value: str) -> None:
        """One option."""
        if option == "name":
            self.name = _values(value).get("guest") or value.partition(",")[0]
        elif option == "device":
            self.device(value)
        elif option == "object":
            self.object(value)
        elif not self.kvm and (option, value.partition(",")[0]) in _OF_KVM:
            self.words += _OF_KVM[option, value.partition(",")[0]]
            self.left_out.append("KVM: it is started by TCG, which shows in the processor's sections")
        elif option in ("machine", "M") and not self.kvm and _PLAIN.fullmatch(value):
            parts = [part for part in value.split(",") if not part.startswith(("accel=", "kernel_irqchip="))]
            self.words += [f"-{option}", ",".join(parts)]
        elif option in _KEPT and _PLAIN.fullmatch(value):
            self.words += [f"-{option}", *([value] if value else [])]
        elif option not in _QUIET:
            self.left_out.append(f"-{option} {value}"[:80])

    def object(self, value: str) -> None:
        """Memory and random numbers stay, of QEMU's own; others are of the host."""
        values = _values(value)
        kind = values.get("qom-type", "")
        identity = values.get("id", "")
        if _MEMORY.fullmatch(kind) and _PLAIN.fullmatch(identity) and values.get("size", "").isalnum():
            self.words += ["-object", f"memory-backend-ram,id={_escaped(identity)},size={values['size']}"]
        elif not kind.startswith(("secret", "tls-", "iothread", "rng-")):
            self.left_out.append(f"-object {kind}"[:80])

    def device(self, value: str) -> None:
        """A device, with back ends of its own."""
        values = _values(value)
        driver = values.pop("driver", "")
        values.pop("qom-type", None)
        if _HOST_DEVICES.match(driver) or not re.fullmatch(r"[A-Za-z0-9_.-]{1,60}", driver):
            self.left_out.append(f"-device {driver}"[:80])
            return
        parts = [driver]
        for name, text in values.items():
            backend = self.backend(name, text)
            if backend is None and (name in ("iothread", "vhostfd", "fd") or name.startswith("x-vfio")):
                continue
            if not _PLAIN.fullmatch(text) or not re.fullmatch(r"[A-Za-z0-9_.\[\]-]{1,60}", name):
                self.left_out.append(f"{driver}.{name}={text}"[:80])
                continue
            parts.append(f"{name}={_escaped(backend or text)}")
        self.words += ["-device", ",".join(parts)]

    def backend(self, property_name: str, identity: str) -> str | None:
        """The id of the back end that takes the place of another one, which is made when it is first named."""
        forms = {
            "netdev": ("-netdev", "user,id={id}"),
            "drive": ("-blockdev", "driver=null-co,node-name={id},read-zeroes=on,size=1073741824"),
            "chardev": ("-chardev", "null,id={id}"),
            "audiodev": ("-audiodev", "none,id={id}"),
            "rng": ("-object", "rng-builtin,id={id}"),
        }
        if property_name not in forms:
            return None
        option, form = forms[property_name]
        name = "stand-in-" + re.sub(r"[^A-Za-z0-9]", "-", identity)[:40]
        if name not in self.made:
            self.made.add(name)
            self.words += [option, form.format(id=name)]
            if property_name == "netdev":
                self.left_out.append(
                    "the network of a card: a tap device has virtio-net headers, -netdev user has none"
                )
        return name


def _options(words: Sequence[str]) -> Iterator[tuple[str, str]]:
    """(name without dashes, value) of each option."""
    place = 0
    while place < len(words):
        word = words[place]
        place += 1
        if not word.startswith("-"):
            continue
        name = word.lstrip("-")
        has_value = name not in _ALONE and place < len(words)
        yield name, words[place] if has_value else ""
        place += has_value


def _values(text: str) -> dict[str, str]:
    """The keys and values of an option, in JSON or with commas; what stands first without a key is its kind."""
    if text.startswith("{"):
        try:
            top = json.loads(text)
        except (ValueError, RecursionError):
            return {}
        return {str(name): _json_text(value) for name, value in top.items() if not isinstance(value, (dict, list))}
    values: dict[str, str] = {}
    for number, part in enumerate(re.split(r"(?<!,),(?!,)", text)):
        name, equals, value = part.partition("=")
        if equals:
            values[name] = value.replace(",,", ",")
        elif number == 0:
            values["driver"] = values["qom-type"] = name
        else:
            values[name] = "on"
    return values


def _json_text(value: object) -> str:
    return ("on" if value else "off") if isinstance(value, bool) else str(value)


def _escaped(text: str) -> str:
    return text.replace(",", ",,")
