"""virtio devices on QEMU's command line.

Names and ids from QEMU's hw/virtio (-device help, query-pci).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from vmstate.declare import Release
from vmstate.devices.virtio.answers import has
from vmstate.vmsd.model import Model, ModelAsk, Property, mac, value
from vmstate.vmsd.record import VirtIORecord

CAP_ID_MSIX = 0x11
CAP_ID_VENDOR = 0x09
CAP_ID_EXP = 0x10
EXT_CAP_ID_AER = 0x01
CAP_ID_PM = 0x01
EXT_CAP_ID_ATS = 0x0F
DEVICE_ID = 0x02
FIRST_MODERN_ID = 0x1040
"""Device ids from here on are those of devices that are modern only."""
ACCESS_PLATFORM = 33
LARGEST_QUEUE = 1024
NET_ID = 1
CAN_BE_LEGACY = frozenset((1, 2, 3, 4, 5, 8, 9))
"""The numbers of the devices that have an id of before version 1 of the specification."""
NO_SOFT_RESET = 1 << 3
"""In the control of power management: nothing is reset on the way back to work."""
FLR = 1 << 28
"""In the device capabilities: the function can be reset."""


def _vectors(ask: ModelAsk) -> int | None:
    """How many vectors MSI-X has."""
    at = ask.space.capability(CAP_ID_MSIX)
    return 0 if at is None else (ask.space.word(at + 2) & 0x7FF) + 1


VECTORS_OF_RNG = Release(7, 1)
"""Up to this release virtio-rng has no MSI-X, and no property for it."""


def _vectors_of_rng(ask: ModelAsk) -> int | None:
    """The same of virtio-rng; None where its release has none."""
    release = ask.release
    return None if release is not None and release <= VECTORS_OF_RNG else _vectors(ask)


CHOSEN_SINCE, USUAL_VECTORS = Release(10, 0), 2
"""From this machine type on the balloon and virtio-mem have vectors, so many."""


def _vectors_chosen_since(ask: ModelAsk) -> int | None:
    """The same of a device that had none before, where it is another number than usual."""
    vectors, release = _vectors(ask), ask.machine_release or ask.release
    usual = USUAL_VECTORS if release is not None and release >= CHOSEN_SINCE else 0
    return None if release is None or vectors == usual else vectors


def _disable_legacy(ask: ModelAsk) -> bool | None:
    """Whether the device is modern only."""
    return ask.space.word(DEVICE_ID) >= FIRST_MODERN_ID


def _disable_modern(ask: ModelAsk) -> bool | None:
    """Whether the device is legacy only: without capabilities that say where its registers are."""
    return ask.space.capability(CAP_ID_VENDOR) is None


NOTIFICATIONS = 2
"""The type of the capability that says where a queue is notified (VIRTIO_PCI_CAP_NOTIFY_CFG)."""
PAGE = 4096


def _notifications(ask: ModelAsk) -> list[int]:
    """The offsets of the capabilities that say where a queue is notified."""
    return [at for at in ask.space.capabilities(CAP_ID_VENDOR) if ask.space.byte(at + 3) == NOTIFICATIONS]


def _page_per_vq(ask: ModelAsk) -> bool | None:
    """On where each queue has a page of its own for its notifications."""
    return True if any(ask.space.long(at + 16) == PAGE for at in _notifications(ask)) else None


def _modern_pio_notify(ask: ModelAsk) -> bool | None:
    """On where a queue can be notified at a port too."""
    return True if len(_notifications(ask)) > 1 else None


def _aer(ask: ModelAsk) -> bool | None:
    """On where the device reports errors, which none does by itself."""
    return True if ask.is_behind_port and ask.space.extended_capability(EXT_CAP_ID_AER) is not None else None


def _ats(ask: ModelAsk) -> bool | None:
    """On where the device translates addresses."""
    return True if ask.is_behind_port and ask.space.extended_capability(EXT_CAP_ID_ATS) is not None else None


def _flr(ask: ModelAsk) -> bool | None:
    """Off where the function cannot be reset."""
    at = ask.space.capability(CAP_ID_EXP) if ask.is_behind_port else None
    return None if at is None or ask.space.long(at + 4) & FLR else False


def _keeps_state(ask: ModelAsk) -> bool | None:
    """On where the function keeps its state on the way back from sleep."""
    at = ask.space.capability(CAP_ID_PM) if ask.is_behind_port else None
    return True if at is not None and ask.space.word(at + 4) & NO_SOFT_RESET else None


HIGH_FEATURES = "virtio.virtio.features64"
QUEUE_RESET_SINCE = Release(7, 2)


def _queue_reset(ask: ModelAsk) -> bool | None:
    """Off where no feature above the 32nd is offered: since 7.2 that of resetting a queue is, if nothing else."""
    release = ask.release
    if release is None or release < QUEUE_RESET_SINCE or ask(HIGH_FEATURES) is not None:
        return None
    return False


def _packed(ask: ModelAsk) -> bool | None:
    """On where packed rings are offered: what they have is sent then, whatever the driver accepted."""
    return True if ask("virtio.virtio.packed_virtqueues") is not None else None


def _iommu_platform(ask: ModelAsk) -> bool | None:
    """On where the driver accepted it."""
    return True if has(ask, ACCESS_PLATFORM) else None


EXTRA_STATE = "virtio.virtio.extra_state"


def _migrate_extra(ask: ModelAsk) -> bool | None:
    """Off where what the transport has beside the queues is not sent."""
    return None if ask(EXTRA_STATE) is not None else False


def _max_revision(ask: ModelAsk) -> int | None:
    """0 where the device is a legacy one: then the addresses of its rings are not sent each by itself."""
    return None if ask("virtio.virtio.virtqueues") is not None else 0


def _iommu_or_alike(ask: ModelAsk) -> bool | None:
    """On where the driver accepted it, or a legacy transport sends features above the 32nd, and of a machine type that
    offers none by itself: that some are offered is all that shows."""
    machine = ask.machine_release or ask.release
    offers_none = machine is not None and machine < QUEUE_RESET_SINCE
    is_legacy = ask(EXTRA_STATE) is None and ask(HIGH_FEATURES) is not None
    return True if _iommu_platform(ask) or (offers_none and is_legacy and not _packed(ask)) else None


def num_default_of(ask: ModelAsk, queue: int) -> int | None:
    """The size of a queue before the driver changed it; None where there is no such queue."""
    number = ask(f"virtio.vq[{queue}].num")
    told = ask(f"virtio.virtio.ringsize.vq[{queue}].num_default")
    # QEMU 10.0 calls the largest size there can be the usual size of every queue.
    return told if told not in (None, 0, LARGEST_QUEUE) else None if number is None else int(number)


def queue_size(queue: int, usual: int | None = None) -> Property:
    """The size of a queue before a driver changed it, where it is another than usual."""

    def of(ask: ModelAsk) -> int | None:
        size = num_default_of(ask, queue)
        return None if size in (0, usual, None) else size

    return of


def _number_of_queues(ask: ModelAsk) -> int:
    return int(ask("virtio.num_queues"))


def _config(ask: ModelAsk, start: int, size: int) -> int:
    """A number in the configuration space; 0 where the space ends before it."""
    if int(ask("virtio.config_len")) < start + size:
        return 0
    return int.from_bytes(ask.part("virtio.config", start, size), "little")


def _reaches(ask: ModelAsk, end: int) -> bool:
    """Whether the configuration space has the member that ends there: there is one if it is offered."""
    return int(ask("virtio.config_len")) >= end


# The network.

NET_STATUS_END, NET_PAIRS_END, NET_MTU_END, NET_DUPLEX_END, NET_HASH_END = 8, 10, 12, 17, 24


def _net_queue_size(queue: int) -> Property:
    """The size of a queue, where it is another than usual: 10.0 says 1024 of all, that of the control queue too."""

    def of(ask: ModelAsk) -> int | None:
        size = num_default_of(ask, queue)
        control = num_default_of(ask, _number_of_queues(ask) - 1)
        return None if size in (0, 256, None) or control == LARGEST_QUEUE else size

    return of


def _rss(ask: ModelAsk) -> bool | None:
    return True if _reaches(ask, NET_HASH_END) else None


NET = (
    Model(
        "virtio-net",
        None,
        {
            "mac": mac("virtio.net.mac"),
            "mq": lambda ask: True if _reaches(ask, NET_PAIRS_END) else None,
            "rss": _rss,
            "hash": lambda ask: True if has(ask, 57) else None,
            "host_mtu": lambda ask: (
                _config(ask, 10, 2) or 1500 if int(ask("virtio.config_len")) == NET_MTU_END else None
            ),
            "speed": lambda ask: (
                _config(ask, 12, 4) or 1000 if int(ask("virtio.config_len")) == NET_DUPLEX_END else None
            ),
            "status": lambda ask: None if _reaches(ask, NET_STATUS_END) else False,
            "ctrl_vq": lambda ask: None if _number_of_queues(ask) % 2 else False,
            "rx_queue_size": _net_queue_size(0),
            "tx_queue_size": _net_queue_size(1),
        },
        "netdev",
    ),
)

# Block devices.

BLK_DISCARD_END, BLK_WRITE_ZEROES_END = 48, 57


LARGEST_DISK = 1 << 46
"""Bytes."""


def _disk_bytes(ask: ModelAsk) -> int | None:
    """Bytes of a disk whose driver has read them."""
    config = bytes(ask("virtio.config") or b"")[:8]
    # A legacy device has the byte order of its target, and no disk has that many sectors.
    sizes = (int.from_bytes(config, "little") * 512, int.from_bytes(config, "big") * 512)
    return next((size for size in sizes if 0 < size < LARGEST_DISK), None)


BLK = (
    Model(
        "virtio-blk",
        None,
        {
            "num-queues": _number_of_queues,
            "queue-size": queue_size(0),
            "discard": lambda ask: None if _reaches(ask, BLK_DISCARD_END) else False,
            "write-zeroes": lambda ask: None if _reaches(ask, BLK_WRITE_ZEROES_END) else False,
        },
        "drive",
        medium=_disk_bytes,
    ),
)

# SCSI: two queues are for what is asked of the controller, and for events.

SCSI = (
    Model(
        "virtio-scsi",
        None,
        {"num_queues": lambda ask: _number_of_queues(ask) - 2, "virtqueue_size": queue_size(2, 256)},
        bus="scsi",
    ),
)

# Serial ports: two queues for the control messages, two for each port.

SERIAL_EMERGENCY_END = 12

SERIAL = (
    Model(
        "virtio-serial",
        None,
        {
            "max_ports": lambda ask: _number_of_queues(ask) // 2 - 1,
            "emergency-write": lambda ask: None if _reaches(ask, SERIAL_EMERGENCY_END) else False,
        },
        bus="virtio-serial",
    ),
)


# The balloon: inflate, deflate, statistics; then a queue of 1024 for hints, and one of 32 for reports.

_FIRST_OPTIONAL = 3
BALLOON_POISON_END = 16
SHORTER_BALLOONS_SINCE, POISON_SINCE = Release(4, 1), Release(5, 1)
"""From the first machine type on the space is as long as what is offered, from the second on poison is offered."""
_REPORTS = 32


def _has_hints(ask: ModelAsk) -> bool:
    queues = _number_of_queues(ask)
    size = ask(f"virtio.vq[{_FIRST_OPTIONAL}].num")
    return queues > _FIRST_OPTIONAL and (queues > _FIRST_OPTIONAL + 1 or int(size or 0) != _REPORTS)


def _is_larger_balloon(ask: ModelAsk) -> bool | None:
    """On where the space is as long as in 4.0, in a machine type whose balloon is shorter by itself."""
    release = ask.machine_release
    is_shorter = release is not None and SHORTER_BALLOONS_SINCE <= release < POISON_SINCE
    return True if is_shorter and _reaches(ask, BALLOON_POISON_END) else None


BALLOON = (
    Model(
        "virtio-balloon",
        None,
        {
            "qemu-4-0-config-size": _is_larger_balloon,
            "page-poison": lambda ask: None if _reaches(ask, BALLOON_POISON_END) else False,
            "free-page-hint": lambda ask: True if _has_hints(ask) else None,
            "free-page-reporting": lambda ask: (
                True if _number_of_queues(ask) > _FIRST_OPTIONAL + _has_hints(ask) else None
            ),
            "iothread": lambda ask: ask.object("iothread") if _has_hints(ask) else None,
        },
    ),
)
RNG = (Model("virtio-rng"),)


def _mount_tag(ask: ModelAsk) -> str:
    """The tag, or one of its length where no guest has read it: the space is as long as the tag."""
    size = int(ask("virtio.config_len")) - 2
    text = ask.part("virtio.config", 2, size).strip(b"\0").decode("ascii", "replace")
    return text or "t" * max(size, 1)


P9 = (
    Model(
        "virtio-9p",
        None,
        {
            "fsdev": lambda ask: ask.object("fsdev"),
            "mount_tag": _mount_tag,
        },
    ),
)
POINTER_LENGTH = 51
"""Bytes of the configuration space of a pointer, whose longest item is its bitmap of buttons; a keyboard's has 37."""

