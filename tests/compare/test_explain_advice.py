"""What to do about a failure: the option behind a fact, and never a machine type that is not there."""

from __future__ import annotations

from typing import Any

import explain_cases as cases
import pytest
from recorded import FIXTURES, plain

from vmstate import explain, load
from vmstate.compare.target import Target, read_target, write_target
from vmstate.declare import Release, fact
from vmstate.rules.evaluate import read_as_known
from vmstate.rules.stream import advice_of_machine

Q35 = ("q35", "pc-q35-2.4", "pc-q35-7.2", "pc-q35-10.0", "pc-q35-9.2", "pc-i440fx-10.0", "microvm", "none")


@pytest.mark.parametrize(
    ("machine", "known", "words"),
    [
        ("pc-q35-7.2", None, "start the destination with -machine pc-q35-7.2"),
        ("pc-q35-7.2", Q35, "start the destination with -machine pc-q35-7.2"),
        (
            "pc-q35-11.1",
            Q35,
            "has no machine type pc-q35-11.1; of pc-q35 it has pc-q35-2.4 to pc-q35-10.0: use a release",
        ),
        ("virt-10.0", Q35, "has no machine type virt-10.0: use a release"),
        ("isapc", Q35, "has no machine type isapc: use a release"),
    ],
)
def test_no_machine_type_that_is_not_there(machine: str, known: Any, words: str) -> None:
    advice = advice_of_machine(machine, known)
    assert words in advice
    assert ("start the destination" in advice) is (known is None or machine in known)


def test_the_machine_types_of_a_recorded_destination(tmp_path: Any) -> None:
    stream = load(plain("qemu-11.1-q35-virtio-net-cold.mig.xz"))
    path = tmp_path / "target.json"
    write_target(path, Target("here", stream=stream, machines=Q35))
    target = read_target(path.read_bytes(), str(path))
    assert target.machines == Q35
    explanation = explain(FIXTURES / "qemu-7.2-q35-virtio-net-cold.mig.xz", target)
    (advice,) = {finding.advice for finding in explanation.findings if finding.rule == "machine"}
    assert advice == advice_of_machine("pc-q35-7.2", Q35)


@pytest.mark.parametrize(
    ("file", "name", "of", "value", "advice"),
    [
        (
            "recorded/qemu-11.1-pc-q35-8.2-virtio-gpu-cold.mig.xz",
            "virtio-gpu",
            "virtio_gpu_scanout_fb",
            False,
            "give the destination's device x-scanout-vmstate-version=1",
        ),
        (
            "recorded/qemu-7.2-pc-devices-cold.mig.xz",
            "piix4_pm",
            "acpi_index_migrated",
            True,
            "start the destination with -global PIIX4_PM.x-not-migrate-acpi-index=off",
        ),
        (
            "recorded/qemu-7.2-pc-devices-cold.mig.xz",
            "piix4_pm",
            "memory_slots",
            2,
            "start the destination with -m SIZE,slots=2,maxmem=SIZE, and without memory-hotplug-support=off",
        ),
    ],
)
def test_the_option_behind_a_fact(file: str, name: str, of: str, value: Any, advice: str) -> None:
    with load(plain(file)) as stream:
        section = next(section for section in stream.sections if section.name.endswith(f"/{name}"))
        assert read_as_known(section).advice_of_fact(of, value) == advice
        assert read_as_known(section).advice_of_fact("pci_express", True) is None


def test_the_option_of_a_release_that_has_not_got_it() -> None:
    """Then it is the source that is made like the destination."""
    with load(plain("recorded/qemu-11.1-pc-q35-8.2-virtio-gpu-cold.mig.xz")) as stream:
        known = read_as_known(next(section for section in stream.sections if section.name.endswith("/virtio-gpu")))
    words = [known.advice_of_fact("virtio_gpu_scanout_fb", True, False, Release(*it)) for it in ((9, 1), (7, 2))]
    assert words == [
        "give the destination's device x-scanout-vmstate-version=2",
        "give the source's device x-scanout-vmstate-version=1: QEMU 7.2 has no such option",
    ]


def test_memory_hotplug_that_the_destination_has_switched_off() -> None:
    """It takes the subsection, and reads it with no slots: real 11.1 then misses the footer."""
    two = cases.stream_of("slots2")
    with load(two) as stream:
        section = next(section for section in stream.sections if section.name.endswith("/ICH9LPC"))
        known = read_as_known(section)
        section.state, section.vmsd = known.subject.state, known.vmsd
        section.state.pm.memhp = None
        none = stream.to_bytes()
    (finding,) = (finding for finding in explain(two, none).findings if finding.severity == "breaks")
    assert (finding.rule, finding.qemu_error) == ("layout", f"Missing section footer for {section.name}")
    assert "memory_slots is 2 in the stream and 0 on the destination" in finding.message
    assert explain(none, two).verdict == "loads"


def test_a_fact_with_an_option_for_one_value_alone() -> None:
    told = fact("a fact", advice={True: "do it"})
    assert told.advice == {True: "do it"}


def test_a_device_at_another_place_is_one_cause() -> None:
    """Its ROM is refused first, and what is to be done is the same."""
    data = plain("qemu-7.2-q35-virtio-net.mig.xz")
    with load(data) as stream:
        section = next(section for section in stream.sections if section.name.endswith("/virtio-net"))
        place = section.name.partition("/")[0].encode()
        # The place stands in no other bytes: names of sections, of blocks, and the vmdesc.
        moved = data.replace(place + b"/", b"0000:00:1c.3/")
    explanation = explain(data, moved)
    words = "the destination has a virtio-net as 0000:00:1c.3/virtio-net: give the device the same place there"
    findings = [finding for finding in explanation.findings if finding.severity == "breaks"]
    assert findings
    assert all(finding.advice.startswith(words) for finding in findings)
    back = explain(moved, data)
    assert "addr=0x1c.3" in next(finding.advice for finding in back.findings if finding.rule == "section-unknown")
