"""The FIFO interface of a TPM (TIS), on the ISA bus, as a device of the system bus, and on I2C.

Facts from QEMU's hw/tpm/tpm_tis_isa.c, tpm_tis_sysbus.c, tpm_tis_i2c.c and tpm_tis_common.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, buffer, description, device, uint8, uint16, uint32

LOCALITIES = 5
BUFFER_SIZE = 4096


@description("tpm-tis/locty", version_id=0, minimum_version_id=0)
class Locality(VMState):
    """The registers of one of the five ways in."""

    state: int = uint32()
    inte: int = uint32()
    ints: int = uint32()
    access: int = uint8()
    sts: int = uint32()
    iface_id: int = uint32()


@device("tpm-tis")
@description("tpm-tis", version_id=0, minimum_version_id=0)
class TPMTis(VMState):
    """The command or answer that is under way, and which locality has the TPM."""

    state_buffer: bytes = buffer(BUFFER_SIZE, name="state.buffer")
    rw_offset: int = uint16(name="state.rw_offset")
    active_locty: int = uint8(name="state.active_locty")
    aborting_locty: int = uint8(name="state.aborting_locty")
    next_locty: int = uint8(name="state.next_locty")
    loc: list[Locality] = array(Locality, LOCALITIES, name="state.loc")


@device("tpm-tis-i2c")
@description("tpm-tis-i2c", version_id=0, minimum_version_id=0)
class TPMTisI2C(TPMTis):
    """The same, and the transfer on the bus."""

    offset: int = uint8()
    operation: int = uint8()
    data: bytes = buffer(5)
    loc_sel: int = uint8()
    csum_enable: int = uint8()