INPUT = (
    Model("virtio-keyboard", class_id=0x0900),
    Model("virtio-mouse", class_id=0x0902),
    Model("virtio-tablet", class_id=0x0980, or_else="virtio-multitouch"),
    Model(
        "virtio-tablet",
        when=lambda ask: int(ask("virtio.config_len")) >= POINTER_LENGTH,
        or_else="virtio-mouse, virtio-multitouch",
    ),
    Model("virtio-keyboard"),
)
"""Off PCI nothing says which pointer it is."""
SCANOUT_VERSIONS_SINCE = Release(9, 1)


def _scanout_version(ask: ModelAsk) -> int | None:
    """2 where scanouts are sent with their frame buffers, 1 where a release that can do so does not."""
    release = ask.release
    if release is None or release < SCANOUT_VERSIONS_SINCE:
        return None
    return 1 if ask("gpu.scanouts.first_scanout.fb_format") is None else 2


_GPU: dict[str, Property] = {
    "max_outputs": value("gpu.scanouts.max_outputs"),
    "x-scanout-vmstate-version": _scanout_version,
}
GPU = (Model("virtio-vga", None, _GPU, class_id=0x0300), Model("virtio-gpu", None, _GPU))
IOMMU = (Model("virtio-iommu"),)


def _mem(ask: ModelAsk, member: str) -> int | None:
    """What a memory device compares: in its section, or in that which is sent early."""
    number = ask(f"virtio.mem.tmp.{member}")
    if number is None:
        early = ask.beside("virtio-mem-device-early")
        number = None if early is None else early(f"tmp.{member}")
    return None if number is None else int(number)


