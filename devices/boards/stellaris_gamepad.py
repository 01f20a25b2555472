"""The buttons of TI's Stellaris boards.

Facts from QEMU's hw/input/stellaris_gamepad.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, device, fact, host, int32, uint8, variant, varray

BUTTONS = fact("stellaris_gamepad_buttons", (5, *range(1, 5), *range(6, 17)))
"""Buttons of the board."""


@description("stellaris_button")
class Button(VMState):
    """Whether a button is pressed, as releases up to 8.1 send it."""

    pressed: int = uint8()


@device("stellaris_gamepad")
@description("stellaris_gamepad", version_id=4, minimum_version_id=4)
class StellarisGamepad(VMState):
    """Which of the buttons are pressed."""

    extension: int | None = host()
    pressed: list[int] | None = varray(uint8, count=BUTTONS)
    buttons: list[Button] | None = host()


STELLARIS_GAMEPAD_8_1 = variant(
    StellarisGamepad, None, 2, extension=int32(), pressed=None, buttons=varray(Button, count=BUTTONS)
)
"""Up to 8.1: with the state of the keyboard's prefix."""
