"""Whether a PCI device is the virtio device that an idstr names.

Facts from the specification, section 5 (Device Types), and from QEMU's hw/virtio/virtio-pci.c: a device that takes a
legacy driver has a PCI device id below 0x1040; any other has 0x1040 and its number. QEMU compares the device id when it
loads, and not the subsystem id, in which the first have their number.
"""

from __future__ import annotations

from vmstate.stream.registry import virtio_id_of

QUMRANET = 0x1AF4
MODERN = 0x1040
LEGACY = {1: 0x1000, 2: 0x1001, 3: 0x1003, 4: 0x1005, 5: 0x1002, 8: 0x1004, 9: 0x1009}
"""PCI device ids of those that take a legacy driver, by number; section 4.1.2.1 of the specification."""


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