def _requested(ask: ModelAsk) -> int | None:
    requested = ask("virtio.mem.requested_size")
    return None if requested is None else int(requested)


MEM = (
    Model(
        "virtio-mem",
        None,
        {
            "block-size": lambda ask: _mem(ask, "block_size"),
            "node": lambda ask: _mem(ask, "node") or None,
            "memaddr": lambda ask: _mem(ask, "addr"),
            "requested-size": _requested,
            "x-early-migration": lambda ask: True if ask.beside("virtio-mem-device-early") is not None else None,
        },
        "memdev",
    ),
)


VHOST_USER_BLK = (
    Model("vhost-user-blk", None, {"num-queues": _number_of_queues, "queue-size": queue_size(0)}, "vhost-user"),
)
VHOST_USER_FS = (Model("vhost-user-fs", None, {"queue-size": queue_size(0, 128)}, "vhost-user"),)
VSOCK = (
    Model(
        "vhost-vsock",
        None,
        {"guest-cid": lambda ask: _config(ask, 0, 8) or 3},
    ),
)
VHOST_SCSI = (Model("vhost-scsi", None, {"wwpn": lambda ask: ask.object("wwpn")}),)


WITHOUT_VECTORS = frozenset(("virtio-iommu",))
"""The devices on PCI whose number of vectors is fixed."""

