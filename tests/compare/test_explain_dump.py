"""`vmstate.explain` against a -dump-vmstate text: it has no values of the destination."""

from __future__ import annotations

import json
from pathlib import Path

from handmade import scalar, stream_with, vmdesc_text
from recorded import FIXTURES, plain

from vmstate import Explanation, assign, explain, load
from vmstate.compare.findings import BREAKS

CARD = "qemu-7.2-q35-virtio-net.mig.xz"
DEVICES = "recorded/qemu-7.2-pc-devices-cold.mig.xz"
SCSI = "0000:00:15.0/pciespscsi"
DUMP = FIXTURES / "dump-vmstate" / "qemu-7.2-q35.json.xz"


def of_changed(*changes: str) -> Explanation:
    with load(plain(CARD)) as stream:
        for change in changes:
            assign(stream, change, force=True)
        return explain(stream.to_bytes(), str(DUMP))


def test_what_no_qemu_takes_is_told_without_the_values_of_the_destination() -> None:
    explanation = of_changed("virtio-net.virtio.queue_sel=5000")
    assert explanation.verdict == "fails"
    (finding,) = (finding for finding in explanation.findings if finding.severity == BREAKS)
    assert (finding.section, finding.path) == ("0000:00:01.0/virtio-net", "virtio.queue_sel")
    assert "no QEMU takes this" in finding.message and "virtio-net" in str(finding.qemu_error)
    with load(plain(CARD)) as stream:
        assert finding.offset == stream["virtio-net"].trace()["virtio.queue_sel"].offset


def test_qemus_line_is_of_the_section_that_a_dump_lacks_something_of() -> None:
    older = explain(plain(DEVICES), str(FIXTURES / "dump-vmstate" / "qemu-5.2-pc-q35-5.2.json.xz"))
    lines = {
        (finding.rule, finding.section): finding.qemu_error for finding in older.findings if finding.severity == BREAKS
    }
    assert lines["version-newer", SCSI] == f"unsupported version 2 for '{SCSI}' v1"
    assert lines["field-missing", SCSI] == f"Missing section footer for {SCSI}"
    assert lines["subsection-unknown", "pckbd"] == "VM subsection 'pckbd/extended_state' in 'pckbd' does not exist"
    with load(plain(DEVICES)) as stream:
        places = {section.name: section.offset for section in stream.sections}
    assert next(finding.offset for finding in older.findings if finding.rule == "version-newer") == places[SCSI]


def test_qemus_line_of_a_section_that_is_not_the_first_of_its_name(tmp_path: Path) -> None:
    text = vmdesc_text(f"{scalar('a')}, {scalar('b')}").replace(b'"instance_id": 0', b'"instance_id": 1')
    stream = stream_with(text, b"\1\2").replace(b"dev\0\0\0\0", b"dev\0\0\0\1", 1)
    fields = [{"field": "a", "version_id": 0, "field_exists": False, "size": 1}]
    versions = {"version_id": 1, "minimum_version_id": 1}
    device = {"Name": "dev", **versions, "Description": {"name": "dev", **versions, "Fields": fields}}
    dump = tmp_path / "dump.json"
    dump.write_text(json.dumps({"vmschkmachine": {"Name": "none"}, "dev": device}))
    (finding,) = (finding for finding in explain(stream, str(dump)).findings if finding.section == "dev#1")
    assert (finding.rule, finding.path, finding.qemu_error) == ("field-missing", "b", "Missing section footer for dev")


def test_values_that_only_a_stream_of_the_destination_would_show_are_taken_for_granted() -> None:
    explanation = of_changed("virtio-net.virtio.isr=1")
    assert explanation.verdict == "loads"
    assert any("the devices of the source" in text for text in explanation.assumed)
    assert any("virtio features" in text for text in explanation.assumed)
