"""A stream for strangers: nothing in it is the user's or the guest's own, and it reads as it did."""

from __future__ import annotations

import io
import random
import re
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import explain_cases
import pytest
from handmade import scalar, stream_with, vmdesc_text
from machines import COLD, needs_qemu
from recorded import FIXTURES, MAPPED_RAM, STREAMS, board, plain

import vmstate
from vmstate import Section, Stream, VMStateDescription, VMStateError, check, compat, explain, load, thin, verify
from vmstate.cli import main
from vmstate.devices.virtio.net import Rss
from vmstate.files import PIECE
from vmstate.saved.opening import open_input
from vmstate.saved.scrub import PCI_CONFIG, Replacer, patched, private_by_type, scrub, serial_numbers
from vmstate.stream.registry import all_descriptions, known_names
from vmstate.vmsd import types as t
from vmstate.vmsd.declare import CONTENTS, MACS, REGISTERS, secret, uint8
from vmstate.vmsd.description import Field
from vmstate.vmsd.expr import Expr

KEY = b"a key for tests"
Planted = list[tuple[int, bytes]]
EVERY_SIXTH = sorted(set(STREAMS[::6]) - {MAPPED_RAM, "recorded/qemu-7.2-microvm-dirty-bitmaps-cold.mig.xz"})
MANY = "recorded/qemu-7.2-q35-devices-cold.mig.xz"
ZOO = "recorded/qemu-7.2-q35-virtio-devices-booted.mig.xz"
FILTERS = "qemu-7.2-q35-virtio-net-filters.mig.xz"
CARD = "qemu-11.1-q35-virtio-net.mig.xz"


def small(file: str) -> bytes:
    """A recorded stream without its memory."""
    return b"".join(thin(plain(file)))


def layout(stream: Stream) -> list[object]:
    """All that says how a stream is built: parts and where they are, headers, the places of all fields, vmdesc."""
    built: list[object] = [stream.version, stream.vmdesc_text]
    for part in stream.parts:
        built.append((type(part), part.offset))
        if isinstance(part, Section):
            built += [part.header, part.footer, part.described_by]
            built += [(path, entry.offset, entry.size) for path, entry in part.trace().items()]
    built += [(block.used_length, len(block.idstr)) for block in stream.ram.blocks]
    return built


def rules(findings: list[vmstate.Finding]) -> list[tuple[object, ...]]:
    return [(finding.rule, finding.section, finding.path, finding.offset) for finding in findings]


def bytes_fields(stream: Stream) -> Iterator[tuple[int, int]]:
    """(offset, size) of all bytes of a stream that hold no registers: told by the types, not by what is replaced."""
    for section in stream.sections:
        if section.is_ram:
            continue
        if section.vmsd is None:
            yield section.payload_offset, section.footer.offset - section.payload_offset
        registers = {
            field.name
            for known in all_descriptions(section.name)
            for vmsd in known.walk()
            for field in vmsd.fields
            if field.private == REGISTERS
        }
        for path, entry in section.trace().items():
            field = entry.field
            # Of a virtio configuration space some is private; other tests say what.
            if field is None or field.name in registers or path == "virtio.config":
                continue
            if field.type.info in (PCI_CONFIG, "pci irq state", "msix state"):
                continue
            if path == "cmos_data":
                # Around the registers of the clock, which stay: 14 at the front, and the century.
                yield entry.offset + 14, 0x32 - 14
                yield entry.offset + 0x33, entry.size - 0x33
                continue
            kind = field.type
            if type(kind) in (t.Buffer, t.Opaque, t.Text) or (kind is t.UINT8 and field.count is not None):
                yield entry.offset, entry.size


