"""A `Stream` as Python's sequences and mappings are used, and as what other functions take."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import vmstate
from vmstate.rules import set_value
from vmstate.saved.opening import open_input

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures"
SERIAL = FIXTURES / "recorded/qemu-7.2-pc-ram-cold.mig.xz"
TWO_CARDS = FIXTURES / "recorded/qemu-7.2-q35-virtio-rings-ram.mig.xz"


def test_its_sections_one_after_the_other() -> None:
    with vmstate.load(SERIAL) as stream:
        assert list(stream) == stream.sections and len(list(stream)) > 30


def test_whether_it_has_a_section() -> None:
    with vmstate.load(SERIAL) as stream, vmstate.load(SERIAL) as another:
        assert "serial" in stream and "dma#1" in stream and "0000:00:01.1/ide" in stream
        assert "virtio-net" not in stream and "dma#7" not in stream and "" not in stream
        assert stream["serial"] in stream and another["serial"] not in stream and 0 not in stream
    with vmstate.load(TWO_CARDS) as stream:
        assert "virtio-net" in stream


@pytest.mark.parametrize("name", [0, None, b"serial", slice(2)])
def test_a_section_is_known_by_its_name(name: Any) -> None:
    with vmstate.load(SERIAL) as stream, pytest.raises(vmstate.PathError, match="a section is known by its name"):
        stream[name]


def test_compat_takes_streams() -> None:
    old, new = FIXTURES / "qemu-7.2-q35-virtio-net.mig.xz", FIXTURES / "qemu-11.1-q35-virtio-net.mig.xz"
    expected = vmstate.compat(old, new, direction="both")
    with vmstate.load(old) as first, vmstate.load(new) as second:
        findings = vmstate.compat(first, second, direction="both").findings
        assert findings == expected.findings and len(findings) > 3
        assert vmstate.compat(first, new, direction="both").findings == findings


@pytest.mark.parametrize("path", [SERIAL, TWO_CARDS, FIXTURES / "recorded/qemu-7.2-none.mig.xz"])
def test_thin_takes_a_stream(path: Path) -> None:
    expected = b"".join(vmstate.thin(path))
    with vmstate.load(path) as stream:
        assert b"".join(vmstate.thin(stream)) == expected


def test_thin_takes_a_stream_as_it_is_now() -> None:
    with vmstate.load(SERIAL) as stream:
        before = b"".join(vmstate.thin(stream))
        set_value(stream, "serial.state.lcr", 3)
        after = b"".join(vmstate.thin(stream))
    assert len(after) == len(before) and after != before
    with vmstate.load(after) as stream:
        assert stream["serial"].state["state"]["lcr"] == 3 and not stream.ram.pages


def test_mapped_ram_is_laid_out_where_it_will_stand() -> None:
    """What stands in front of memory is longer by some bytes, or by more than there is room."""
    path = next(iter(FIXTURES.rglob("*mapped-ram*.mig.xz")))
    with vmstate.load(path) as stream:
        before = [bytes(page) for _, page in stream.memory().pages()]
        assert stream.to_bytes() == b"".join(stream.chunks(0))
        for name in ("pc-i440fx-9.1.2.3", "p", "pc" * 100):
            set_value(stream, "configuration.name", name)
            for origin in (0, 1, (1 << 20) - 500):
                data = b"".join(stream.chunks(origin))
                source = open_input(data)
                source.origin = origin
                with vmstate.load(source) as moved:
                    assert moved.machine == name
                    assert [bytes(page) for _, page in moved.memory(ranges=stream.memory().ranges).pages()] == before
                    assert moved.vmdesc_text == stream.vmdesc_text
