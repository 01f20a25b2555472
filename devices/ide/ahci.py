"""The AHCI controller, as PCI and system-bus controllers carry it.

Facts from QEMU's hw/ide/ahci.c.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from vmstate.declare import (
    VMState,
    array,
    asks,
    boolean,
    description,
    fact,
    int32,
    int32_equal,
    not_,
    rule,
    struct,
    this,
    uint8,
    uint32,
    uint32_equal,
    uint64,
    up,
    variant,
    varray,
)
from vmstate.devices.ide.core import IDEBus, IDEDrive

PORTS = fact("ahci_ports", (6, *range(1, 6), *range(7, 33)))
"""Ports of the controller; their number stands behind them."""

SLOTS = 32
"""Commands of a port."""

START, FIS_RX, FIS_ON, LIST_ON = 0, 4, 14, 15
"""Bits of a port's command register: what the guest wants, and which engine is on (AHCI 1.3.1, section 3.3.7)."""

NCQ_COMMANDS = (0x60, 0x61, 0x63, 0x64, 0x65)
"""The commands that can be queued (SATA 3.2, section 13.6.3.2)."""


def _is_ncq(cmd: int) -> bool:
    return cmd in NCQ_COMMANDS


def _has(register: int, bit: int) -> bool:
    return bool(register >> bit & 1)


def _goes_with(register: int, bit: int, status: int) -> bool:
    return not _has(register, bit) or _has(register, status)


LIST_SIZE, FIS_SIZE = 1024, 256
"""Bytes of a port's command list, and of where it receives."""


def buffers(port: Any) -> Iterator[tuple[int, int]]:
    """(address, size) of what QEMU maps of a port when it loads it: of one that is started."""
    if _has(port.cmd, START):
        yield port.lst_addr_hi << 32 | port.lst_addr, LIST_SIZE
    if _has(port.cmd, FIS_RX):
        yield port.fis_addr_hi << 32 | port.fis_addr, FIS_SIZE


@description("ncq state", version_id=1)
class NCQTransfer(VMState):
    """A queued command."""

    sector_count: int = uint32()
    lba: int = uint64()
    tag: int = uint8()
    cmd: int = uint8()
    slot: int = uint8()
    used: bool = boolean()
    halt: bool = boolean(
        rules=(
            rule("ahci-ncq-used", this.used == this.halt, "a queued command that is in use is a halted one"),
            rule(
                "ahci-ncq-halted",
                not_(this.halt)
                | (asks(_is_ncq, this.cmd) & (this.slot == this.tag) & (this.slot < SLOTS) & asks(_has, up.cmd, START)),
                "a halted command is one of NCQ, in the slot of its tag, on a port that is started",
            ),
        )
    )


@description("ahci port", version_id=1)
class AHCIDevice(VMState):
    """A port, its drive and its queue."""

    port: IDEBus = struct(IDEBus, version=1)
    port_ifs_0: IDEDrive = struct(IDEDrive, name="port.ifs[0]", version=1)
    port_state: int = uint32()
    finished: int = uint32()
    lst_addr: int = uint32(name="port_regs.lst_addr")
    lst_addr_hi: int = uint32(name="port_regs.lst_addr_hi")
    fis_addr: int = uint32(name="port_regs.fis_addr")
    fis_addr_hi: int = uint32(name="port_regs.fis_addr_hi")
    irq_stat: int = uint32(name="port_regs.irq_stat")
    irq_mask: int = uint32(name="port_regs.irq_mask")
    cmd: int = uint32(
        name="port_regs.cmd",
        rules=(
            rule(
                "ahci-dma-engine",
                asks(_goes_with, this.cmd, LIST_ON, START),
                "the DMA engine of a port that is not started is off",
            ),
            rule(
                "ahci-fis-engine",
                asks(_goes_with, this.cmd, FIS_ON, FIS_RX),
                "the FIS receive engine of a port that does not receive is off",
            ),
        ),
    )
    tfdata: int = uint32(name="port_regs.tfdata")
    sig: int = uint32(name="port_regs.sig")
    scr_stat: int = uint32(name="port_regs.scr_stat")
    scr_ctl: int = uint32(name="port_regs.scr_ctl")
    scr_err: int = uint32(name="port_regs.scr_err")
    scr_act: int = uint32(name="port_regs.scr_act")
    cmd_issue: int = uint32(name="port_regs.cmd_issue")
    done_first_drq: bool = boolean()
    busy_slot: int = int32(
        rules=(
            rule(
                "ahci-busy-slot",
                (this.busy_slot >= -1) & (this.busy_slot < SLOTS),
                f"the busy slot is none (-1), or below {SLOTS}",
            ),
        )
    )
    init_d2h_sent: bool = boolean()
    ncq_tfs: list[NCQTransfer] = array(NCQTransfer, SLOTS, version=1)


@description("ahci", version_id=1)
class AHCI(VMState):
    """The ports and the control registers."""

    dev: list[AHCIDevice] = varray(AHCIDevice, count=PORTS)
    cap: int = uint32(name="control_regs.cap")
    ghc: int = uint32(name="control_regs.ghc")
    irqstatus: int = uint32(name="control_regs.irqstatus")
    impl: int = uint32(name="control_regs.impl")
    version: int = uint32(name="control_regs.version")
    idp_index: int = uint32()
    ports: int = uint32_equal()


AHCI_9_0 = variant(AHCI, ports=int32_equal())
"""The number of ports was signed up to 9.0."""
