"""What a device says of itself beside its wire: a record that hangs on the class of its states.

    @device("rtl8139", noise={"counter": ("tally_counters.TxOk",), "timer": ("TCTR_base",)})
    @description("rtl8139", version_id=5, minimum_version_id=3)
    class RTL8139: ...

`@device` is for a class that is a section of a stream, `@virtio_device` for one that is a virtio device, `@part` for a
struct or subsection inside others, and `undescribed` for a section that nobody describes. What is large or seldom asked
for can be given as a place, "module:NAME", which is imported when somebody asks.

A library of devices lists its classes in an index. `python -m vmstate.devices.index PACKAGE` writes one that says of
each device what can be told without importing it.
"""

from __future__ import annotations

import builtins
import re
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Final

from vmstate.errors import DescriptionError
from vmstate.lazy import imported
from vmstate.vmsd.data import Data, NamedTuple
from vmstate.vmsd.release import Release

ATTRIBUTE = "record"
"""The attribute of a class that holds its record."""

KINDS_OF_NOISE = {
    "timer": "times, deadlines and clocks",
    "counter": "what only counts",
    "index": "how far a ring has got",
    "register": "what the code that happens to run has in a processor",
    "interrupt": "interrupts on their way",
}
"""The kinds of noise that a device can have, and what each is."""

Noise = Mapping[str, tuple["str | tuple[str | tuple[int, int], ...]", ...]]
"""Kind of noise -> the fields whose change between two moments of an idle machine is of that kind.

A field is given by its wire name, or by that and ranges (start, stop) of bytes: ("cmos_data", (0, 10)). Names are
QEMU's, so that they hold for a state that a stream's own vmdesc describes as well; a name without `[n]` stands for all
its numbers. An empty name stands for the bytes of a section that nothing describes. A timer needs no entry.
"""

NAMESAKE: Final = "as the feature"
"""A feature is offered by the property that is called as it is."""


class Feature(NamedTuple):
    """A feature bit of a virtio device.

    `name` is that of the VIRTIO specification; `since` the first release whose QMP has a name for it (7.2 is the first
    that has any), or None; `property` the device property that offers it, or None; `qmp` what QMP calls it where that
    is another name. Only a bit with `driver` is one that the specification lets a driver accept.
    """

    bit: int
    name: str
    since: Release | None = Release(7, 2)
    property: str | None = NAMESAKE
    qmp: str | None = None
    driver: bool = True

    @builtins.property
    def short(self) -> str:
        """The name without what stands in front: CSUM of VIRTIO_NET_F_CSUM."""
        return self.name.partition("_F_")[2]

    @builtins.property
    def symbol(self) -> str:
        """What QMP calls it."""
        return self.qmp or self.name

    @builtins.property
    def offered_by(self) -> str | None:
        """The device property that offers it; None where there is none."""
        return self.short.lower() if self.property == NAMESAKE else self.property


