"""`vmstate.lab.explain_refusal`: what QEMU's words about a load that failed mean in the stream.

Against what real QEMU 5.2 to 11.1 printed of the refused cases of tests/explain_cases.py.
"""

from __future__ import annotations

import explain_cases as cases
import pytest
from explain_cases import CASES, Case

from vmstate import load
from vmstate.lab import explain_refusal
from vmstate.lab.refusal import words_of
from vmstate.saved.opening import open_input

SAID = cases.said_of()
BY_NAME = {case.name: case for case in CASES}

# The case, the path that is told, a text in what is told, and the byte of the stream that stands at the place.
TOLD = [
    ("q35-7.2-7.2 -> vectors5", "virtio.transport.pci_dev.conventional_config[0x9a]", "MSI-X capability + 0x2", 3),
    ("rom64 -> rom128", "0000:00:02.0/virtio-net-pci.rom", "the destination one of 0x20000 bytes", None),
    ("vga16 -> vga8", "0000:00:03.0/vga.vram", "of 0x1000000 bytes, the destination one of 0x800000", None),
    ("queue1024 -> q35-7.2-11.1", "virtio.vq[0].num", "larger than that of the destination", 0),
    ("microvm-10.0 -> microvm-7.2", None, "which QEMU has from 10.0 on", None),
    ("smp2 -> q35-7.2-7.2", None, "no instance 1 of it", None),
]


def stream_of(case: Case) -> bytes:
    return cases.changed(cases.stream_of(case.source), case.changes)


@pytest.mark.parametrize(("name", "path", "text", "byte"), TOLD, ids=[case[0] for case in TOLD])
def test_what_qemu_names_is_found(name: str, path: str | None, text: str, byte: int | None) -> None:
    data = stream_of(BY_NAME[name])
    with load(data) as stream:
        (place,) = explain_refusal(stream, SAID[name]["stderr"])
    assert place.path == path and text in place.message
    assert place.offset is not None
    assert byte is None or data[place.offset] == byte


@pytest.mark.slow
def test_features_are_called_by_name() -> None:
    refused = [case for case in CASES if "Features 0x" in SAID[case.name]["stderr"]]
    assert len(refused) > 5
    for case in refused:
        with load(stream_of(case)) as stream:
            places = explain_refusal(stream, SAID[case.name]["stderr"])
        # 11.1 takes away what is not allowed before it prints it: the stream still has it.
        assert any(name in place.message for place in places for name in case.names if name.startswith("VIRTIO")), case


def test_a_machine_type_is_told_of_a_stream_that_cannot_be_read() -> None:
    case = BY_NAME["q35-7.2-7.2 -> pc"]
    with open_input(stream_of(case)[:300000]) as source:
        (place,) = explain_refusal(source, SAID[case.name]["stderr"])
    assert place.section == "configuration" and "'pc-q35-7.2'" in place.message


def test_the_first_of_qemus_words_is_not_lost() -> None:
    message = words_of("qemu: warning: nic has no peer\n" + SAID["q35-7.2-7.2 -> vectors5"]["stderr"])
    assert (
        message.startswith("get_pci_config_device: Bad config data: i=0x9a") and "load of migration failed" in message
    )
    assert len(words_of("x" * 9 + "\n" + "y" * 5000)) < 1100
