"""Areas in the proportion of numbers, as rectangles: a squarified treemap (Bruls, Huizing and van Wijk, 2000)."""

from __future__ import annotations

from collections.abc import Sequence

from vmstate.vmsd.data import NamedTuple


class Rectangle(NamedTuple):
    """A rectangle: left, top, width and height, in the units of the area that was divided."""

    x: float
    y: float
    width: float
    height: float


def treemap(weights: Sequence[float], area: Rectangle) -> list[Rectangle]:
    """A rectangle in `area` for each weight, in proportion to it; the weights are above zero, the largest first."""
    places: list[Rectangle] = []
    total = sum(weights)
    scale = area.width * area.height / total if total else 0
    at = 0
    while at < len(weights):
        short = min(area.width, area.height)
        row = [weights[at] * scale]
        while at + len(row) < len(weights):
            longer = [*row, weights[at + len(row)] * scale]
            if _worst(longer, short) > _worst(row, short):
                break
            row = longer
        places += _in_a_row(row, area)
        area = _rest(sum(row), area)
        at += len(row)
    return places


def _worst(row: Sequence[float], short: float) -> float:
    """The proportion of the sides of the narrowest rectangle, if these areas share a side of length `short`."""
    total = sum(row)
    if not total or not short:
        return float("inf")
    return max(short**2 * row[0] / total**2, total**2 / (short**2 * row[-1]) if row[-1] else float("inf"))


def _in_a_row(row: Sequence[float], area: Rectangle) -> list[Rectangle]:
    places = []
    total = sum(row)
    x, y = area.x, area.y
    # No thicker than the area: what is left of it for the last row is small and so inexact.
    for part in row:
        if area.width >= area.height:
            thick = min(total / area.height, area.width) if area.height else 0
            long = part / thick if thick else 0
            places.append(Rectangle(area.x, y, thick, long))
            y += long
        else:
            thick = min(total / area.width, area.height) if area.width else 0
            long = part / thick if thick else 0
            places.append(Rectangle(x, area.y, long, thick))
            x += long
    return places


def _rest(used: float, area: Rectangle) -> Rectangle:
    if area.width >= area.height:
        thick = used / area.height if area.height else 0
        return Rectangle(area.x + thick, area.y, max(area.width - thick, 0), area.height)
    thick = used / area.width if area.width else 0
    return Rectangle(area.x, area.y + thick, area.width, max(area.height - thick, 0))
