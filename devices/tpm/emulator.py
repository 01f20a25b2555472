"""The state of a TPM that runs as a program of its own, such as swtpm.

Facts from QEMU's backends/tpm/tpm_emulator.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, device, this, uint32, vbuffer


@device("tpm-emulator", listed=False)
@description("tpm-emulator", version_id=0, minimum_version_id=0)
class TPMEmulator(VMState):
    """Three blobs that the program gives and takes, each with flags (1: encrypted) and its length.

    The volatile one is there once the TPM was started, the third where it was shut down with its state saved.
    """

    permanent_flags: int = uint32(name="state_blobs.permanent_flags")
    permanent_size: int = uint32(name="state_blobs.permanent.size")
    permanent_buffer: bytes = vbuffer(this.permanent_size, name="state_blobs.permanent.buffer")
    volatil_flags: int = uint32(name="state_blobs.volatil_flags")
    volatil_size: int = uint32(name="state_blobs.volatil.size")
    volatil_buffer: bytes = vbuffer(this.volatil_size, name="state_blobs.volatil.buffer")
    savestate_flags: int = uint32(name="state_blobs.savestate_flags")
    savestate_size: int = uint32(name="state_blobs.savestate.size")
    savestate_buffer: bytes = vbuffer(this.savestate_size, name="state_blobs.savestate.buffer")
