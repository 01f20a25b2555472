"""What is no migration stream and holds none, by its first bytes, and what opens it."""

from __future__ import annotations

from collections.abc import Callable

from vmstate.errors import StreamError
from vmstate.vmsd.data import NamedTuple


class Foreign(NamedTuple):
    """What a file is, and what to do with it."""

    name: str
    advice: str


_CORE = "crash, drgn, gdb or volatility3 for it; a stream of the machine (`virsh save`, `migrate`) for this program"
_KDUMP = "crash, makedumpfile or drgn for it; a stream of the machine (`virsh save`, `migrate`) for this program"
_IN_FILE_SYSTEM = "the file in it, or a qcow2 image with a snapshot made by savevm"
_DISK = "a qcow2 image with a snapshot made by savevm, or a stream of the machine"

_PROGRAM = Foreign("an ELF file that is no core", "a core of the machine, or a stream of it")

FOREIGN: dict[bytes, Foreign] = {
    b"\x7fELF": Foreign("an ELF file, as `virsh dump --memory-only` and `dump-guest-memory` make one", _CORE),
    b"makedumpfile\0": Foreign("a kdump file in flattened form (memory only)", _KDUMP),
    b"KDUMP   ": Foreign("a kdump file (memory only)", _KDUMP),
    b"DISKDUMP": Foreign("a diskdump file (memory only)", _KDUMP),
    b"PAGEDU64": Foreign("a crash dump of 64-bit Windows", "WinDbg or volatility3 for it"),
    b"PAGEDUMP": Foreign("a crash dump of 32-bit Windows", "WinDbg or volatility3 for it"),
    b"EMiL": Foreign("memory in the LiME format", "volatility3 for it"),
    b"LibxlFmt": Foreign("the state of a Xen domain (libxl)", "`xl restore` for it"),
    b"LinuxGuestRecord": Foreign("a saved Xen domain (xend)", "`xl restore` for it"),
    b"\x14\x20\x28\x01": Foreign("a saved state of Hyper-V (vmrs), or a configuration (vmcx)", "Hyper-V for it"),
    b"Xen saved domain": Foreign("a saved Xen domain (xl)", "`xl restore` for it"),
    b"\x00\x00\x64\x86\x84\x19\x10\x07": Foreign("a Firecracker snapshot (x86_64)", "Firecracker for it"),
    b"\x00\x00\xaa\xaa\x84\x19\x10\x07": Foreign("a Firecracker snapshot (aarch64)", "Firecracker for it"),
    b"\x7fVirtualBox SavedState": Foreign("a saved state of VirtualBox", "VirtualBox for it"),
    b"\xd2\xbe\xd2\xbe": Foreign("a suspended state of VMware (vmss, vmsn)", "VMware or volatility3 for it"),
    b"\xd1\xba\xd1\xba": Foreign("a suspended state of VMware (vmss, vmsn)", "VMware or volatility3 for it"),
    b"\xd3\xbe\xd3\xbe": Foreign("a suspended state of VMware (vmss, vmsn)", "VMware or volatility3 for it"),
    b"QCPR": Foreign(
        "the state of a CPR transfer: names and descriptors that the new QEMU takes over, no devices",
        "the stream of the main channel",
    ),
    b"\x11\x22\x33\x44\0\0\0\1": Foreign(
        "a further channel of a migration (multifd), of which the main channel is the stream",
        "the main channel, with this one as its --channel, or the folder with all of them",
    ),
    b"\xa8\x19\x01\x73\x61\x8f\x23\xfd": Foreign("a stand-alone dump of s390", "zgetdump, then crash for it"),
    b"EVF\x09\x0d\x0a\xff\0": Foreign("a forensic image (EWF)", "what `ewfexport` makes of it"),
    b"XFSB": Foreign("an XFS file system", _IN_FILE_SYSTEM),
    b"<domstatus": Foreign(
        "libvirt's notes of a machine that runs", "the machine itself: `virsh save`, or --qmp SOCKET"
    ),
    b"AVML": Foreign("memory in the format of AVML", "avml-convert, then volatility3 for it"),
    b"MDMP": Foreign("a minidump of a Windows process", "WinDbg for it"),
    b"hibr": Foreign("a hibernation file of Windows", "volatility3 for it"),
    b"HIBR": Foreign("a hibernation file of Windows", "volatility3 for it"),
    b"wake": Foreign("a hibernation file of Windows, which has woken up", "volatility3 for it"),
    b"WAKE": Foreign("a hibernation file of Windows, which has woken up", "volatility3 for it"),
    b"\xcf\xfa\xed\xfe": Foreign("a Mach-O file, as cores of macOS are", "lldb for it"),
    b"libvirt-xml\n \0 \r": Foreign("a save image of libvirt's Xen driver", "`virsh restore` on a Xen host for it"),
    b"rbd diff v1\n": Foreign("what `rbd export-diff` makes", "the image that `rbd import-diff` makes of it"),
    b"<domain": Foreign("a domain's XML", "the save image or the disk image that belongs to it"),
    b"<?xml": Foreign("an XML text", "the save image or the disk image that belongs to it"),
    b"KDMV": Foreign("a VMDK disk image", _DISK),
    b"COWD": Foreign("a VMDK disk image", _DISK),
    b"# Disk DescriptorFile": Foreign("the descriptor of a VMDK disk image", _DISK),
    b"vhdxfile": Foreign("a VHDX disk image", _DISK),
    b"conectix": Foreign("a VHD disk image", _DISK),
    b"WithoutFreeSpace": Foreign("a disk image of Parallels", _DISK),
    b"WithouFreSpacExt": Foreign("a disk image of Parallels", _DISK),
    b"Bochs Virtual HD Image": Foreign("a disk image of Bochs", _DISK),
    b"hsqs": Foreign("a squashfs file system", _DISK),
    b"<<< ": Foreign("a VDI disk image", _DISK),
    b"QED\0": Foreign("a QED disk image", _DISK),
    b"LUKS\xba\xbe": Foreign("a volume encrypted by LUKS", "the volume opened with its key"),
    b"PK\x03\x04": Foreign("a zip archive", "the file in it"),
    b"Rar!\x1a\x07": Foreign("a RAR archive", "the file in it"),
    b"LZIP": Foreign("a file compressed with lzip", "what `lzip -d` makes of it"),
    b"\x1f\x9d": Foreign("a file compressed with compress (.Z)", "what `uncompress` makes of it"),
    b"\x02\x21\x4c\x18": Foreign("a file compressed with lz4's legacy format", "what `lz4 -d` makes of it"),
    b"\xff\x06\x00\x00sNaPpY": Foreign("a file compressed with snappy", "what `snzip -d` makes of it"),
    b"7z\xbc\xaf\x27\x1c": Foreign("a 7z archive", "the file in it"),
}
"""The first bytes of what people have in place of a stream."""

