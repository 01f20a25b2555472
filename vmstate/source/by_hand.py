"""What QEMU writes by hand, in this library's words: infos with functions of their own, sections of functions alone.

Each shape is a piece of a declaration (`vmstate.source.declare`). `{vmstate_x}` in it is the class of that description
of the tree, `{space}` the configuration space of the PCI device beside. Facts from hw/virtio/virtio.c (virtio_save),
virtio-pci.c, virtio-mmio.c, virtio-ccw.c (save_config, save_queue), hw/pci/msix.c, hw/pci/shpc.c, hw/scsi/scsi-bus.c,
hw/scsi/scsi-disk.c, hw/block/virtio-blk.c, hw/char/virtio-serial-bus.c, hw/display/virtio-gpu.c, hw/usb/redirect.c,
hw/virtio/vhost.c (vhost_save_backend_state), hw/s390x/tod.c and s390-skeys.c.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from vmstate.vmsd.data import Value


class Shape(Value):
    """What something written by hand is: the type of its value, and the word with its arguments.

    `blocks` are the names of what it needs of `BLOCKS`.
    """

    value: str
    word: str
    blocks: tuple[str, ...] = ()


def _any_of(opcodes: Iterable[int]) -> str:
    return " | ".join(f"(this.opcode == {opcode:#04x})" for opcode in opcodes)


# READ; WRITE, WRITE AND VERIFY; FORMAT UNIT, MODE SELECT, VERIFY, WRITE SAME, UNMAP.
_READS = (0x08, 0x28, 0x88, 0xA8)
_WRITES = (0x0A, 0x2A, 0x2E, 0x8A, 0x8E, 0xAA, 0xAE)
_EMULATED_WRITES = (0x04, 0x15, 0x2F, 0x41, 0x42, 0x55, 0x8F, 0x93, 0xAF)

MSIX_VECTORS = """choose(
    linked({space}, 0x34, 0x11) == 0, 0, le16({space}, linked({space}, 0x34, 0x11) + 2) % 2048 + 1
)"""
"""Vectors of the MSI-X capability (0x11) of a configuration space: none where it has no such capability."""

MSIX_BYTES = f"16 * {MSIX_VECTORS} + ceil_div({MSIX_VECTORS}, 8)"
"""The table, 16 bytes a vector, and the bits of those that are pending."""

BLOCKS = {
    "VIRTIO_TRANSPORT": """
VIRTIO_TRANSPORT = fact(
    "virtio_transport",
    ("pci", "mmio", "ccw"),
    derived=choose(
        begins(IDSTR, "hhhh:hh:hh.h"),
        "pci",
        choose(
            begins(IDSTR, "virtio-mmio@"),
            "mmio",
            choose(begins(IDSTR, "/hh.h.hhhh/") | begins(IDSTR, "hh.h.hhhh/"), "ccw", None),
        ),
    ),
)
""",
    "VirtioPciConfig": """
@description("virtio-pci config")
class VirtioPciConfig(VMState):
    pci_dev: {vmstate_pci_device} = struct({vmstate_pci_device})
    msix: bytes = buffer({msix:this.pci_dev}, info="msix state")
    config_vector: int | None = uint16(exists=len_(this.msix) > 0)
""",
    "VirtioMmioConfig": """
@description("virtio-mmio config")
class VirtioMmioConfig(VMState):
    host_features_sel: int = uint32()
    guest_features_sel: int = uint32()
    guest_page_shift: int = uint32()
""",
    "VirtioQueue": """
@description("virtio queue")
class VirtioQueue(VMState):
    num: int = uint32()
    align: int | None = uint32(exists=VIRTIO_TRANSPORT == "mmio")
    desc: int = uint64()
    last_avail_idx: int = uint16()
    vector: int | None = uint16(
        exists=choose(VIRTIO_TRANSPORT == "pci", len_(up.transport.msix) > 0, VIRTIO_TRANSPORT == "ccw")
    )
""",
    "VirtioLegacy": """
@description("virtio legacy body")
class VirtioLegacy(VMState):
    transport: VMState = one_of(
        VIRTIO_TRANSPORT, {"pci": VirtioPciConfig, "mmio": VirtioMmioConfig, "ccw": {vmstate_virtio_ccw_dev}}
    )
    status: int = uint8()
    isr: int = uint8()
    queue_sel: int = uint16()
    guest_features: int = uint32()
    config_len: int = uint32()
    config: bytes = vbuffer(this.config_len)
    num_queues: int = uint32()
    vq: list[VirtioQueue] = varray(VirtioQueue, count=this.num_queues)
""",
    "VirtqueueElement": """
@description("iovec")
class VirtqueueBuffer(VMState):
    iov_base: int = uint64_host()
    iov_len: int = uint64_host()


