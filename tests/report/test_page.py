"""The page of a stream, read as text: what is on it, and what is not."""

import base64
import gc
import json
import re
import shlex
import struct
import sys
import uuid
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import pytest
from handmade import scalar, stream_with, vmdesc_text
from recorded import FIXTURES, MICROVM

import vmstate
from vmstate.cli import main
from vmstate.compare import open_target
from vmstate.declare import VMState, boolean, description, uint8
from vmstate.early import plan_streams
from vmstate.errors import VMStateError
from vmstate.query.cmdline import command_line
from vmstate.report import page_of
from vmstate.report.facts import LARGEST, MOST_SECTIONS, facts_of, kind_of_block
from vmstate.report.tree import rows_of
from vmstate.saved.scrub import mac_forms, scrub, uuid_forms
from vmstate.stream.configuration import Uuid

pytest.importorskip("jinja2", reason="needs Jinja2: install qemu-vmstate[report]")

NET = FIXTURES / "qemu-7.2-q35-virtio-net.mig.xz"
EARLY, FINAL = (FIXTURES / f"pairs/qemu-7.2-vlan-add-{moment}.mig.xz" for moment in ("early", "final"))


class Read(HTMLParser):
    """Tags with what they name, and text outside scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.inside = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.inside = tag

    def handle_endtag(self, tag: str) -> None:
        self.inside = ""

    def handle_data(self, data: str) -> None:
        if self.inside not in ("script", "style"):
            self.words += data


@pytest.fixture(scope="module")
def text() -> str:
    return page_of(NET)


def test_every_field_is_on_the_page_with_its_place(text: str) -> None:
    """Held against the trace: each byte that a field has is in the row of a field."""
    shown = {
        (int(attributes["data-o"] or ""), int(attributes["data-n"] or ""))
        for _, attributes in Read(text).tags
        if "data-o" in attributes
    }
    with vmstate.load(NET) as stream:
        section = stream["0000:00:01.0/virtio-net"]
        for path, entry in section.trace().items():
            if "[" not in path:
                assert (entry.offset, entry.size) in shown, path
            end = entry.offset + entry.size
            assert any(offset <= entry.offset and end <= offset + size for offset, size in shown), path


def test_what_the_page_says_is_what_other_verbs_say(text: str) -> None:
    words = Read(text).words
    with vmstate.load(NET) as stream:
        status = stream.query("x-query-virtio-status")
        for name in status["guest-features"]["dev-features"]:
            assert name.partition(":")[0] in words
        assert f"{len(stream.vmdesc_text or b''):,} bytes" in words
        for block in stream.ram.blocks:
            assert block.idstr in words
    assert "pc-q35-7.2" in words and "last_avail_idx" in words and "qemu-system-x86_64" in words
    assert "Nothing that QEMU would mind." in words


def test_equal_elements_are_one_row() -> None:
    with vmstate.load(FIXTURES / "qemu-11.1-q35-virtio-net.mig.xz") as stream:
        section = next(section for section in stream.sections if section.name.endswith("/virtio-net"))
        payload, start = section.payload(), section.payload_offset
        rows = rows_of(section.state, section.trace(), lambda at, size: payload[at - start : at - start + size])
        every = [row for top in rows for row in top.walk()]
    run = max(every, key=lambda row: row.count)
    assert run.count > 1000 and len(every) < 1000
    first, last = map(int, re.findall(r"\d+", run.label))
    assert last - first + 1 == run.count
    assert run.size == run.count * (run.children[-1].offset + run.children[-1].size - run.offset)


@description("lamp", version_id=1)
class Lamp(VMState):
    """A lamp."""

    lit: bool = boolean(doc="whether it\n    shines")
    colour: int = uint8()


def test_a_row_has_the_sentence_that_is_declared_of_its_field() -> None:
    data = Lamp.vmsd.encode(Lamp(lit=True))
    rows = rows_of(Lamp(lit=True), Lamp.vmsd.trace(data), lambda at, size: data[at : at + size])
    assert [(row.label, row.kind) for row in rows] == [("lit", "bool · whether it shines"), ("colour", "uint8")]


@pytest.mark.slow
def test_while_a_page_is_made_nobody_looks_for_cycles() -> None:
    """Of 100,000 sections it took longer than the page."""
    seen: list[str] = []

    def collected(phase: str, info: dict[str, int]) -> None:
        seen.append(phase)

    page_of(NET)
    gc.collect()
    gc.callbacks.append(collected)
    try:
        page_of(NET)
        assert len(seen) <= 2  # what the end of the pause makes up for
    finally:
        gc.callbacks.remove(collected)
    assert gc.isenabled()


def test_nothing_is_loaded_and_only_this_script_may_run(text: str) -> None:
    read = Read(text)
    policy = next(a["content"] for t, a in read.tags if a.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None and policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy
    for tag, attributes in read.tags:
        assert not {"src", "srcset", "style", "action"} & attributes.keys(), tag
        assert not any(name.startswith("on") for name in attributes), tag
        assert (attributes.get("href") or "#").startswith("#")
    assert tag_count(read, "img") == tag_count(read, "link") == tag_count(read, "iframe") == 0


def tag_count(read: Read, name: str) -> int:
    return sum(tag == name for tag, _ in read.tags)


def test_markup_in_a_stream_is_text() -> None:
    hostile = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\\u202e\\u0007{{ 7*7 }}"
    data = stream_with(vmdesc_text(scalar(hostile, 4)), b"\0\0\0\7")
    read = Read(page_of(data))
    assert tag_count(read, "img") == 0 and "alert(1)" in read.words and "{{ 7*7 }}" in read.words
    assert "\u202e" not in read.words and "\x07" not in read.words
    scripts = [attributes for tag, attributes in read.tags if tag == "script"]
    assert [attributes.get("type") for attributes in scripts] == ["text/plain"] * (len(scripts) - 1) + [None]


@pytest.mark.slow
def test_two_moments_a_destination_and_early_migration_are_told() -> None:
    target = open_target(str(FIXTURES / "qemu-7.2-q35-virtio-net-cold.mig.xz"))
    words = Read(page_of(EARLY, FINAL, early=EARLY, against=target)).words
    explanation = vmstate.explain(FINAL, target)
    difference = vmstate.diff(EARLY, FINAL)
    assert f"{len(difference.changes)} changes" in words and "virtio.net.vlans[2]: 0 -> 8192" in words
    assert f"Noise: {len(difference.ignored)} changes" in words
    assert "It fails in" in words and all(finding.message in words for finding in explanation.findings)
    assert "per-item, tap: minimal" in words and "rfc-v2, tap: full" in words


@pytest.mark.slow
def test_without_provenance_the_command_line_is_read_out_of_the_stream(tmp_path: Path) -> None:
    stranger = tmp_path / "stranger.mig"
    with vmstate.load(NET) as stream:
        data = stream.to_bytes()
        line = command_line(stream)
    stranger.write_bytes(data)
    words = Read(page_of(stranger)).words
    assert f"{shlex.join(line.argv)} read out of the stream; {'; '.join(line.missing)}" in words
    # What stands behind a cut would be taken for what the machine has not got.
    stranger.write_bytes(data[:20_000])
    assert "not known: no provenance beside the stream" in Read(page_of(stranger)).words


@pytest.mark.slow
def test_what_a_back_end_is_told_is_there_for_both_moments() -> None:
    words = Read(page_of(FINAL, early=EARLY)).words
    with vmstate.load(EARLY) as early, vmstate.load(FINAL) as final:
        plans = [plan for device in plan_streams(early, final) for plan in device.plans]
    for plan in plans:
        for moment, operations in (("early", plan.early_operations), ("at the stop", plan.operations)):
            assert f"What the back end is told {moment}: {len(operations)} operations" in words
            assert all(str(operation) in words for operation in operations)
    assert any(plan.early_operations for plan in plans)


@pytest.mark.slow
def test_a_scrubbed_page_has_nothing_of_the_guest() -> None:
    scrubbed = page_of(NET, scrubbed=True)
    with vmstate.load(NET) as stream:
        mac = stream.query("query-rx-filter")[0]["main-mac"]
    plain = page_of(NET)
    assert mac in plain and mac not in scrubbed
    held = b"".join(map(base64.b64decode, re.findall(r'text/plain">([^<]*)<', scrubbed)))
    assert bytes.fromhex(mac.replace(":", "")) not in held
    assert NET.name not in scrubbed and "qemu-system" not in scrubbed
    # The blocks of memory have other names: the stream itself would be told to lack them.
    with pytest.raises(VMStateError, match="is not held against a destination"):
        page_of(NET, against=open_target(NET), scrubbed=True)
    ours, theirs = scrub(NET, b"one key"), scrub(NET, b"one key")
    assert "It loads in" in page_of(ours, against=open_target(theirs))


@pytest.mark.slow
def test_a_scrubbed_page_of_two_moments_has_nothing_of_the_guest() -> None:
    early, final = (FIXTURES / f"pairs/qemu-11.1-mac-change-{moment}.mig.xz" for moment in ("early", "final"))
    macs = set()
    for path in (early, final):
        with vmstate.load(path) as stream:
            macs.add(stream.query("query-rx-filter")[0]["main-mac"])
    assert len(macs) == 2
    plain, scrubbed = (page_of(early, final, early=early, scrubbed=scrubbed) for scrubbed in (False, True))
    held = b"".join(map(base64.b64decode, re.findall(r'text/plain">([^<]*)<', scrubbed)))
    for mac in macs:
        assert mac in plain and mac not in scrubbed and bytes.fromhex(mac.replace(":", "")) not in held
    assert early.name not in scrubbed and final.name not in scrubbed and "per-item, tap" in scrubbed
    assert re.findall(r"<title>([^<]*)", scrubbed)[0] == "a scrubbed stream"
    assert "an earlier one → a scrubbed stream: " in scrubbed


CUSTOMER = "tenant-oscar-disk0"
SERIAL = "S3RI4L-0042"
MACHINE_UUID = uuid.UUID("7c9e6679-7425-40de-944b-e07fc1f90ae7")


def private_moments(folder: Path) -> tuple[list[Path], set[bytes]]:
    """Two moments of a machine that has a UUID and a name for its memory, and their MAC addresses.

    UUID and MAC stand once more among the registers of a PCI device, which are kept; name, UUID and a serial number in
    the command line beside the files.
    """
    paths, macs = [], set()
    for moment in ("early", "final"):
        recorded = FIXTURES / f"pairs/qemu-11.1-mac-change-{moment}.mig.xz"
        with vmstate.load(recorded) as stream:
            assert stream.configuration is not None
            stream.configuration.uuid = Uuid(data=list(MACHINE_UUID.bytes))
            mac = bytes.fromhex(stream.query("query-rx-filter")[0]["main-mac"].replace(":", ""))
            data = bytearray(stream.to_bytes())
        with vmstate.load(bytes(data)) as stream:
            config = stream["0000:00:01.0/virtio-net"].trace()["virtio.transport.pci_dev.conventional_config"]
        for at, planted in ((0xC0, MACHINE_UUID.bytes_le), (0xD8, mac[::-1]), (0xE0, mac)):
            assert not any(data[config.offset + at :][: len(planted)])
            data[config.offset + at : config.offset + at + len(planted)] = planted
        assert data.count(b"\2m0") == 1
        path = folder / f"{CUSTOMER}-{moment}.mig"
        path.write_bytes(data.replace(b"\2m0", bytes((len(CUSTOMER),)) + CUSTOMER.encode()))
        known = json.loads(Path(f"{recorded}".removesuffix(".xz") + ".provenance.json").read_text())
        known["argv"] += ["-name", CUSTOMER, "-uuid", str(MACHINE_UUID), "-device", f"virtio-blk-pci,serial={SERIAL}"]
        path.with_name(path.name + ".provenance.json").write_text(json.dumps(known))
        paths.append(path)
        macs.add(mac)
    return paths, macs


def shown_and_held(page: str) -> tuple[str, bytes]:
    """All that can be read on a page, and the bytes that it holds."""
    held = b"".join(map(base64.b64decode, re.findall(r'text/plain">([^<]*)<', page)))
    return unescape(re.sub(r'text/plain">[^<]*<', "<", page)), held


def told_by(page: str, macs: set[bytes]) -> set[str]:
    """Which secrets are on a page, in any form in which a device, a guest or a reader has them."""
    words, held = shown_and_held(page)
    pressed = re.sub(r"[\s:-]|0x", "", words).lower()
    secrets = {"uuid": uuid_forms(MACHINE_UUID.bytes), "name": (CUSTOMER.encode(),), "serial": (SERIAL.encode(),)}
    secrets |= {f"mac {mac.hex()}": mac_forms(mac) for mac in macs}
    # A MAC address has the last three bytes of it in the group of IPv6 that its owner is in.
    secrets |= {f"group of {mac.hex()}": (b"\x33\x33\xff" + mac[3:],) for mac in macs}
    told = set()
    for what, forms in secrets.items():
        texts = [form.decode().lower() for form in forms if form.isascii() and form.decode().isprintable()]
        if any(form in held or form.hex() in pressed for form in forms) or any(text in words.lower() for text in texts):
            told.add(what)
    return told


@pytest.mark.slow
def test_no_address_no_uuid_and_no_name_is_on_any_scrubbed_page(tmp_path: Path) -> None:
    (early, final), macs = private_moments(tmp_path)
    assert len(macs) == 2
    everything = {"uuid", "name", "serial"} | {f"mac {mac.hex()}" for mac in macs}
    plain = [
        page_of(final),
        page_of(early, final),
        page_of(final, early=early),
        page_of(early, final, early=early),
        page_of(early, against=open_target(str(final))),
    ]
    told = [told_by(page, macs) for page in plain]
    assert all({"uuid", "name", "serial"} <= secrets for secrets in told) and everything <= told[3]
    ours, theirs = (scrub(path, b"one key") for path in (early, final))
    scrubbed = {
        "stream": page_of(final, scrubbed=True),
        "diff": page_of(early, final, scrubbed=True),
        "early": page_of(final, early=early, scrubbed=True),
        "all": page_of(early, final, early=early, scrubbed=True),
        "explain": page_of(ours, against=open_target(theirs)),
        "diff of files": page_of(ours, theirs, early=ours),
    }
    assert {kind: secrets for kind, page in scrubbed.items() if (secrets := told_by(page, macs))} == {}
    # Nor is the title one of them, and what is not theirs is still there.
    for page in scrubbed.values():
        assert CUSTOMER not in re.findall(r"<title>([^<]*)", page)[0] and "VIRTIO_NET_F_MAC" in page


@pytest.mark.slow
@pytest.mark.parametrize("release", ["7.2", "11.1"])
def test_no_uuid_of_a_recorded_machine_is_on_its_scrubbed_page(release: str) -> None:
    path = FIXTURES / f"recorded/qemu-{release}-q35-uuid-cold.mig.xz"
    with vmstate.load(path) as stream:
        assert stream.configuration is not None and stream.configuration.uuid is not None
        forms = uuid_forms(bytes(stream.configuration.uuid.data))
    for scrubbed in (False, True):
        words, held = shown_and_held(page_of(path, path, scrubbed=scrubbed))
        pressed = re.sub(r"[\s:-]|0x", "", words)
        texts = [form.decode("latin-1") for form in forms]
        assert any(form in held or form.hex() in pressed for form in forms) is not scrubbed
        assert not scrubbed or not any(text in words for text in texts)


def test_memory_is_never_on_the_page() -> None:
    with vmstate.load(FIXTURES / MICROVM) as stream:
        facts = facts_of(stream, "microvm")
        assert stream.ram.pages
    assert [(device.content, device.rows) for device in facts.devices if device.name == "ram"] == [("", [])]


@pytest.mark.slow
def test_a_machine_of_very_many_sections_is_a_page_still() -> None:
    count = MOST_SECTIONS + 500
    body = b"".join(
        struct.pack(">BIB3sII", 4, number, 3, b"dev", number, 1) + b"\x05" + struct.pack(">BI", 0x7E, number)
        for number in range(count)
    )
    text = page_of(b"QEVM\0\0\0\3" + body + b"\0")
    assert len(text) < 3 << 20
    assert f"{count - MOST_SECTIONS:,} further sections are not shown" in Read(text).words


def test_of_very_many_findings_the_first_are_shown_and_the_rest_is_counted() -> None:
    count = 700
    data, named = (
        b"QEVM\0\0\0\3"
        + b"".join(
            struct.pack(">BIB", 4, number, len(name))
            + name
            + struct.pack(">II", 0, 1)
            + b"\5"
            + struct.pack(">BI", 0x7E, number)
            for number, name in enumerate(names)
        )
        + b"\0"
        for names in ([b"a%d" % number for number in range(count)], [b"b"])
    )
    words = Read(page_of(data, against=open_target(named))).words
    assert words.count("the destination has no section") == 500
    assert re.search(r"20\d further findings are not shown: vmstate explain lists them", words)


def test_a_value_of_many_bytes_is_cut_with_a_word() -> None:
    size = 4 << 20
    field = f'{{"name": "blob", "type": "buffer", "size": {size}}}'
    text = page_of(stream_with(vmdesc_text(field), bytes(range(256)) * (size // 256)))
    assert len(text) < 1 << 20
    assert re.search(r"the bytes from 0x[0-9a-f]+ on are not part of the page", Read(text).words)
    assert size > LARGEST


def test_a_section_of_too_many_fields_is_not_taken_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """A million of them took twenty seconds, and only then was it known that a page does not hold them."""
    monkeypatch.setattr("vmstate.report.facts.MOST_FIELDS", 5)
    monkeypatch.setattr("vmstate.report.facts.rows_of", lambda *_: pytest.fail("taken apart"))
    fields = [scalar(f"f{number}", 1) for number in range(6)]
    words = Read(page_of(stream_with(vmdesc_text(",".join(fields)), bytes(6)))).words
    assert "6 fields, more than a page holds: vmstate show FILE dev" in words


def test_what_is_whole_of_a_stream_that_is_cut_is_shown() -> None:
    with vmstate.load(NET) as stream:
        raw = stream.to_bytes()
    words = Read(page_of(raw[: len(raw) // 2])).words
    assert "Cut off:" in words and "mc146818rtc" in words


@pytest.mark.parametrize(
    ("idstr", "kind"),
    [
        ("pc.ram", "RAM"),
        ("pc.bios", "ROM"),
        ("0000:00:02.0/virtio-net-pci.rom", "ROM"),
        ("/rom@etc/acpi/tables", "ROM"),
        ("vga.vram", "video"),
        ("0000:00:01.0/qxl.vram", "video"),
        ("mem0", "RAM"),
    ],
)
def test_kinds_of_blocks(idstr: str, kind: str) -> None:
    assert kind_of_block(idstr) == kind


def test_the_verb(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "page.html"
    assert main(["report", str(NET), "-o", str(out)]) == 0
    assert "open it in a browser" in capsys.readouterr().out
    assert out.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert main(["report", str(NET), "-o", "-"]) == 0
    assert capsys.readouterr().out == out.read_text(encoding="utf-8")
    before = NET.read_bytes()
    assert main(["report", str(NET), "-o", str(NET)]) == 2 and NET.read_bytes() == before
    for argument in ("--early", "--against", "--trace"):
        assert main(["report", str(FINAL), argument, str(NET), "-o", str(NET)]) == 2 and NET.read_bytes() == before
    assert main(["report", str(tmp_path / "none"), "-o", str(out)]) == 2
    assert main(["report", str(NET), str(NET), str(NET), "-o", str(out)]) == 2
    assert main(["report", str(NET), "-o", str(tmp_path / "no" / "page.html")]) == 2
    assert all(line.startswith("vmstate: ") for line in capsys.readouterr().err.splitlines())


def test_what_is_missing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(VMStateError, match="Jinja2"):
        page_of(NET)
