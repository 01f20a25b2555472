"""virtio-balloon.

Facts from QEMU's hw/virtio/virtio-balloon.c. The configuration space is little-endian even for a legacy device.
"""

from __future__ import annotations

from vmstate.declare import (
    REGISTERS,
    Feature,
    Release,
    VMState,
    buffer,
    description,
    host,
    info,
    known_since,
    never,
    part,
    struct,
    subsection,
    this,
    uint32,
    uint32_little,
    validate,
    variant,
    virtio_device,
)
from vmstate.devices.virtio.config import ConfigSpace, reaches
from vmstate.devices.virtio.core import VirtIO, VirtIODevice, virtio_state

FEATURES = (
    Feature(0, "VIRTIO_BALLOON_F_MUST_TELL_HOST", property=None),
    Feature(1, "VIRTIO_BALLOON_F_STATS_VQ", property=None),
    Feature(2, "VIRTIO_BALLOON_F_DEFLATE_ON_OOM", property="deflate-on-oom"),
    Feature(3, "VIRTIO_BALLOON_F_FREE_PAGE_HINT", property="free-page-hint"),
    Feature(4, "VIRTIO_BALLOON_F_PAGE_POISON", property="page-poison"),
    Feature(5, "VIRTIO_BALLOON_F_REPORTING", property="free-page-reporting"),
)

MISNAMED = b"\x05\x20vitio-balloon-device/page-poison\0\0\0\1"
"""The header of a subsection, misspelt."""


@description("virtio-balloon config")
class VirtIOBalloonConfig(VMState):
    """The configuration space: 8 bytes, 12 with free page hints, 16 with poison or in machine type 4.0."""

    num_pages: int = uint32_little(doc="pages of 4 KiB that the guest is to give up")
    actual: int = uint32_little(doc="pages that it has given up")
    free_page_hint_cmd_id: int | None = uint32_little(exists=reaches(12))
    poison_val: int | None = uint32_little(exists=reaches(16))


@description("virtio-balloon-device/free-page-report", version_id=1, minimum_version_id=1)
class FreePageHint(VMState):
    """How far hinting at free pages is; sent where the host offers it."""

    free_page_hint_cmd_id: int = uint32()
    free_page_hint_status: int = uint32(doc="0 stopped, 1 requested, 2 started, 3 done")


@description(
    "virtio-balloon-device/page-poison", version_id=1, minimum_version_id=1, rules=(known_since(Release(6, 2)),)
)
class PagePoison(VMState):
    """What the guest fills free pages with; sent where the host offers to know it."""

    poison_val: int = uint32()


@part(provisional={"free_page_hint": None, "page_poison": None})
@description("virtio-balloon-device", version_id=1, minimum_version_id=1)
class VirtIOBalloonDevice(VMState):
    """The balloon."""

    num_pages: int = uint32()
    actual: int = uint32()
    free_page_hint: FreePageHint | None = subsection(FreePageHint)
    page_poison: PagePoison | None = subsection(PagePoison)


@description(
    "virtio-balloon misnamed page poison",
    rules=(
        never(
            "virtio-balloon-page-poison",
            "the source is 5.1 or 5.2, which misspells the subsection of the page poison; no release finds it",
            qemu_error="Missing section footer for {section}",
            advice="start the source with page-poison=off on the balloon",
        ),
    ),
)
class MisnamedPagePoison(VMState):
    """What releases 5.1 and 5.2 write for `PagePoison`. They cannot read it: to them it is none of the balloon's."""

    header: bytes = buffer(len(MISNAMED), default=MISNAMED, private=REGISTERS)
    header_known: None = validate(this.header == MISNAMED, name="misnamed page poison")
    poison_val: int = uint32()


@description("virtio-balloon body")
class VirtIOBalloonBody(VirtIODevice):
    """Everything a virtio-balloon device saves."""

    balloon: VirtIOBalloonDevice = struct(VirtIOBalloonDevice)
    misnamed_page_poison: MisnamedPagePoison | None = host()
    virtio: VirtIO = virtio_state()


@virtio_device("virtio-balloon", models="vmstate.devices.virtio.models:BALLOON", id=5, features=FEATURES)
@description("virtio-balloon", version_id=1, minimum_version_id=1)
class VirtIOBalloon(VMState):
    """A virtio-balloon device on any transport."""

    virtio: VirtIOBalloonBody = info("virtio", VirtIOBalloonBody)
    config_space = ConfigSpace(VirtIOBalloonConfig)


# Releases 5.1 and 5.2, where the guest uses page poison.
BODY_5_2 = variant(VirtIOBalloonBody, misnamed_page_poison=struct(MisnamedPagePoison))
VIRTIO_BALLOON_5_2 = variant(VirtIOBalloon, virtio=info("virtio", BODY_5_2))
