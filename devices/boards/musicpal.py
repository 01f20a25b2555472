"""The MusicPal's parts: lines, keys, display, and those of Marvell's 88W8618 that have no file of their own.

Facts from QEMU's hw/arm/musicpal.c.
"""

from __future__ import annotations

from vmstate.declare import CONTENTS, VMState, array, buffer, description, device, host, struct, uint32, variant
from vmstate.devices.core.ptimer import Ptimer


@device("musicpal_gpio")
@description("musicpal_gpio", version_id=1, minimum_version_id=1)
class MusicpalGpio(VMState):
    """Lines, interrupts, and the display's brightness."""

    lcd_brightness: int = uint32()
    out_state: int = uint32()
    in_state: int = uint32()
    ier: int = uint32()
    imr: int = uint32()
    isr: int = uint32()


@device("musicpal_key")
@description("musicpal_key", version_id=2, minimum_version_id=2)
class MusicpalKey(VMState):
    """The keys that are pressed."""

    kbd_extended: int | None = host()
    pressed_keys: int = uint32(private=CONTENTS)


@device("musicpal_lcd")
@description("musicpal_lcd", version_id=1, minimum_version_id=1)
class MusicpalLcd(VMState):
    """The display: brightness, where the next byte goes, and the picture."""

    brightness: int = uint32()
    mode: int = uint32()
    irqctrl: int = uint32()
    page: int = uint32()
    page_off: int = uint32()
    video_ram: bytes = buffer(1024)


@device("mv88w8618_flashcfg")
@description("mv88w8618_flashcfg", version_id=1, minimum_version_id=1)
class Mv88w8618Flashcfg(VMState):
    """The configuration of the flash memory."""

    cfgr0: int = uint32()


@device("mv88w8618_pic")
@description("mv88w8618_pic", version_id=1, minimum_version_id=1)
class Mv88w8618Pic(VMState):
    """The interrupt controller: lines, and which are enabled."""

    level: int = uint32()
    enabled: int = uint32()


@description("timer", version_id=1, minimum_version_id=1)
class Timer(VMState):
    """A timer, and what it counts from."""

    ptimer: Ptimer = struct(Ptimer, version=1)
    limit: int = uint32()


@device("mv88w8618_pit")
@description("mv88w8618_pit", version_id=1, minimum_version_id=1)
class Mv88w8618Pit(VMState):
    """The four timers."""

    timer_: list[Timer] = array(Timer, 4, name="timer", version=1)


MUSICPAL_KEY_7_2 = variant(MusicpalKey, None, 1, kbd_extended=uint32())
"""Up to 7.2 at least."""
