"""The command-response-buffer interface of a TPM.

Facts from QEMU's hw/tpm/tpm_crb.c, and from streams of 11.1 what a chunk is. The buffer itself is a RAM block.
"""

from __future__ import annotations

from vmstate.declare import (
    Release,
    VMState,
    array,
    description,
    device,
    info,
    known_since,
    subsection,
    this,
    uint32,
    vbuffer,
)

REGISTERS = 32


@description("GByteArray")
class ByteArray(VMState):
    """Bytes behind their number."""

    len: int = uint32()
    data: bytes = vbuffer(this.len)


@description("tpm-crb/chunk", version_id=0, minimum_version_id=0, rules=(known_since(Release(11, 0)),))
class Chunk(VMState):
    """A command and an answer that are larger than the buffer, which pass through it in pieces; from 11.1 on."""

    command_buffer: ByteArray = info("GByteArray", ByteArray)
    response_buffer: ByteArray = info("GByteArray", ByteArray)
    response_offset: int = uint32()


@device("tpm-crb")
@description("tpm-crb", version_id=0, minimum_version_id=0)
class TPMCrb(VMState):
    """Its registers."""

    regs: list[int] = array(uint32, REGISTERS)
    chunk: Chunk | None = subsection(Chunk)
