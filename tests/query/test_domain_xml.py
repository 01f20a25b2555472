"""A command line as a domain of libvirt: what stands in elements, and that a QEMU of libvirt takes the stream."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import tempfile
from pathlib import Path
from xml.etree import ElementTree

import pytest
from machines import needs_qemu
from recorded import FIXTURES

from vmstate import load
from vmstate.cli import main
from vmstate.lab.incoming import QemuDestination
from vmstate.query.cmdline import CommandLine, Option, command_line
from vmstate.query.domain_xml import NAMESPACE, domain_xml

VIRSH = shutil.which("virsh")
needs_virsh = pytest.mark.skipif(VIRSH is None, reason="needs libvirt: install libvirt-clients and libvirt-daemon")
STREAM = FIXTURES / "qemu-7.2-q35-virtio-zoo2-cold.mig.xz"
TAKEN = (
    STREAM,
    FIXTURES / "recorded" / "qemu-7.2-pc-devices2-cold.mig.xz",
    FIXTURES / "qemu-7.2-aarch64-virt-virtio-net-pci.mig.xz",
    FIXTURES / "qemu-7.2-s390x-virtio-net-ccw.mig.xz",
)


def words_in(domain: ElementTree.Element) -> list[str]:
    return [argument.attrib["value"] for argument in domain.iter(f"{{{NAMESPACE}}}arg")]


def test_what_libvirt_has_words_for_stands_in_elements() -> None:
    options = (
        Option("-M", "pc-q35-7.2,hpet=off,memory-backend=m0"),
        Option("-accel", "kvm"),
        Option("-uuid", "11111111-2222-3333-4444-555555555555"),
        Option("-smp", "2,maxcpus=4"),
        Option("-m", "96M,slots=2,maxmem=1G"),
        Option("-nodefaults"),
        Option("-device", "virtio-9p-pci,mount_tag=<&'\">"),
    )
    domain = ElementTree.fromstring(domain_xml(CommandLine("qemu-system-x86_64", options, (), {}), "a<b"))
    assert domain.attrib["type"] == "kvm" and domain.findtext("name") == "a<b"
    assert domain.findtext("uuid", "").startswith("1111") and domain.findtext("memory") == "98304"
    vcpu, kind = domain.find("vcpu"), domain.find("os/type")
    assert vcpu is not None and (vcpu.text, vcpu.attrib) == ("4", {"current": "2"})
    assert kind is not None and kind.attrib == {"arch": "x86_64", "machine": "pc-q35-7.2"}
    assert words_in(domain) == [
        *("-machine", "hpet=off,memory-backend=m0", "-m", "96M,slots=2,maxmem=1G"),
        *("-device", "virtio-9p-pci,mount_tag=<&'\">"),
    ]


def test_the_verb_prints_a_domain_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cmdline", str(STREAM), "--xml"]) == 0
    printed = capsys.readouterr().out
    domain = ElementTree.fromstring(printed[printed.index("<domain") :])
    assert domain.findtext("name") == "qemu-7.2-q35-virtio-zoo2-cold"
    assert any(word.startswith("virtio-blk-pci,") for word in words_in(domain))
    assert main(["cmdline", str(STREAM), "--xml", "--explain"]) == 2


def started_by_libvirt(xml: Path, folder: Path) -> list[str]:
    """The command line that libvirt makes of a domain, without what it keeps in its own folders."""
    uri = f"qemu:///embed?root={folder}"
    command = [str(VIRSH), "-q", "-c", uri, "domxml-to-native", "qemu-argv", str(xml)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    if "failed to connect" in done.stderr:
        pytest.skip(f"libvirt has no driver for QEMU here: {done.stderr.strip()[:80]}")
    assert done.returncode == 0, done.stderr
    words = shlex.split(done.stdout)
    words = words[next(number for number, word in enumerate(words) if "qemu-system-" in word) :]
    kept: list[str] = []
    for word in words:
        if re.search(r"masterKey|charmonitor|obsolete=deny", word):
            kept.pop()
        else:
            kept.append(word)
    return kept


@pytest.mark.qemu
@pytest.mark.slow
@needs_qemu
@needs_virsh
@pytest.mark.parametrize("path", TAKEN, ids=lambda path: path.name)
def test_the_qemu_that_libvirt_starts_takes_the_stream(path: Path, tmp_path: Path) -> None:
    with load(path) as stream:
        line = command_line(stream, folder=str(tmp_path))
    if shutil.which(line.program) is None:
        pytest.skip(f"needs {line.program}")
    for name, size in line.files.items():
        Path(tmp_path, name).write_bytes(bytes(size))
    xml = tmp_path / "domain.xml"
    xml.write_text(domain_xml(line, "zoo"))
    # libvirt's sockets stand in it, and a socket's path is short.
    with tempfile.TemporaryDirectory() as root:
        argv = started_by_libvirt(xml, Path(root))
    with QemuDestination(str(path), argv, origin="-", capabilities=line.capabilities, limit=60) as destination:
        outcome = destination.feed()
    assert outcome.accepted, outcome.error
