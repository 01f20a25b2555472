"""Whether a PCI device is the virtio device that an idstr names.

Facts from the specification, section 5 (Device Types), and from QEMU's hw/virtio/virtio-pci.c: a device that takes a
legacy driver has a PCI device id below 0x1040 and its number as subsystem id; any other has 0x1040 and its number.
"""

from __future__ import annotations

from vmstate.stream.registry import virtio_id_of

QUMRANET = 0x1AF4
MODERN = 0x1040
SUBSYSTEM_ID = 0x2E


def is_of_device(config: bytes, idstr: str) -> bool:
    """Whether a PCI configuration space is one of the device that the idstr names.

    Of a space that says nothing of virtio, and of an idstr that is not known, it is not asked.
    """
    number = virtio_id_of(idstr)
    if number is None or _word(config, 0) != QUMRANET:
        return True
    device_id = _word(config, 2)
    return device_id == MODERN + number or (device_id < MODERN and _word(config, SUBSYSTEM_ID) == number)


def _word(config: bytes, at: int) -> int:
    return int.from_bytes(config[at : at + 2], "little")
