"""What a device is called on QEMU's command line, and which facts of its state give which property.

    E1000 = (
        Model("e1000", pci=(0x8086, 0x100E), back_end="netdev"),
        Model("e1000-82545em", pci=(0x8086, 0x100F), back_end="netdev"),
    )

A device has several models where one description stands for several names of `-device`: they differ in the ids of
their configuration spaces, or in what `when` reads. The table hangs on the device's class (`@device(models=...)`), as a
place that is imported when somebody asks for a command line.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from vmstate.vmsd.data import NamedTuple
from vmstate.vmsd.question import Ask
from vmstate.vmsd.release import Release


class SpaceAsk(Protocol):
    """A PCI configuration space, little-endian; every read is noted."""

    def byte(self, at: int) -> int:
        """8 bits."""

    def word(self, at: int) -> int:
        """16 bits."""

    def long(self, at: int) -> int:
        """32 bits."""

    def capability(self, identifier: int) -> int | None:
        """The offset of a capability of conventional PCI (0x11: MSI-X); None where there is none."""

    def capabilities(self, identifier: int) -> tuple[int, ...]:
        """The offsets of all capabilities of conventional PCI with that number, in their order."""

    def extended_capability(self, identifier: int) -> int | None:
        """The offset of a capability of PCI Express (1: AER, 15: ATS); None where there is none."""


class ModelAsk(Ask, Protocol):
    """What a property is asked of: the state of one section, and what stands around it."""

    @property
    def space(self) -> SpaceAsk:
        """The configuration space. Raises `QueryError` where the device has none."""

    @property
    def machine_release(self) -> Release | None:
        """The release in the name of the machine type; None where it has none."""

    @property
    def is_pci(self) -> bool:
        """Whether it has a PCI configuration space."""

    @property
    def is_on_express_root(self) -> bool:
        """Whether it sits on a root bus of PCI Express."""

    @property
    def is_behind_port(self) -> bool:
        """Whether it sits on a bus of PCI Express that is not the root bus."""

    @property
    def has_children(self) -> bool:
        """Whether sections of other devices sit behind it."""

    def block_size(self, name: str) -> int | None:
        """Bytes of the RAM block of the device with this name behind its place ("vga.vram"); None: it has none."""

    def machine_block_size(self, name: str) -> int | None:
        """Bytes of a RAM block that no device is named with ("vga.vram"); None: there is none."""

    def beside(self, name: str) -> ModelAsk | None:
        """Another section of the same device, by the last part of its idstr; None where there is none."""

    def fact(self, name: str) -> Any:
        """What a fact was found to be while the state was read; None where none was needed."""

    def object(self, kind: str) -> str:
        """The id of a stand-in for what the device needs on the host ("iothread", "fsdev"), which is made for it."""


Property = Callable[[Any], Any]
"""The value of a property, asked of a `ModelAsk`; None where the stream does not tell, or it is as usual."""


class Place(NamedTuple):
    """Where a card keeps a copy of its station address (MAC).

    `path` is that of a field in the device library's layout, `first` the bytes of it in front of the address, and
    `beside` the last part of the idstr where the field is in another section of the device. `form` says how the six
    bytes stand in a stream: "bytes"; "reversed"; "words", three little-endian words as 16-bit numbers; "registers", as
    two 32-bit numbers, of which the second has two bytes more; "doubled", each twice.
    """

    path: str
    form: str = "bytes"
    first: int = 0
    beside: str = ""


class Station(NamedTuple):
    """The station address of a card: all copies that it keeps, and the sums over them.

    The first of `places` that the layout has is what `mac=` was; the others follow where they are equal to it, for a
    guest can have given the card an address of its own. `sums` maps a path ("/eeprom.contents" in a section beside it)
    to what makes its bytes right again. Where there are no places, the serial number in the configuration space has it.
    """

    places: tuple[Place, ...] = ()
    sums: Mapping[str, Callable[[bytes], bytes]] = {}


class Model(NamedTuple):
    """A name of `-device` for a section.

    `pci` has the vendor and the device id of the configuration space, `class_id` its class; None where they do not
    tell. `when` reads what else tells. `properties`: property -> its value. `back_end` is the property that names what
    stands behind the device on the host ("netdev", "drive", "chardev", "audiodev", "memdev"), and `bus` the kind of bus
    that it makes, for the devices behind it. `medium`: bytes of the drive, where the state tells them. `machine`:
    option of the machine type -> its value, where a processor tells it. `station`: where a network card keeps its
    address. `or_else`: what it may be as well, since nothing tells them apart.
    """

    name: str
    pci: tuple[int, int] | None = None
    properties: Mapping[str, Property] = {}
    back_end: str | None = None
    bus: str | None = None
    class_id: int | None = None
    when: Callable[[Any], bool] | None = None
    medium: Property | None = None
    machine: Mapping[str, Property] = {}
    station: Station | None = None
    or_else: str = ""


def value(path: str) -> Property:
    """A number as it stands in the state."""

    def of(ask: ModelAsk) -> Any:
        number = ask(path)
        return None if number is None else int(number)

    return of


def unless(path: str, usual: int) -> Property:
    """A number of the state, where it is another than usual."""

    def of(ask: ModelAsk) -> Any:
        number = ask(path)
        return None if number is None or int(number) == usual else int(number)

    return of


def mac(path: str) -> Property:
    """A MAC address of six bytes; None where they are all 0."""

    def of(ask: ModelAsk) -> str | None:
        address = ask(path)
        if address is None:
            return None
        text = str(address) if ":" in str(address) else ":".join(f"{byte:02x}" for byte in bytes(address)[:6])
        return None if text == "00:00:00:00:00:00" else text

    return of


CAP_ID_MSI, CAP_ID_EXP, CAP_ID_MSIX = 0x05, 0x10, 0x11


def without_express(ask: ModelAsk) -> bool | None:
    """On where a function on a root bus of PCI Express has no capability of that."""
    return True if ask.is_on_express_root and ask.space.capability(CAP_ID_EXP) is None else None


def has_capability(identifier: int) -> Property:
    """Whether the configuration space has a capability, of a property that is on, off or as QEMU likes."""

    def of(ask: ModelAsk) -> bool:
        return ask.space.capability(identifier) is not None

    return of


def length(path: str) -> Property:
    """How many elements an array of the state has."""

    def of(ask: ModelAsk) -> int | None:
        elements = ask(path)
        return None if elements is None else len(elements)

    return of
