"""VMA archives, written here from the published layout, and none that Proxmox wrote."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import pytest
from handmade_vma import archive, disk, summed
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from saved_files import small_stream

from vmstate import load, verify
from vmstate.cli import main
from vmstate.errors import VMStateError


def test_the_state_in_a_backup_is_the_stream(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stream = small_stream()
    path = tmp_path / "backup.vma"
    path.write_bytes(archive({"drive-scsi0": disk(300_000), "vmstate": stream}))
    with load(str(path)) as opened:
        assert opened.source is not None and bytes(opened.source) == stream
        assert opened.container.facts()["devices"][1] == {"name": "vmstate", "size": len(stream)}
        assert not [finding for finding in verify(opened, opened.source) if finding.severity == "error"]
    assert main(["info", str(path)]) == 0
    shown = capsys.readouterr().out
    assert "not checked on a real file" in shown
    assert "drive-scsi0, 300000 bytes" in shown
    assert "qemu-server.conf" in shown
    assert main(["ram", str(path), "read", "0x102000", "9", "-o", "-"]) == 0
    assert main(["set", str(path), "mc146818rtc.cmos_index=5", "-o", str(tmp_path / "out")]) == 2
    assert "nothing is written into such a file" in capsys.readouterr().err


@pytest.mark.parametrize("form", ["gz", "zst", "lzo"])
def test_a_compressed_backup_opens_as_well(form: str, tmp_path: Path) -> None:
    stream = small_stream()
    plain = archive({"vmstate": stream, "drive-virtio0": disk(70_000)}, seed=4)
    path = tmp_path / f"backup.vma.{form}"
    if form == "gz":
        path.write_bytes(gzip.compress(plain, 1))
    elif form == "zst":
        path.write_bytes(pytest.importorskip("zstandard").ZstdCompressor().compress(plain))
    else:
        from vmstate.saved import lzop

        path.write_bytes(b"".join(lzop.stored([plain])))
    with load(str(path)) as opened:
        assert opened.source is not None and bytes(opened.source) == stream


def test_a_backup_without_a_state_names_its_disks() -> None:
    with pytest.raises(VMStateError, match=r"no state of a running machine .*found drive-scsi0"):
        load(archive({"drive-scsi0": disk(1000)}))


SMALL = archive({"drive-scsi0": disk(70_000), "vmstate": small_stream()})
FIELDS = [4, 5, 8, 32, 48, 52, 56, 59, 2044, 2047, 4096 + 32, 4096 + 64, 4096 + 72, 4096 + 79, 12288, 12289]


@pytest.mark.slow
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_damage_is_told(data: st.DataObject) -> None:
    """Every field at its bounds and beyond, with a right checksum and without, and every cut."""
    damaged = bytearray(SMALL)
    size = struct.unpack_from(">I", damaged, 56)[0]
    is_summed = data.draw(st.booleans())
    kind = data.draw(st.sampled_from(["field", "header", "extent", "cut"]))
    if kind == "cut":
        del damaged[data.draw(st.integers(0, len(damaged) - 1)) :]
    elif kind == "extent":
        at = size + data.draw(st.integers(0, 511))
        damaged[at] ^= data.draw(st.integers(1, 255))
        if is_summed:
            extent = damaged[size : size + 512]
            extent[24:40] = bytes(16)
            damaged[size : size + 512] = summed(extent, 24)
    else:
        at = data.draw(st.sampled_from(FIELDS)) if kind == "field" else data.draw(st.integers(0, size - 1))
        width = data.draw(st.sampled_from([1, 4, 8]))
        value = data.draw(st.sampled_from([0, 1, (1 << 8 * width) - 1, 1 << 8 * width - 1]))
        damaged[at : at + width] = value.to_bytes(width, "big")
        if is_summed and at < size:
            head = damaged[:size]
            head[32:48] = bytes(16)
            damaged[:size] = summed(head, 32)
    try:
        with load(bytes(damaged)) as stream:
            # What has a right checksum may be another stream.
            assert is_summed or bytes(stream.source or b"") == small_stream()
    except VMStateError as error:
        assert str(error)
