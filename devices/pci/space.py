"""The configuration space of a conventional PCI device, built from nothing.

In a stream it is bytes (the field `config` of `PCIDevice`). Facts from the PCI Local Bus Specification 3.0, sections
6.1 and 6.8.2; integers are little-endian.
"""

from __future__ import annotations

from vmstate.declare import VMState, VMStateDescription, array, buffer, description, uint8, uint16_little, uint32_little
from vmstate.devices.pci.msix import CAPABILITY_LIST, MSIX_CAPABILITY

SIZE = 256
HEADER_SIZE = 64
STATUS_CAP_LIST = 1 << 4
"""The bit of the status register that says there is a list of capabilities."""


@description("pci configuration header")
class PCIHeader(VMState):
    """The first 64 bytes, of a device that is no bridge."""

    vendor_id: int = uint16_little()
    device_id: int = uint16_little()
    command: int = uint16_little()
    status: int = uint16_little()
    revision_id: int = uint8()
    class_prog: int = uint8()
    class_device: int = uint16_little()
    cache_line_size: int = uint8()
    latency_timer: int = uint8()
    header_type: int = uint8()
    bist: int = uint8()
    base_address: list[int] = array(uint32_little, 6)
    cardbus_cis: int = uint32_little()
    subsystem_vendor_id: int = uint16_little()
    subsystem_id: int = uint16_little()
    rom_address: int = uint32_little()
    capability_list: int = uint8()
    reserved: bytes = buffer(7)
    interrupt_line: int = uint8()
    interrupt_pin: int = uint8()
    min_gnt: int = uint8()
    max_lat: int = uint8()


@description("msix capability")
class MSIXCapability(VMState):
    """Where the table and the pending bits are; bits 0 to 10 of `control` are the number of vectors less one."""

    id: int = uint8(default=MSIX_CAPABILITY)
    next: int = uint8()
    control: int = uint16_little()
    table: int = uint32_little()
    pba: int = uint32_little()


def conventional_space(header: PCIHeader, *, msix: MSIXCapability | None = None) -> bytes:
    """The 256 bytes of a header and, right behind it, the MSI-X capability if there is one.

    The header's status and list of capabilities are made to say that it is there.
    """
    described: VMStateDescription = PCIHeader.vmsd
    capability = b""
    decoded = described.decode(described.encode(header))
    if msix is not None:
        capability = MSIXCapability.vmsd.encode(msix)
        decoded.status |= STATUS_CAP_LIST
        decoded.capability_list = HEADER_SIZE
    data = described.encode(decoded)
    assert len(data) == HEADER_SIZE and data[CAPABILITY_LIST] == decoded.capability_list
    return (data + capability).ljust(SIZE, b"\0")
