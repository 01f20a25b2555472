"""What to do about what stands in the way of a load, where more than one part says it."""

from __future__ import annotations

from vmstate.rules.stream import RESIZABLE
from vmstate.stream.registry import last_part

SAME_PROPERTIES = "give the device the same properties on both sides, and both sides the same machine type"


_OF_SWITCHES = {
    "acpi": "acpi_build virt_acpi_build i2c_bus",
    "hpet": "hpet",
    "i8042": "ps2kbd ps2mouse pckbd port92",
    "pic": "i8259",
    "pit": "i8254 pcspk",
    "rtc": "mc146818rtc",
    "vmport": "vmmouse",
}
SWITCHES = {kind: switch for switch, kinds in _OF_SWITCHES.items() for kind in kinds.split()}
"""Last part of an idstr of the board -> the option of the machine by which it is there."""


def advice_of_block(idstr: str) -> str:
    """What to do about a RAM block that the destination has not, or in another size."""
    last = last_part(idstr)
    if idstr.endswith(".rom"):
        return (
            "give both devices the option ROM of the same file (romfile=), or the destination a ROM of that size "
            "(romsize=); distributions change the size of their ROM files"
        )
    if last.endswith(".vram") or last.startswith("vga"):
        return "give both devices the same video memory (vgamem_mb=, vram_size_mb=)"
    if "bios" in last or idstr.endswith((".flash0", ".flash1")):
        return "use firmware of the same size on both sides (-bios, -pflash)"
    if idstr.startswith(RESIZABLE):
        return "use the machine type of the older release on both sides, with ACPI on both or on none (-machine acpi=)"
    return "give the destination the same memory: -m and the memory backends, with the same ids"
