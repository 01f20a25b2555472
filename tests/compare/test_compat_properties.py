"""The properties that two machine types set otherwise, in the advice of what a load fails over."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import explain_cases as cases
import pytest
from machines import ROOTS, needs_qemu, qemu_of

from vmstate import load
from vmstate.compare import Target
from vmstate.compare.compat_properties import CompatProperties, with_properties
from vmstate.compare.explain import explain_sides
from vmstate.compare.explained import Explained
from vmstate.compare.findings import BREAKS, COSMETIC, FORWARD
from vmstate.compare.target import read_target, write_target
from vmstate.lab.target import PROPERTIES_SINCE, target_of
from vmstate.qemu.machine import Machine

OLD, NEW = "pc-q35-7.2", "pc-q35-10.0"
PROPERTIES: CompatProperties = {
    OLD: (
        ("virtio-balloon-pci-transitional", "vectors", "0"),
        ("virtio-balloon-pci", "vectors", "0"),
        ("e1000e", "migrate-timadj", "on"),
        ("e1000e", "migrate-timadj", "off"),
        ("pci-device", "x-pcie-ext-tag", "false"),
        ("virtio-net-device", "host_uso", "off"),
        ("virtio-net-device", "guest_uso4", "off"),
        ("ICH9-LPC", "noreboot", "true"),
        ("virtio-device", "x-all", "1"),
        ("e1000e", "alike", "1"),
    ),
    NEW: (("e1000e", "alike", "1"),),
}


def finding(section: str | None, rule: str = "layout", message: str = "", path: str | None = None) -> Explained:
    severity = COSMETIC if rule == "note" else BREAKS
    return Explained(rule, severity, section, path, None, message, FORWARD, None, None, "as before")


def advice(found: Explained, saving: str | None = OLD, loading: str | None = NEW) -> str | None:
    (told,) = with_properties((found,), PROPERTIES, saving, loading)
    return told.advice


def test_the_property_is_that_of_the_device() -> None:
    behind = f"which {OLD} has and {NEW} has not, or with -machine {OLD}"
    msix = finding(
        "0000:00:01.0/virtio-balloon", "pci-config", "only the device of the destination has the capability MSI-X"
    )
    assert advice(msix) == f"start the destination with -global virtio-balloon-pci.vectors=0, {behind}"
    assert (
        advice(finding("0000:00:04.0/e1000e"))
        == f"start the destination with -global e1000e.migrate-timadj=off, {behind}"
    )
    tag = finding("0000:00:02.0/pcie-root-port", "pci-config", "byte 0x58 (PCI Express capability + 0x4) is")
    assert advice(tag) == f"start the destination with -global pci-device.x-pcie-ext-tag=false, {behind}"
    assert "ICH9-LPC.noreboot=true" in str(advice(finding("0000:00:1f.0/ICH9LPC#0")))
    uso = finding("0000:00:03.0/virtio-net", "feature", "the driver accepted VIRTIO_NET_F_HOST_USO (bit 56), which")
    assert advice(uso) == f"start the destination with -global virtio-net-device.host_uso=off, {behind}"


def test_the_other_way_round_the_value_of_the_newer_is_not_known() -> None:
    told = advice(finding("0000:00:04.0/e1000e"), NEW, OLD)
    assert told == f"{OLD} has e1000e.migrate-timadj=off, and {NEW} has not; as before"


@pytest.mark.parametrize(
    ("found", "saving", "loading"),
    [
        (finding("0000:00:04.0/e1000e"), OLD, OLD),
        (finding("0000:00:04.0/e1000e"), "pc-q35-3.1", NEW),
        (finding("0000:00:04.0/e1000e"), None, NEW),
        (finding("0000:00:04.0/e1000e", "note"), OLD, NEW),
        (finding("0000:00:04.0/e1000"), OLD, NEW),
        (finding(None), OLD, NEW),
        (finding("0000:00:03.0/virtio-net", "feature", "the driver accepted VIRTIO_F_VERSION_1"), OLD, NEW),
    ],
)
def test_where_nothing_is_behind_it_the_advice_is_as_before(
    found: Explained, saving: str | None, loading: str | None
) -> None:
    assert advice(found, saving, loading) == "as before"


def test_they_are_recorded(tmp_path: Path) -> None:
    path = tmp_path / "destination.json"
    target = Target("t", stream=load(cases.stream_of("bare")), compat_properties=PROPERTIES, left_out=("a TPM",))
    write_target(path, target)
    read = read_target(path.read_bytes(), "read")
    assert read.compat_properties == PROPERTIES and read.left_out == ("a TPM",)


def since_9_1() -> str | None:
    """A root with a QEMU that tells what its machine types set."""
    for root in ROOTS:
        if (Path(root) / "usr/bin/qemu-system-x86_64").exists():
            with Machine(["qemu-system-x86_64", "-M", "none", "-S"], qemu=qemu_of(root)) as machine:
                if machine.monitor.version >= PROPERTIES_SINCE:
                    return root
    return None


@pytest.mark.qemu
@pytest.mark.slow
@needs_qemu
def test_the_advice_works() -> None:
    """With the options of the advice nothing is left that breaks but the machine type itself."""
    root = since_9_1()
    if root is None:
        pytest.skip("needs a QEMU of 9.1 or later: name its root in VMSTATE_QEMU_ROOTS")
    devices = "virtio-balloon-pci pcie-root-port,chassis=1 virtio-gpu-pci e1000e,romfile= igb,romfile= virtio-rng-pci"
    rest = ["-accel", "tcg", "-m", "16", "-nodefaults"]
    rest += [word for device in devices.split() for word in ("-device", device)]
    qemu = qemu_of(root)

    def target(machine: str, *options: str) -> Target:
        return target_of(["qemu-system-x86_64", "-M", machine, *rest, *options], qemu=qemu)

    source = target("pc-q35-8.0")
    newest = next(name for name in ("pc-q35-10.0", "pc-q35-9.2", "pc-q35-9.1") if name in (source.machines or ()))
    told = [entry for entry in explain_sides(source, target(newest)).findings if entry.severity == BREAKS]
    options = [re.findall(r"-global (\S+?)(?:,|\s)", str(entry.advice)) for entry in told]
    assert len(told) > 4 and all(names for entry, names in zip(told, options, strict=True) if entry.rule != "machine")
    added = [word for name in dict.fromkeys(itertools.chain(*options)) for word in ("-global", name)]
    left = [entry for entry in explain_sides(source, target(newest, *added)).findings if entry.severity == BREAKS]
    assert [entry.rule for entry in left] == ["machine"]
