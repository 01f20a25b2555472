"""Guest memory in files."""

from pathlib import Path

from vmstate.qemu.memory import copy_memory, restore_memory


def test_sparse_copies_are_the_same(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    with open(source, "wb") as file:
        file.truncate(1 << 20)
        file.seek(300_000)
        file.write(b"in the middle")
    copy_memory(source, target)
    assert target.read_bytes() == source.read_bytes()
    assert target.stat().st_blocks * 512 < 100_000


def test_memory_is_put_back_where_it_differs(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    content = bytes(range(256)) * 1024 + b"the last bytes"
    source.write_bytes(content)
    target.write_bytes(content[:70_000] + bytes(10) + content[70_010:-3] + b"...")
    restore_memory(source, target)
    assert target.read_bytes() == content


def test_memory_is_put_back_where_either_has_holes(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    for path, places in ((source, (300_000, 5_000_000)), (target, (300_000, 2_000_000, 8_388_600))):
        with open(path, "wb") as file:
            file.truncate(8 << 20)
            for place in places:
                file.seek(place)
                file.write(path.name.encode())
    restore_memory(source, target)
    assert target.read_bytes() == source.read_bytes()
    assert target.stat().st_blocks * 512 < 1 << 20
