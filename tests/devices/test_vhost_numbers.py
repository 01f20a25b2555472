"""The numbers of vhost's flags and small enumerations: Linux's headers and QEMU's docs/interop/vhost-user.rst.

The requests are in test_vhost.py; of these most stand in no recorded message.
"""

from __future__ import annotations

from enum import IntEnum, IntFlag

import pytest

from vmstate.devices.vhost import kernel, user, vring

PROTOCOL = (
    "MQ LOG_SHMFD RARP REPLY_ACK MTU BACKEND_REQ CROSS_ENDIAN CRYPTO_SESSION PAGEFAULT CONFIG BACKEND_SEND_FD "
    "HOST_NOTIFIER INFLIGHT_SHMFD RESET_DEVICE INBAND_NOTIFICATIONS CONFIGURE_MEM_SLOTS STATUS XEN_MMAP SHARED_OBJECT "
    "DEVICE_STATE GET_VRING_BASE_INFLIGHT"
)
BACKEND = "IOTLB_MSG_V2 IOTLB_BATCH IOTLB_ASID SUSPEND RESUME ENABLE_AFTER_DRIVER_OK DESC_ASID IOTLB_PERSIST"
BITS: dict[type[IntFlag], dict[str, int]] = {
    # linux/vhost_types.h
    kernel.VringFlags: {"LOG": 0},
    kernel.Access: {"RO": 0, "WO": 1},
    kernel.BackendFeature: {name: bit for bit, name in enumerate(BACKEND.split(), 1)},
    # linux/virtio_ring.h
    vring.RingFeature: {"INDIRECT_DESC": 28, "EVENT_IDX": 29, "PACKED": 34},
    vring.DescFlags: {"NEXT": 0, "WRITE": 1, "INDIRECT": 2, "AVAIL": 7, "USED": 15},
    vring.AvailFlags: {"NO_INTERRUPT": 0},
    vring.UsedFlags: {"NO_NOTIFY": 0},
    vring.EventFlags: {"DISABLE": 0, "DESC": 1},
    # vhost-user.rst
    user.MessageFlags: {"VERSION_1": 0, "REPLY": 2, "NEED_REPLY": 3},
    user.ProtocolFeature: {name: bit for bit, name in enumerate(PROTOCOL.split())},
    user.FdFlags: {"INVALID_FD": 0},
    user.XenMapFlags: {"FOREIGN": 0, "GRANT": 1, "NO_ADVANCE_MAP": 8},
    user.ConfigFlags: {"MIGRATION": 0},
    user.MmapFlags: {"RW": 0},
}
NUMBERS: dict[type[IntEnum], dict[str, int]] = {
    kernel.IotlbType: {
        "MISS": 1,
        "UPDATE": 2,
        "INVALIDATE": 3,
        "ACCESS_FAIL": 4,
        "BATCH_BEGIN": 5,
        "BATCH_END": 6,
    },
    user.TransferDirection: {"SAVE": 0, "LOAD": 1},
    user.TransferPhase: {"STOPPED": 0},
}


@pytest.mark.parametrize("kind", BITS, ids=lambda kind: kind.__name__)
def test_flags(kind: type[IntFlag]) -> None:
    assert {name: int(flag) for name, flag in kind.__members__.items()} == {
        name: 1 << bit for name, bit in BITS[kind].items()
    }


@pytest.mark.parametrize("kind", NUMBERS, ids=lambda kind: kind.__name__)
def test_enumerations(kind: type[IntEnum]) -> None:
    assert {name: int(member) for name, member in kind.__members__.items()} == NUMBERS[kind]
