"""The system configuration of Arm's MPS2 and MPS3.

Facts from QEMU's hw/misc/mps2-scc.c.
"""

from __future__ import annotations

from vmstate.declare import (
    Release,
    VMState,
    array,
    description,
    device,
    fact,
    known_since,
    subsection,
    uint32,
    variant,
    varray,
)

NUM_OSCCLK = fact("mps2_scc_num_oscclk", (3, 6, 7))
"""What the boards that have the device make of it."""


@description("mps2-scc/cfg7", version_id=1, minimum_version_id=1, rules=(known_since(Release(9, 0)),))
class Mps2SccCfg7(VMState):
    """Configuration register 7; sent by the board that has it."""

    cfg7: int = uint32()


@device("mps2-scc")
@description("mps2-scc", version_id=3, minimum_version_id=3)
class Mps2Scc(VMState):
    """Registers, and the board's oscillators in Hz."""

    cfg0: int = uint32()
    cfg1: int = uint32()
    cfg2: int | None = uint32()
    cfg5: int | None = uint32()
    cfg6: int | None = uint32()
    cfgdata_rtn: int = uint32()
    cfgdata_out: int = uint32()
    cfgctrl: int = uint32()
    cfgstat: int = uint32()
    dll: int = uint32()
    oscclk: list[int] = varray(uint32, count=NUM_OSCCLK)
    cfg7: Mps2SccCfg7 | None = subsection(Mps2SccCfg7)


MPS2_SCC_5_2 = variant(Mps2Scc, None, 1, cfg2=None, cfg5=None, cfg6=None, oscclk=array(uint32, 3))
"""Of 5.2."""