_VECTORS = {"virtio-rng": _vectors_of_rng, **dict.fromkeys(("virtio-balloon", "virtio-mem"), _vectors_chosen_since)}
"""How the number of vectors is told, where not by itself."""


def _of_pci(model: Model, record: VirtIORecord) -> dict[str, Property]:
    """The properties that the PCI transport adds to those of a model."""
    properties: dict[str, Property] = {}
    if record.id in CAN_BE_LEGACY:
        properties |= {"disable-legacy": _disable_legacy, "disable-modern": _disable_modern}
    if model.name not in WITHOUT_VECTORS:
        properties["vectors"] = _VECTORS.get(model.name, _vectors)
    return properties | {
        "page-per-vq": _page_per_vq,
        "migrate-extra": _migrate_extra,
        "modern-pio-notify": _modern_pio_notify,
        "aer": _aer,
        "ats": _ats,
        "x-pcie-flr-init": _flr,
        "x-pcie-pm-no-soft-reset": _keeps_state,
    }


LONGEST_BLOCK = 31
"""Characters that QEMU leaves of the name of a ROM."""

_NAMED_BY_ROM = ("-pci-non-transitional", "-pci-transitional")
"""Types of their own, which have a ROM with their name; of a device without a ROM nothing shows which it is."""


def _has_rom(name: str) -> Callable[[Any], bool]:
    def of(ask: ModelAsk) -> bool:
        return ask.is_pci and ask.block_size(f"{name}.rom"[:LONGEST_BLOCK]) is not None

    return of