@description("virtqueue element")
class VirtqueueElement(VMState):
    ndescs: int | None = uint32(exists=fact("virtio_packed_offered"))
    index: int = uint32_host()
    out_num: int = uint32_host()
    in_num: int = uint32_host()
    unused_0: None = unused(4)
    in_addr: list[int] = array(uint64_host, 1024)
    out_addr: list[int] = array(uint64_host, 1024)
    in_sg: list[VirtqueueBuffer] = array(VirtqueueBuffer, 1024)
    out_sg: list[VirtqueueBuffer] = array(VirtqueueBuffer, 1024)
""",
    "VirtioBlkRequest": """
@description("virtio-blk request")
class VirtioBlkRequest(VMState):
    queue: int | None = uint32(exists=up.num_queues > 1)
    elem: VirtqueueElement = struct(VirtqueueElement)
""",
    # A bit for each port, in words. The number of ports is in the byte order of the device, and written as if that were
    # the host's: what is too large for ports has its bytes the other way round.
    "VIRTIO_SERIAL_WORDS": f"""
SERIAL_SWAPPED = (this.max_nr_ports >> 24) + (this.max_nr_ports >> 16) % 256 * 256
VIRTIO_SERIAL_WORDS = fact(
    "virtio_serial_words",
    {tuple(range(1, 17))},
    derived=choose(
        this.max_nr_ports <= 511,
        ceil_div(this.max_nr_ports, 32),
        choose(SERIAL_SWAPPED <= 511, ceil_div(SERIAL_SWAPPED, 32), None),
    ),
)
""",
    "VirtioSerialPort": """
@description("virtio-serial port")
class VirtioSerialPort(VMState):
    id: int = uint32()
    guest_connected: int = uint8()
    host_connected: int = uint8()
    elem_popped: int = uint32()
    iov_idx: int | None = uint32(exists=this.elem_popped != 0)
    iov_offset: int | None = uint64(exists=this.elem_popped != 0)
    elem: VirtqueueElement | None = struct(VirtqueueElement, exists=this.elem_popped != 0)
""",
    "ScsiRequest": f"""
@description("scsi request of virtio-scsi")
class ScsiRequestOfVirtio(VMState):
    queue: int = uint32()
    elem: VirtqueueElement = struct(VirtqueueElement)


SCSI_READS = {_any_of(_READS)}
SCSI_WRITES = {_any_of(_WRITES)}
SCSI_TO_DEVICE = SCSI_WRITES | {_any_of(_EMULATED_WRITES)}
SCSI_SAVED = SCSI_READS | SCSI_WRITES | fact("scsi_emulated_saved")
SCSI_READ_SO_FAR = SCSI_SAVED & (this.buflen != 0) & not_(SCSI_TO_DEVICE) & (this.retry != 1)


@description("scsi request")
class ScsiRequest(VMState):
    retry: int = int8()
    opcode: int = uint8()
    cdb: bytes = buffer(15)
    tag: int = uint32()
    lun: int = uint32()
    virtio: ScsiRequestOfVirtio | None = struct(ScsiRequestOfVirtio, exists=fact("scsi_on_virtio"))
    sector: int | None = uint64(exists=SCSI_SAVED)
    sector_count: int | None = uint32(exists=SCSI_SAVED)
    buflen: int | None = uint32(exists=SCSI_SAVED)
    write_data: bytes | None = buffer(
        min_(this.sector_count * 512, this.buflen), exists=SCSI_SAVED & (this.buflen != 0) & SCSI_TO_DEVICE
    )
    read_length: int | None = uint32(exists=SCSI_READ_SO_FAR)
    read_data: bytes | None = buffer(this.read_length, exists=SCSI_READ_SO_FAR)
""",
    "VirtioGpuBacking": """
@description("virtio-gpu backing")
class VirtioGpuBacking(VMState):
    addr: int = uint64()
    length: int = uint32()
""",
    "VirtioGpuState": """
@description("virtio-gpu resource")
class VirtioGpuResource(VMState):
    resource_id: int = uint32()
    width: int = uint32()
    height: int = uint32()
    format: int = uint32()
    iov_cnt: int = uint32()
    backing: list[VirtioGpuBacking] = varray(VirtioGpuBacking, count=this.iov_cnt)
    pixels: bytes = buffer(this.width * this.height * 4)


@description("virtio-gpu device")
class VirtioGpuState(VMState):
    resources: list[VirtioGpuResource] = keyed_list(VirtioGpuResource)
    scanouts: {vmstate_virtio_gpu_scanouts} = struct({vmstate_virtio_gpu_scanouts})
""",
    "VirtioGpuBlob": """
@description("virtio-gpu blob resource")
class VirtioGpuBlob(VMState):
    resource_id: int = uint32()
    blob_size: int = uint32()
    iov_cnt: int = uint32()
    backing: list[VirtioGpuBacking] = varray(VirtioGpuBacking, count=this.iov_cnt)
""",
    "UsbRedirPacket": """
