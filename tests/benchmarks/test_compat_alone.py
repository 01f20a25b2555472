"""Each device in a machine of its own: what a QEMU saves fits its -dump-vmstate, and where it does not it is seen."""

from __future__ import annotations

import json

import compat_alone
import pytest
from compat_alone import devices_of, each_alone, main, words_of
from machines import PROGRAM, needs_qemu

from vmstate.compare.schemas import dump_of
from vmstate.qemu.machine import find_qemu

pytestmark = [pytest.mark.qemu, pytest.mark.slow, needs_qemu]

SAMPLE = ("AC97", "e1000e", "hda-duplex", "ide-cd", "isa-ipmi-kcs", "nvdimm", "pcie-root-port", "scsi-hd", "usb-kbd")


def test_a_sample_has_no_false_break() -> None:
    results = list(each_alone(find_qemu(PROGRAM), PROGRAM, "q35", SAMPLE))
    assert [(result.device, result.error) for result in results] == [(device, None) for device in SAMPLE]
    assert [result.breaks for result in results] == [()] * len(SAMPLE)


def test_a_break_is_seen(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def without_a_field(*given: object, **known: object) -> bytes:
        top = json.loads(dump_of(*given, **known))  # type: ignore[arg-type]
        fields = top["e1000e"]["Description"]["Fields"]
        top["e1000e"]["Description"]["Fields"] = [field for field in fields if field["field"] != "core.rx_desc_len"]
        return json.dumps(top).encode()

    monkeypatch.setattr(compat_alone, "dump_of", without_a_field)
    assert main(["--machine", "q35", "e1000e", "no-such-device"]) == 1
    shown = capsys.readouterr().out
    assert "q35 e1000e: field-missing: 0000:00:01.0/e1000e: core.rx_desc_len" in shown
    assert "q35 no-such-device: not saved" in shown
    assert "1 saved, 1 of them with breaks; 1 did not start or cannot be saved" in shown


def test_what_devices_need() -> None:
    qemu = find_qemu(PROGRAM)
    devices = devices_of(qemu, "q35")
    assert devices["e1000e"] == "PCI" and devices["hda-duplex"] == "HDA" and len(devices) > 200
    assert "-audiodev" in words_of(qemu, "q35", "hda-duplex", "HDA")
    assert "virtio-scsi" in words_of(qemu, "q35", "scsi-hd", "SCSI")
    assert "virtio-scsi-device" in words_of(qemu, "microvm", "scsi-hd", "SCSI")
    # Both of its buses are one object.
    can = words_of(qemu, "q35", "ctucan_pci", "PCI")
    assert can.count("can-bus,id=x") == 1 and can[-1].endswith("canbus0=x,canbus1=x")
    assert words_of(qemu, "q35", "nvdimm", "")[8:10] == ["-machine", "nvdimm=on"]
