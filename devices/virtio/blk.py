"""virtio-blk.

Facts from QEMU's hw/block/virtio-blk.c.
"""

from __future__ import annotations

from vmstate.declare import (
    Feature,
    Release,
    VMState,
    description,
    info,
    part,
    qtailq,
    rule,
    struct,
    this,
    uint8,
    uint16_device,
    uint32,
    uint32_device,
    uint64_device,
    unused,
    up,
    virtio_device,
)
from vmstate.devices.vhost.element import VirtQueueElement
from vmstate.devices.virtio.config import ConfigSpace, reaches
from vmstate.devices.virtio.core import VirtIO, VirtIODevice, virtio_state
from vmstate.devices.virtio.transport import VHOST

FEATURES = (
    Feature(1, "VIRTIO_BLK_F_SIZE_MAX", property=None),
    Feature(2, "VIRTIO_BLK_F_SEG_MAX", property=None),
    Feature(4, "VIRTIO_BLK_F_GEOMETRY", property=None),
    Feature(5, "VIRTIO_BLK_F_RO", property=None),
    Feature(6, "VIRTIO_BLK_F_BLK_SIZE", property=None),
    Feature(10, "VIRTIO_BLK_F_TOPOLOGY", property=None),
    Feature(12, "VIRTIO_BLK_F_MQ", property="num-queues"),
    Feature(13, "VIRTIO_BLK_F_DISCARD"),
    Feature(14, "VIRTIO_BLK_F_WRITE_ZEROES", property="write-zeroes"),
    Feature(16, "VIRTIO_BLK_F_SECURE_ERASE", Release(8, 2)),
    Feature(17, "VIRTIO_BLK_F_ZONED", Release(8, 1)),
    Feature(0, "VIRTIO_BLK_F_BARRIER"),
    Feature(7, "VIRTIO_BLK_F_SCSI"),
    Feature(9, "VIRTIO_BLK_F_FLUSH", property=None),
    Feature(11, "VIRTIO_BLK_F_CONFIG_WCE", property="config-wce"),
    *VHOST,
)


@description("virtio-blk config")
class VirtIOBlkConfig(VMState):
    """The configuration space: 36 bytes, then what discarding, writing zeroes, erasing and zones add."""

    capacity: int = uint64_device(doc="sectors of 512 bytes")
    size_max: int = uint32_device()
    seg_max: int = uint32_device()
    cylinders: int = uint16_device(name="geometry.cylinders")
    heads: int = uint8(name="geometry.heads")
    sectors: int = uint8(name="geometry.sectors")
    blk_size: int = uint32_device()
    physical_block_exp: int = uint8()
    alignment_offset: int = uint8()
    min_io_size: int = uint16_device()
    opt_io_size: int = uint32_device()
    wce: int = uint8()
    unused_0: None = unused(1)
    num_queues: int = uint16_device()
    max_discard_sectors: int | None = uint32_device(exists=reaches(40))
    max_discard_seg: int | None = uint32_device(exists=reaches(44))
    discard_sector_alignment: int | None = uint32_device(exists=reaches(48))
    max_write_zeroes_sectors: int | None = uint32_device(exists=reaches(52))
    max_write_zeroes_seg: int | None = uint32_device(exists=reaches(56))
    write_zeroes_may_unmap: int | None = uint8(exists=reaches(57))
    unused_1: None = unused(3, exists=reaches(60))
    max_secure_erase_sectors: int | None = uint32_device(exists=reaches(64))
    max_secure_erase_seg: int | None = uint32_device(exists=reaches(68))
    secure_erase_sector_alignment: int | None = uint32_device(exists=reaches(72))
    zone_sectors: int | None = uint32_device(name="zoned.zone_sectors", exists=reaches(76))
    max_open_zones: int | None = uint32_device(name="zoned.max_open_zones", exists=reaches(80))
    max_active_zones: int | None = uint32_device(name="zoned.max_active_zones", exists=reaches(84))
    max_append_sectors: int | None = uint32_device(name="zoned.max_append_sectors", exists=reaches(88))
    write_granularity: int | None = uint32_device(name="zoned.write_granularity", exists=reaches(92))
    zone_model: int | None = uint8(name="zoned.model", exists=reaches(93))
    unused_2: None = unused(3, exists=reaches(96))


@description("virtio-blk request")
class VirtIOBlkRequest(VMState):
    """A request that was stopped by an error or had not begun; the destination tries it again."""

    queue: int | None = uint32(
        exists=up.num_queues > 1,
        rules=(rule("virtio-blk-queue", this.queue < up.num_queues, "the request is of a queue that there is"),),
    )
    elem: VirtQueueElement = struct(VirtQueueElement)


@part(provisional={"requests": []})
@description("virtio-blk body")
class VirtIOBlkBody(VirtIODevice):
    """Everything a virtio-blk device saves."""

    requests: list[VirtIOBlkRequest] = qtailq(VirtIOBlkRequest)
    virtio: VirtIO = virtio_state()


@virtio_device(
    "virtio-blk",
    models="vmstate.devices.virtio.models:BLK",
    id=2,
    features=FEATURES,
    host="virtio_blk_set_config_size: by the features that the host offers",
    items="vmstate.devices.virtio.blk_items:ITEMS",
)
@description("virtio-blk", version_id=2, minimum_version_id=2)
class VirtIOBlk(VMState):
    """A disk on any transport."""

    virtio: VirtIOBlkBody = info("virtio", VirtIOBlkBody)
    config_space = ConfigSpace(VirtIOBlkConfig)
