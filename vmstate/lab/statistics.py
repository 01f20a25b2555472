"""The two numbers that a set of measurements is told by."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median


def percentile(values: Sequence[float], share: int) -> float:
    """The smallest of the values that at least `share` of 100 do not exceed (nearest rank): one that was measured."""
    ordered = sorted(values)
    return ordered[max(0, -(-share * len(ordered) // 100) - 1)]


def summary(values: Sequence[float]) -> dict[str, float]:
    """{"median", "p95"} of measurements in one unit, to four places; nothing where there are none."""
    if not values:
        return {}
    return {"median": round(median(values), 4), "p95": round(percentile(values, 95), 4)}