@pytest.mark.parametrize("file", EVERY_SIXTH)
def test_secrets_are_gone_and_the_layout_is_not(file: str) -> None:
    """Every field of bytes is filled with a secret of its own first, where the stream then still reads the same."""
    with load(small(file)) as before:
        data, secrets = planted(before, random.Random(file))
    scrubbed = scrub(data, KEY)
    with load(data) as stream, load(scrubbed) as replaced:
        assert layout(replaced) == layout(stream)
        assert rules(check(replaced)) == rules(check(stream))
        assert rules(verify(replaced, memoryview(scrubbed))) == rules(verify(stream, memoryview(data)))
        assert replaced.to_bytes() == scrubbed
    assert len(secrets) > 2 or len(before.sections) < 15
    for offset, secret_bytes in secrets:
        for start in range(0, len(secret_bytes) - 7, 8):
            assert secret_bytes[start : start + 8] not in scrubbed, f"the field at {offset:#x}"


def planted(stream: Stream, draw: random.Random) -> tuple[bytes, Planted]:
    """The bytes of a stream with secrets, and the secrets, as many as leave the layout and the rules alone."""
    original = stream.to_bytes()
    wanted = layout(stream)

    def reads(data: bytes) -> bool:
        try:
            with load(data) as again:
                return layout(again) == wanted and rules(check(again)) == rules(check(stream))
        except VMStateError:
            return False

    def filled(base: bytes, secrets: Planted) -> bytes:
        result = bytearray(base)
        for offset, secret_bytes in secrets:
            result[offset : offset + len(secret_bytes)] = secret_bytes
        return bytes(result)

    fields = [(offset, size) for offset, size in bytes_fields(stream) if 8 <= size <= 70000]
    secrets = [(offset, draw.randbytes(size)) for offset, size in fields]
    if reads(filled(original, secrets)):
        return filled(original, secrets), secrets
    # A configuration space says what a device is: what no longer reads so is left out, section by section.
    kept: Planted = []
    for section in stream.sections:
        inside = [secret for secret in secrets if section.payload_offset <= secret[0] < section.footer.offset]
        if inside and reads(filled(original, inside)):
            kept += inside
    return filled(original, kept), kept


MACS_OF = {
    FILTERS: ["525400123456", "525400aabbcc"],
    MANY: [f"5254001234{number:02x}" for number in range(0x56, 0x60)],
}


@pytest.mark.parametrize("file", MACS_OF)
def test_no_address_is_left(file: str) -> None:
    """The addresses of the cards, in any order of bytes, wherever they stand."""
    data = small(file)
    scrubbed = scrub(data, KEY)
    forms_seen = set()
    for mac in map(bytes.fromhex, MACS_OF[file]):
        registers = mac[3::-1] + b"\x80\0" + mac[:3:-1]
        forms = {"plain": mac, "registers": registers, "words": bytes(mac[at ^ 1] for at in range(6))}
        for name, form in forms.items():
            if form in data:
                forms_seen.add(name)
            assert form not in scrubbed, name
    assert forms_seen == ({"plain"} if file == FILTERS else {"plain", "registers", "words"})


@pytest.mark.parametrize("between", [b"\xff\xff", b"\xff\xfe"])
@pytest.mark.slow
def test_a_serial_number_made_of_the_address(between: bytes) -> None:
    """As an e1000e behind a root port has it in its PCI configuration space, of which all else stays."""
    data = bytearray(small(MANY))
    mac = bytes.fromhex("525400123456")
    serial = (mac[:3] + between + mac[3:])[::-1]
    with load(bytes(data)) as stream:
        trace = next(section for section in stream.sections if section.name.endswith("/e1000e")).trace()
        config = next(entry for entry in trace.values() if entry.field and entry.field.type.info == PCI_CONFIG)
    (place,) = serial_numbers(bytes(data[config.offset : config.offset + config.size]))
    start, at, stop = config.offset, config.offset + place, config.offset + config.size
    data[at : at + 8] = serial
    scrubbed = scrub(bytes(data), KEY)
    replaced = Replacer(KEY).mac(mac)
    assert scrubbed[at : at + 8] == (replaced[:3] + between + replaced[3:])[::-1]
    assert scrubbed[start:at] == data[start:at]
    assert scrubbed[at + 8 : stop] == data[at + 8 : stop]


