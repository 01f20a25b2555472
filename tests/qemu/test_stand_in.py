"""libvirt's command line out of its log: the same devices, and nothing of that host or of this one."""

from __future__ import annotations

from pathlib import Path

import pytest
from machines import BARE, needs_qemu

from vmstate.cli import main
from vmstate.errors import MachineError
from vmstate.qemu.capture import capture_started
from vmstate.qemu.stand_in import stand_in

COMMAND = [
    "/usr/libexec/../bin/qemu-system-x86_64", "-name", "guest=web,debug-threads=on", "-S",
    "-object", '{"qom-type":"secret","id":"masterKey0","format":"raw","file":"/var/lib/libvirt/key"}',
    "-machine", "pc-q35-7.2,usb=off,kernel_irqchip=split,accel=kvm,memory-backend=pc.ram", "-accel", "kvm",
    "-cpu", "host,migratable=on", "-m", "32", "-smp", "2,sockets=2",
    "-object", '{"qom-type":"memory-backend-file","id":"pc.ram","mem-path":"/dev/hugepages","size":33554432}',
    "-chardev", "socket,id=charmonitor,fd=26,server=on,wait=off", "-mon", "chardev=charmonitor,id=m,mode=control",
    "-netdev", '{"type":"tap","fds":"30:31","vhost":true,"id":"hostnet0"}',
    "-device", '{"driver":"virtio-net-pci","mq":true,"netdev":"hostnet0","mac":"52:54:00:12:34:56","addr":"0x1"}',
    "-blockdev", '{"driver":"file","filename":"/var/lib/libvirt/images/d.qcow2","node-name":"s1"}',
    "-device", "virtio-blk-pci,drive=s1,id=disk,,0,bootindex=1", "-chardev", "pty,id=charserial0",
    "-device", "isa-serial,chardev=charserial0,id=serial0", "-global", "ICH9-LPC.noreboot=off",
    "-sandbox", "on", "-incoming", "defer", "-msg", "timestamp=on",
]  # fmt: skip


def test_the_devices_are_the_same() -> None:
    domain = stand_in(COMMAND)
    assert domain.name == "web"
    assert domain.command == (
        "qemu-system-x86_64", "-machine", "pc-q35-7.2,usb=off,memory-backend=pc.ram", "-accel", "tcg", "-cpu", "max",
        "-m", "32", "-smp", "2,sockets=2", "-object", "memory-backend-ram,id=pc.ram,size=33554432",
        "-netdev", "user,id=stand-in-hostnet0",
        "-device", "virtio-net-pci,mq=on,netdev=stand-in-hostnet0,mac=52:54:00:12:34:56,addr=0x1",
        "-blockdev", "driver=null-co,node-name=stand-in-s1,read-zeroes=on,size=1073741824",
        "-device", "virtio-blk-pci,drive=stand-in-s1,id=disk,,0,bootindex=1",
        "-chardev", "null,id=stand-in-charserial0",
        "-device", "isa-serial,chardev=stand-in-charserial0,id=serial0", "-global", "ICH9-LPC.noreboot=off",
        "-nodefaults", "-no-user-config", "-display", "none",
    )  # fmt: skip
    assert [line.partition(":")[0] for line in domain.left_out] == ["KVM", "the network of a card"]
    by_kvm = stand_in(COMMAND, kvm=True).command
    assert by_kvm[2:7] == (
        "pc-q35-7.2,usb=off,kernel_irqchip=split,accel=kvm,memory-backend=pc.ram", "-accel", "kvm", "-cpu",
        "host,migratable=on",
    )  # fmt: skip


@pytest.mark.parametrize(
    "words",
    [
        ["-device", "virtio-net-pci,romfile=/etc/passwd"],
        ["-device", '{"driver":"vfio-pci","host":"0000:01:00.0"}'],
        ["-device", "loader,file=/etc/passwd"],
        ["-device", '{"driver":"/tmp/x"}'],
        ["-device", '{"driver":"e1000e","a,romfile":"x"}'],
        ["-plugin", "/tmp/evil.so"],
        ["-object", "filter-dump,file=/tmp/x,netdev=a,id=f"],
        ["-object", "memory-backend-file,id=m,mem-path=/dev/sda,size=1G"],
        ["-drive", "file=/dev/sda,if=virtio"],
        ["-machine", "q35,firmware=/tmp/x"],
        ["-kernel", "/boot/vmlinuz", "-append", "$(reboot)"],
        ["-readconfig", "/tmp/x"],
        ["--monitor", "exec:sh"],
        ["-fsdev", "local,path=/,id=x"],
        ["-device", "[" * 100_000],
        ["-device", '{"driver":' + "[" * 100_000],
    ],
    ids=lambda words: " ".join(words)[:40],
)
def test_nothing_of_a_host_is_reached(words: list[str]) -> None:
    command = stand_in(["qemu-system-x86_64", *words]).command
    assert not any(
        mark in word for word in command for mark in ("/", "$", "vfio", "loader", "exec", "filter", ",romfile")
    )


def test_another_program_is_none() -> None:
    with pytest.raises(MachineError, match="no QEMU"):
        stand_in(["/bin/sh", "-c", "reboot"])


@pytest.mark.qemu
@pytest.mark.slow
@needs_qemu
def test_against_the_qemu_of_a_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    guest, log = tmp_path / "guest.mig", tmp_path / "web.log"
    capture_started(guest, [*BARE, "-m", "16", "-device", "e1000e,addr=0x3,romfile=", "-S"])
    start = "2024-01-10 12:00:00.123+0000: starting up libvirt version: 9.0.0, qemu version: 7.2.7\nLC_ALL=C \\\n"
    device = '\'{"driver":"e1000e","netdev":"n","addr":"0x3","romfile":""}\''
    log.write_text(
        f"{start}/usr/bin/qemu-system-x86_64 \\\n-M q35 \\\n-m 16 \\\n-device {device} \\\n-incoming defer\n"
    )
    assert main(["explain", str(guest), "--log", str(log)]) == 0
    shown = capsys.readouterr()
    assert "loads in the QEMU of" in shown.out and "starting qemu-system-x86_64 -M q35" in shown.err
    log.write_text(log.read_text().replace("0x3", "0x4"))
    assert main(["explain", str(guest), "--log", str(log)]) == 1
    assert "as 0000:00:04.0/e1000e" in capsys.readouterr().out
    log.write_text("nothing\n")
    assert main(["explain", str(guest), "--log", str(log)]) == 2
    assert "does not say how QEMU was started" in capsys.readouterr().err
