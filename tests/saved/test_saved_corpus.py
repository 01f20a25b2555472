"""A whole folder of recordings with the truth about their memory, where `VMSTATE_SAVED` names one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from saved_corpus import IN_A_FILE, Corpus, outcomes

FOLDER = os.environ.get("VMSTATE_SAVED")


@pytest.mark.slow
@pytest.mark.skipif(FOLDER is None, reason="needs recordings of saved machines: VMSTATE_SAVED=FOLDER")
def test_every_recording_is_as_qemu_told() -> None:
    assert FOLDER is not None
    rows = list(outcomes(Corpus(Path(FOLDER))))
    assert rows and [row for row in rows if not row.is_right] == []
    # Memory that is shared is not in the stream, and is not made up.
    assert all(row.missing == row.pages for row in rows if row.name in IN_A_FILE)
