"""The PCI transport of virtio: legacy, transitional and modern.

Facts from QEMU's hw/virtio/virtio-pci.c and hw/pci/msix.c.
"""

from __future__ import annotations

from vmstate.declare import (
    IDSTR,
    REGISTERS,
    Release,
    VMState,
    array,
    asks,
    begins,
    boolean,
    buffer,
    ceil_div,
    choose,
    description,
    fact,
    known_since,
    len_,
    not_,
    rule,
    struct,
    sub_array,
    subsection,
    this,
    uint16,
    uint32,
    uint64_words,
    unused,
    variant,
    varray,
)
from vmstate.devices.pci.device import PCIDevice, config_rules
from vmstate.devices.pci.msix import CAPABILITY_LIST, MSIX_CAPABILITY, TABLE_SIZE, MSIXEntry, msix_vectors
from vmstate.devices.virtio.device_ids import is_of_device
from vmstate.errors import EncodeError

QUEUE_MAX = 1024
"""VIRTIO_QUEUE_MAX: as many queues have a place in the arrays, whatever the device has."""

MASKED = 1
"""The bit of a vector's control word that masks it."""

NO_VECTOR = 0xFFFF
"""VIRTIO_NO_VECTOR."""

VECTORS = msix_vectors(this.pci_dev.config)


EXPRESS = fact("pci_express", derived=choose(begins(IDSTR, "hhhh:hh:hh.h/"), False, None))
"""Whether the device is a PCI Express endpoint: on the root bus it never is, behind a bridge it may be."""


@description(
    "virtio-pci config",
    rules=(
        rule(
            "virtio-pci-device-id",
            asks(is_of_device, this.pci_dev.config, IDSTR),
            "the ids in the configuration space are those of the device that the idstr names",
        ),
    ),
)
class VirtIOPCIConfig(VMState):
    """What the transport saves before the device: the PCI device, MSI-X, the vector of configuration changes."""

    pci_dev: PCIDevice = struct(
        variant(
            PCIDevice,
            conventional_config=buffer(
                256,
                name="config",
                info="pci config",
                exists=not_(EXPRESS),
                rules=config_rules(this.conventional_config),
            ),
            express_config=buffer(
                4096, name="config", info="pci config", exists=EXPRESS, rules=config_rules(this.express_config)
            ),
        )
    )
    msix_table: list[MSIXEntry] = varray(MSIXEntry, count=VECTORS)
    msix_pba: bytes = buffer(ceil_div(VECTORS, 8), private=REGISTERS)
    config_vector: int | None = uint16(
        exists=VECTORS > 0,
        rules=(
            rule(
                "virtio-pci-config-vector",
                (this.config_vector == NO_VECTOR) | (this.config_vector < len_(this.msix_table)),
                "the vector of configuration changes is one of the MSI-X table, or none",
            ),
        ),
    )

    def set_vectors(self, count: int) -> None:
        """Give the device another number of MSI-X vectors, new ones masked, in its configuration space too."""
        if not 1 <= count <= TABLE_SIZE + 1:
            raise EncodeError("no number of vectors", expected=f"1 to {TABLE_SIZE + 1}", found=str(count))
        table = list(self.msix_table)[:count]
        table += [MSIXEntry(control=MASKED) for _ in range(count - len(table))]
        self.msix_table = table
        self.msix_pba = bytes(-(-count // 8))
        space = bytearray(self.pci_dev.config)
        place = space[CAPABILITY_LIST]
        while place and space[place] != MSIX_CAPABILITY:
            place = space[place + 1]
        if place:
            flags = int.from_bytes(space[place + 2 : place + 4], "little")
            space[place + 2 : place + 4] = (flags & ~TABLE_SIZE | count - 1).to_bytes(2, "little")
        if self.pci_dev.express_config is not None:
            self.pci_dev.express_config = bytes(space)
        else:
            self.pci_dev.conventional_config = bytes(space)


@description("virtio_pci/modern_queue_state", version_id=1, minimum_version_id=1)
class VirtIOPCIQueue(VMState):
    """A queue as the registers of a modern device show it."""

    num: int = uint16()
    unused_0: None = unused(1)
    enabled: bool = boolean()
    desc: int = uint64_words()
    avail: int = uint64_words()
    used: int = uint64_words()


@description(
    "virtio_pci/modern_state/features128",
    version_id=1,
    minimum_version_id=1,
    rules=(known_since(Release(10, 2)),),
)
class VirtIOPCIFeatures128(VMState):
    """The upper half of the feature words that the driver wrote; sent where one is not zero."""

    guest_features: list[int] = sub_array(uint32, 2, 2)


@description("virtio_pci/modern_state", version_id=1, minimum_version_id=1)
class VirtIOPCIModernState(VMState):
    """The registers of a modern device."""

    dfselect: int = uint32()
    gfselect: int = uint32()
    guest_features: list[int] = sub_array(uint32, 0, 2)
    vqs: list[VirtIOPCIQueue] = array(VirtIOPCIQueue, QUEUE_MAX)
    features128: VirtIOPCIFeatures128 | None = subsection(VirtIOPCIFeatures128)


@description("virtio_pci", version_id=1, minimum_version_id=1)
class VirtIOPCIExtraState(VMState):
    """What the transport saves behind the device."""

    modern_state: VirtIOPCIModernState | None = subsection(VirtIOPCIModernState)
