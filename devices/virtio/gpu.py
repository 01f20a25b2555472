"""virtio-gpu, in 2D mode. With virgl, Venus or a vhost-user back end it cannot be migrated.

Facts from QEMU's hw/display/virtio-gpu.c and hw/display/virtio-vga.c.
"""

from __future__ import annotations

from typing import Any

from vmstate.declare import (
    Feature,
    Release,
    VMState,
    asks,
    buffer,
    choose,
    description,
    device,
    fact,
    info,
    int32,
    keyed_list,
    known_since,
    otherwise,
    part,
    rule,
    struct,
    subsection,
    this,
    uint32,
    uint32_equal,
    uint32_little,
    uint64,
    variant,
    varray,
    virtio_device,
)
from vmstate.devices.core.mapping import can_be_mapped, is_master
from vmstate.devices.display.vga import VGACommon
from vmstate.devices.virtio.config import ConfigSpace, features_of, reaches
from vmstate.devices.virtio.core import VirtIOBody
from vmstate.devices.virtio.queue import ACCESS_PLATFORM
from vmstate.devices.virtio.transport import VHOST
from vmstate.errors import VMStateError

FEATURES = (
    Feature(0, "VIRTIO_GPU_F_VIRGL"),
    Feature(1, "VIRTIO_GPU_F_EDID"),
    Feature(2, "VIRTIO_GPU_F_RESOURCE_UUID"),
    Feature(3, "VIRTIO_GPU_F_RESOURCE_BLOB"),
    Feature(4, "VIRTIO_GPU_F_CONTEXT_INIT"),
    *VHOST,
)

BYTES_PER_PIXEL = 4
"""In each of the formats that a 2D resource can have."""

FORMATS = frozenset((1, 2, 3, 4, 67, 68, 121, 134))
"""Those formats: the orders of four bytes, with and without alpha."""

WRAP = 1 << 32
"""Where a display begins is sent with a sign, and held against the frame buffer without."""

LEAST_SHOWN = 16
"""Pixels in either direction that a display shows, at least."""

FIRST_HAS_FB = fact(
    "virtio_gpu_scanout_fb",
    (True, False),
    advice={
        True: "give the destination's device x-scanout-vmstate-version=2",
        False: "give the destination's device x-scanout-vmstate-version=1",
    },
    proven=True,
    since=Release(9, 1),
)
"""Whether scanouts are sent with their frame buffer: in machine types of release 9.0 and later."""

LATER_WITH_FB = fact(
    "virtio_gpu_later_scanouts_fb",
    range(16),
    derived=choose((this.max_outputs > 1) & FIRST_HAS_FB, None, 0),
    proven=True,
)
"""How many of the scanouts behind the first are sent with their frame buffer.

It should be all, or none. But for each of these QEMU looks for the answer behind the end of the device, in memory that
can hold anything: a machine of release 11.1 with two displays has sent the frame buffer of both once, and of the first
alone another time; one of 10.0 with four sent those of some. The stream does not say which: they are taken for the
first, which makes no difference where a display shows nothing.
"""


@description("virtio-gpu config")
class VirtIOGPUConfig(VMState):
    """The configuration space: 16 bytes, 20 in release 11.1."""

    events_read: int = uint32_little()
    events_clear: int = uint32_little()
    num_scanouts: int = uint32_little()
    num_capsets: int = uint32_little()
    blob_alignment: int | None = uint32_little(exists=reaches(20))


@description("virtio-gpu backing")
class Backing(VMState):
    """A piece of guest memory behind a resource."""

    addr: int = uint64()
    length: int = uint32()


@description("virtio-gpu resource")
class Resource(VMState):
    """A 2D resource with its pixels, rows from the top, without padding."""

    resource_id: int = uint32()
    width: int = uint32()
    height: int = uint32()
    format: int = uint32()
    iov_cnt: int = uint32()
    backing: list[Backing] = varray(Backing, count=this.iov_cnt)
    pixels: bytes = buffer(this.width * this.height * BYTES_PER_PIXEL)


@description("virtio-gpu blob resource")
class BlobResource(VMState):
    """A resource that is guest memory."""

    resource_id: int = uint32()
    blob_size: int = uint32()
    iov_cnt: int = uint32()
    backing: list[Backing] = varray(Backing, count=this.iov_cnt)


