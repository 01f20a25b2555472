"""Rectangles in the proportion of numbers."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from vmstate.report.treemap import Rectangle, treemap

AREA = Rectangle(0, 0, 960, 320)


@example([52846339, 2])
@given(st.lists(st.integers(1, 10**9), max_size=60))
def test_areas_are_in_proportion_inside_and_apart(weights: list[int]) -> None:
    weights.sort(reverse=True)
    places = treemap(weights, AREA)
    assert len(places) == len(weights)
    whole = AREA.width * AREA.height
    for weight, place in zip(weights, places, strict=True):
        assert place.width * place.height == pytest.approx(whole * weight / sum(weights), rel=1e-6, abs=1e-6)
        assert place.x >= -1e-6 and place.x + place.width <= AREA.width + 1e-6
        assert place.y >= -1e-6 and place.y + place.height <= AREA.height + 1e-6
    for index, a in enumerate(places):
        for b in places[index + 1 :]:
            across = min(a.x + a.width, b.x + b.width) - max(a.x, b.x)
            down = min(a.y + a.height, b.y + b.height) - max(a.y, b.y)
            assert across <= 1e-6 or down <= 1e-6


def test_equal_weights_are_no_stripes() -> None:
    assert all(0.5 < place.width / place.height < 2 for place in treemap([1] * 12, AREA))


def test_nothing_is_nothing() -> None:
    assert treemap([], AREA) == []
