"""What real QEMUs did with early copies of sections that are not virtio's (`early_copy=` of a device's record).

Each was tried with a booted Linux guest, on q35 and pc, in QEMU 7.2, 10.0 and 11.1: the section in front of guest
memory and again at its place (`twice`), and in front of it alone (`alone`). A copy stands where QEMU loads the stream
and the device state of the loaded machine, asked of QMP before it runs, is that of the plain load, byte for byte.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from vmstate.declare import Release
from vmstate.vmsd.early_copy import BehindMemory, EarlyCopy

TRIED = Release(7, 2), Release(10, 0), Release(11, 1)

STANDS = EarlyCopy(twice=True, alone=True, tried=TRIED)

AGAIN = EarlyCopy(twice=True, alone=False, tried=TRIED, why="its last section is always sent")

CLOCK = EarlyCopy(twice=False, alone=False, tried=TRIED, why="clocks and processors are sent at the stop alone")
"""It would stand it, and there is nothing to win: the last section always differs."""

LPC_ACPI_CTRL, LPC_SCI_IRQ_SEL = 0x44, 0x07
LPC_GEN_PMCON_1, LPC_SMI_LOCK = 0xA0, 0x10
LPC_RCBA, LPC_RCBA_EN = 0xF0, 0x01
"""Registers of the LPC bridge's configuration space, and bits of them, from QEMU's include/hw/southbridge/ich9.h."""


def unmapped_lpc(lpc: Any) -> None:
    """Make the state of an LPC bridge one that can be loaded and loaded again.

    Its load maps the root complex's registers as if they were not: a second time that ends QEMU
    (memory_region_add_subregion_common: Assertion `!subregion->container' failed). A lock of SMI would stay, and so
    would the SCI's line, which is that of a reset here, and not raised.
    """
    config = bytearray(lpc.d.config)
    for register, bits in ((LPC_RCBA, LPC_RCBA_EN), (LPC_GEN_PMCON_1, LPC_SMI_LOCK), (LPC_ACPI_CTRL, LPC_SCI_IRQ_SEL)):
        config[register] &= ~bits
    lpc.d.conventional_config = bytes(config)
    lpc.sci_level = 0
    lpc.rst_cnt = lpc.smi_feat = None


LPC = AGAIN._replace(
    why="the root complex's registers not mapped; its last section is always sent",
    subsections=("ich9_pm/memhp", "ich9_pm/tco", "ich9_pm/cpuhp", "ich9_pm/pcihp"),
    provisional=unmapped_lpc,
)

NEEDS_MEMORY = EarlyCopy(twice=False, alone=False, tried=TRIED, why="its load reads guest memory, which is not there")

STARTED, RECEIVES = 1 << 0, 1 << 4
"""PORT_CMD_START and PORT_CMD_FIS_RX of a port's command register, from QEMU's hw/ide/ahci-internal.h."""


def ahci_is_busy(state: Any) -> str | None:
    """Why a copy of an AHCI controller is not sent: a port that runs reads its commands from guest memory."""
    for port in state.ahci.dev:
        if port.cmd & (STARTED | RECEIVES):
            return "a port of it is started, and reads its command list in guest memory when it is loaded"
    return None


AHCI = STANDS._replace(unless=ahci_is_busy)

ROM_BLOCK_SIZE = 512
MOST_BLOCKS = 255
"""The most that the size of an option ROM can say, in blocks: it is one byte."""

END_OF_ROMS = 1 << 20


def option_rom(state: Any) -> Iterator[tuple[int, int]]:
    """Where the ROM of kvm-tpr-opt stands, at the most; nothing while no guest has told it."""
    if state.state or state.rom_state_paddr:
        begin = state.rom_state_paddr & -ROM_BLOCK_SIZE
        yield begin, max(3, min(MOST_BLOCKS * ROM_BLOCK_SIZE, END_OF_ROMS - begin))


def reads_option_rom(state: Any, memory: Any) -> str | None:
    """Read what vapic_post_load does: the ROM's size, and all of it, to write other calls into it."""
    for begin, _ in option_rom(state):
        blocks = memory.read(begin + 2, 1)[0]
        if not blocks:
            return "there is no option ROM where it says"
        memory.read(begin, blocks * ROM_BLOCK_SIZE)
    return None


OPTION_ROM = NEEDS_MEMORY._replace(
    behind=BehindMemory(reads=reads_option_rom, spans=option_rom, writes=True, tried=TRIED)
)

FW_CFG = STANDS._replace(subsections=("fw_cfg/dma", "fw_cfg/acpi_mr"))

PCKBD = STANDS._replace(subsections=("pckbd/extended_state",))
