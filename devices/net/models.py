"""Network cards on QEMU's command line.

Names and ids from QEMU's hw/net (-device help, query-pci).
"""

from __future__ import annotations

from collections.abc import Callable

from vmstate.devices.net.eepro100 import CARDS
from vmstate.vmsd.model import CAP_ID_MSI, Model, ModelAsk, Property, mac, without_express

NETDEV = "netdev"


def _station_address(ask: ModelAsk) -> str | None:
    """The address in the first three words of an Intel EEPROM."""
    words = ask("eeprom_data")
    address = b"".join(int(word).to_bytes(2, "little") for word in words[:3])
    return address.hex(":") if any(address) else None


def _off_without(subsection: str) -> Property:
    """Off where a subsection is not sent that is by itself."""
    return lambda ask: None if ask(subsection) is not None else False


_E1000 = {
    "mac": _station_address,
    "mitigation": _off_without("mit_state"),
    "extra_mac_registers": _off_without("full_mac_state"),
    "migrate_tso_props": _off_without("tx_tso_state"),
}

E1000 = (
    Model("e1000", (0x8086, 0x100E), _E1000, NETDEV),
    Model("e1000-82544gc", (0x8086, 0x100C), _E1000, NETDEV),
    Model("e1000-82545em", (0x8086, 0x100F), _E1000, NETDEV),
)
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
    ),
)
IGB = (Model("igb", None, {"mac": mac("permanent_mac")}, NETDEV),)


def _is_called(name: str) -> Callable[[ModelAsk], bool]:
    return lambda ask: ask.idstr.partition("#")[0].endswith("/" + name)


I82559 = tuple(Model(name, None, {}, NETDEV, when=_is_called(name)) for name in CARDS)
RTL8139 = (Model("rtl8139", None, {"mac": mac("phys")}, NETDEV),)
TULIP = (Model("tulip", None, {}, NETDEV),)


OLD_MSI = 0x50
"""Where vmxnet3 had its first capability in machine types before 2.6."""

_VMXNET3: dict[str, Property] = {
    "x-disable-pcie": without_express,
    "x-old-msi-offsets": lambda ask: True if ask.space.capability(CAP_ID_MSI) == OLD_MSI else None,
}
VMXNET3 = (Model("vmxnet3", None, _VMXNET3, NETDEV),)
PCNET = (Model("pcnet", None, {}, NETDEV),)
NE2000_PCI = (Model("ne2k_pci", None, {}, NETDEV, when=lambda ask: ask.is_pci),)
NE2000_ISA = (Model("ne2k_isa", None, {}, NETDEV),)
