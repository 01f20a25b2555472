"""Numbers of a command as a picture: .svg, .png or .pdf, by the file's suffix (matplotlib, extra `plot`).

points("bench.svg", {"downtime": {"early off": [3.1, 3.4], "early on": [2.2, 2.0]}}, "milliseconds")
bars("cost.svg", {"net, tap": {"save": 12.0, "load": 40.5}}, "microseconds")
grid("matrix.svg", ["pc-7.2"], ["pc-10.0"], [["fails"]])
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vmstate.errors import VMStateError, one_line
from vmstate.files import replacing
from vmstate.lab.statistics import summary

FORMS = (".svg", ".png", ".pdf")

COLOURS = {"loads": "#a8d8a8", "fails": "#e8a9a9", "unknown": "#ead49a", "error": "#c6c6c6"}
"""Of the cells of a matrix; each also has its word."""


def check_plot(path: str | os.PathLike[str]) -> Any:
    """matplotlib's class of figures. Raises `VMStateError` where it is not installed, no form is of that suffix, or
    nothing can be written there.

    Asked before what takes long begins: half an hour later is too late to learn it.
    """
    if Path(path).suffix not in FORMS:
        raise VMStateError("no plot of that form", expected=", ".join(FORMS), found=os.fspath(path))
    if not os.access(os.path.dirname(os.path.abspath(path)), os.W_OK):
        raise VMStateError("the plot cannot be written there", file=os.fspath(path), expected="a folder to write to")
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise VMStateError("a plot needs matplotlib: pip install matplotlib") from None
    return Figure


def points(path: str | os.PathLike[str], panels: Mapping[str, Mapping[str, Sequence[float]]], unit: str) -> None:
    """A panel for each title, in it every value of each group, with median (line) and 95th percentile (dotted)."""
    figure = check_plot(path)(figsize=(8, 4), layout="constrained")
    for axes, (title, groups) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels.items(), strict=True):
        for place, values in enumerate(groups.values()):
            # Spread, so that equal values do not hide each other.
            across = [place + 0.3 * (nth / max(1, len(values) - 1) - 0.5) for nth in range(len(values))]
            axes.plot(across, values, "o", markersize=4, alpha=0.6)
            for number, style in (("median", "-"), ("p95", ":")):
                axes.hlines(summary(values)[number], place - 0.3, place + 0.3, linestyle=style, color="black")
        axes.set_xticks(range(len(groups)), list(map(_label, groups)))
        axes.set_title(title)
        axes.set_ylabel(unit)
        axes.set_ylim(bottom=0)
    figure.suptitle("line: median, dotted: 95th percentile", fontsize="small")
    _save(figure, path)


def bars(path: str | os.PathLike[str], groups: Mapping[str, Mapping[str, float]], unit: str) -> None:
    """A bar for each group, made of its parts one after the other; a part has the same colour in every bar."""
    figure = check_plot(path)(figsize=(8, 1.2 + 0.32 * max(1, len(groups))), layout="constrained")
    axes = figure.subplots()
    parts = list(dict.fromkeys(part for values in groups.values() for part in values))
    places = range(len(groups))
    begins = [0.0] * len(groups)
    for part in parts:
        widths = [values.get(part, 0.0) for values in groups.values()]
        axes.barh(places, widths, left=begins, label=_label(part))
        begins = [begin + width for begin, width in zip(begins, widths, strict=True)]
    for place, whole in zip(places, begins, strict=True):
        axes.annotate(
            f"{whole:,.0f}" if whole >= 100 else f"{whole:.3g}",
            (whole, place),
            (3, 0),
            textcoords="offset points",
            va="center",
            fontsize="small",
        )
    axes.margins(x=0.12, y=0.02)
    axes.set_yticks(places, list(map(_label, groups)))
    axes.invert_yaxis()
    axes.set_xlabel(unit)
    if len(parts) > 1:
        axes.legend(fontsize="small")
    _save(figure, path)


def grid(
    path: str | os.PathLike[str], rows: Sequence[str], columns: Sequence[str], words: Sequence[Sequence[str]]
) -> None:
    """A cell for each row and column, in the colour of its word (`COLOURS`; what has none is grey) and with it."""
    figure_class = check_plot(path)
    from matplotlib.patches import Patch

    # Inches: a letter of a label takes 0.08 across, and 0.06 down where it is slanted.
    row_label, column_label = (max(map(len, names), default=0) for names in (rows, columns))
    size = (3 + 0.08 * row_label + 0.6 * len(columns), 1.5 + 0.06 * column_label + 0.35 * len(rows))
    figure = figure_class(figsize=tuple(min(side, 60) for side in size), layout="constrained")
    axes = figure.subplots()
    colours = [[_rgb(COLOURS.get(word, COLOURS["error"])) for word in line] for line in words]
    if rows and columns:
        axes.imshow(colours, aspect="auto")
    axes.set_xticks(range(len(columns)), list(map(_label, columns)), rotation=45, ha="right", fontsize="small")
    axes.set_yticks(range(len(rows)), list(map(_label, rows)), fontsize="small")
    for row, line in enumerate(words if len(rows) * len(columns) <= 900 else ()):
        for column, word in enumerate(line):
            axes.text(column, row, word, ha="center", va="center", fontsize=6)
    used = [word for word in COLOURS if any(word in line for line in words)]
    figure.legend(handles=[Patch(color=COLOURS[word], label=word) for word in used], loc="outside upper right", ncols=4)
    _save(figure, path)


def _rgb(colour: str) -> tuple[int, ...]:
    return tuple(bytes.fromhex(colour.removeprefix("#")))


def _label(name: str) -> str:
    """A name as a label: matplotlib takes what stands between two dollars for a formula."""
    return one_line(name).replace("$", r"\$")


def _save(figure: Any, path: str | os.PathLike[str]) -> None:
    with replacing(path) as file:
        figure.savefig(file, format=Path(path).suffix.removeprefix("."))