def test_a_card_is_the_same_card_everywhere() -> None:
    """Its addresses in the device state, the receive filter and the configuration space; what is not private stays."""
    replacer = Replacer(KEY)
    with load(small(FILTERS)) as stream, load(scrub(plain(FILTERS), KEY)) as scrubbed:
        before, after = stream["virtio-net"].state, scrubbed["virtio-net"].state
        assert after.net.mac == replacer.mac(before.net.mac) != before.net.mac
        assert after.config_space.mac == replacer.mac(before.config_space.mac) != before.config_space.mac
        assert after.config_space.status == before.config_space.status
        assert len(set(after.net.mac_table)) == len(set(before.net.mac_table)) > 1
        for mac, replaced in zip(before.net.mac_table, after.net.mac_table, strict=True):
            assert replaced == replacer.mac(mac)
            assert replaced[0] & 1 == mac[0] & 1
        assert after.net.vlan_ids == before.net.vlan_ids
        assert after.features == before.features


@pytest.mark.slow
def test_the_key_of_the_hash_is_gone() -> None:
    key = bytes(range(1, 41))
    with load(small(FILTERS)) as stream:
        card = stream["virtio-net"].state.net
        card.rss = Rss(indirections_len=2, indirections_table=[0, 1], key=key)
        data = stream.to_bytes()
    assert key in data
    with load(scrub(data, KEY)) as scrubbed:
        rss = scrubbed["virtio-net"].state.net.rss
    assert rss.key == Replacer(KEY).contents(key)
    assert rss.indirections_table == [0, 1]


@pytest.mark.slow
def test_equal_keys_give_equal_streams() -> None:
    same = scrub(plain(CARD), KEY)
    assert scrub(plain(CARD), KEY) == same
    assert scrub(plain(CARD), b"another") != same
    assert scrub(plain(CARD)) != scrub(plain(CARD))
    # Across streams too: both hold the card with QEMU's first address.
    with load(same) as newer, load(scrub(plain("qemu-7.2-q35-virtio-net.mig.xz"), KEY)) as older:
        assert newer["virtio-net"].state.net.mac == older["virtio-net"].state.net.mac


def test_the_uuid_of_the_machine() -> None:
    file = "recorded/qemu-7.2-q35-uuid-cold.mig.xz"
    with load(small(file)) as stream:
        configuration = stream.configuration
        assert configuration is not None and configuration.uuid is not None
        before = bytes(configuration.uuid.data)
    scrubbed = scrub(plain(file), KEY)
    assert before not in scrubbed
    with load(scrubbed) as stream:
        assert stream.configuration is not None and stream.configuration.uuid is not None
        after = uuid.UUID(bytes=bytes(stream.configuration.uuid.data))
        assert stream.configuration.machine == configuration.machine
        assert stream.configuration.capability_names == configuration.capability_names
    assert after.version == uuid.UUID(bytes=before).version
    # The same again where it stands as text, or as Windows has it.
    forms = dict(forms_of_uuid(before))
    assert forms[uuid.UUID(bytes=before).bytes_le] == after_of(before).bytes_le
    assert forms[str(uuid.UUID(bytes=before)).encode()] == str(after_of(before)).encode()


def after_of(value: bytes) -> uuid.UUID:
    return uuid.UUID(bytes=Replacer(KEY).uuid(value))


def forms_of_uuid(value: bytes) -> Iterator[tuple[bytes, bytes]]:
    replacer = Replacer(KEY)
    replacer.uuid(value)
    return replacer.forms()


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("pc.ram", "pc.ram"),
        ("/rom@etc/acpi/tables", "/rom@etc/acpi/tables"),
        ("0000:00:02.0/vga.vram", "0000:00:02.0/vga.vram"),
        ("0000:00:02.0/virtio-net-pci.rom", "0000:00:02.0/virtio-net-pci.rom"),
        ("ram-node0", "ram-node0"),
        ("0000:00:0d.0/customer7", "0000:00:0d.0/"),
        ("/objects/customer7", "/objects/"),
        ("customer7.ram", ""),
        ("", ""),
    ],
)
def test_names_of_blocks(name: str, kept: str) -> None:
    replaced = Replacer(KEY).block_name(name.encode()).decode()
    assert replaced.startswith(kept) and len(replaced) == len(name)
    assert (replaced == name) == (kept == name)


