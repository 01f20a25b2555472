"""The configuration section: machine type, capabilities that both sides must share, target page size, UUID.

It stands behind the header, behind the byte 0x07, without the envelope of a section. Facts from QEMU's
migration/savevm.c (vmstate_configuration). It is read at version 0; QEMU writes no version.
"""

from __future__ import annotations

from vmstate.vmsd.declare import (
    REGISTERS,
    UUID,
    array,
    counted_string,
    description,
    subsection,
    text,
    uint8,
    uint32,
    varray,
)
from vmstate.vmsd.expr import this


@description("configuration/target-page-bits", version_id=1, minimum_version_id=1)
class TargetPageBits:
    """Sent where the target's pages are larger than the smallest it could have."""

    target_page_bits: int = uint32()


@description("configuration/capabilities", version_id=1, minimum_version_id=1)
class Capabilities:
    """The migration capabilities that are on and that change the stream, by name."""

    caps_count: int = uint32(version=1)
    capabilities: list[str] = varray(
        counted_string(info="capability"), count=this.caps_count, version=1, private=REGISTERS
    )


@description("configuration/uuid", version_id=1, minimum_version_id=1)
class Uuid:
    """The machine's UUID, with the capability validate-uuid."""

    data: list[int] = array(uint8, 16, name="uuid.data", version=1, private=UUID)


@description("configuration", version_id=1)
class Configuration:
    """What the destination must have in common with the source."""

    len: int = uint32()
    name: str = text(this.len, private=REGISTERS)
    target_page_bits: TargetPageBits | None = subsection(TargetPageBits)
    capabilities: Capabilities | None = subsection(Capabilities)
    uuid: Uuid | None = subsection(Uuid)

    @property
    def machine(self) -> str:
        """The machine type."""
        return self.name

    @property
    def capability_names(self) -> list[str]:
        """The migration capabilities that were on, of those that the section names."""
        return [] if self.capabilities is None else self.capabilities.capabilities

    def has_capability(self, capability: str) -> bool:
        """Whether a migration capability was on."""
        return capability in self.capability_names

    @property
    def page_size(self) -> int | None:
        """The target's page size in bytes, where the section says it."""
        return None if self.target_page_bits is None else 1 << min(self.target_page_bits.target_page_bits, 63)
