"""Parts of the machine s390-ccw-virtio: firmware, interrupts, consoles, clock.

Above each part stands the file of QEMU's that its facts are from.
"""

from __future__ import annotations

from vmstate.declare import (
    CONTENTS,
    Release,
    VMState,
    array,
    boolean,
    description,
    device,
    fact,
    known_since,
    qlist,
    struct,
    subsection,
    this,
    timer,
    uint8,
    uint16,
    uint32,
    uint64,
)

# The watchdog of an s390 machine (hw/watchdog/wdt_diag288.c).


@device("vmstate_diag288", models="vmstate.devices.misc.models:DIAG288")
@description("vmstate_diag288")
class Diag288(VMState):
    """Whether it is on, and when it ends its patience."""

    timer: int = timer()
    enabled: bool = boolean()


# The event facility of the service-call logical processor (SCLP), which its consoles and signals use
# (hw/s390x/event-facility.c).


@description("vmstate-event-facility/mask64", needed=this.receive_mask_lower != 0)
class EventFacilityMask64(VMState):
    """The lower half of the receive mask; sent where it is not zero."""

    receive_mask_lower: int = uint32(name="receive_mask_pieces[0]")


@description("vmstate-event-facility/mask_length")
class EventFacilityMaskLength(VMState):
    """Bytes of the mask that the guest uses."""

    mask_length: int = uint16()


@device("vmstate-event-facility")
@description("vmstate-event-facility")
class EventFacility(VMState):
    """The events that the guest wants to receive."""

    receive_mask_upper: int = uint32(name="receive_mask_pieces[1]")
    mask64: EventFacilityMask64 | None = subsection(EventFacilityMask64)
    mask_length: EventFacilityMaskLength | None = subsection(EventFacilityMaskLength)


# The floating-interrupt controller of s390 machines, as QEMU emulates it (hw/intc/s390_flic.c).

AIS = fact("flic_ais")
"""Whether the controller suppresses adapter interruptions (`ais` of the flic)."""


@description("qemu-s390-flic-io", version_id=1, minimum_version_id=1)
class FlicIo(VMState):
    """An I/O interrupt that is pending."""

    id: int = uint16()
    nr: int = uint16()
    parm: int = uint32()
    word: int = uint32()


@description("qemu-s390-flic-full", version_id=1, minimum_version_id=1, rules=(known_since(Release(9, 1)),))
class FlicFull(VMState):
    """All floating interrupts that are pending."""

    pending: int = uint32()
    service_param: int = uint32()
    io_0: list[FlicIo] = qlist(FlicIo, name="io[0]", version=1)
    io_1: list[FlicIo] = qlist(FlicIo, name="io[1]", version=1)
    io_2: list[FlicIo] = qlist(FlicIo, name="io[2]", version=1)
    io_3: list[FlicIo] = qlist(FlicIo, name="io[3]", version=1)
    io_4: list[FlicIo] = qlist(FlicIo, name="io[4]", version=1)
    io_5: list[FlicIo] = qlist(FlicIo, name="io[5]", version=1)
    io_6: list[FlicIo] = qlist(FlicIo, name="io[6]", version=1)
    io_7: list[FlicIo] = qlist(FlicIo, name="io[7]", version=1)


@device("qemu-s390-flic")
@description("qemu-s390-flic", version_id=1, minimum_version_id=1)
class QEMUS390Flic(VMState):
    """Adapter-interruption suppression, and what is pending."""

    simm: int | None = uint8(exists=AIS)
    nimm: int | None = uint8(exists=AIS)
    full: FlicFull | None = subsection(FlicFull)


# The initial program load of s390 machines (hw/s390x/ipl.c).


@description("ipl/iplb_extended")
class IplbExtended(VMState):
    """The rest of a full block; sent by machines from 2.9 on."""

    reserved_ext: list[int] = array(uint8, 3896)


@description("ipl/iplb")
class Iplb(VMState):
    """The IPL parameter block that the guest has set."""

    reserved1: list[int] = array(uint8, 110)
    devno: int = uint16()
    reserved2: list[int] = array(uint8, 88)
    iplb_extended: IplbExtended | None = subsection(IplbExtended)


@device("ipl")
@description("ipl")
class Ipl(VMState):
    """From where the guest is loaded."""

    compat_start_addr: int = uint64()
    compat_bios_start_addr: int = uint64()
    iplb: Iplb = struct(Iplb)
    iplb_valid: bool = boolean()
    cssid: int = uint8()
    ssid: int = uint8()
    devno: int = uint16()


# The SCLP ASCII console (VT220) of s390 machines (hw/char/sclpconsole.c).


@device("sclpconsole")
@description("sclpconsole")
class SCLPConsole(VMState):
    """Input that waits for the guest, in a ring."""

    event_pending: bool = boolean(name="event.event_pending")
    iov: list[int] = array(uint8, 4080)
    iov_sclp: int = uint32()
    iov_bs: int = uint32()
    iov_data_len: int = uint32()
    iov_sclp_rest: int = uint32()


# The SCLP event by which an s390 guest says what it is (hw/s390x/sclpcpi.c).


@device("s390_control_program_id")
@description("s390_control_program_id")
class SCLPControlProgramId(VMState):
    """Type, name and level of the guest, its sysplex, and when it said so; the names in EBCDIC."""

    system_type: list[int] = array(uint8, 8, private=CONTENTS)
    system_name: list[int] = array(uint8, 8, private=CONTENTS)
    system_level: int = uint64()
    sysplex_name: list[int] = array(uint8, 8, private=CONTENTS)
    timestamp: int = uint64()


# The SCLP line-mode console of s390 machines (hw/char/sclpconsole-lm.c).


@device("sclplmconsole", models="vmstate.devices.char.models:SCLP_LINES")
@description("sclplmconsole")
class SCLPConsoleLM(VMState):
    """A line that waits for the guest."""

    event_pending: bool = boolean(name="event.event_pending")
    write_errors: int = uint32()
    length: int = uint32()
    buf: list[int] = array(uint8, 4066)


# The SCLP event that asks an s390 guest to shut down (hw/s390x/sclpquiesce.c).


@device("sclpquiesce")
@description("sclpquiesce")
class SCLPQuiesce(VMState):
    """Whether a signal to quiesce waits for the guest."""

    event_pending: bool = boolean()


# The time-of-day clock of an s390 machine (hw/s390x/tod.c).


@device("todclock", old_style=True, listed=False, noise={"timer": ("high", "low")})
@description("todclock", version_id=1)
class TODClock(VMState):
    """Whether the clock could be read, and then its value: the epoch index, and units of 2^-12 microseconds."""

    present: int = uint8()
    high: int | None = uint8(exists=this.present != 0)
    low: int | None = uint64(exists=this.present != 0)


# Devices that block every migration, so that no stream holds them (hw/s390x/s390-pci-bus.c, hw/vfio/ap.c,
# hw/vfio/ccw.c and hw/char/terminal3270.c).


@device("zpci")
@description("zpci", unmigratable=True)
class ZPCI(VMState):
    """A PCI device, as an s390 guest sees it."""


@device("vfio-ap")
@description("vfio-ap", unmigratable=True)
class VFIOAP(VMState):
    """Adjunct processors of the host."""


@device("vfio-ccw")
@description("vfio-ccw", unmigratable=True)
class VFIOCCW(VMState):
    """A subchannel of the host."""


@device("x-terminal3270")
@description("x-terminal3270", unmigratable=True)
class Terminal3270(VMState):
    """A terminal."""
