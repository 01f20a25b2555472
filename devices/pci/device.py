"""What every PCI device carries: its configuration space and its interrupt lines.

Facts from QEMU's hw/pci/pci.c.
"""

from __future__ import annotations

from vmstate.declare import (
    Expr,
    Rule,
    VMState,
    array,
    asks,
    buffer,
    description,
    fact,
    info,
    int32_positive_le,
    not_,
    rule,
    this,
    told,
    uint32,
)

PCI_EXPRESS = fact("pci_express")
"""Whether the device has the 4096 bytes of configuration space of PCI Express, or the 256 of conventional PCI."""


def _levels(pins: list[int]) -> bool:
    return all(level in (0, 1) for level in pins)


@description("pci irq state")
class PCIIrqState(VMState):
    """The levels of the interrupt pins INTA to INTD: 0 or 1."""

    pins: list[int] = array(
        uint32, 4, rules=(rule("pci-irq-state", asks(_levels, this.pins), "the level of a pin is 0 or 1"),)
    )


OWN_CONFIG = told("pci_config")
"""The configuration space that the destination's device has, as bytes."""

CONFIG_MASK = told("pci_config_compared")
"""Of each byte of it, the bits that must be the same (QEMU's cmask, without those that the guest can write)."""


def _alike(config: bytes, own: bytes, mask: bytes) -> bool:
    return not any((one ^ two) & bits for one, two, bits in zip(config, own, mask, strict=False))


def config_rules(config: Expr) -> tuple[Rule, ...]:
    """What QEMU compares when it loads a configuration space (get_pci_config_device)."""
    text = "the configuration space is that of the destination's device where the guest cannot write it"
    return (rule("pci-config", asks(_alike, config, OWN_CONFIG, CONFIG_MASK), text),)


@description("PCIDevice", version_id=2, minimum_version_id=1)
class PCIDevice(VMState):
    """A PCI device. Which of the two fields of configuration space it has is a matter of the slot it sits in."""

    version_id: int = int32_positive_le()
    conventional_config: bytes | None = buffer(
        256,
        name="config",
        info="pci config",
        exists=not_(PCI_EXPRESS),
        rules=config_rules(this.conventional_config),
    )
    express_config: bytes | None = buffer(
        4096, name="config", info="pci config", exists=PCI_EXPRESS, rules=config_rules(this.express_config)
    )
    irq_state: PCIIrqState = info("pci irq state", PCIIrqState, version=2)

    @property
    def config(self) -> bytes:
        """The configuration space."""
        return self.express_config or self.conventional_config or b""
