"""The SCLP event by which an s390 guest says what it is.

Facts from QEMU's hw/s390x/sclpcpi.c.
"""

from __future__ import annotations

from vmstate.declare import CONTENTS, VMState, array, description, device, uint8, uint64


@device("s390_control_program_id")
@description("s390_control_program_id")
class SCLPControlProgramId(VMState):
    """Type, name and level of the guest, its sysplex, and when it said so; the names in EBCDIC."""

    system_type: list[int] = array(uint8, 8, private=CONTENTS)
    system_name: list[int] = array(uint8, 8, private=CONTENTS)
    system_level: int = uint64()
    sysplex_name: list[int] = array(uint8, 8, private=CONTENTS)
    timestamp: int = uint64()
