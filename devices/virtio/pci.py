"""The PCI transport of virtio: legacy, transitional and modern.

Facts from QEMU's hw/virtio/virtio-pci.c and hw/pci/msix.c, and from the VIRTIO specification, section 5 (device types).
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
    part,
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
from vmstate.errors import EncodeError
from vmstate.stream.registry import virtio_id_of

QUEUE_MAX = 1024
"""VIRTIO_QUEUE_MAX: as many queues have a place in the arrays, whatever the device has."""

MASKED = 1
"""The bit of a vector's control word that masks it."""

NO_VECTOR = 0xFFFF
"""VIRTIO_NO_VECTOR."""

VECTORS = msix_vectors(this.pci_dev.config)


EXPRESS = fact("pci_express", (True, False), choose(begins(IDSTR, "hhhh:hh:hh.h/"), False, None), proven=True)
"""Whether the device is a PCI Express endpoint: on the root bus it never is, behind a bridge it mostly is."""

QUMRANET = 0x1AF4
MODERN = 0x1040
"""The PCI device id of a modern virtio device is its number above this."""
LEGACY = {1: 0x1000, 2: 0x1001, 3: 0x1003, 4: 0x1005, 5: 0x1002, 8: 0x1004, 9: 0x1009}
"""PCI device ids of those that take a legacy driver, by number; section 4.1.2.1 of the specification.

QEMU compares the device id when it loads, and not the subsystem id, in which these have their number.
"""


def is_of_device(config: bytes, idstr: str) -> bool:
    """Whether a PCI configuration space is one of the device that the idstr names.

    Of a space that says nothing of virtio, and of an idstr that is not known, it is not asked.
    """
    number = virtio_id_of(idstr)
    if number is None or _word(config, 0) != QUMRANET:
        return True
    device_id = _word(config, 2)
    if device_id >= MODERN:
        return device_id == MODERN + number
    # QEMU gave some devices an id below that the specification does not name: vsock had 0x1012.
    return LEGACY.get(number, device_id) == device_id and (number in LEGACY or device_id not in LEGACY.values())


def _word(config: bytes, at: int) -> int:
    return int.from_bytes(config[at : at + 2], "little")


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


@part(provisional={"enabled": False, "desc": 0, "avail": 0, "used": 0})
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


@part(provisional={"features128": None})
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
