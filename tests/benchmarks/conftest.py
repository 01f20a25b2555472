"""What draws random machines is in no wheel: its tests are run from a checkout."""

from __future__ import annotations

from importlib.util import find_spec

DRAWN = ["test_explain_accuracy.py", "test_cmdline_accuracy.py"]

collect_ignore = [] if find_spec("vmstate.lab.machines") else DRAWN


def pytest_report_header() -> str:
    """A line that says what was left out."""
    return f"not in the wheel, and so not tested: {', '.join(collect_ignore)}" if collect_ignore else ""
