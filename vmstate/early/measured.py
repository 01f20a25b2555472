"""Figures that were measured on this machine: what `vmstate early budget --format json` wrote, for `what-if`.

    loads = MeasuredLoads.read("budget.json")
    loads.all_loads(pairs=8, cards=2)      # {"base": 7.1, "insert": 4.0, "skip": 2.2}, milliseconds

A number of queue pairs or cards between two that were measured is taken as on the line between them; one outside is not
guessed. Cards were measured with as many pairs each as the set-up says: what more pairs add to one card is added for
each.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any, Self

from vmstate.early.cost import Figure, Figures
from vmstate.errors import VMStateError
from vmstate.vmsd.data import Data

KIND = "early budget"
NAME = "measured here"
SHOWN = ("base", "insert", "skip")
"""The ways of a load that `what-if` tells."""

_LONGEST = 64 << 20


class MeasuredLoads(Data):
    """The medians of a budget, in milliseconds.

    `by_pairs` and `by_cards`: way -> number of pairs (of one card) or of cards (with `pairs` each) -> all loads at the
    stop. `of_card`: number of pairs -> the load of one card at the stop, without early copies. `source` says what was
    measured.
    """

    by_pairs: dict[str, dict[int, float]]
    by_cards: dict[str, dict[int, float]]
    of_card: dict[int, float]
    pairs: int
    source: str

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Self:
        """Read the document. Raises `VMStateError` where it is none of a budget."""
        try:
            with open(path, "rb") as file:
                data = file.read(_LONGEST + 1)
            document = json.loads(data) if len(data) <= _LONGEST else None
        except OSError as error:
            raise VMStateError(f"cannot be read: {error.strerror}", file=os.fspath(path)) from None
        except (ValueError, RecursionError):
            document = None
        try:
            return cls._of(document)
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
            raise VMStateError(
                "not the figures of a budget", file=os.fspath(path), expected="what `early budget --format json` wrote"
            ) from None

    @classmethod
    def _of(cls, document: Any) -> Self:
        if document["kind"] != KIND:
            raise ValueError(document["kind"])
        by_pairs: dict[str, dict[int, float]] = {way: {} for way in SHOWN}
        by_cards: dict[str, dict[int, float]] = {way: {} for way in SHOWN}
        of_card: dict[int, float] = {}
        shared = 4
        version = ""
        for row in document["loads"]:
            set_up, way = row["set_up"], row["way"]
            if way not in SHOWN or not row["is_plain"]:
                continue
            pairs, cards = int(set_up["pairs"]), int(set_up["cards"])
            milliseconds = float(row["stop_us"]["median"]) / 1000
            version = str(row["qemu_version"])
            if cards == 1:
                by_pairs[way][pairs] = milliseconds
                if way == "base":
                    of_card[pairs] = float(row["cards_at_stop_us"]["median"]) / 1000
            else:
                shared = pairs
                by_cards[way][cards] = milliseconds
        if not of_card:
            raise ValueError("no set-up of one card")
        for way in SHOWN:
            if shared in by_pairs[way]:
                by_cards[way][1] = by_pairs[way][shared]
        source = f"early budget of QEMU {version}, {document['machine']}, {document['accel']}"
        return cls(by_pairs, by_cards, of_card, shared, source)

    def figures(self, pairs: int) -> Figures:
        """The figures of a card with so many queue pairs. Raises `VMStateError` where that was not measured."""
        milliseconds = _between(self.of_card, pairs)
        if milliseconds is None:
            measured = ", ".join(map(str, sorted(self.of_card)))
            raise VMStateError(
                "so many queue pairs were not measured", expected=f"{measured}, or between", found=str(pairs)
            )
        return Figures(NAME, (Figure("load full", milliseconds, "the load of one card at the stop", self.source),))

    def all_loads(self, pairs: int, cards: int) -> dict[str, float]:
        """Milliseconds of all device loads at the stop, by way; without those that nothing measured says."""
        told = {}
        for way in SHOWN:
            few, many = _between(self.by_pairs[way], pairs), _between(self.by_cards[way], cards)
            usual = _between(self.by_pairs[way], self.pairs)
            if cards == 1 and few is not None:
                told[way] = round(few, 3)
            elif few is not None and many is not None and usual is not None:
                told[way] = round(many + cards * (few - usual), 3)
        return told


def _between(measured: Mapping[int, float], number: int) -> float | None:
    """The value at a number, on the line between its neighbours; None outside."""
    if number in measured:
        return measured[number]
    below = max((key for key in measured if key < number), default=None)
    above = min((key for key in measured if key > number), default=None)
    if below is None or above is None:
        return None
    share = (number - below) / (above - below)
    return measured[below] + share * (measured[above] - measured[below])
