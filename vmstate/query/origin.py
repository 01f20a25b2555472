"""What a stream tells of the QEMU that wrote it: the release, and the byte order of its target.

Nothing in a stream says either. A versioned machine type exists from the release of its name on, and each dialect of
vmdesc from that of its; the later of the two is the earliest release that can have written the stream. The target
follows from the machine type, or from a device that only one target has.
"""

from __future__ import annotations

import re

from vmstate.stream.registry import target_endian_of
from vmstate.stream.stream import Section, Stream
from vmstate.vmsd.release import Release

_VERSIONED = re.compile(r"[-_](\d{1,3}\.\d{1,3})\Z")

ENDIAN_OF_MACHINES = (
    ("little", ("pc-", "isapc", "microvm", "xenfv", "xenpv")),
    ("big", ("s390-ccw-virtio", "pseries", "powernv", "ppce500", "mac99", "g3beige", "sun4u", "SS-")),
)
"""How the names of machine types begin whose target has that order. `virt` is a name that several targets have."""


def earliest_release(stream: Stream) -> Release | None:
    """The earliest release that can have written a stream; None where nothing tells."""
    configuration, vmdesc = stream.configuration, stream.vmdesc
    machine = None if configuration is None else _VERSIONED.search(configuration.machine)
    known = [] if machine is None else [Release.read(machine[1])]
    if vmdesc is not None:
        known.append(Release.read(vmdesc.dialect.name))
    return max(known, default=None)


def target_endian(stream: Stream) -> tuple[str | None, Section | None]:
    """ "little" or "big" where something tells, and the section that did where it was not the machine type."""
    machine = "" if stream.configuration is None else stream.configuration.machine
    for endian, names in ENDIAN_OF_MACHINES:
        if machine.startswith(names):
            return endian, None
    for section in stream.sections:
        if (told := target_endian_of(section.name)) is not None:
            return told, section
    return None, None