class Record(Data):
    """What a device says of itself.

    idstrs             the last parts of the idstrs of its sections
    order              where several classes have one idstr, that with the lowest is tried first
    noise              kind -> the fields that differ between two moments of an idle machine
    answers            what it answers to QMP's commands (`vmstate.vmsd.question`); a value or a place, as are
    compares           what it asks of its host when it loads (`vmstate.vmsd.destination`), and
    items              what it is made of for early migration (`vmstate.early.items`), and
    exercise           what it asks of a vhost-user back end to see that it is alive, and
    models             what it is called on a command line (`vmstate.vmsd.model`)
    old_style          QEMU registers it without a description (register_savevm_live); a vmdesc has it as bytes
    listed             it is the vmsd of a device class, so that -dump-vmstate lists it
    legacy_instances   the alias_id of the first of its kind, the second ...: the usual addresses on the ISA bus
    target_endian      "little" or "big", where only targets of that byte order have it
    per_cpu            there is one for each processor
    provisional        attribute -> its value before guest memory is there (`vmstate.early.provisional`)
    early_copy         what real QEMUs did with an early copy (`vmstate.vmsd.early_copy`); None: not tried
    """

    idstrs: tuple[str, ...] = ()
    order: int = 0
    noise: Noise = {}  # noqa: RUF012 (nothing changes it)
    answers: Any = None
    compares: Any = None
    items: Any = None
    exercise: Any = None
    models: Any = None
    old_style: bool = False
    listed: bool = True
    legacy_instances: tuple[int, ...] = ()
    target_endian: str | None = None
    per_cpu: bool = False
    provisional: Mapping[str, Any] = {}
    early_copy: Any = None

    _SHARED: ClassVar[Mapping[str, str]] = {}
    """Part -> the place of a function of a record and of the part that it gives, for what all such devices share."""

    def part(self, name: str) -> Any:
        """One of the parts that can be a place (`answers`, `items`, ...); None where there is nothing to say."""
        value = getattr(self, name)
        if isinstance(value, str):
            value = imported(value)
        shared = self._SHARED.get(name)
        return value if shared is None else imported(shared)(self, value)

    @builtins.property
    def traits(self) -> dict[str, Any]:
        """What is to be known of the device without importing it, where it is not what is usual."""
        names = ("old_style", "listed", "legacy_instances", "target_endian", "per_cpu")
        return {name: value for name in names if (value := getattr(self, name)) != getattr(Record, name)}


class VirtIORecord(Record):
    """What a virtio device says of itself beyond any device.

    id          its number in the VIRTIO specification, section 5 (Device Types)
    features    those of its kind of device, in the order of QEMU's tables
    qmp_name    what the VirtIODevice is called
    host        where QEMU settles how long the configuration space is, for early migration: where it is given, the
                items are those that every virtio device has, and `items` are rows of the device's own among them
    accidents   facts that one machine can have so at one time and so at another

    Its `answers` are those beyond what every virtio device answers; what it compares are its features.
    """

    id: int = 0
    features: tuple[Feature, ...] = ()
    qmp_name: str = ""
    host: str | None = None
    accidents: frozenset[str] = frozenset()

    _SHARED: ClassVar[Mapping[str, str]] = {
        "answers": "vmstate.devices.virtio.answers:of_device",
        "compares": "vmstate.devices.virtio.destination:of_device",
        "items": "vmstate.devices.virtio.early:of_device",
        "models": "vmstate.devices.virtio.models:of_device",
    }

    @builtins.property
    def traits(self) -> dict[str, Any]:
        return super().traits | {"virtio_id": self.id}


def record_of(declared: Any) -> Record | None:
    """The record of a class, not of one that it derives from, or of a description's class; None where there is none."""
    cls = getattr(declared, "state_class", declared)
    record = vars(cls).get(ATTRIBUTE) if isinstance(cls, type) else None
    return record if isinstance(record, Record) else None


def check_noise(name: str, noise: Noise, fields: Iterable[str]) -> None:
    """Refuse noise of a kind that there is none of, and of what is none of a description's fields (wire names)."""
    for kind in noise:
        if kind not in KINDS_OF_NOISE:
            raise DescriptionError(
                "no kind of noise", section=name, expected=", ".join(KINDS_OF_NOISE), found=repr(kind)
            )
    names = [*fields]
    strange = noise_entries(noise).keys() - {*names, ""}
    # Most noise is of a whole field.
    if strange and (strange := strange - {without_numbers(name) for name in names}):
        raise DescriptionError(
            "noise of a field that is not there",
            section=name,
            expected="the wire name of one; what is in a struct its own class says, by @part(noise=...)",
            found=repr(min(strange)),
        )


def without_numbers(name: str) -> str:
    """A wire name without the numbers of elements in it: `env.cr` of `env.cr[0]`."""
    return re.sub(r"\[\d+\]", "", name)


def noise_entries(noise: Noise) -> dict[str, Any]:
    """Noise by field, as it is looked up: wire name -> kind, or (kind, ranges of bytes)."""
    entries: dict[str, Any] = {}
    for kind, fields in noise.items():
        for field in fields:
            if isinstance(field, str):
                entries[field] = kind
            else:
                entries[str(field[0])] = (kind, field[1:])
    return entries