@part(provisional={"resource_id": 0, "cursor_resource_id": 0})
@description("virtio-gpu-one-scanout", version_id=1)
class Scanout(VMState):
    """What a display shows."""

    resource_id: int = uint32()
    width: int = uint32()
    height: int = uint32()
    x: int = int32()
    y: int = int32()
    cursor_resource_id: int = uint32(name="cursor.resource_id")
    cursor_hot_x: int = uint32(name="cursor.hot_x")
    cursor_hot_y: int = uint32(name="cursor.hot_y")
    cursor_pos_x: int = uint32(name="cursor.pos.x")
    cursor_pos_y: int = uint32(name="cursor.pos.y")
    fb_format: int | None = uint32(name="fb.format", exists=FIRST_HAS_FB)
    fb_bytes_pp: int | None = uint32(name="fb.bytes_pp", exists=FIRST_HAS_FB)
    fb_width: int | None = uint32(name="fb.width", exists=FIRST_HAS_FB)
    fb_height: int | None = uint32(name="fb.height", exists=FIRST_HAS_FB)
    fb_stride: int | None = uint32(name="fb.stride", exists=FIRST_HAS_FB)
    fb_offset: int | None = uint32(name="fb.offset", exists=FIRST_HAS_FB)


SCANOUT_WITH_FB = variant(
    Scanout,
    fb_format=uint32(name="fb.format"),
    fb_bytes_pp=uint32(name="fb.bytes_pp"),
    fb_width=uint32(name="fb.width"),
    fb_height=uint32(name="fb.height"),
    fb_stride=uint32(name="fb.stride"),
    fb_offset=uint32(name="fb.offset"),
)

SCANOUT_WITHOUT_FB = variant(
    Scanout, fb_format=None, fb_bytes_pp=None, fb_width=None, fb_height=None, fb_stride=None, fb_offset=None
)


@description("virtio-gpu-scanouts", version_id=1)
class Scanouts(VMState):
    """The displays."""

    enable: int = int32(name="parent_obj.enable")
    max_outputs: int = uint32_equal(
        name="parent_obj.conf.max_outputs",
        default=1,
        rules=(rule("virtio-gpu-outputs", this.max_outputs > 0, "there is at least one display"),),
    )
    first_scanout: Scanout = struct(Scanout, name="parent_obj.scanout")
    later_scanouts: list[Scanout] = varray(SCANOUT_WITH_FB, count=LATER_WITH_FB, name="parent_obj.scanout")
    last_scanouts: list[Scanout] = varray(
        SCANOUT_WITHOUT_FB, count=this.max_outputs - 1 - LATER_WITH_FB, name="parent_obj.scanout"
    )

    @property
    def scanout(self) -> list[Scanout]:
        """All displays."""
        return [self.first_scanout, *self.later_scanouts, *self.last_scanouts]


@part(provisional={"resources": []})
@description("virtio-gpu device")
class VirtIOGPUDevice(VMState):
    """The resources and the displays."""

    resources: list[Resource] = keyed_list(Resource)
    scanouts: Scanouts = struct(Scanouts)


@description("virtio-gpu blobs")
class Blobs(VMState):
    """The resources that are guest memory."""

    resources: list[BlobResource] = keyed_list(BlobResource)


@description("virtio-gpu/blob", version_id=1, minimum_version_id=1, rules=(known_since(Release(8, 2)),))
class BlobState(VMState):
    """Sent where the device has blob resources."""

    blobs: Blobs = info("blob", Blobs, name="virtio-gpu/blob")


def _all_resources(gpu: VirtIOGPUDevice, blob: BlobState | None) -> list[Any]:
    """The resources of both kinds, in the order in which they are loaded."""
    return [*gpu.resources, *(() if blob is None else blob.blobs.resources)]


def _have_ids(gpu: VirtIOGPUDevice, blob: BlobState | None) -> bool:
    ids = [resource.resource_id for resource in _all_resources(gpu, blob)]
    return len(set(ids)) == len(ids)


def _have_formats(gpu: VirtIOGPUDevice) -> bool:
    return all(resource.format in FORMATS for resource in gpu.resources)


def _backings(virtio: VirtIOBody, gpu: VirtIOGPUDevice, blob: BlobState | None) -> tuple[list[tuple[int, int]], bool]:
    """(address, size) of what is mapped of guest memory, and whether the device reaches it."""
    pieces = [(piece.addr, piece.length) for resource in _all_resources(gpu, blob) for piece in resource.backing]
    if pieces and features_of(virtio) >> ACCESS_PLATFORM & 1:
        raise VMStateError("the addresses of the resources are those of an IOMMU, where there is one")
    device = getattr(virtio.transport, "pci_dev", None)
    return pieces, device is None or is_master(device)


