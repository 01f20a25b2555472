"""The interrupt controller of Arm's M profile (NVIC).

Facts from QEMU's hw/intc/armv7m_nvic.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, boolean, description, device, int16, subsection, uint8, uint32


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
