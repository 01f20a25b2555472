"""QEMU's source alone, without any device of the library, describes the sections of real streams."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest
import source_accuracy
import source_table
from recorded import FIXTURES
from source_accuracy import Count, streams_in
from source_table import TREES, recorded

from vmstate.compare.source_sections import SourceDescriptions
from vmstate.errors import VMStateError
from vmstate.saved.loading import load
from vmstate.source import by_hand, declare
from vmstate.source.linking import Linked
from vmstate.source.reading import read_tree

FLOOR = 0.97

ALONE = """
import json, sys
from pathlib import Path
from source_table import recorded
from vmstate.compare.source_sections import SourceDescriptions
from vmstate.errors import VMStateError
from vmstate.errors import VMStateError
from source_accuracy import Count, streams_in
count = Count(SourceDescriptions(recorded(sys.argv[1])))
for path in streams_in([Path(sys.argv[2])], sys.argv[1]):
    try:
        count.add(path)
    except VMStateError:
        pass  # An image with several snapshots, a channel that is no stream.
# Only the index of names is there, and nothing of a device.
assert not [name for name in sys.modules if name.startswith("vmstate.devices.") and not name.endswith("._index")]
misses = sorted({name for name, _ in count.misses})
print(json.dumps([count.streams, count.sections, count.share, sum(count.moved.values()), misses]))
"""


def alone(release: str) -> list[Any]:
    """Streams, sections, share, how many have their fields elsewhere, and what is missed: no device is imported."""
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(os.path.dirname(module.__file__) for module in (source_table, source_accuracy)),
    }
    command = [sys.executable, "-c", ALONE, release, str(FIXTURES)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    return list(json.loads(done.stdout))


@pytest.mark.slow
@pytest.mark.parametrize(("release", "streams", "sections"), [("7.2", 80, 2500), ("10.0", 30, 1300)])
def test_the_source_alone_describes_real_sections(release: str, streams: int, sections: int) -> None:
    seen_streams, seen_sections, share, moved, missed = alone(release)
    assert (seen_streams >= streams, seen_sections >= sections) == (True, True)
    assert share >= FLOOR, missed
    # Another description of the same name fits one.
    assert moved <= 1
    # libslirp is no part of QEMU's source.
    assert "slirp" in missed


@pytest.fixture(scope="module")
def source() -> Linked:
    return recorded("10.0")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "word", "name", "file"),
    [
        (declare.SCALARS, "timer", "piix4_pm", "recorded/qemu-10.0-pc-devices-cold.mig.xz"),
        (by_hand.INFOS, "scsi-requests", "scsi-disk", "recorded/qemu-10.0-pc-devices-cold.mig.xz"),
        (by_hand.INFOS, "virtqueue_extra_state", "virtio-rng", "recorded/qemu-10.0-q35-virtio-devices-cold.mig.xz"),
        (by_hand.INFOS, "virtio_gpu_save", "virtio-gpu", "recorded/qemu-10.0-q35-virtio-devices-cold.mig.xz"),
        (by_hand.SAVES, "virtio_blk_save_device", "virtio-blk", "recorded/qemu-10.0-q35-virtio-devices-cold.mig.xz"),
        (by_hand.SECTIONS, "todclock", "todclock", "boards/10.0-s390x-s390-ccw-virtio.stream.xz"),
    ],
)
def test_a_word_that_is_taken_away_is_missed(
    monkeypatch: pytest.MonkeyPatch, source: Linked, words: dict[str, Any], word: str, name: str, file: str
) -> None:
    with load(FIXTURES / file, library=False) as stream:
        section = next(section for section in stream.sections if section.name.rpartition("/")[2] == name)
        given = (section.name, section.version_id, section.payload())
    SourceDescriptions(source).decode(*given)
    monkeypatch.delitem(words, word)
    with pytest.raises(VMStateError):
        SourceDescriptions(source).decode(*given)


@pytest.mark.slow
@pytest.mark.skipif(not TREES, reason="set VMSTATE_QEMU_SOURCE to source trees of QEMU 10.0 or 7.2 (with : between)")
@pytest.mark.parametrize("name", TREES or ["none"])
def test_a_tree_describes_real_sections(name: str) -> None:
    release = read_tree(name, cached=True).release
    assert release is not None
    count = Count(SourceDescriptions.of_tree(name))
    for path in streams_in([FIXTURES / "recorded"], f"{release.major}.{release.minor}"):
        count.add(path)
    assert count.streams > 10
    assert count.share >= FLOOR