def _are_shown(gpu: VirtIOGPUDevice, blob: BlobState | None) -> bool:
    ids = {0, *(resource.resource_id for resource in _all_resources(gpu, blob))}
    return all(scanout.resource_id in ids for scanout in gpu.scanouts.scanout)


def _have_framebuffers(gpu: VirtIOGPUDevice) -> bool:
    """Whether an image can be made of each frame buffer that is sent: rows of whole words, as wide as what is shown.

    A format of pixman has the bits of a pixel, a shift for all numbers of bits, and the bits of alpha and each colour.
    """
    for scanout in gpu.scanouts.scanout:
        layout = scanout.fb_format
        if scanout.resource_id and layout:
            shift = layout >> 22 & 3
            bits_per_pixel = (layout >> 24) << shift
            depth = sum((layout >> place & 15) << shift for place in (12, 8, 4, 0))
            stride = scanout.fb_stride or 0
            if bits_per_pixel < depth or stride % 4 or not scanout.width * bits_per_pixel <= stride * 8 < WRAP * 4:
                return False
    return True


def _have_sizes(gpu: VirtIOGPUDevice) -> bool:
    return all(resource.width and resource.height for resource in gpu.resources)


def _have_rectangles(gpu: VirtIOGPUDevice) -> bool:
    """Whether what a display shows lies within its frame buffer, where one is sent (virtio_gpu_do_set_scanout)."""
    return all(
        LEAST_SHOWN <= size <= most and start % WRAP + size <= most
        for scanout in gpu.scanouts.scanout
        if scanout.resource_id and scanout.fb_format
        for start, size, most in (
            (scanout.x, scanout.width, scanout.fb_width or 0),
            (scanout.y, scanout.height, scanout.fb_height or 0),
        )
    )


@virtio_device(
    "virtio-gpu",
    models="vmstate.devices.virtio.models:GPU",
    id=16,
    features=FEATURES,
    accidents=("virtio_gpu_later_scanouts_fb",),
    provisional={"blob": None},
)
@description(
    "virtio-gpu",
    version_id=1,
    minimum_version_id=1,
    rules=(
        rule(
            "virtio-gpu-resource-ids",
            asks(_have_ids, this.gpu, otherwise(this.blob, None)),
            "no two resources have the same id",
        ),
        rule("virtio-gpu-size", asks(_have_sizes, this.gpu), "a resource has at least one pixel", since=Release(9, 2)),
        rule("virtio-gpu-formats", asks(_have_formats, this.gpu), "a resource has a format of four bytes a pixel"),
        rule(
            "virtio-gpu-backing",
            can_be_mapped(_backings, this.virtio, this.gpu, otherwise(this.blob, None)),
            "what is behind a resource is guest memory",
        ),
        rule(
            "virtio-gpu-shown",
            asks(_are_shown, this.gpu, otherwise(this.blob, None)),
            "a display shows a resource that there is, or none",
        ),
        rule(
            "virtio-gpu-framebuffer",
            asks(_have_framebuffers, this.gpu),
            "the frame buffer of a display has a format of pixman's and rows of whole words, as wide as what it shows",
        ),
        rule(
            "virtio-gpu-rectangle",
            asks(_have_rectangles, this.gpu),
            f"what a display shows lies within its frame buffer, and has at least {LEAST_SHOWN} pixels either way",
        ),
    ),
)
class VirtIOGPU(VMState):
    """A virtio-gpu on any transport, also the one inside a virtio-vga."""

    virtio: VirtIOBody = info("virtio", VirtIOBody)
    gpu: VirtIOGPUDevice = info("virtio-gpu", VirtIOGPUDevice, name="virtio-gpu")
    blob: BlobState | None = subsection(BlobState)
    config_space = ConfigSpace(VirtIOGPUConfig)


@device("virtio-vga")
@description("virtio-vga", version_id=2, minimum_version_id=2)
class VirtIOVGA(VMState):
    """The VGA in front of a virtio-gpu. The PCI device they share goes with the virtio-gpu."""

    vga: VGACommon = struct(VGACommon)