@description("usb-redir packet")
class UsbRedirPacket(VMState):
    len: int = uint32()
    status: int = int32()
    data: bytes = vbuffer(this.len)
""",
    "UsbRedirPackets": """
@description("usb-redir packets")
class UsbRedirPackets(VMState):
    size: int = uint32()
    packets: list[UsbRedirPacket] = varray(UsbRedirPacket, count=this.size)
""",
    "UsbRedirIds": """
@description("usb-redir packet ids")
class UsbRedirIds(VMState):
    size: int = uint32()
    ids: list[int] = varray(uint64, count=this.size)
""",
    "UsbRedirParser": """
@description("usb-redir parser")
class UsbRedirParser(VMState):
    len: int = uint32()
    data: bytes = vbuffer(this.len)
""",
    "S390KeyRange": """
@description("s390-skeys/range")
class S390KeyRange(VMState):
    address: int = uint64()
    pages: int = uint64()
    keys: bytes = vbuffer(this.pages)
""",
}
"""Pieces of declarations that others are made of, by the name that each has there."""

_ELEMENT = ("VirtqueueElement",)

INFOS = {
    "virtqueue_extra_state": Shape(
        "VMState",
        'one_of(VIRTIO_TRANSPORT, {"pci": {vmstate_virtio_pci}, "mmio": {vmstate_virtio_mmio}}, '
        'info="virtqueue_extra_state")',
        ("VIRTIO_TRANSPORT",),
    ),
    # The working registers: 36 bytes, and four for each of 31 slots.
    "shpc": Shape("bytes", 'buffer(160, info="shpc")'),
    "scsi-requests": Shape(
        "list[ScsiRequest]", 'keyed_list(ScsiRequest, key=int8, info="scsi-requests")', (*_ELEMENT, "ScsiRequest")
    ),
    "virtio_gpu_save": Shape(
        "VirtioGpuState", 'info("virtio_gpu_save", VirtioGpuState)', ("VirtioGpuBacking", "VirtioGpuState")
    ),
    "virtio_gpu_blob_save": Shape(
        "list[VirtioGpuBlob]", 'keyed_list(VirtioGpuBlob, info="blob")', ("VirtioGpuBacking", "VirtioGpuBlob")
    ),
    "vuf_save_state": Shape("list[bytes]", "chunks()"),
    "vhost_user_net_save_state": Shape("list[bytes]", "chunks()"),
    "usb-redir-bufpq": Shape(
        "UsbRedirPackets", 'info("usb-redir-bufpq", UsbRedirPackets)', ("UsbRedirPacket", "UsbRedirPackets")
    ),
    "usb-redir-packet-id-q": Shape("UsbRedirIds", 'info("usb-redir-packet-id-q", UsbRedirIds)', ("UsbRedirIds",)),
    "usb-redir-parser": Shape("UsbRedirParser", 'info("usb-redir-parser", UsbRedirParser)', ("UsbRedirParser",)),
}
"""`VMStateInfo`s with functions that write more than a row of numbers, by their names."""

VIRTIO = "virtio"
"""The info of a virtio device: the transport, what all devices have, what this one has, and what came later."""

VIRTIO_BODY = ("VIRTIO_TRANSPORT", "VirtioPciConfig", "VirtioMmioConfig", "VirtioQueue", "VirtioLegacy")

SAVES = {
    "virtio_blk_save_device": (
        (*_ELEMENT, "VirtioBlkRequest"),
        ("requests: list[VirtioBlkRequest] = qtailq(VirtioBlkRequest)",),
    ),
    "virtio_serial_save_device": (
        (*_ELEMENT, "VIRTIO_SERIAL_WORDS", "VirtioSerialPort"),
        (
            "cols: int = uint16()",
            "rows: int = uint16()",
            "max_nr_ports: int = uint32()",
            "ports_map: list[int] = varray(uint32, count=VIRTIO_SERIAL_WORDS)",
            "nr_active_ports: int = uint32()",
            "ports: list[VirtioSerialPort] = varray(VirtioSerialPort, count=this.nr_active_ports)",
        ),
    ),
}
"""Functions that write what a kind of virtio device has, by name: the pieces, and the fields."""

SECTIONS = {
    "todclock": (
        (),
        (
            "present: int = uint8()",
            "high: int | None = uint8(exists=this.present != 0)",
            "low: int | None = uint64(exists=this.present != 0)",
        ),
    ),
    "s390-skeys": (
        ("S390KeyRange",),
        ("ranges: list[S390KeyRange] = keyed_list(S390KeyRange, key=uint64, end=1, mask=0xFFF)",),
    ),
}
"""Sections without a description, by the idstr that is registered."""

PLACEHOLDER = re.compile(r"\{(vmstate_\w+|msix:[\w.]+)\}")
"""What a piece has in the place of something of the tree."""

WORD = re.compile(r"[A-Za-z_]\w*")
