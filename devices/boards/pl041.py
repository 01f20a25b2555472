"""Arm's AC'97 interface PL041, and the codec LM4549 behind it.

Facts from QEMU's hw/audio/pl041.c.
"""

from __future__ import annotations

from vmstate.declare import CONTENTS, VMState, array, description, device, struct, uint8, uint16, uint32


@description("pl041_regfile", version_id=1, minimum_version_id=1)
class Pl041Regfile(VMState):
    """Registers of the interface."""

    rxcr1: int = uint32()
    txcr1: int = uint32()
    sr1: int = uint32()
    isr1: int = uint32()
    ie1: int = uint32()
    rxcr2: int = uint32()
    txcr2: int = uint32()
    sr2: int = uint32()
    isr2: int = uint32()
    ie2: int = uint32()
    rxcr3: int = uint32()
    txcr3: int = uint32()
    sr3: int = uint32()
    isr3: int = uint32()
    ie3: int = uint32()
    rxcr4: int = uint32()
    txcr4: int = uint32()
    sr4: int = uint32()
    isr4: int = uint32()
    ie4: int = uint32()
    sl1rx: int = uint32()
    sl1tx: int = uint32()
    sl2rx: int = uint32()
    sl2tx: int = uint32()
    sl12rx: int = uint32()
    sl12tx: int = uint32()
    slfr: int = uint32()
    slistat: int = uint32()
    slien: int = uint32()
    intclr: int = uint32()
    maincr: int = uint32()
    reset: int = uint32()
    sync: int = uint32()
    allints: int = uint32()
    mainfr: int = uint32()
    unused_: int = uint32(name="unused")
    dr1_0: int = uint32()
    dr1_1: int = uint32()
    dr1_2: int = uint32()
    dr1_3: int = uint32()
    dr1_4: int = uint32()
    dr1_5: int = uint32()
    dr1_6: int = uint32()
    dr1_7: int = uint32()
    dr2_0: int = uint32()
    dr2_1: int = uint32()
    dr2_2: int = uint32()
    dr2_3: int = uint32()
    dr2_4: int = uint32()
    dr2_5: int = uint32()
    dr2_6: int = uint32()
    dr2_7: int = uint32()
    dr3_0: int = uint32()
    dr3_1: int = uint32()
    dr3_2: int = uint32()
    dr3_3: int = uint32()
    dr3_4: int = uint32()
    dr3_5: int = uint32()
    dr3_6: int = uint32()
    dr3_7: int = uint32()
    dr4_0: int = uint32()
    dr4_1: int = uint32()
    dr4_2: int = uint32()
    dr4_3: int = uint32()
    dr4_4: int = uint32()
    dr4_5: int = uint32()
    dr4_6: int = uint32()
    dr4_7: int = uint32()


@description("pl041_fifo", version_id=1, minimum_version_id=1)
class Pl041Fifo(VMState):
    """Samples on their way."""

    level: int = uint32()
    data: list[int] = array(uint32, 1024, private=CONTENTS)


@description("pl041_channel", version_id=1, minimum_version_id=1)
class Pl041Channel(VMState):
    """A channel: samples to be played and recorded."""

    tx_fifo: Pl041Fifo = struct(Pl041Fifo)
    tx_enabled: int = uint8()
    tx_compact_mode: int = uint8()
    tx_sample_size: int = uint8()
    rx_fifo: Pl041Fifo = struct(Pl041Fifo)
    rx_enabled: int = uint8()
    rx_compact_mode: int = uint8()
    rx_sample_size: int = uint8()


@description("lm4549_state", version_id=1, minimum_version_id=1)
class Lm4549State(VMState):
    """The codec: its registers, and samples to be played."""

    voice_is_active: int = uint32()
    regfile: list[int] = array(uint16, 128)
    buffer_: list[int] = array(uint16, 1024, name="buffer", private=CONTENTS)
    buffer_level: int = uint32()


@device("pl041")
@description("pl041", version_id=1, minimum_version_id=1)
class Pl041(VMState):
    """Registers, channel and codec."""

    fifo_depth: int = uint32()
    regs: Pl041Regfile = struct(Pl041Regfile)
    fifo1: Pl041Channel = struct(Pl041Channel)
    codec: Lm4549State = struct(Lm4549State)
