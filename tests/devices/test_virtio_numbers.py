"""The numbers of virtio: the VIRTIO specification's, and the releases of QEMU that have a name for a feature.

A slip of one in a table of these would be seen in no recorded stream: most of the features are ones that no recorded
driver accepted.
"""

from __future__ import annotations

import pytest

from vmstate.devices import INDEX
from vmstate.devices.virtio.features import Features, GuestOffloads, HashTypes, NetFeatures
from vmstate.devices.virtio.net_items import TUN_OFFLOADS
from vmstate.devices.virtio.status import DeviceStatus, NetStatus
from vmstate.stream.registry import shipped_descriptions
from vmstate.vmsd.record import VirtIORecord, record_of
from vmstate.vmsd.release import Release

# VIRTIO 1.3, section 6; bits 24 and 27 from section 6.3, legacy.
ANY = {
    "NOTIFY_ON_EMPTY": 24,
    "ANY_LAYOUT": 27,
    "INDIRECT_DESC": 28,
    "EVENT_IDX": 29,
    "VERSION_1": 32,
    "ACCESS_PLATFORM": 33,
    "RING_PACKED": 34,
    "IN_ORDER": 35,
    "ORDER_PLATFORM": 36,
    "SR_IOV": 37,
    "NOTIFICATION_DATA": 38,
    "NOTIF_CONFIG_DATA": 39,
    "RING_RESET": 40,
    "ADMIN_VQ": 41,
}
# Section 5.1.3; GSO of 5.1.3.2; the bits above 64 are of 1.4.
NET = {
    "CSUM": 0,
    "GUEST_CSUM": 1,
    "CTRL_GUEST_OFFLOADS": 2,
    "MTU": 3,
    "MAC": 5,
    "GSO": 6,
    "GUEST_TSO4": 7,
    "GUEST_TSO6": 8,
    "GUEST_ECN": 9,
    "GUEST_UFO": 10,
    "HOST_TSO4": 11,
    "HOST_TSO6": 12,
    "HOST_ECN": 13,
    "HOST_UFO": 14,
    "MRG_RXBUF": 15,
    "STATUS": 16,
    "CTRL_VQ": 17,
    "CTRL_RX": 18,
    "CTRL_VLAN": 19,
    "CTRL_RX_EXTRA": 20,
    "GUEST_ANNOUNCE": 21,
    "MQ": 22,
    "CTRL_MAC_ADDR": 23,
    "DEVICE_STATS": 50,
    "VQ_NOTF_COAL": 52,
    "NOTF_COAL": 53,
    "GUEST_USO4": 54,
    "GUEST_USO6": 55,
    "HOST_USO": 56,
    "HASH_REPORT": 57,
    "GUEST_HDRLEN": 59,
    "RSS": 60,
    "RSC_EXT": 61,
    "STANDBY": 62,
    "SPEED_DUPLEX": 63,
    "GUEST_UDP_TUNNEL_GSO": 65,
    "GUEST_UDP_TUNNEL_GSO_CSUM": 66,
    "HOST_UDP_TUNNEL_GSO": 67,
    "HOST_UDP_TUNNEL_GSO_CSUM": 68,
}
BLK = {
    "BARRIER": 0,
    "SIZE_MAX": 1,
    "SEG_MAX": 2,
    "GEOMETRY": 4,
    "RO": 5,
    "BLK_SIZE": 6,
    "SCSI": 7,
    "FLUSH": 9,
    "TOPOLOGY": 10,
    "CONFIG_WCE": 11,
    "MQ": 12,
    "DISCARD": 13,
    "WRITE_ZEROES": 14,
    "SECURE_ERASE": 16,
    "ZONED": 17,
}
GPU = {"VIRGL": 0, "EDID": 1, "RESOURCE_UUID": 2, "RESOURCE_BLOB": 3, "CONTEXT_INIT": 4}
SCSI = {"INOUT": 0, "HOTPLUG": 1, "CHANGE": 2, "T10_PI": 3}

# idstr -> the number of the device (section 5), and the bits of its own features.
DEVICES: dict[str, tuple[int, dict[str, int]]] = {
    "virtio-net": (1, NET),
    "virtio-blk": (2, BLK),
    "vhost-user-blk": (2, BLK),
    "virtio-console": (3, {"SIZE": 0, "MULTIPORT": 1, "EMERG_WRITE": 2}),
    "virtio-rng": (4, {}),
    "virtio-balloon": (
        5,
        {
            "MUST_TELL_HOST": 0,
            "STATS_VQ": 1,
            "DEFLATE_ON_OOM": 2,
            "FREE_PAGE_HINT": 3,
            "PAGE_POISON": 4,
            "REPORTING": 5,
        },
    ),
    "virtio-scsi": (8, SCSI),
    "virtio-vhost_scsi": (8, SCSI),
    "virtio-9p": (9, {}),
    "virtio-gpu": (16, GPU),
    "virtio-input": (18, {}),
    "virtio-vhost_vsock": (19, {"SEQPACKET": 1}),
    "virtio-iommu": (
        23,
        {
            "INPUT_RANGE": 0,
            "DOMAIN_RANGE": 1,
            "MAP_UNMAP": 2,
            "BYPASS": 3,
            "PROBE": 4,
            "MMIO": 5,
            "BYPASS_CONFIG": 6,
        },
    ),
    "virtio-mem": (24, {"ACPI_PXM": 0, "UNPLUGGED_INACCESSIBLE": 1, "PERSISTENT_SUSPND": 2}),
    "vhost-user-fs": (26, {}),
    "virtio-nsm": (33, {}),
}
# What a back end has beside: section 2 of docs/interop/vhost-user.rst, and linux/vhost.h.
OF_BACK_ENDS = {"LOG_ALL": 26, "PROTOCOL_FEATURES": 30, "VIRTIO_NET_HDR": 27}