FURTHER_ON: tuple[tuple[int, bytes, Foreign], ...] = (
    (
        8,
        b"XENF",
        Foreign("the memory and state of a Xen domain (libxc)", "`xl restore` of the file that it is part of"),
    ),
    (257, b"ustar", Foreign("a tar archive", "the file in it")),
    (512, b"EFI PART", Foreign("a raw disk image with a GPT", _DISK)),
    (512, b"LABELONE", Foreign("a physical volume of LVM", "the logical volume in it")),
    (0x438, b"\x53\xef", Foreign("an ext file system", _IN_FILE_SYSTEM)),
    (0xFF6, b"SWAPSPACE2", Foreign("a swap space of Linux", _DISK)),
    (
        0xFF6,
        b"S1SUSPEND\0",
        Foreign("a hibernation image of Linux in its swap space", "the guest itself, which wakes up"),
    ),
    (0x8001, b"CD001", Foreign("an ISO 9660 file system", _DISK)),
    (0x10040, b"_BHRfS_M", Foreign("a btrfs file system", _IN_FILE_SYSTEM)),
)
"""What stands further on in what people have in place of a stream: its offset, and the bytes."""


_BEGINNINGS = {
    b"QEVM": "a migration stream",
    b"LibvirtQemudSave": "a save image of libvirt",
    b"QFI\xfb": "a qcow2 image",
    b"VMA\0": "a backup of Proxmox VE",
}
"""The first bytes of what is opened here: a file can end inside them."""


SEARCHED = 64 << 20
"""Bytes of a file that begins like nothing that is known in which a stream is looked for."""

_STEP = 1 << 20
# Version 3, then the configuration section, or where a machine sends none the first section of a device in parts.
_HEADERS = (b"QEVM\0\0\0\x03\x07\0", b"QEVM\0\0\0\x03\x01\0")
_LONGEST = len(_HEADERS[0]) - 1


def what_it_is(data: memoryview, release: Callable[[int, int], None] | None = None) -> Foreign | None:
    """What the bytes are, if that is known. `release` is told what was looked through."""
    head = bytes(data[:512])
    for magic, name in _BEGINNINGS.items():
        if magic.startswith(head) and 1 < len(head) < len(magic):
            return Foreign(f"the first {len(head)} bytes of {name}", "the whole file: what copied it broke off")
    for magic, foreign in FOREIGN.items():
        if head.startswith(magic):
            # A core is of type 4, in either byte order.
            return foreign if magic != b"\x7fELF" or 4 in head[16:18] or len(head) < 18 else _PROGRAM
    for at, magic, foreign in FURTHER_ON:
        if data[at : at + len(magic)] == magic:
            return foreign
    if head[510:] == b"\x55\xaa":
        return Foreign("the first sector of a disk (or a raw disk image)", _DISK)
    offset = stream_further_on(data, release)
    if offset is not None:
        where = f"{offset:#x}"
        return Foreign(f"a file in which one begins at {where}", f"FILE@{where} or --offset {where}")
    return None


def refusal(head: bytes, name: str) -> StreamError:
    """What is said of something compressed or piped that begins so, and of which no more is taken."""
    what = what_it_is(memoryview(head))
    if what is not None:
        return StreamError(f"this is no migration stream but {what.name}", file=name, expected=what.advice)
    if not any(head):
        # A stream further on can be anywhere.
        expected = "what it is decompressed to, as a file: a stream further on is found there, or FILE@OFFSET"
        message = f"not a migration stream: it begins with {len(head)} zero bytes"
        return StreamError(message, file=name, expected=expected)
    from vmstate.stream.no_stream import not_a_stream

    return not_a_stream(head, file=name)


def stream_further_on(data: memoryview, release: Callable[[int, int], None] | None = None) -> int | None:
    """Where in the first `SEARCHED` bytes a stream begins: its header, and its first section behind that."""
    for start in range(0, min(len(data), SEARCHED), _STEP):
        # What begins in a piece may end in the next one.
        piece = bytes(data[start : start + _STEP + _LONGEST])
        places = [place for place in map(piece.find, _HEADERS) if place >= 0]
        if places:
            return start + min(places)
        if release is not None:
            release(start, start + _STEP)
    return None
