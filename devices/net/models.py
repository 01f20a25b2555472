"""Network cards on QEMU's command line.

Names and ids from QEMU's hw/net (-device help, query-pci). Where a card keeps its address, and what an EEPROM is summed
up to, is from what the devices do there when they are made and reset.
"""

from __future__ import annotations

from collections.abc import Callable
from zlib import crc32

from vmstate.devices.net.eepro100 import CARDS
from vmstate.vmsd.model import CAP_ID_MSI, Model, ModelAsk, Place, Property, Station, mac, without_express

NETDEV = "netdev"


def _last_word(whole: int, count: int = 0) -> Callable[[bytes], bytes]:
    """The last of `count` 16-bit numbers (0: of all) made so that their sum is `whole`."""

    def of(contents: bytes) -> bytes:
        end = count * 2 or len(contents)
        rest: int = whole - sum(int.from_bytes(contents[at : at + 2], "big") for at in range(0, end - 2, 2))
        return b"".join((contents[: end - 2], (rest & 0xFFFF).to_bytes(2, "big"), contents[end:]))

    return of


def _prom_of_pcnet(prom: bytes) -> bytes:
    """Bytes 12 and 13 are the sum of all others, little-endian."""
    return prom[:12] + sum(prom[:12] + prom[14:]).to_bytes(2, "little") + prom[14:]


def _srom_of_tulip(contents: bytes) -> bytes:
    """The last word is the lower half of the Ethernet CRC of what stands in front, which is little-endian words."""
    srom = bytes(contents[at ^ 1] for at in range(126))
    return contents[:126] + (crc32(srom) & 0xFFFF).to_bytes(2, "big") + contents[128:]


_BABA = 0xBABA
"""What the words of an Intel EEPROM add up to."""

_EEPROM_WORDS = 64
"""The words that are added up; igb's EEPROM has more."""


def _of_intel(eeprom: str, *others: Place) -> Station:
    """The address that a card is made with is in its EEPROM; that in use is RA, the first of the receive filter."""
    return Station((Place(eeprom, "words"), *others), {eeprom: _last_word(_BABA, _EEPROM_WORDS)})


_RA = 0x5400
"""Where among the registers of Intel's cards the first address of the receive filter stands."""


def _told(address: bytes) -> str | None:
    return address.hex(":") if any(address) else None


def _words_of(path: str, first: int = 0, beside: str = "") -> Property:
    """The address in three 16-bit words of an EEPROM, from the `first` on."""

    def of(ask: ModelAsk) -> str | None:
        near = ask.beside(beside) if beside else ask
        words = [] if near is None else near(path)[first : first + 3]
        return _told(b"".join(int(word).to_bytes(2, "little") for word in words))

    return of


def _every_second_byte(ask: ModelAsk) -> str | None:
    """The address of ne2000: in its memory each byte stands twice."""
    return _told(bytes(ask("ne2000.mem")[:12:2]))


EXT_CAP_ID_DSN = 0x03


def _in_serial_number(ask: ModelAsk) -> str | None:
    """The address of vmxnet3: 0xfe, the last three bytes of it, the first three."""
    at = ask.space.extended_capability(EXT_CAP_ID_DSN) if ask.is_behind_port else None
    serial = [] if at is None else [ask.space.byte(at + 4 + each) for each in (4, 5, 6, 1, 2, 3)]
    return _told(bytes(serial))


def _off_without(subsection: str) -> Property:
    """Off where a subsection is not sent that is by itself."""
    return lambda ask: None if ask(subsection) is not None else False


_E1000 = {
    "mac": _words_of("eeprom_data"),
    "mitigation": _off_without("mit_state"),
    "extra_mac_registers": _off_without("full_mac_state"),
    "migrate_tso_props": _off_without("tx_tso_state"),
}

_E1000_STATION = _of_intel(
    "eeprom_data", Place("mac_reg_RA", "registers"), Place("full_mac_state.mac_reg", "registers", _RA)
)
E1000 = (
    Model("e1000", (0x8086, 0x100E), _E1000, NETDEV, station=_E1000_STATION),
    Model("e1000-82544gc", (0x8086, 0x100C), _E1000, NETDEV, station=_E1000_STATION),
    Model("e1000-82545em", (0x8086, 0x100F), _E1000, NETDEV, station=_E1000_STATION),
)
_PERMANENT = (Place("permanent_mac"), Place("mac", "registers", _RA))
E1000E = (
    Model(
        "e1000e",
        None,
        {
            "mac": mac("permanent_mac"),
            "subsys": lambda ask: None if (told := ask("subsys")) in (0, None) else int(told),
            "subsys_ven": lambda ask: None if (told := ask("subsys_ven")) in (0x8086, None) else int(told),
        },
        NETDEV,
        station=_of_intel("eeprom", *_PERMANENT),
    ),
)
IGB = (Model("igb", None, {"mac": mac("permanent_mac")}, NETDEV, station=_of_intel("eeprom", *_PERMANENT)),)


def _is_called(name: str) -> Callable[[ModelAsk], bool]:
    return lambda ask: ask.idstr.partition("#")[0].endswith("/" + name)


_EEPROM = "/eeprom.contents"
"""The EEPROM that is a section of its own, beside that of its card."""

_I82559 = Station((Place("conf_macaddr"), Place("contents", "words", beside="eeprom")), {_EEPROM: _last_word(_BABA)})
I82559 = tuple(
    Model(name, None, {"mac": mac("conf_macaddr")}, NETDEV, when=_is_called(name), station=_I82559) for name in CARDS
)
_RTL8139 = Station((Place("conf_macaddr"), Place("eeprom_contents", "words", 14), Place("phys")))
RTL8139 = (Model("rtl8139", None, {"mac": mac("phys")}, NETDEV, station=_RTL8139),)
_TULIP = Station(
    (Place("contents", "words", 20, beside="eeprom"), *(Place("filter", first=6 * each) for each in range(16))),
    {_EEPROM: _srom_of_tulip},
)
TULIP = (Model("tulip", None, {"mac": _words_of("contents", 10, "eeprom")}, NETDEV, station=_TULIP),)


OLD_MSI = 0x50
"""Where vmxnet3 had its first capability in machine types before 2.6."""

_VMXNET3: dict[str, Property] = {
    "mac": _in_serial_number,
    "x-disable-pcie": without_express,
    "x-old-msi-offsets": lambda ask: True if ask.space.capability(CAP_ID_MSI) == OLD_MSI else None,
}
VMXNET3 = (Model("vmxnet3", None, _VMXNET3, NETDEV, station=Station()),)
_PCNET = Station((Place("state.prom"), Place("state.csr", "words", 24)), {"state.prom": _prom_of_pcnet})
PCNET = (Model("pcnet", None, {"mac": mac("state.prom")}, NETDEV, station=_PCNET),)
_NE2000 = Station((Place("ne2000.mem", "doubled"), Place("ne2000.phys")))
NE2000_PCI = (
    Model("ne2k_pci", None, {"mac": _every_second_byte}, NETDEV, when=lambda ask: ask.is_pci, station=_NE2000),
)
NE2000_ISA = (Model("ne2k_isa", None, {"mac": _every_second_byte}, NETDEV, station=_NE2000),)
