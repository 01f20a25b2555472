"""A guest that may do anything at any time is migrated early: the destination is the source, whatever happened.

The machine that hypothesis drives is `EarlyMigration`. `VMSTATE_EARLY_RUNS` sets the number of runs: 10,000 take about
ten minutes.
"""

from __future__ import annotations

import os

import pytest
from early_migration import EarlyMigration
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

pytestmark = pytest.mark.slow

RUNS = int(os.environ.get("VMSTATE_EARLY_RUNS", "60"))
STEPS = 6


def run(machine: type[EarlyMigration], runs: int, *, shrink: bool = True) -> None:
    phases = [Phase.explicit, Phase.generate, *([Phase.shrink] if shrink else [])]
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=runs,
            stateful_step_count=STEPS,
            deadline=None,
            derandomize=runs < 1000,
            phases=phases,
            suppress_health_check=list(HealthCheck),
            database=None,
        ),
    )


def test_a_guest_that_may_do_anything_is_migrated_right() -> None:
    run(EarlyMigration, RUNS)
