"""virtio-mem.

What cannot change while a migration runs goes ahead of the guest's memory, in a section of its own; for machine types
before 8.0 it goes with the rest. Facts from QEMU's hw/virtio/virtio-mem.c.
"""

from __future__ import annotations

from vmstate.declare import (
    Feature,
    MigrationPriority,
    Release,
    Rule,
    VMState,
    bitmap,
    description,
    device,
    equal,
    fact,
    info,
    not_,
    rule,
    struct,
    this,
    uint16_little,
    uint32,
    uint64,
    uint64_little,
    unused,
    virtio_device,
    with_tmp,
)
from vmstate.devices.virtio.config import ConfigSpace
from vmstate.devices.virtio.core import VirtIO, VirtIODevice, virtio_state

FEATURES = (
    # Before 11.1 only a QEMU built without ACPI has it.
    Feature(0, "VIRTIO_MEM_F_ACPI_PXM", Release(11, 1)),
    Feature(1, "VIRTIO_MEM_F_UNPLUGGED_INACCESSIBLE"),
    Feature(2, "VIRTIO_MEM_F_PERSISTENT_SUSPND", Release(9, 2)),
)

EARLY = fact(
    "virtio_mem_early",
    (True, False),
    advice={
        True: "give the destination's device x-early-migration=on",
        False: "give the destination's device x-early-migration=off",
    },
    since=Release(8, 0),
)
"""Whether size and bitmap went ahead, in a section of their own (`x-early-migration`)."""

BLOCKS = this.tmp.region_size // this.tmp.block_size


@description("virtio-mem config")
class VirtIOMEMConfig(VMState):
    """The configuration space. Sizes and addresses in bytes."""

    block_size: int = uint64_little()
    node_id: int = uint16_little()
    unused_0: None = unused(6)
    addr: int = uint64_little()
    region_size: int = uint64_little()
    usable_region_size: int = uint64_little()
    plugged_size: int = uint64_little()
    requested_size: int = uint64_little()


def _same(attribute: str, name: str, what: str, form: str) -> Rule:
    """One of virtio-mem's own checks, in the device's section or in the one that goes ahead."""
    return equal(
        f"virtio-mem-{name}",
        attribute,
        f"the {what} is {{value{form}}} in the stream and {{local{form}}} on the destination",
        qemu_error=f"Property '{name}'{' size' if name == 'memdev' else ''} changed from {{value{form}}} to "
        f"{{local{form}}}",
        advice=f"give both devices the same {what} ({name}=)",
    )


@description(
    "virtio-mem-device/sanity-checks",
    rules=(rule("virtio-mem-block-size", this.block_size != 0, "blocks have a size"),),
)
class SanityChecks(VMState):
    """What must be the same on the destination."""

    addr: int = uint64(rules=(_same("addr", "memaddr", "address", ":#x"),))
    region_size: int = uint64(rules=(_same("region_size", "memdev", "size of the memory backend", ":#x"),))
    block_size: int = uint64(rules=(_same("block_size", "block-size", "block size", ":#x"),))
    node: int = uint32(rules=(_same("node", "node", "NUMA node", ""),))


@description("virtio-mem-device", version_id=1, minimum_version_id=1, priority=MigrationPriority.VIRTIO_MEM)
class VirtIOMEMDevice(VMState):
    """The memory device, without what went ahead."""

    tmp: SanityChecks | None = with_tmp(SanityChecks, exists=not_(EARLY))
    usable_region_size: int = uint64()
    size: int | None = uint64(exists=not_(EARLY))
    requested_size: int = uint64()
    bitmap: int | None = bitmap(BLOCKS, exists=not_(EARLY), doc="a bit for each block that is plugged")


@device("virtio-mem-device-early", listed=False)
@description("virtio-mem-device-early", version_id=1, minimum_version_id=1, early_setup=True)
class VirtIOMEMDeviceEarly(VMState):
    """What goes ahead of the guest's memory: which of its blocks are plugged."""

    tmp: SanityChecks = with_tmp(SanityChecks)
    size: int = uint64()
    bitmap: int = bitmap(BLOCKS)


@description("virtio-mem body")
class VirtIOMEMBody(VirtIODevice):
    """Everything a virtio-mem device saves while the guest is stopped."""

    mem: VirtIOMEMDevice = struct(VirtIOMEMDevice)
    virtio: VirtIO = virtio_state()


@virtio_device("virtio-mem", models="vmstate.devices.virtio.models:MEM", id=24, features=FEATURES)
@description("virtio-mem", version_id=1, minimum_version_id=1)
class VirtIOMEM(VMState):
    """A virtio-mem device on any transport."""

    virtio: VirtIOMEMBody = info("virtio", VirtIOMEMBody)
    config_space = ConfigSpace(VirtIOMEMConfig)
