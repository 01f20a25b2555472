"""A SCSI request that is to be tried again on the destination.

Facts from QEMU's hw/scsi/scsi-bus.c and hw/scsi/scsi-disk.c, opcodes from the SCSI command sets. A host adapter can
put state of its own between the command and the disk's part; of those declared here only virtio-scsi does.
"""

from __future__ import annotations

from vmstate.declare import (
    Release,
    VMState,
    buffer,
    description,
    fact,
    int8,
    min_,
    not_,
    struct,
    this,
    uint8,
    uint32,
    uint64,
)
from vmstate.devices.virtio.scsi import VirtIOSCSIRequest
from vmstate.vmsd.expr import Op

SECTOR = 512
# WRITE, WRITE AND VERIFY; READ.
WRITES = (0x0A, 0x2A, 0x2E, 0x8A, 0x8E, 0xAA, 0xAE)
READS = (0x08, 0x28, 0x88, 0xA8)
# FORMAT UNIT, MODE SELECT, VERIFY, WRITE SAME, UNMAP: emulated, with data for the device.
EMULATED_WRITES = (0x04, 0x15, 0x2F, 0x41, 0x42, 0x55, 0x8F, 0x93, 0xAF)

EMULATED_SAVED = fact(
    "scsi_emulated_saved",
    (True, False),
    advice={
        True: "give the destination's disk migrate-emulated-scsi-request=on",
        False: "give the destination's disk migrate-emulated-scsi-request=off",
    },
    since=Release(9, 1),
)
"""Whether emulated commands are sent with their data (`migrate-emulated-scsi-request`)."""

VIRTIO_SCSI = fact("scsi_on_virtio")
"""Whether the disk is on a virtio-scsi adapter, which the section does not say."""


def _one_of(opcodes: tuple[int, ...]) -> Op:
    return Op("has", sum(1 << opcode for opcode in opcodes), this.opcode)


SAVED = _one_of(WRITES + READS) | EMULATED_SAVED
HAS_DATA = SAVED & (this.buflen != 0)
TO_DEVICE = _one_of(WRITES + EMULATED_WRITES)
READ_SO_FAR = HAS_DATA & not_(TO_DEVICE) & (this.retry != 1)


@description("scsi request")
class SCSIRequest(VMState):
    """A request: whether it failed (1) or was not begun (2), the command, and the data that goes with it."""

    retry: int = int8()
    opcode: int = uint8()
    cdb: bytes = buffer(15)
    tag: int = uint32()
    lun: int = uint32()
    virtio: VirtIOSCSIRequest | None = struct(VirtIOSCSIRequest, exists=VIRTIO_SCSI)
    sector: int | None = uint64(exists=SAVED)
    sector_count: int | None = uint32(exists=SAVED)
    buflen: int | None = uint32(exists=SAVED)
    write_data: bytes | None = buffer(min_(this.sector_count * SECTOR, this.buflen), exists=HAS_DATA & TO_DEVICE)
    read_length: int | None = uint32(exists=READ_SO_FAR)
    read_data: bytes | None = buffer(this.read_length, exists=READ_SO_FAR)
