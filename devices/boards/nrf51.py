"""Devices of Nordic's nRF51, and of the micro:bit, which has one.

Above each part stands the file of QEMU's that its facts are from.
"""

from __future__ import annotations

from vmstate.declare import CONTENTS, VMState, array, boolean, description, device, int64, timer, uint8, uint32

# The I2C controller of the BBC micro:bit, as much as its boot asks for (hw/i2c/microbit_i2c.c).


@device("microbit.i2c")
@description("microbit.i2c", version_id=1, minimum_version_id=1)
class MicrobitI2c(VMState):
    """Registers, and which answer comes next."""

    regs: list[int] = array(uint32, 1024)
    read_idx: int = uint32()


# The general-purpose lines of Nordic's nRF51 (hw/gpio/nrf51_gpio.c).


@device("nrf51_soc.gpio")
@description("nrf51_soc.gpio", version_id=1, minimum_version_id=1)
class Nrf51SocGpio(VMState):
    """General-purpose lines of Nordic's nRF51."""

    out: int = uint32()
    in_: int = uint32(name="in")
    in_mask: int = uint32()
    dir: int = uint32()
    cnf: list[int] = array(uint32, 32)
    old_out: int = uint32()
    old_out_connected: int = uint32()


# The flash memory of Nordic's nRF51 (hw/nvram/nrf51_nvm.c).


@device("nrf51_soc.nvm")
@description("nrf51_soc.nvm", version_id=1, minimum_version_id=1)
class Nrf51SocNvm(VMState):
    """Non-volatile memory of Nordic's nRF51."""

    uicr_content: list[int] = array(uint32, 64, private=CONTENTS)
    config: int = uint32()


# The random numbers of Nordic's nRF51 (hw/misc/nrf51_rng.c).


@device("nrf51_soc.rng")
@description("nrf51_soc.rng", version_id=1, minimum_version_id=1)
class Nrf51SocRng(VMState):
    """Events, interrupts, and whether it runs."""

    active: int = uint32()
    event_valrdy: int = uint32()
    shortcut_stop_on_valrdy: int = uint32()
    interrupt_enabled: int = uint32()
    filter_enabled: int = uint32()


# A timer of Nordic's nRF51 (hw/timer/nrf51_timer.c).


@device(
    "nrf51_soc.timer",
    noise={
        "timer": (
            "timer",
            "timer_start_ns",
            "update_counter_ns",
            "counter",
        )
    },
)
@description("nrf51_soc.timer", version_id=1)
class Nrf51SocTimer(VMState):
    """The count and when it began, events, interrupts, and comparators."""

    timer_: int = timer(name="timer")
    timer_start_ns: int = int64()
    update_counter_ns: int = int64()
    counter: int = uint32()
    running: bool = boolean()
    events_compare: list[int] = array(uint8, 4)
    cc: list[int] = array(uint32, 4)
    shorts: int = uint32()
    inten: int = uint32()
    mode: int = uint32()
    bitmode: int = uint32()
    prescaler: int = uint32()


# The serial port of Nordic's nRF51 (hw/char/nrf51_uart.c).


@device("nrf51_soc.uart")
@description("nrf51_soc.uart")
class Nrf51SocUart(VMState):
    """Registers, and the bytes received."""

    reg: list[int] = array(uint32, 1388)
    rx_fifo: list[int] = array(uint8, 6)
    rx_fifo_pos: int = uint32()
    rx_fifo_len: int = uint32()
    rx_started: bool = boolean()
    tx_started: bool = boolean()
    pending_tx_byte: bool = boolean()
    enabled: bool = boolean()
