"""The plain data classes: how they are made, and what they say of a call that does not fit."""

from __future__ import annotations

from typing import Any

import pytest

from vmstate.vmsd.data import Data, Value


class Place(Value):
    name: str
    offset: int
    size: int = 4


class Named(Place):
    doc: str | None = None


class Mixed(Named, Data):
    pass


def test_values_are_given_by_position_or_name() -> None:
    assert Place("a", 1) == Place(name="a", offset=1, size=4)
    assert Named("a", 1, 2, "text").as_dict() == {"name": "a", "offset": 1, "size": 2, "doc": "text"}
    assert Mixed("a", offset=1).size == 4
    assert Place("a", 1) != Named("a", 1)
    assert Place("a", 1).replace(offset=2) == Place("a", 2)
    assert hash(Place("a", 1)) == hash(Place("a", 1))


@pytest.mark.parametrize(
    ("values", "named", "message"),
    [
        ((), {"name": "a"}, "'offset'"),
        (("a", 1), {"name": "b"}, "multiple values for argument 'name'"),
        (("a", 1), {"width": 2}, "unexpected keyword argument 'width'"),
        (("a", 1, 2, None, 3), {}, "but 6 were given"),
    ],
)
def test_what_does_not_fit_names_the_class(values: tuple[Any, ...], named: dict[str, Any], message: str) -> None:
    with pytest.raises(TypeError, match=r"^Named\(\)") as raised:
        Named(*values, **named)
    assert message in str(raised.value)


def test_nothing_can_be_changed() -> None:
    place = Place("a", 1)
    with pytest.raises(AttributeError, match="Place cannot be changed"):
        place.size = 8  # type: ignore[misc]
    with pytest.raises(AttributeError, match="Place cannot be changed"):
        del place.size  # type: ignore[misc]