def test_values_of_every_kind() -> None:
    replacer = Replacer(KEY)
    assert replacer.contents(bytes(5)) == bytes(5)
    assert replacer.contents(b"abc") == replacer.contents(b"abc") != b"abc"
    text = replacer.text(b"host\0\0name\0host")
    assert re.fullmatch(rb"[a-z]{4}\0\0[a-z]{4}\0[a-z]{4}", text) and text[:4] == text[-4:]
    assert replacer.mac(bytes(6)) == bytes(6)
    assert replacer.mac(b"\xff" * 6) == b"\xff" * 6
    assert replacer.uuid(bytes(16)) == bytes(16)
    # Made with the key: whoever has none cannot try all addresses.
    assert Replacer(b"another").mac(b"\x52\x54\0\x12\x34\x56") != replacer.mac(b"\x52\x54\0\x12\x34\x56")


def test_a_device_that_nothing_knows() -> None:
    """Its bytes and its arrays of uint8 go, its numbers stay; six bytes are an address, also where it comes again."""
    mac = b"\x52\x54\0\xaa\xbb\xcc"
    secret_bytes = b"0123456789abcdef"
    fields = ", ".join(
        (
            scalar("reg", 4),
            '{"name": "blob", "type": "buffer", "size": 16}',
            '{"name": "macaddr", "array_len": 6, "type": "uint8", "size": 1}',
            scalar("low", 4),
            scalar("high", 2),
        )
    )
    body = b"\0\0\1\2" + secret_bytes + mac + mac
    data = stream_with(vmdesc_text(fields), body)
    scrubbed = scrub(data, KEY)
    start = data.index(body)
    after = scrubbed[start : start + len(body)]
    assert scrubbed[:start] == data[:start] and scrubbed[start + len(body) :] == data[start + len(body) :]
    assert after[:4] == body[:4]
    assert after[4:20] == Replacer(KEY).contents(secret_bytes)
    assert after[20:26] == after[26:32] == Replacer(KEY).mac(mac)
    # What nothing describes at all is replaced as a whole; what follows the end is left out.
    alone = b"QEVM\0\0\0\3" + data[8 : data.index(b"\0\x06")] + b"\0"
    replaced = scrub(alone + b"behind the end", KEY)
    assert len(replaced) == len(alone)
    assert secret_bytes not in replaced and mac not in replaced and b"behind" not in replaced


@pytest.mark.parametrize("command", [b"\0\6\0\x1e\0\x0bcustomer7.x\0" + bytes(16), b"\0\x0a\0\x0c\x0bcustomer7.x"])
def test_commands_that_name_a_block(command: bytes) -> None:
    data = b"QEVM\0\0\0\3\x08" + command + b"\0"
    scrubbed = scrub(data, KEY)
    assert b"customer7.x" in data and b"customer" not in scrubbed
    assert len(scrubbed) == len(data)


@pytest.mark.slow
@pytest.mark.parametrize("case", explain_cases.CASES[::9], ids=lambda case: case.name)
def test_explain_says_the_same(case: explain_cases.Case) -> None:
    stream = explain_cases.changed(explain_cases.stream_of(case.source), case.changes)
    target = explain_cases.target_named(case.destination)
    before, after = explain(load(b"".join(thin(stream))), target), explain(load(scrub(stream, KEY)), target)
    assert [(finding.id, finding.severity, finding.offset) for finding in after.findings] == [
        (finding.id, finding.severity, finding.offset) for finding in before.findings
    ]
    assert after.verdict == before.verdict


@pytest.mark.slow
def test_compat_says_the_same(tmp_path: Path) -> None:
    """Two releases' streams, as schemas."""
    paths = []
    for release in ("7.2", "11.1"):
        data = small(f"qemu-{release}-q35-virtio-net.mig.xz")
        paths.append((tmp_path / f"{release}.mig", tmp_path / f"{release}-scrubbed.mig"))
        paths[-1][0].write_bytes(data)
        paths[-1][1].write_bytes(scrub(data, KEY))
    before, after = (compat(str(older), str(newer)) for older, newer in zip(*paths, strict=True))
    assert before.findings
    assert after.findings == before.findings


