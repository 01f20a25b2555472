"""A whole folder of recordings with the truth about their memory, where `VMSTATE_SAVED` names one: a test each."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from saved_corpus import Corpus, outcome, recordings

FOLDER = os.environ.get("VMSTATE_SAVED")
CORPUS = None if FOLDER is None else Corpus(Path(FOLDER))
RECORDINGS = [] if CORPUS is None else list(recordings(CORPUS))


@pytest.mark.slow
@pytest.mark.skipif(CORPUS is None, reason="needs recordings of saved machines: VMSTATE_SAVED=FOLDER")
@pytest.mark.parametrize(
    ("record", "name", "file", "truth"), RECORDINGS, ids=[name for _, name, _, _ in RECORDINGS] or None
)
def test_a_recording_is_as_qemu_told(record: Mapping[str, Any], name: str, file: str, truth: Mapping[str, Any]) -> None:
    assert CORPUS is not None
    row = outcome(CORPUS, record, name, file, truth)
    assert row.is_right, row
