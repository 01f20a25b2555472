"""The disks of a machine, as far as its devices name them."""

from __future__ import annotations

import pytest
from recorded import FIXTURES, opened

from vmstate import load
from vmstate.query.disks import SIGNATURE, Disk, controllers_of, disks_of

AHCI = "0000:00:1f.2/ich9_ahci"
BOOTED = "recorded/qemu-11.1-q35-virtio-devices-booted.mig.xz"
MACHINE = "qemu-7.2-q35-virtio-net.mig.xz"


def test_a_device_that_is_a_disk() -> None:
    assert [disk.at for disk in disks_of(opened(BOOTED))] == ["0000:00:02.0/virtio-blk", "0000:00:07.0/0:0:0/scsi-disk"]


@pytest.mark.slow
@pytest.mark.parametrize("library", [True, False])
def test_what_is_plugged_into_a_controller(library: bool) -> None:
    """By the library's description of the section, and by the stream's own."""
    with load(FIXTURES / MACHINE, library=library) as stream:
        assert disks_of(stream) == [] and controllers_of(stream) == [AHCI]
        port = stream[AHCI].state["ahci"]["dev"][2]
        port["port_regs.sig"] = SIGNATURE
        assert disks_of(stream) == [Disk(AHCI, "ahci.dev[2]", None)]
        drive = port["port.ifs[0]"]
        drive["identify_set"] = 1
        drive["identify_data"] = bytes.fromhex("4000").ljust(20, b"\0") + b"MQ0000 3".ljust(20) + bytes(472)
        assert disks_of(stream) == [Disk(AHCI, "ahci.dev[2]", "QM00003")]
        assert disks_of(stream)[0].text == f"{AHCI} ahci.dev[2] (QM00003)"
        # A drive that takes ATAPI's commands is a CD drive.
        drive["identify_data"] = bytes.fromhex("8085") + drive["identify_data"][2:]
        assert disks_of(stream) == []
