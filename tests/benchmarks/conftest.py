"""What draws random machines or records streams again is in no wheel: its tests are run from a checkout."""

from __future__ import annotations

from importlib.util import find_spec

OF_A_CHECKOUT = [
    *("test_cmdline_accuracy.py", "test_compat_accuracy.py", "test_explain_accuracy.py", "test_golden.py"),
    *("test_repair_accuracy.py", "test_source_accuracy.py"),
]

collect_ignore = [] if find_spec("vmstate.lab.machines") else OF_A_CHECKOUT


def pytest_report_header() -> str:
    """A line that says what was left out."""
    return f"not in the wheel, and so not tested: {', '.join(collect_ignore)}" if collect_ignore else ""
