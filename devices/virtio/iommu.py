"""virtio-iommu.

Facts from QEMU's hw/virtio/virtio-iommu.c.
"""

from __future__ import annotations

from vmstate.declare import (
    Feature,
    MigrationPriority,
    VMState,
    boolean,
    description,
    gtree,
    info,
    qlist,
    struct,
    uint8,
    uint32,
    uint32_little,
    uint64,
    uint64_little,
    unused,
    variant,
    virtio_device,
)
from vmstate.devices.virtio.config import ConfigSpace
from vmstate.devices.virtio.core import VirtIO, VirtIODevice, virtio_state

FEATURES = (
    Feature(0, "VIRTIO_IOMMU_F_INPUT_RANGE"),
    Feature(1, "VIRTIO_IOMMU_F_DOMAIN_RANGE"),
    Feature(2, "VIRTIO_IOMMU_F_MAP_UNMAP"),
    Feature(3, "VIRTIO_IOMMU_F_BYPASS"),
    Feature(4, "VIRTIO_IOMMU_F_PROBE"),
    Feature(5, "VIRTIO_IOMMU_F_MMIO"),
    Feature(6, "VIRTIO_IOMMU_F_BYPASS_CONFIG"),
)


@description("virtio-iommu config")
class VirtIOIOMMUConfig(VMState):
    """The configuration space."""

    page_size_mask: int = uint64_little()
    input_range_start: int = uint64_little(name="input_range.start")
    input_range_end: int = uint64_little(name="input_range.end")
    domain_range_start: int = uint32_little(name="domain_range.start")
    domain_range_end: int = uint32_little(name="domain_range.end")
    probe_size: int = uint32_little()
    bypass: int = uint8()
    unused_0: None = unused(3)


@description("interval", version_id=1, minimum_version_id=1)
class Interval(VMState):
    """Addresses of the guest's devices, the last included."""

    low: int = uint64()
    high: int = uint64()


@description("mapping", version_id=1, minimum_version_id=1)
class Mapping(VMState):
    """What an interval is mapped to."""

    phys_addr: int = uint64()
    flags: int = uint32(doc="1 read, 2 write, 4 device memory")


@description("endpoint", version_id=1, minimum_version_id=1)
class Endpoint(VMState):
    """A device that is attached to a domain: its requester id."""

    id: int = uint32()


@description("domain", version_id=2, minimum_version_id=2)
class Domain(VMState):
    """An address space that endpoints share."""

    id: int = uint32()
    mappings: list[tuple[Interval, Mapping]] = gtree(Mapping, key=Interval, version=1)
    endpoint_list: list[Endpoint] = qlist(Endpoint, version=1)
    bypass: bool = boolean(version=2)


@description("virtio-iommu-device", version_id=2, minimum_version_id=2)
class VirtIOIOMMUDevice(VMState):
    """The domains, and whether a device that is in none is let through."""

    domains: list[tuple[int, Domain]] = gtree(Domain, version=2)
    bypass: int = uint8(name="config.bypass", version=2)


@description("virtio-iommu body")
class VirtIOIOMMUBody(VirtIODevice):
    """Everything a virtio-iommu device saves."""

    iommu: VirtIOIOMMUDevice = struct(VirtIOIOMMUDevice)
    virtio: VirtIO = virtio_state()


@virtio_device("virtio-iommu", models="vmstate.devices.virtio.models:IOMMU", id=23, features=FEATURES)
@description("virtio-iommu", version_id=2, minimum_version_id=2, priority=MigrationPriority.IOMMU)
class VirtIOIOMMU(VMState):
    """A virtio-iommu device."""

    virtio: VirtIOIOMMUBody = info("virtio", VirtIOIOMMUBody)
    config_space = ConfigSpace(VirtIOIOMMUConfig)


# Releases before 7.0 have neither the domain's bypass nor the device's; version 1 throughout.
DOMAIN_6_2 = variant(Domain, None, 1, bypass=None)
DEVICE_6_2 = variant(VirtIOIOMMUDevice, None, 1, domains=gtree(DOMAIN_6_2, version=1), bypass=None)
BODY_6_2 = variant(VirtIOIOMMUBody, iommu=struct(DEVICE_6_2))
VIRTIO_IOMMU_6_2 = variant(VirtIOIOMMU, None, 1, virtio=info("virtio", BODY_6_2))
