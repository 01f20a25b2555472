"""What is no migration stream and holds none, by its first bytes, and what opens it."""

from __future__ import annotations

from vmstate.vmsd.data import NamedTuple


class Foreign(NamedTuple):
    """What a file is, and what to do with it."""

    name: str
    advice: str


_CORE = "crash, drgn, gdb or volatility3 for it; a stream of the machine (`virsh save`, `migrate`) for this program"
_KDUMP = "crash, makedumpfile or drgn for it; a stream of the machine (`virsh save`, `migrate`) for this program"
_DISK = "a qcow2 image with a snapshot made by savevm, or a stream of the machine"

FOREIGN: dict[bytes, Foreign] = {
    b"\x7fELF": Foreign("an ELF file, as `virsh dump --memory-only` and `dump-guest-memory` make one", _CORE),
    b"makedumpfile\0": Foreign("a kdump file in flattened form (memory only)", _KDUMP),
    b"KDUMP   ": Foreign("a kdump file (memory only)", _KDUMP),
    b"DISKDUMP": Foreign("a diskdump file (memory only)", _KDUMP),
    b"PAGEDU64": Foreign("a crash dump of 64-bit Windows", "WinDbg or volatility3 for it"),
    b"PAGEDUMP": Foreign("a crash dump of 32-bit Windows", "WinDbg or volatility3 for it"),
    b"EMiL": Foreign("memory in the LiME format", "volatility3 for it"),
    b"LibxlFmt": Foreign("the state of a Xen domain (libxl)", "`xl restore` for it"),
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
    b"KDMV": Foreign("a VMDK disk image", _DISK),
    b"COWD": Foreign("a VMDK disk image", _DISK),
    b"# Disk DescriptorFile": Foreign("the descriptor of a VMDK disk image", _DISK),
    b"vhdxfile": Foreign("a VHDX disk image", _DISK),
    b"conectix": Foreign("a VHD disk image", _DISK),
    b"<<< ": Foreign("a VDI disk image", _DISK),
    b"QED\0": Foreign("a QED disk image", _DISK),
    b"LUKS\xba\xbe": Foreign("a volume encrypted by LUKS", "the volume opened with its key"),
    b"PK\x03\x04": Foreign("a zip archive", "the file in it"),
    b"7z\xbc\xaf\x27\x1c": Foreign("a 7z archive", "the file in it"),
}
"""The first bytes of what people have in place of a stream."""

_TAR_AT = 257


def what_it_is(data: memoryview) -> Foreign | None:
    """What the bytes are, if that is known."""
    head = bytes(data[:512])
    for magic, foreign in FOREIGN.items():
        if head.startswith(magic):
            return foreign
    if head[_TAR_AT : _TAR_AT + 5] == b"ustar":
        return Foreign("a tar archive", "the file in it")
    if head[510:] == b"\x55\xaa":
        return Foreign("the first sector of a disk (or a raw disk image)", _DISK)
    return None
