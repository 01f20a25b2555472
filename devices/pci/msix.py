"""The MSI-X table of a PCI device and its pending bits.

Facts from QEMU's hw/pci/msix.c and the PCI Local Bus Specification (the MSI-X capability).
"""

from __future__ import annotations

from functools import cache

from vmstate.declare import (
    REGISTERS,
    Expr,
    Fact,
    VMState,
    VMStateDescription,
    buffer,
    ceil_div,
    choose,
    description,
    fact,
    info,
    le16,
    linked,
    uint32_little,
    up,
    variant,
    varray,
)

CAPABILITY_LIST = 0x34
MSIX_CAPABILITY = 0x11
TABLE_SIZE = 0x7FF


def msix_vectors(config: Expr) -> Fact:
    """How many vectors a configuration space says there are: none where it has no MSI-X capability."""
    place = linked(config, CAPABILITY_LIST, MSIX_CAPABILITY)
    vectors = choose(place == 0, 0, le16(config, place + 2) % (TABLE_SIZE + 1) + 1)
    return fact("msix_vectors", range(TABLE_SIZE + 2), derived=vectors)


VECTORS = msix_vectors(up.up.parent_obj.config)


@description("msix entry")
class MSIXEntry(VMState):
    """A vector, as it lies in the table."""

    address: int = uint32_little()
    upper_address: int = uint32_little()
    data: int = uint32_little()
    control: int = uint32_little()


@description("msix state")
class MSIXState(VMState):
    """The table and the bits of the vectors that are pending while masked."""

    table: list[MSIXEntry] = varray(MSIXEntry, count=VECTORS)
    pba: bytes = buffer(ceil_div(VECTORS, 8), private=REGISTERS)


@description("msix")
class MSIX(VMState):
    """MSI-X; nothing where the device has none."""

    msix: MSIXState = info("msix state", MSIXState)


@cache
def msix_of(pci_device: str) -> VMStateDescription:
    """MSI-X beside the PCIDevice that is `pci_device` of the same struct."""
    if pci_device == "parent_obj":
        return variant(MSIX)
    vectors = msix_vectors(up.up[pci_device].config)
    state = variant(
        MSIXState, table=varray(MSIXEntry, count=vectors), pba=buffer(ceil_div(vectors, 8), private=REGISTERS)
    )
    return variant(MSIX, msix=info("msix state", state))
