"""Devices of the MusicPal and its Marvell 88W8618.

Above each part stands the file of QEMU's that its facts are from.
"""

from __future__ import annotations

from vmstate.declare import CONTENTS, VMState, array, buffer, description, device, host, struct, uint32, variant
from vmstate.devices.core.ptimer import Ptimer

# The sound of Marvell's 88W8618, of the MusicPal (hw/audio/marvell_88w8618.c).


@device("mv88w8618_audio")
@description("mv88w8618_audio", version_id=1, minimum_version_id=1)
class Mv88w8618Audio(VMState):
    """Registers, and where playing stands."""

    playback_mode: int = uint32()
    status: int = uint32()
    irq_enable: int = uint32()
    phys_buf: int = uint32()
    target_buffer: int = uint32()
    threshold: int = uint32()
    play_pos: int = uint32()
    last_free: int = uint32()
    clock_div: int = uint32()


# The MusicPal's parts: lines, keys, display, and those of Marvell's 88W8618 that have no file of their own
# (hw/arm/musicpal.c).


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


# The network card of Marvell's 88W8618 (hw/net/mv88w8618_eth.c).


@device("mv88w8618_eth")
@description("mv88w8618_eth", version_id=1, minimum_version_id=1)
class Mv88w8618Eth(VMState):
    """Registers, and where its queues are in memory."""

    smir: int = uint32()
    icr: int = uint32()
    imr: int = uint32()
    vlan_header: int = uint32()
    tx_queue: list[int] = array(uint32, 2)
    rx_queue: list[int] = array(uint32, 4)
    frx_queue: list[int] = array(uint32, 4)
    cur_rx: list[int] = array(uint32, 4)
