"""The Intel 82574L network card.

Facts from QEMU's hw/net/e1000e.c.
"""

from __future__ import annotations

from vmstate.declare import (
    CONTENTS,
    Release,
    Rule,
    VMState,
    array,
    boolean,
    description,
    device,
    equal,
    fact,
    host,
    int8,
    int64,
    secret,
    struct,
    timer,
    uint8,
    uint16,
    uint32,
    unused,
    variant,
)
from vmstate.devices.net import e1000
from vmstate.devices.pci.device import PCIDevice
from vmstate.devices.pci.msix import MSIX, msix_of

TIMADJ = fact(
    "e1000e_timadj",
    (True, False),
    advice={
        True: "give the destination's device migrate-timadj=on",
        False: "give the destination's device migrate-timadj=off",
    },
    since=Release(8, 0),
)
"""Whether the adjustment of the clock is sent (machines from 8.1 on)."""


PRIVATE_REGISTERS = (
    *e1000.PRIVATE_REGISTERS,
    *secret("contents", 0x1720, 10),  # RSSRK: the key of the receive queues' hash
)
"""The same, of cards with several queues."""


@description("e1000e-tx", version_id=1, minimum_version_id=1)
class Tx(VMState):
    """The offload context of a transmit queue."""

    sum_needed: int = uint8()
    props_ipcss: int = uint8(name="props.ipcss")
    props_ipcso: int = uint8(name="props.ipcso")
    props_ipcse: int = uint16(name="props.ipcse")
    props_tucss: int = uint8(name="props.tucss")
    props_tucso: int = uint8(name="props.tucso")
    props_tucse: int = uint16(name="props.tucse")
    props_hdr_len: int = uint8(name="props.hdr_len")
    props_mss: int = uint16(name="props.mss")
    props_paylen: int = uint32(name="props.paylen")
    props_ip: int = int8(name="props.ip")
    props_tcp: int = int8(name="props.tcp")
    props_tse: bool = boolean(name="props.tse")
    cptse: bool = boolean()
    skip_cp: bool = boolean()


@description("e1000e-intr-timer", version_id=1, minimum_version_id=1)
class IntrTimer(VMState):
    """A timer that delays an interrupt."""

    timer_: int = timer(name="timer")
    running: bool = boolean()


def same_property(name: str) -> Rule:
    """A property of the device that must be the same on both sides (e1000e_post_load)."""
    return equal(
        f"e1000e-{name.replace('_', '-')}",
        name,
        f"the property {name} is {{value}} at the source, {{local}} at the destination",
        qemu_error="ERROR: Cannot migrate while device properties (subsys/subsys_ven) differ",
        advice=f"give both the same {name}=",
    )


@device("e1000e", models="vmstate.devices.net.models:E1000E", early_copy="vmstate.devices.early_copies:AGAIN")
@description("e1000e", version_id=1, minimum_version_id=1)
class E1000E(VMState):
    """Registers, EEPROM and timers."""

    parent_obj: PCIDevice = struct(PCIDevice)
    msix: MSIX = struct(msix_of("parent_obj"), name="parent_obj")
    ioaddr: int = uint32()
    rxbuf_min_shift: int = uint32(name="core.rxbuf_min_shift")
    rx_desc_len: int = uint8(name="core.rx_desc_len")
    rxbuf_sizes: list[int] = array(uint32, 4, name="core.rxbuf_sizes")
    rx_desc_buf_size: int = uint32(name="core.rx_desc_buf_size")
    eeprom: list[int] = array(uint16, 64, name="core.eeprom", private=CONTENTS)
    phy: list[list[int]] = array(uint16, 7, 32, name="core.phy")
    mac: list[int] = array(uint32, 32768, name="core.mac", private=PRIVATE_REGISTERS)
    permanent_mac: list[int] = array(uint8, 6, name="core.permanent_mac")
    delayed_causes: int = uint32(name="core.delayed_causes")
    subsys: int = uint16(rules=(same_property("subsys"),))
    subsys_ven: int = uint16(rules=(same_property("subsys_ven"),))
    rdtr: IntrTimer = struct(IntrTimer, name="core.rdtr", version=1)
    radv: IntrTimer = struct(IntrTimer, name="core.radv", version=1)
    raid: IntrTimer = struct(IntrTimer, name="core.raid", version=1)
    tadv: IntrTimer = struct(IntrTimer, name="core.tadv", version=1)
    tidv: IntrTimer = struct(IntrTimer, name="core.tidv", version=1)
    itr: IntrTimer = struct(IntrTimer, name="core.itr", version=1)
    itr_intr_pending: bool = host(False)
    unused_0: None = unused(1)
    eitr: list[IntrTimer] = array(IntrTimer, 5, name="core.eitr", version=1)
    eitr_intr_pending: list[bool] | None = host()
    unused_1: None = unused(5)
    itr_guest_value: int = uint32(name="core.itr_guest_value")
    eitr_guest_value: list[int] = array(uint32, 5, name="core.eitr_guest_value")
    vet: int = uint16(name="core.vet")
    tx: list[Tx] = array(Tx, 2, name="core.tx")
    timadj: int | None = int64(name="core.timadj", exists=TIMADJ)


E1000E_7_2 = variant(
    E1000E,
    itr_intr_pending=boolean(name="core.itr_intr_pending"),
    unused_0=None,
    eitr_intr_pending=array(boolean, 5, name="core.eitr_intr_pending"),
    unused_1=None,
)
"""Up to 7.2 whether the interrupts of the timers are pending is sent."""