_SHARED: dict[str, Property] = {"packed": _packed, "iommu_platform": _iommu_platform, "queue_reset": _queue_reset}

_ENDINGS: tuple[tuple[str, Callable[[Any], bool]], ...] = (
    ("-pci", lambda ask: ask.is_pci),
    ("-ccw", lambda ask: ask.idstr.startswith("/fe.") or ask.idstr.startswith("fe.")),
    ("-device", lambda ask: True),
)


def _both(first: Callable[[Any], bool], second: Callable[[Any], bool] | None) -> Callable[[Any], bool]:
    return first if second is None else lambda ask: first(ask) and bool(second(ask))


def of_device(record: VirtIORecord, models: tuple[Model, ...] | None) -> tuple[Model, ...] | None:
    """The models of a virtio device on each transport."""
    if models is None:
        return None
    made = []
    if record.id == NET_ID:
        for ending in _NAMED_BY_ROM:
            for model in models:
                properties = {**model.properties, **_SHARED, **_of_pci(model, record)}
                for told_by_the_name in ("disable-legacy", "disable-modern"):
                    del properties[told_by_the_name]
                name = model.name + ending
                made.append(model._replace(name=name, properties=properties, when=_has_rom(name)))
    for ending, fits in _ENDINGS:
        for model in models:
            if model.class_id is not None and ending != "-pci":
                continue
            properties = {**model.properties, **_SHARED, **(_of_pci(model, record) if ending == "-pci" else {})}
            if ending == "-ccw":
                properties["max_revision"] = _max_revision
            if ending == "-device" and record.id != NET_ID:
                properties["iommu_platform"] = _iommu_or_alike
            name = model.name if model.name == "virtio-vga" else model.name + ending
            if ending == "-device" and model.name.startswith(("virtio-mem", "vhost-user-blk", "vhost-scsi")):
                name = model.name
            made.append(model._replace(name=name, properties=properties, when=_both(fits, model.when)))
    return tuple(made)