@pytest.mark.slow
def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    out, again = tmp_path / "out.mig", tmp_path / "again.mig"
    file = str(FIXTURES / FILTERS)
    assert main(["thin", file, "--scrub", "-o", str(out)]) == 0
    assert out.read_bytes() != small(FILTERS) and len(out.read_bytes()) == len(small(FILTERS))
    assert main(["thin", file, "--scrub-key", "mine", "-o", str(out)]) == 0
    assert main(["thin", file, "--scrub", "--scrub-key", "mine", "-o", str(again)]) == 0
    assert out.read_bytes() == again.read_bytes()
    sink = io.TextIOWrapper(io.BytesIO())
    monkeypatch.setattr(sys, "stdout", sink)
    assert main(["thin", file, "--scrub-key", "mine", "-o", "-"]) == 0
    assert sink.buffer.getvalue() == out.read_bytes()  # type: ignore[attr-defined]
    assert main(["thin", str(tmp_path / "nowhere.mig"), "--scrub", "-o", str(tmp_path / "none.mig")]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["again.mig", "out.mig"]


@pytest.mark.slow
@pytest.mark.parametrize("file", [MAPPED_RAM, "saved/mapped-offset-11.1.file.xz"])
def test_mapped_ram_stays_mapped_ram(file: str, tmp_path: Path) -> None:
    """With holes in the place of pages, as a file that stands alone."""
    out = tmp_path / "out.mig"
    assert main(["thin", str(FIXTURES / file), "--scrub", "-o", str(out)]) == 0
    assert out.stat().st_blocks * 512 < 1_000_000 < out.stat().st_size
    with load(out) as scrubbed, load(b"".join(thin(plain(file)))) as small:
        assert [block.mapped for block in scrubbed.ram.blocks] == [block.mapped for block in small.ram.blocks]
        clocks = [stream["mc146818rtc"].state["cmos_data"] for stream in (scrubbed, small)]
        assert clocks[0] != clocks[1]
        assert not any(finding.severity == "error" for finding in verify(scrubbed, out.read_bytes()))


def test_patches_lie_across_pieces() -> None:
    opened = open_input(bytes(2 * PIECE + 5))
    patches = [(PIECE - 2, b"abcd"), (PIECE, b"x"), (2 * PIECE + 3, b"yz"), (0, b""), (PIECE - 2, b"A")]
    whole = bytearray(2 * PIECE + 5)
    for offset, replacement in patches:
        whole[offset : offset + len(replacement)] = replacement
    assert b"".join(patched(opened, patches)) == whole
    long = b"".join(patched(opened, [(1, bytes(range(1, 256)) * (2 * PIECE // 255))]))
    assert long[1:-200].count(0) == 0


@pytest.mark.qemu
@needs_qemu
def test_qemu_loads_what_never_ran(tmp_path: Path) -> None:
    from vmstate.lab.incoming import load_into_qemu
    from vmstate.qemu.capture import capture_started

    capture_started(tmp_path / "cold.mig", COLD)
    (tmp_path / "scrubbed.mig").write_bytes(scrub(tmp_path / "cold.mig"))
    assert load_into_qemu(tmp_path / "scrubbed.mig", COLD).accepted


# The vocabulary


def descriptions() -> Iterator[VMStateDescription]:
    """Everything that the library describes, and all inside of it, each once."""
    met: dict[int, VMStateDescription] = {}
    for name in known_names():
        for outermost in all_descriptions(name):
            met |= {id(vmsd): vmsd for vmsd in outermost.walk()}
    return iter(met.values())


def expressions(vmsd: VMStateDescription) -> Iterator[Expr]:
    """Every expression of the description that reads the struct itself."""
    for field in vmsd.fields:
        yield from field.expressions()
        yield from (rule.holds for rule in field.rules)
    yield from (rule.holds for rule in vmsd.rules)
    yield from (sub.needed for sub in vmsd.subsections if sub.needed is not None)


def test_nothing_that_is_replaced_decides_anything() -> None:
    """No layout and no rule reads a field whose value is replaced: such fields say that they are registers."""
    read_and_replaced = []
    for vmsd in descriptions():
        replaced = {
            field.attribute
            for field in vmsd.fields
            if (private_by_type(field, 0) if field.private is None else field.private)
        }
        for expr in expressions(vmsd):
            references = [ref for part in expr.walk() for ref in part.refs_ if ref.base_ == "this"]
            read_and_replaced += [
                (vmsd.name, ref) for ref in references if len(ref.names_) == 1 and ref.names_[0] in replaced
            ]
    assert read_and_replaced == []


def test_words_say_what_is_private() -> None:
    bytes_field = Field("a", t.Buffer("buffer", 4))
    assert private_by_type(bytes_field, 4) == CONTENTS
    assert private_by_type(bytes_field, 6) == MACS
    assert private_by_type(Field("a", t.Buffer(PCI_CONFIG, 256)), 256) == REGISTERS
    assert private_by_type(Field("a", t.UINT8, count=4), 4) == CONTENTS
    assert private_by_type(Field("a", t.UINT8), 1) == REGISTERS
    assert private_by_type(Field("a", t.UINT32, count=4), 16) == REGISTERS
    assert private_by_type(Field("a", t.BOOL, count=4), 4) == REGISTERS
    part = secret("contents", 2, 3)
    assert (part[0].first, part[0].count) == (2, 3)
    assert uint8(private=CONTENTS).field["private"] == CONTENTS


def test_third_parties_can_say_it() -> None:
    """Only some elements of an array of registers are private; text and pieces keep their lengths."""
    replacer = Replacer(KEY)
    registers = Field("a", t.UINT16, count=4, private=secret("contents", 1, 2))
    value = bytes(range(1, 9))
    assert dict(replacer.field(registers, value)) == {2: replacer.contents(value[2:4]) + replacer.contents(value[4:6])}
    addresses = Field("a", t.UINT32, count=3, private=secret("mac-registers", 0, 2))
    pair = bytes.fromhex("12005452800f5634")
    mac = replacer.mac(bytes.fromhex("525400123456"))
    assert dict(replacer.field(addresses, pair + bytes(4))) == {0: mac[3::-1] + b"\x80\x0f" + mac[:3:-1]}
    words = Field("a", t.UINT16, count=3, private=secret("mac-words", 0, 3))
    assert dict(replacer.field(words, bytes.fromhex("545212005634"))) == {0: bytes(mac[at ^ 1] for at in range(6))}
    strings = Field("a", t.CountedString("buffer"), count=2)
    assert [place for place, _ in replacer.field(strings, b"\3abc\2de")] == [1, 5]
    pieces = dict(replacer.field(Field("a", t.Chunks("buffer", 9)), b"\0\0\0\3abc\0\0\0\0"))
    assert pieces == {4: replacer.contents(b"abc"), 11: b""}


def express_config(*capabilities: tuple[int, int, bytes]) -> bytes:
    """A configuration space of PCI Express with (place, id, contents) of extended capabilities, in their order."""
    config = bytearray(4096)
    following = [place for place, _, _ in capabilities[1:]] + [0]
    for (place, number, contents), behind in zip(capabilities, following, strict=True):
        config[place : place + 4] = (behind << 20 | 1 << 16 | number).to_bytes(4, "little")
        config[place + 4 : place + 4 + len(contents)] = contents
    return bytes(config)


@pytest.mark.parametrize(
    ("capabilities", "places"),
    [
        ([(0x100, 3, b"serialno")], [0x104]),
        ([(0x100, 1, b""), (0xFF0, 3, b"serialno")], [0xFF4]),
        ([(0x100, 1, b""), (0x140, 0xB, b""), (0x180, 3, b"serialno")], [0x184]),
        ([(0x100, 1, b""), (0xFF8, 3, b"serial")], []),
        ([(0x100, 1, b"")], []),
        # A list that goes round, or back in front of where it can begin.
        ([(0x100, 3, b"serialno"), (0x100, 3, b"serialno")], [0x104]),
        ([(0x100, 1, b""), (0x40, 3, b"serialno")], []),
    ],
)
def test_serial_numbers_in_a_configuration_space(capabilities: list[tuple[int, int, bytes]], places: list[int]) -> None:
    config = express_config(*capabilities)
    assert list(serial_numbers(config)) == places
    field = Field("config", t.Buffer(PCI_CONFIG, 4096))
    patches = list(Replacer(KEY).field(field, config))
    assert patches == [(place, Replacer(KEY).contents(config[place : place + 8])) for place in places]
    assert list(serial_numbers(config[:256])) == []


def test_every_form_of_an_address_is_replaced_by_that_form() -> None:
    mac = bytes.fromhex("525400a1b2c3")
    replacer = Replacer(KEY)
    new = replacer.mac(mac)
    forms = dict(replacer.forms())
    assert forms[b"52:54:00:a1:b2:c3"] == new.hex(":").encode()
    assert forms[b"52-54-00-A1-B2-C3"] == new.hex("-").upper().encode()
    assert forms[b"\xfe" + mac[3:] + mac[:3] + b"\xff"] == b"\xfe" + new[3:] + new[:3] + b"\xff"
    # What a card has in its two registers, valid or not.
    low, high = int.from_bytes(mac[:4], "little"), int.from_bytes(mac[4:], "little")
    for flags in (0, 1 << 31):
        registers = low.to_bytes(4, "big") + (high | flags).to_bytes(4, "big")
        replaced = forms[registers]
        assert int.from_bytes(replaced[:4], "big") == int.from_bytes(new[:4], "little")
        assert int.from_bytes(replaced[4:], "big") == int.from_bytes(new[4:], "little") | flags


@needs_qemu
@pytest.mark.slow
def test_the_serial_number_of_every_card(tmp_path: Path) -> None:
    """vmxnet3 makes it of its address in a way of its own, e1000e and igb as an EUI-64."""
    whole, clean = str(tmp_path / "m.mig"), str(tmp_path / "clean.mig")
    cards = {"vmxnet3": b"\x52\x54\0\x3a\x4b\x5c", "e1000e": b"\x52\x54\0\x6d\x7e\x8f"}
    devices = [
        word
        for number, (model, mac) in enumerate(cards.items())
        for word in (
            *("-device", f"pcie-root-port,id=p{number},chassis={number}"),
            *("-device", f"{model},bus=p{number},mac={mac.hex(':')},romfile="),
        )
    ]
    qemu = ["qemu-system-x86_64", *["-M", "q35", "-accel", "tcg", "-m", "16", "-nodefaults", "-S"], *devices]
    assert main(["capture", "-o", whole, "--", *qemu]) == 0
    assert main(["thin", whole, "--scrub", "-o", clean]) == 0
    before, after = Path(whole).read_bytes(), Path(clean).read_bytes()
    for mac in cards.values():
        # The half of the address that is not its maker's.
        assert mac[3:] in before
        assert mac[3:] not in after and mac[:2:-1] not in after


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "section_name", "path", "first"),
    [
        ("10.0-aarch64-vexpress-a15", "pl181", "fifo", 0),
        ("10.0-aarch64-vexpress-a15", "lan9118", "rx_fifo", 0),
        ("10.0-aarch64-xlnx-zcu102", "cadence_gem", "regs", 34),
        ("10.0-aarch64-xlnx-zcu102", "xlnx.bbram-ctrl", "regs", 4),
    ],
)
def test_words_that_a_board_holds(name: str, section_name: str, path: str, first: int) -> None:
    """Words of a FIFO, keys, and the registers with an address are replaced; the registers before them stay."""
    data = bytearray(board(f"{name}.stream.xz"))
    secret_bytes = b"what a guest had"
    with load(bytes(data)) as stream:
        section = next(section for section in stream.sections if section.name.rpartition("/")[2] == section_name)
        place = section.trace()[path].offset
    begin = place + 4 * first
    data[begin : begin + len(secret_bytes)] = secret_bytes
    scrubbed = scrub(bytes(data), KEY)
    assert secret_bytes[:8] not in scrubbed and len(scrubbed) == len(data)
    assert scrubbed[place:begin] == data[place:begin]
