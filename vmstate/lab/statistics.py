"""The two numbers that a set of measurements is told by, and the interval of a share that was counted."""

from __future__ import annotations

from collections.abc import Sequence
from math import comb, sqrt
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


def median_interval(values: Sequence[float]) -> tuple[float, float]:
    """The interval (95 %) of the median: two of the measurements, by how many are below a median (binomial).

    Of fewer than 6 measurements it is from the least to the greatest, which is less sure.
    """
    ordered, count = sorted(values), len(values)
    rank, below = 0, 0.0
    while rank < count // 2 and 2 * (below + comb(count, rank) / 2**count) <= 1 - SURE:
        below += comb(count, rank) / 2**count
        rank += 1
    rank = max(1, rank)
    return ordered[rank - 1], ordered[count - rank]


SURE = 0.95
TWO_SIDED = 1.959964
"""The quantile of the normal distribution for an interval that holds in 95 of 100."""


def wilson(count: int, total: int) -> tuple[float, float]:
    """The interval (Wilson, 95 %) of a share of which `count` of `total` were seen; of none it is all from 0 to 1."""
    if not total:
        return 0.0, 1.0
    share, square = count / total, TWO_SIDED**2
    middle = (share + square / (2 * total)) / (1 + square / total)
    half = TWO_SIDED * sqrt(share * (1 - share) / total + square / (4 * total**2)) / (1 + square / total)
    # Of all or none the end is 1 or 0, which the root misses by its rounding.
    return (0.0 if not count else max(0.0, middle - half)), (1.0 if count == total else min(1.0, middle + half))
