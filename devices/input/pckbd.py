"""The Intel 8042 keyboard controller.

Facts from QEMU's hw/input/pckbd.c.
"""

from __future__ import annotations

from vmstate.declare import (
    Release,
    VMState,
    description,
    device,
    known_since,
    struct,
    subsection,
    uint8,
    uint32,
    variant,
)


@description("pckbd_outport", version_id=1, minimum_version_id=1)
class KbdOutport(VMState):
    """The output port; sent where it is not as the other registers imply."""

    outport: int = uint8()


@description("pckbd/extended_state", rules=(known_since(Release(6, 1)),))
class KbdExtendedState(VMState):
    """Bytes on their way and where they come from."""

    migration_flags: int = uint32()
    obsrc: int = uint32()
    obdata: int = uint8()
    cbdata: int = uint8()


@description("pckbd", version_id=3, minimum_version_id=3)
class Kbd(VMState):
    """The controller itself."""

    write_cmd: int = uint8()
    status: int = uint8()
    mode: int = uint8()
    pending_tmp: int = uint8()
    outport: KbdOutport | None = subsection(KbdOutport)
    extended_state: KbdExtendedState | None = subsection(KbdExtendedState)


@device("pckbd-mmio")
@description("pckbd-mmio", version_id=1, minimum_version_id=1)
class KbdMMIO(VMState):
    """The memory-mapped controller."""

    kbd: Kbd = struct(Kbd)


@device("pckbd", early_copy="vmstate.devices.early_copies:PCKBD")
@description("pckbd", version_id=3, minimum_version_id=3)
class ISAKbd(VMState):
    """The ISA controller."""

    kbd: Kbd = struct(Kbd)


ISA_KBD_5_2 = variant(ISAKbd, kbd=struct(variant(Kbd, pending_tmp=uint8(name="pending"))))
"""The name of a field up to 5.2."""
