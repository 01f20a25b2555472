"""The disks of a machine, as far as its devices name them. A snapshot of a machine is one of all of them.

A device that is a disk has a section of its own. What is plugged into IDE and AHCI stands in the controller's: a drive
that was asked who it is has answered (hw/ide/core.c, identify_set), and a port of AHCI shows a signature
(hw/ide/ahci.c). Of a drive that nobody has asked nothing is in the stream.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from vmstate.schema.values import to_plain
from vmstate.stream.stream import Section, Stream
from vmstate.vmsd.data import Value

DISKS = ("virtio-blk", "vhost-user-blk", "scsi-disk", "nvme", "sd-card", "emmc")
"""The last parts of the idstrs of what is a disk itself."""

CONTROLLERS = ("ich9_ahci", "ahci", "sysbus-ahci", "piix3_ide", "piix4_ide", "ide", "ide_isa", "isa-ide", "macio-ide")
"""Those of what drives are plugged into that have no section."""

SIGNATURE = 0x101
"""What a port of AHCI shows where a disk is (SATA_SIGNATURE_DISK)."""
_IS_CD = 0x80
"""Of the second byte of what a drive says it is: it takes ATAPI's commands."""
_SERIAL = slice(20, 40)


class Disk(Value):
    """A disk: the section that it is, or is plugged into, its place there, and the serial number that it told."""

    at: str
    place: str | None
    serial: str | None

    def as_dict(self) -> dict[str, Any]:
        """The same as JSON values."""
        return {"at": self.at, "place": self.place, "serial": self.serial}

    @property
    def text(self) -> str:
        """The same in words."""
        place = "" if self.place is None else f" {self.place}"
        return f"{self.at}{place}" + ("" if not self.serial else f" ({self.serial})")


def disks_of(stream: Stream) -> list[Disk]:
    """The disks that the devices of a machine name; CD drives, which are never written to, are none."""
    listed = []
    for section in stream.sections:
        last = section.name.rpartition("/")[2]
        if last in DISKS:
            listed.append(Disk(section.name, None, None))
        elif last in CONTROLLERS:
            listed += _plugged(section)
    return listed


def controllers_of(stream: Stream) -> list[str]:
    """What drives can be plugged into of which the stream may not tell."""
    return [section.name for section in stream.sections if section.name.rpartition("/")[2] in CONTROLLERS]


def _plugged(section: Section) -> Iterator[Disk]:
    """The disks in the state of a controller."""
    for path, drive in _structs(to_plain(section.state), ""):
        known = bytes.fromhex(drive.get("identify_data") or "") if drive.get("identify_set") else b""
        if drive.get("port_regs.sig") == SIGNATURE and not drive.get("port.ifs[0]", {}).get("identify_set"):
            yield Disk(section.name, path, None)
        elif len(known) >= _SERIAL.stop and not known[1] & _IS_CD:
            yield Disk(section.name, path.removesuffix(".port.ifs[0]"), _serial(known))


def _structs(value: Any, path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every struct in a state, with its path."""
    if isinstance(value, dict):
        yield path, value
        for name, inner in value.items():
            yield from _structs(inner, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _structs(inner, f"{path}[{number}]")


def _serial(data: bytes) -> str:
    """The serial number: text in words whose bytes are the other way round."""
    swapped = b"".join(data[at + 1 : at - 1 if at else None : -1] for at in range(_SERIAL.start, _SERIAL.stop, 2))
    return swapped.decode("ascii", "replace").strip("\0 ")
