"""What belongs to a Cortex-M.

Above each part stands the file of QEMU's that its facts are from.
"""

from __future__ import annotations

from vmstate.declare import (
    VMState,
    array,
    boolean,
    description,
    device,
    int16,
    int64,
    struct,
    subsection,
    uint8,
    uint32,
    variant,
)
from vmstate.devices.core.clock import Clock
from vmstate.devices.core.ptimer import Ptimer

# A processor of Arm's M profile with what surrounds it (hw/arm/armv7m.c).


@device("armv7m")
@description("armv7m", version_id=1, minimum_version_id=1)
class Armv7m(VMState):
    """Its two clocks."""

    refclk: Clock = struct(Clock)
    cpuclk: Clock = struct(Clock)


# The interrupt controller of Arm's M profile (NVIC) (hw/intc/armv7m_nvic.c).


@description("armv7m_nvic_info", version_id=1, minimum_version_id=1)
class Armv7mNvicInfo(VMState):
    """A vector: its priority, and whether it is enabled, pending and active."""

    prio: int = int16()
    enabled: int = uint8()
    pending: int = uint8()
    active: int = uint8()
    level: int = uint8()


@description("armv7m_nvic/m-security", version_id=1, minimum_version_id=1)
class Armv7mNvicMSecurity(VMState):
    """The vectors of the secure world; sent by a processor with the security extension."""

    sec_vectors: list[Armv7mNvicInfo] = array(Armv7mNvicInfo, 16, version=1)
    prigroup_M_REG_S: int = uint32(name="prigroup[M_REG_S]")
    itns: list[bool] = array(boolean, 512)


@device("armv7m_nvic")
@description("armv7m_nvic", version_id=4, minimum_version_id=4)
class Armv7mNvic(VMState):
    """The vectors, and how priorities are split."""

    vectors: list[Armv7mNvicInfo] = array(Armv7mNvicInfo, 512, version=1)
    prigroup_M_REG_NS: int = uint32(name="prigroup[M_REG_NS]")
    m_security: Armv7mNvicMSecurity | None = subsection(Armv7mNvicMSecurity)


# The system timer of Arm's M profile (SysTick) (hw/timer/armv7m_systick.c).


@device("armv7m_systick", noise={"timer": ("tick",)})
@description("armv7m_systick", version_id=3, minimum_version_id=3)
class Armv7mSystick(VMState):
    """Clocks, control, and the timer."""

    refclk: Clock | None = struct(Clock)
    cpuclk: Clock | None = struct(Clock)
    control: int = uint32()
    tick: int = int64()
    ptimer: Ptimer = struct(Ptimer, version=1)


ARMV7M_SYSTICK_5_2 = variant(Armv7mSystick, None, 2, refclk=None, cpuclk=None)
"""Of 5.2."""
