"""A controller of Xilinx's SoCs: xlnx.versal-trng.

Facts from QEMU's hw/misc/xlnx-versal-trng.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, uint32, uint64


@device("xlnx.versal-trng")
@description("xlnx.versal-trng", version_id=1, minimum_version_id=1)
class XlnxVersalTrng(VMState):
    """A controller of Xilinx's SoCs."""

    rand_count: int = uint32()
    rand_reseed: int = uint64()
    forced_prng_count: int = uint64()
    tst_seed: list[int] = array(uint64, 2)
    regs: list[int] = array(uint32, 61)
