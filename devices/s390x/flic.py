"""The floating-interrupt controller of s390 machines, as QEMU emulates it.

Facts from QEMU's hw/intc/s390_flic.c.
"""

from __future__ import annotations

from vmstate.declare import (
    Release,
    VMState,
    description,
    device,
    fact,
    known_since,
    qlist,
    subsection,
    uint8,
    uint16,
    uint32,
)

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
