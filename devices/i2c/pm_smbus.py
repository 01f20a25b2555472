"""The SMBus controller inside a chipset's power management.

Facts from QEMU's hw/i2c/pm_smbus.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, boolean, description, fact, uint8, uint32

SMBUS_MIGRATED = fact("smbus_migrated", (True, False))
"""Whether the controller is sent at all: machines from 3.1 on do, older ones are kept compatible."""


@description("pmsmb", version_id=1, minimum_version_id=1)
class PMSMBus(VMState):
    """Registers and the block buffer."""

    smb_stat: int = uint8()
    smb_ctl: int = uint8()
    smb_cmd: int = uint8()
    smb_addr: int = uint8()
    smb_data0: int = uint8()
    smb_data1: int = uint8()
    smb_index: int = uint32()
    smb_data: list[int] = array(uint8, 32)
    smb_auxctl: int = uint8()
    smb_blkdata: int = uint8()
    i2c_enable: bool = boolean()
    op_done: bool = boolean()
    in_i2c_block_read: bool = boolean()
    start_transaction_on_status_read: bool = boolean()
