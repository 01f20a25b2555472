"""Which virtio device is behind an idstr: its number in the VIRTIO specification.

Facts from the specification, section 5 (Device Types), and from QEMU's hw/virtio/virtio-pci.c: a device that takes a
legacy driver has a PCI device id below 0x1040 and its number as subsystem id; any other has 0x1040 and its number.
"""

from __future__ import annotations

DEVICE_IDS = {
    "virtio-net": 1,
    "virtio-blk": 2,
    "vhost-user-blk": 2,
    "virtio-console": 3,
    "virtio-rng": 4,
    "virtio-balloon": 5,
    "virtio-scsi": 8,
    "virtio-vhost_scsi": 8,
    "virtio-9p": 9,
    "virtio-gpu": 16,
    "virtio-vga": 16,
    "virtio-input": 18,
    "virtio-vhost_vsock": 19,
    "virtio-iommu": 23,
    "virtio-mem": 24,
    "vhost-user-fs": 26,
    "virtio-nsm": 33,
}
"""The last part of the idstr -> the number of the device."""

QUMRANET = 0x1AF4
MODERN = 0x1040
SUBSYSTEM_ID = 0x2E


def is_of_device(config: bytes, idstr: str) -> bool:
    """Whether a PCI configuration space is one of the device that the idstr names.

    Of a space that says nothing of virtio, and of an idstr that is not known, it is not asked.
    """
    number = DEVICE_IDS.get(idstr.rpartition("/")[2])
    if number is None or _word(config, 0) != QUMRANET:
        return True
    device_id = _word(config, 2)
    return device_id == MODERN + number or (device_id < MODERN and _word(config, SUBSYSTEM_ID) == number)


def _word(config: bytes, at: int) -> int:
    return int.from_bytes(config[at : at + 2], "little")
