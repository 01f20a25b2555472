"""A libvirt domain XML as a command line: what becomes of each element, and what no XML gets into a command line."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from machines import BARE, NIC, needs_qemu

from vmstate.cli import main
from vmstate.errors import SchemaError
from vmstate.qemu.capture import capture_started
from vmstate.qemu.domain import DEEPEST, LARGEST, MOST_ELEMENTS, domain_of, is_domain, read_xml

PORT = (
    "<controller type='pci' index='{0}' model='pcie-root-port'><model name='pcie-root-port'/>"
    "<target chassis='{0}' port='0x1{0}'/><address type='pci' bus='0x00' slot='0x02' function='0x{0}'/></controller>"
)
AT = "<address type='pci' domain='0x0000' bus='0x0{}' slot='0x00' function='0x0'/>"


def domain_text(devices: str = "", *, base: str = "", machine: str = "pc-q35-7.2", kind: str = "qemu") -> bytes:
    return f"""<domain type='{kind}'><name>web</name><memory unit='MiB'>16</memory><vcpu>1</vcpu>
      <os><type arch='x86_64' machine='{machine}'>hvm</type></os>{base}
      <devices><emulator>/tmp/not-this-one</emulator>{devices}</devices></domain>""".encode()


def words_of(devices: str = "", **known: str) -> list[str]:
    domain = domain_of(domain_text(devices, **known))
    return [word for word in domain.command if not word.startswith("stand-in")]


def device_of(devices: str, **known: str) -> str:
    """The last -device of a command line."""
    words = words_of(devices, **known)
    return words[len(words) - words[::-1].index("-device")]


def test_what_is_no_device() -> None:
    base = """<uuid>5a1cf2d8-4a6c-4b8f-b7f2-0b8b6b0f8a11</uuid><maxMemory slots='4' unit='GiB'>2</maxMemory>
      <cpu mode='custom'><model>qemu64</model><feature policy='disable' name='svm'/>
      <feature policy='require' name='aes'/><topology sockets='2' cores='3' threads='1'/></cpu>
      <clock offset='utc'><timer name='hpet' present='no'/></clock>
      <pm><suspend-to-mem enabled='no'/><suspend-to-disk enabled='yes'/></pm>"""
    text = domain_text(base=base).replace(b"<vcpu>1<", b"<vcpu current='2'>6<")
    assert domain_of(text).command == (
        "qemu-system-x86_64", "-machine", "pc-q35-7.2,hpet=off", "-accel", "tcg", "-cpu", "qemu64,svm=off,aes=on",
        "-smp", "2,maxcpus=6,sockets=2,cores=3", "-m", "size=16384k,slots=4,maxmem=2097152k",
        "-uuid", "5a1cf2d8-4a6c-4b8f-b7f2-0b8b6b0f8a11", "-rtc", "base=utc", "-global", "ICH9-LPC.disable_s3=1",
        "-global", "ICH9-LPC.disable_s4=0", "-nodefaults", "-no-user-config", "-display", "none",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("devices", "option"),
    [
        (PORT.format(3), "pcie-root-port,port=19,chassis=3,id=pci.3,bus=pcie.0,addr=0x2.0x3"),
        (f"<controller type='usb' index='0' model='qemu-xhci' ports='15'>{AT.format(2)}</controller>",
         "qemu-xhci,p2=15,p3=15,id=usb,bus=pci.2,addr=0x0.0x0"),
        ("<controller type='usb' index='0' model='ich9-uhci2'><master startport='2'/></controller>",
         "ich9-usb-uhci2,masterbus=usb.0,firstport=2"),
        (f"<controller type='scsi' index='1' model='virtio-scsi'><driver queues='4'/>{AT.format(3)}</controller>",
         "virtio-scsi-pci,bus=pci.3,addr=0x0.0x0,id=scsi1,num_queues=4"),
        ("<disk device='disk'><driver queues='2'/><target dev='vda' bus='virtio'/></disk>",
         "virtio-blk-pci,num-queues=2,drive=stand-in1"),
        ("<disk device='cdrom'><target bus='sata'/><address type='drive' controller='0' unit='2'/></disk>",
         "ide-cd,bus=ide.2,drive=stand-in1"),
        ("<disk device='disk'><target bus='scsi'/><address type='drive' controller='1' target='3' unit='4'/></disk>",
         "scsi-hd,bus=scsi1.0,channel=0,scsi-id=3,lun=4,drive=stand-in1"),
        (f"<interface type='bridge'><mac address='52:54:00:00:00:01'/><model type='virtio'/><mtu size='9000'/>"
         f"<driver iommu='on' packed='on'/><rom bar='off'/>{AT.format(1)}</interface>",
         "virtio-net-pci,bus=pci.1,addr=0x0.0x0,iommu_platform=on,packed=on,host_mtu=9000,netdev=stand-in1,"
         "mac=52:54:00:00:00:01,romfile="),
        ("<interface><model type='e1000e'/></interface>", "e1000e,netdev=stand-in1"),
        ("<serial type='pty'><target type='isa-serial' port='1'/></serial>", "isa-serial,chardev=stand-in1,index=1"),
        ("<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/>"
         "<address type='virtio-serial' controller='0' port='2'/></channel>",
         "virtserialport,bus=virtio-serial0.0,nr=2,chardev=stand-in1,name=org.qemu.guest_agent.0"),
        ("<input type='tablet' bus='usb'><address type='usb' bus='0' port='1.2'/></input>",
         "usb-tablet,bus=usb.0,port=1.2"),
        ("<video><model type='qxl' ram='65536' vram='32768' vgamem='16384' heads='2'/></video>",
         "qxl-vga,ram_size=67108864,vram_size=33554432,vgamem_mb=16,max_outputs=2"),
        ("<video><model type='virtio' heads='1' primary='yes'/></video>", "virtio-vga,max_outputs=1"),
        ("<sound model='ich9'/>", "hda-duplex,bus=stand-in1-card.0,cad=0,audiodev=stand-in1"),
        ("<memballoon model='virtio' freePageReporting='on'/>", "virtio-balloon-pci,free-page-reporting=on"),
        ("<rng model='virtio'/>", "virtio-rng-pci,rng=stand-in1"),
        ("<watchdog model='i6300esb' action='reset'/>", "i6300esb"),
        ("<iommu model='intel'><driver intremap='on' aw_bits='48'/></iommu>", "intel-iommu,intremap=on,aw-bits=48"),
        ("<panic model='isa'/>", "pvpanic"),
    ],
    ids=lambda value: value.partition(",")[0] if not value.startswith("<") else "",
)  # fmt: skip
def test_a_device(devices: str, option: str) -> None:
    assert device_of(devices) == option
    assert "not-this-one" not in " ".join(words_of(devices))


def test_bridges_stand_in_front_of_what_is_behind_them() -> None:
    words = words_of(f"<rng model='virtio'>{AT.format(1)}</rng>" + PORT.format(2) + PORT.format(1))
    devices = [word.partition(",")[0] + word.partition("id=")[2][:5] for word in words if "addr=" in word]
    assert devices == ["pcie-root-portpci.1", "pcie-root-portpci.2", "virtio-rng-pci"]


def test_what_is_left_out_is_told() -> None:
    devices = "<tpm model='tpm-crb'><backend type='emulator'/></tpm><hostdev type='pci'/><frobnicator model='x'/>"
    devices += "<disk><target bus='nvme'/></disk><input type='evdev'/>"
    base = "<memoryBacking><hugepages/></memoryBacking>"
    text = domain_text(devices, base=base).replace(b"</domain>", b"<q:commandline xmlns:q='x'/></domain>")
    text = text.replace(b"<os><loader>/OVMF.fd</loader></os>", b"").replace(
        b"hvm</type>", b"</type><loader>/O</loader>"
    )
    left_out = domain_of(text).left_out
    for part in ("<tpm>", "<hostdev>", "<frobnicator>", "<disk>", "<input>", "<loader>", "backing", "qemu:commandline"):
        assert any(part in line for line in left_out), part
    assert any("KVM" in line for line in domain_of(domain_text(kind="kvm")).left_out)
    assert "kvm" in domain_of(domain_text(kind="kvm"), kvm=True).command


@pytest.mark.parametrize(
    "evil",
    [
        "<interface><model type='e1000e'/><mac address='x,romfile=/etc/passwd'/></interface>",
        "<channel type='unix'><target type='virtio' name='a,chardev=/dev/sda'/></channel>",
        "<controller type='pci' index='1' model='x'><model name='vfio-pci'/></controller>",
        "<controller type='usb' model='ich9-,id=/etc/passwd'/>",
        "<iommu model='intel'><driver intremap='on,x=/etc/passwd'/></iommu>",
        "<rng model='virtio'><driver iommu='$(reboot)'/></rng>",
        "<video><model type='vga' vgamem='16;/bin/sh'/></video>",
        "<sound model='ich9'><codec type='x,file=/etc/passwd'/></sound>",
    ],
)
def test_no_value_becomes_another_option(evil: str) -> None:
    command = domain_of(domain_text(evil)).command
    assert not any(mark in word for word in command[1:] for mark in ("/", "$", ";", "vfio", "/etc"))
    assert command[0] == "qemu-system-x86_64"


def test_an_architecture_names_no_other_program() -> None:
    text = domain_text().replace(b"arch='x86_64'", b"arch='../../bin/sh'")
    assert domain_of(text).command[0] == "qemu-system-x86_64"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"<!DOCTYPE x [<!ENTITY a 'b'>]><domain>&a;</domain>", "document type"),
        ("<?xml version='1.0' encoding='UTF-16'?><!DOCTYPE x SYSTEM 'file:///etc/passwd'><domain/>".encode("utf-16"),
         "document type"),
        (b"<domain>&a;</domain>", "no XML"),
        (b"<domain>" * (DEEPEST + 2), "too deep"),
        (b"<domain>" + b"<a/>" * (MOST_ELEMENTS + 1) + b"</domain>", "too many"),
        (b"<domain>" + b" " * LARGEST + b"</domain>", "too large"),
        (b"<domain>", "no XML"),
        (b"", "no XML"),
        (b"<network><name>x</name></network>", "no domain"),
        (b"<domain>\xff</domain>", "no XML"),
    ],
    ids=str,
)  # fmt: skip
def test_an_xml_that_is_refused(data: bytes, words: str) -> None:
    start = time.process_time()
    with pytest.raises(SchemaError, match=words):
        domain_of(data)
    assert time.process_time() - start < 5


def test_an_empty_domain_and_a_long_text() -> None:
    assert domain_of(b"<domain/>").command[0] == "qemu-system-x86_64"
    assert len(read_xml(b"<domain>" + b"<n>" + b"x\n" * 100_000 + b"</n></domain>").first("n").text) < 10_000
    assert domain_of(b"<domainstatus><domain><name>n</name></domain></domainstatus>").name == "n"


def test_what_a_domain_begins_with() -> None:
    assert is_domain(domain_text()) and is_domain(b"<?xml version='1.0'?>\n<domain/>")
    assert not is_domain(b"QEVM<domain") and not is_domain(b"<html>")


@pytest.mark.qemu
@pytest.mark.slow
@needs_qemu
def test_against_a_domain(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A stream against a domain, two domains, and two command lines; each side is started."""
    nic = (
        "<interface><mac address='52:54:00:12:34:56'/><model type='virtio'/><rom bar='off'/>"
        "<address type='pci' bus='0' slot='1' function='0'/></interface>"
    )
    domain, other = tmp_path / "web.xml", tmp_path / "other.xml"
    domain.write_bytes(domain_text(nic, machine="q35"))
    other.write_bytes(domain_text(nic, machine="q35").replace(b"<vcpu>1<", b"<vcpu>2<"))
    guest = tmp_path / "guest.mig"
    argv = [*BARE, "-m", "16", *NIC]
    capture_started(guest, [*argv, "-S"])
    assert main(["explain", str(guest), "--against", str(domain)]) == 0
    shown = capsys.readouterr()
    assert "(web)" in shown.out and "not in it: the network of a card" in shown.out
    assert "starting qemu-system-x86_64" in shown.err
    assert main(["explain", "--source", str(domain), "--against", str(domain)]) == 0
    assert main(["explain", "--source", str(other), "--against", str(domain), "--format", "json"]) == 1
    top = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert top["verdict"] == "fails" and any("cpu" in finding["section"] for finding in top["findings"])
    source = " ".join(argv)
    assert main(["explain", "--source", source, "--against", "--", *argv]) == 0
    off = [word.replace("romfile=", "romfile=,event_idx=off") for word in argv]
    capsys.readouterr()
    assert main(["explain", "--source", source, "--against", "--", *off, "--format", "json"]) in (1, 2)
    assert main(["explain", "--source", source, "--format", "json", "--against", "--", *off]) == 1
    top = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert top["verdict"] == "unknown" and "VIRTIO_RING_F_EVENT_IDX" in top["findings"][0]["message"]
    assert main(["explain", str(guest), "--source", source, "--against", "--", *argv]) == 2