# The first release whose hw/virtio/virtio-qmp.c has a name for it; all others have had one since there is such a file.
SINCE = {
    "RING_RESET": Release(8, 1),
    "SECURE_ERASE": Release(8, 2),
    "ZONED": Release(8, 1),
    "NOTF_COAL": Release(8, 2),
    "GUEST_USO4": Release(8, 2),
    "GUEST_USO6": Release(8, 2),
    "HOST_USO": Release(8, 2),
    "GUEST_UDP_TUNNEL_GSO": Release(10, 2),
    "GUEST_UDP_TUNNEL_GSO_CSUM": Release(10, 2),
    "HOST_UDP_TUNNEL_GSO": Release(10, 2),
    "HOST_UDP_TUNNEL_GSO_CSUM": Release(10, 2),
    "ACPI_PXM": Release(11, 1),
    "PERSISTENT_SUSPND": Release(9, 2),
    "NOTIFICATION_DATA": None,
    "NOTIF_CONFIG_DATA": None,
    "ADMIN_VQ": None,
    "DEVICE_STATS": None,
    "VQ_NOTF_COAL": None,
    "GUEST_HDRLEN": None,
}


def record(idstr: str) -> VirtIORecord:
    declared = record_of(shipped_descriptions(idstr)[0])
    assert isinstance(declared, VirtIORecord)
    return declared


@pytest.mark.parametrize("idstr", DEVICES)
def test_a_device_has_the_number_and_the_features_of_the_specification(idstr: str) -> None:
    number, bits = DEVICES[idstr]
    assert record(idstr).id == number
    features = {feature.short: feature.bit for feature in record(idstr).features}
    assert {name: bit for name, bit in features.items() if name not in OF_BACK_ENDS} == bits
    assert features.items() <= (bits | OF_BACK_ENDS).items()


@pytest.mark.parametrize("idstr", DEVICES)
def test_a_feature_has_its_name_since_the_release_that_brought_it(idstr: str) -> None:
    for feature in record(idstr).features:
        assert feature.since == SINCE.get(feature.short, Release(7, 2)), feature
        assert feature.driver is (feature.short not in OF_BACK_ENDS), feature


def test_the_types_of_features_have_the_bits_of_the_specification() -> None:
    assert {flag.name: flag.value.bit_length() - 1 for flag in Features} == ANY
    assert {flag.name: flag.value.bit_length() - 1 for flag in NetFeatures} == ANY | NET
    assert all(flag.value.bit_count() == 1 for flag in NetFeatures)


def test_what_a_card_does_for_its_driver_and_what_it_hashes() -> None:
    """Sections 5.1.6.5.6.1 and 5.1.6.4.3; an offload has the bit of its feature, but for the tunnels."""
    tunnels = {"GUEST_UDP_TUNNEL_GSO": 46, "GUEST_UDP_TUNNEL_GSO_CSUM": 47}
    for offload in GuestOffloads:
        assert offload.value == 1 << {**NET, **tunnels}[str(offload.name)]
    kinds = ("IPv4", "TCPv4", "UDPv4", "IPv6", "TCPv6", "UDPv6", "IP_EX", "TCP_EX", "UDP_EX")
    assert [flag.name for flag in HashTypes] == list(kinds)
    assert [int(flag) for flag in HashTypes] == [1 << bit for bit in range(9)]


def test_the_offloads_of_a_tap_device() -> None:
    """TUN_F_* of linux/if_tun.h, by the bit of the feature that each stands for."""
    tap = {
        "GUEST_CSUM": 0x01,
        "GUEST_TSO4": 0x02,
        "GUEST_TSO6": 0x04,
        "GUEST_ECN": 0x08,
        "GUEST_UFO": 0x10,
        "GUEST_USO4": 0x20,
        "GUEST_USO6": 0x40,
    }
    assert {NET[name]: flag for name, flag in tap.items()} == TUN_OFFLOADS


def test_the_bits_of_the_device_status() -> None:
    """Section 2.1."""
    bits = {"ACKNOWLEDGE": 1, "DRIVER": 2, "DRIVER_OK": 4, "FEATURES_OK": 8, "NEEDS_RESET": 64, "FAILED": 128}
    assert {flag.name: int(flag) for flag in DeviceStatus} == bits


def test_the_bits_of_the_status_of_a_card() -> None:
    """Section 5.1.4."""
    assert {flag.name: int(flag) for flag in NetStatus} == {"LINK_UP": 1, "ANNOUNCE": 2}


def test_every_virtio_device_of_the_library_is_here() -> None:
    described = {
        idstr
        for idstr in INDEX
        if any(isinstance(record_of(vmsd), VirtIORecord) for vmsd in shipped_descriptions(idstr))
    }
    assert described == DEVICES.keys()
