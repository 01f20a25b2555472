"""What the tests of targets that are a real QEMU spoil: a machine that it has just started, and the card in it."""

from __future__ import annotations

import pytest

from vmstate.fuzz import seeds
from vmstate.fuzz.subject import Subject
from vmstate.fuzz.targets.qemu import Seed, default_command, record


@pytest.fixture(scope="module")
def seed(tmp_path_factory: pytest.TempPathFactory) -> Seed:
    return record(default_command(), tmp_path_factory.mktemp("seed") / "cold.mig")


@pytest.fixture(scope="module")
def card(seed: Seed) -> Subject:
    (subject,) = seeds.whole([seed.path], "virtio-net")
    return subject
