"""The TPM of a `pseries` machine.

Facts from QEMU's hw/tpm/tpm_spapr.c.
"""

from __future__ import annotations

from vmstate.declare import CONTENTS, VMState, description, device, struct, this, uint8, uint32, vbuffer
from vmstate.devices.ppc.spapr_devices import VIODevice


@device("tpm-spapr")
@description("tpm-spapr")
class TPMSpapr(VMState):
    """The command or answer that is under way."""

    vdev: VIODevice = struct(VIODevice)
    state: int = uint8()
    numbytes: int = uint32()
    command: bytes = vbuffer(this.numbytes, name="buffer", private=CONTENTS)
    crq_data: int = uint32(name="crq.data")
