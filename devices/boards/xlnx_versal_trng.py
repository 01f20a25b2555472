"""The random numbers of Xilinx's Versal.

Facts from QEMU's hw/misc/xlnx-versal-trng.c.
"""

from __future__ import annotations

from vmstate.declare import CONTENTS, VMState, array, description, device, uint32, uint64


@device("xlnx.versal-trng")
@description("xlnx.versal-trng", version_id=1, minimum_version_id=1)
class XlnxVersalTrng(VMState):
    """Registers, how many numbers were made, and the seed that was set."""

    rand_count: int = uint32()
    rand_reseed: int = uint64()
    forced_prng_count: int = uint64()
    tst_seed: list[int] = array(uint64, 2, private=CONTENTS)
    regs: list[int] = array(uint32, 61)
