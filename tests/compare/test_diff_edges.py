"""`diff` of streams of which one alone says how it is laid out, and of what is of no section."""

from __future__ import annotations

import struct

import explain_cases as cases
import pytest
from handmade import scalar, stream_with, vmdesc_text
from recorded import BARE, MICROVM, NO_CONFIGURATION, NO_VMDESC, plain

from vmstate import assign, compat, diff, load
from vmstate.compare.findings import BREAKS, COSMETIC
from vmstate.events import Command, ConfigurationSection

RETURN_PATH = "recorded/qemu-7.2-pc-return-path.mig.xz"

CHANGED = "fw_cfg.cur_entry=5"


def changed(file: str, library: bool) -> bytes:
    with load(plain(file)) as stream:
        assign(stream, CHANGED)
        return stream.to_bytes()


@pytest.mark.parametrize("described_first", [True, False])
def test_a_stream_that_nothing_describes_is_read_as_the_other_says(described_first: bool) -> None:
    """Neither the library nor a vmdesc of its own: what the other stream's vmdesc says of the section holds for it."""
    described, bare = load(changed(BARE, True), library=False), load(plain(NO_VMDESC), library=False)
    sides = (described, bare) if described_first else (bare, described)
    changes = [change for change in diff(*sides, library=False).changes if change.section == "fw_cfg"]
    assert [change.path for change in changes] == ["cur_entry"]
    assert (changes[0].before, changes[0].after) == ((5, 0) if described_first else (0, 5))


def test_the_order_of_sections_is_of_no_instance() -> None:
    data = plain(BARE)
    with load(data) as stream:
        first, second, third = [section.offset for section in stream.sections if section.kind == "full"][:3]
    swapped = data[:first] + data[second:third] + data[first:second] + data[third:]
    (change,) = diff(load(data), load(swapped)).changes
    assert (change.path, change.kind, change.instance_id) == ("sections", "order", 0)
    assert sorted(change.before) == sorted(change.after) and change.before != change.after


def test_another_way_to_write_the_vmdesc_is_of_no_instance() -> None:
    """Releases before 6.0 put spaces around everything."""
    data = plain(BARE)
    with load(data) as stream:
        text = stream.vmdesc_text
        assert text is not None
        spaced = b"{ " + text[1:]
    at = data.rindex(text)
    respaced = data[: at - 4] + len(spaced).to_bytes(4, "big") + spaced
    (change,) = diff(load(data), load(respaced)).changes
    assert (change.section, change.path, change.kind, change.instance_id) == ("vmdesc", "dialect", "changed", 0)


def test_a_command_that_differs_is_of_no_instance() -> None:
    data = plain(RETURN_PATH)
    with load(data) as stream:
        command = next(part for part in stream.parts if isinstance(part, Command))
    end = command.offset + len(command.to_bytes())
    (change,) = diff(load(data), load(data[: command.offset] + data[end:])).changes
    assert (change.path, change.kind, change.instance_id) == ("commands", "changed", 0)
    assert change.before[0].startswith(command.name) and change.before[1:] == change.after


def test_a_configuration_that_one_lacks() -> None:
    data = plain(NO_CONFIGURATION)
    with load(plain(BARE)) as stream:
        section = next(part for part in stream.parts if isinstance(part, ConfigurationSection)).to_bytes()
    other = data[:8] + section + data[8:]
    for sides, kind in ((data, other), "added"), ((other, data), "removed"):
        (change,) = diff(*map(load, sides)).changes
        assert (change.section or change.path, change.kind) == ("configuration", kind)


def test_in_how_many_parts_memory_was_sent_makes_no_difference() -> None:
    data = plain(BARE)
    with load(data) as stream:
        part = next(section for section in stream.sections if section.kind == "part")
    fewer = load(data[: part.offset] + data[part.offset + part.size :])
    assert len(fewer.sections) == len(load(data).sections) - 1
    assert not diff(load(data), fewer).changes and not diff(fewer, load(data)).changes


def test_a_subsection_that_one_lacks_is_the_only_difference() -> None:
    data = cases.stream_of("e1000")
    with load(data) as stream:
        entry = stream["e1000"].trace()["e1000/mit_state"]
    other = data[: entry.offset] + data[entry.offset + entry.size :]
    for sides, kind in ((data, other), "removed"), ((other, data), "added"):
        changes = diff(*map(load, sides)).changes
        assert [(change.section, change.path, change.kind) for change in changes] == [
            ("0000:00:03.0/e1000", "e1000/mit_state", kind)
        ]


def test_a_field_that_one_lacks_is_the_only_difference() -> None:
    two = stream_with(vmdesc_text(f"{scalar('a')}, {scalar('b')}"), b"\1\2")
    one = stream_with(vmdesc_text(scalar("a")), b"\1")
    for sides, change in ((two, one), ("removed", 2, None)), ((one, two), ("added", None, 2)):
        (told,) = diff(*map(load, sides)).changes
        assert (told.section, told.path, told.kind, told.before, told.after) == ("dev", "b", *change)


def test_what_the_vmdesc_says_of_others_is_told_beside_a_section_that_changed() -> None:
    data = changed(BARE, True)
    with load(data) as stream:
        text = stream.vmdesc_text
    assert text is not None
    signed = text.replace(b'"halted", "type": "uint32"', b'"halted", "type": "int32"')
    at = data.rindex(text)
    data = data[: at - 4] + len(signed).to_bytes(4, "big") + signed
    changes = diff(load(plain(BARE)), load(data)).changes
    assert [(change.section, change.kind, change.after) for change in changes] == [
        ("fw_cfg", "changed", 5),
        ("cpu_common", "vmdesc", "'int32'"),
    ]


def test_a_section_that_nothing_describes_and_the_destination_lacks() -> None:
    """Two streams: the machine of the second has no such device, whatever is in it."""
    data = plain(MICROVM)
    at = load(data).sections[-1].offset
    section = struct.pack(">BIB", 4, 0x1234, 3) + b"dev" + struct.pack(">II", 0, 1) + b"\5" * 9
    more = data[:at] + section + struct.pack(">BI", 0x7E, 0x1234) + data[at:]
    assert [part.name for part in load(more).sections][-2] == "dev"
    for destination, rule, severity in (data, "section-unknown", BREAKS), (more, "section-not-described", COSMETIC):
        told = [finding for finding in compat(more, destination).findings if finding.section == "dev"]
        assert [(finding.rule, finding.severity) for finding in told] == [(rule, severity)]
