"""The page of a stream: one HTML file that needs nothing else.

    write_page("guest.html", "guest.mig")
    write_page("diff.html", "before.mig", "after.mig")

Nothing in it comes from anywhere else, and nothing in it can run but what stands in this package: the page says so
itself, in a content security policy that allows one script and one style by their digests. Without a script all facts
are there; with one, the bytes of a field are shown and fields are searched.
"""

from __future__ import annotations

import base64
import hashlib
import os
import shlex
from collections.abc import Iterable
from contextlib import ExitStack
from importlib import resources
from typing import TYPE_CHECKING, Any

from vmstate.compare.diff import Difference, diff
from vmstate.compare.explained import Explanation
from vmstate.compare.text import lines_of
from vmstate.errors import VMStateError, one_line
from vmstate.files import size_text, write_atomic
from vmstate.query.origin import earliest_release
from vmstate.report.facts import StreamFacts, facts_of, places_of_cost
from vmstate.report.treemap import Rectangle, treemap
from vmstate.saved.loading import load_what_is_whole
from vmstate.saved.opening import StreamLike
from vmstate.stream.stream import Stream
from vmstate.vmsd.collector import collector_paused
from vmstate.vmsd.data import Data

if TYPE_CHECKING:
    from jinja2 import Environment

    from vmstate.compare.source_sections import SourceDescriptions
    from vmstate.compare.target import Target
    from vmstate.early.streams import DevicePlan
    from vmstate.query.cmdline import CommandLine

MAP = Rectangle(0, 0, 960, 320)
"""The area of a treemap, in the units of its drawing."""

SCRUBBED = "a scrubbed stream"
"""What it is called: names of files are names, too."""

MOST = {"findings": 500, "rows": 1_000, "cards": 100}
"""How much of a list is on the page: what more there is it says in a sentence."""

MOST_CHANGES = 2_000
"""Changes that are listed, and as many that are noise."""


class Cell(Data):
    """A section in a treemap: where, its name, as much of it as there is room for, its weight, its tree's number.

    `is_roomy`: the label has room where the map is drawn on a narrow screen as well, and letters are larger.
    """

    place: Rectangle
    name: str
    label: str
    is_roomy: bool
    numbers: str
    number: int | None
    hue: int


def write_page(
    path: str | os.PathLike[str],
    source: StreamLike | Stream,
    after: StreamLike | Stream | None = None,
    *,
    against: Target | None = None,
    early: StreamLike | None = None,
    traces: Iterable[StreamLike] = (),
    scrubbed: bool = False,
    site: str | None = None,
    tree: SourceDescriptions | None = None,
) -> None:
    """Write the page of a stream to `path`, whole or not at all; the arguments are those of `page_of`."""
    text = page_of(source, after, against=against, early=early, traces=traces, scrubbed=scrubbed, site=site, tree=tree)
    write_atomic(path, [text.encode()])


def page_of(
    source: StreamLike | Stream,
    after: StreamLike | Stream | None = None,
    *,
    against: Target | None = None,
    early: StreamLike | None = None,
    traces: Iterable[StreamLike] = (),
    scrubbed: bool = False,
    site: str | None = None,
    tree: SourceDescriptions | None = None,
) -> str:
    """The page of a stream as HTML; a `Stream` that is loaded already stays open.

    With `after`, a later stream of the same machine, the page is of that one and says what has changed. With `against`
    it says whether the stream loads in that destination. With `early`, an earlier stream, it shows what early migration
    would do. `scrubbed` leaves out whatever is the user's or the guest's own, as `vmstate thin --scrub` does. `site` is
    where the documents stand: each finding leads to its rule there. `tree` describes sections that nothing else does.
    Raises `VMStateError`: where a stream cannot be read, where a scrubbed one is to be held against a destination, and
    where Jinja2 is not installed.
    """
    environment = environment_of_pages()
    if scrubbed and against is not None:
        # Its names are replaced, those of the destination are not: it would be told to lack what it has.
        raise VMStateError(
            "a scrubbed stream is not held against a destination, whose names and values would be on the page",
            expected="both made by `vmstate thin --scrub-key` with one key, and the page of these",
        )
    with ExitStack() as stack:
        # Whatever is made for a page stays until the page is: to look for cycles in it takes as long as all the rest.
        stack.enter_context(collector_paused())
        key = os.urandom(32)
        shown: StreamLike | Stream = source if after is None else after
        earlier: StreamLike | Stream | None = None if after is None else source
        known = None if scrubbed else _provenance(shown)
        if scrubbed:
            from vmstate.saved.scrub import scrub

            shown = scrub(shown, key)
            earlier = None if earlier is None else scrub(earlier, key)
            early = None if early is None else scrub(early, key)
        stream = shown if isinstance(shown, Stream) else stack.enter_context(load_what_is_whole(shown))
        if tree is not None:
            from vmstate.compare.source_sections import describe_by_source

            describe_by_source(stream, tree)
        name = SCRUBBED if scrubbed else str(stream.name)
        facts = facts_of(stream, name, traces=traces, provenance=known, tree=tree)
        difference = None if earlier is None else diff(earlier, shown)
        explanation = None
        if against is not None:
            from vmstate.compare.explain import explain

            explanation = explain(stream, against)
        plans: list[DevicePlan] = []
        if early is not None:
            from vmstate.early.streams import plan_streams

            plans = plan_streams(stack.enter_context(load_what_is_whole(early)), stream)
        release = earliest_release(stream)
        # A scrubbed page has none. Of a stream that is cut off, or of more sections than are shown, it is not read out.
        wanted = not (scrubbed or facts.command_line or facts.cut or facts.not_shown)
        command = _command_of(stream) if wanted else None
        return _rendered(
            environment, facts, difference, explanation, plans, None if release is None else str(release), site, command
        )


def _command_of(stream: Stream) -> CommandLine | None:
    """The command line as far as the stream tells it; None where it does not say what machine it is."""
    from vmstate.query.cmdline import command_line

    try:
        return command_line(stream)
    except VMStateError:
        return None


def _provenance(source: StreamLike | Stream) -> dict[str, Any] | None:
    from vmstate.qemu.provenance import read_provenance

    return read_provenance(source) if isinstance(source, (str, os.PathLike)) else None


def environment_of_pages(package: str = "vmstate.report") -> Environment:
    """Jinja2 for the pages whose templates stand in a package. Raises `VMStateError` where it is not installed."""
    try:
        from jinja2 import Environment, PackageLoader, StrictUndefined
    except ImportError:
        raise VMStateError("a page needs Jinja2: pip install jinja2") from None
    environment = Environment(
        loader=PackageLoader(package, ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["hexadecimal"] = lambda number: f"{number:#x}"
    environment.filters["count"] = lambda number: f"{number:,}"
    environment.filters["bytes"] = size_text
    environment.filters["line"] = one_line
    environment.filters["shell"] = shlex.join
    return environment


def _rendered(
    environment: Environment,
    facts: StreamFacts,
    difference: Difference | None,
    explanation: Explanation | None,
    plans: list[DevicePlan],
    release: str | None,
    site: str | None,
    command: CommandLine | None,
) -> str:
    style, script = style_of_pages(), resources.files("vmstate.report").joinpath("page.js").read_text(encoding="utf-8")
    return environment.get_template("page.html.j2").render(
        facts=facts,
        release=release,
        site=site,
        command=command,
        style=style,
        script=script,
        policy=policy_of(style, script),
        maps=_maps(facts),
        numbers={device.name: device.number for device in reversed(facts.devices)},
        difference=difference,
        earlier="an earlier one" if difference is None or facts.name == SCRUBBED else difference.a,
        changes=[] if difference is None else _lines(difference.changes),
        noise=[] if difference is None else _lines(difference.ignored),
        explanation=explanation,
        plans=plans,
        most=MOST,
    )


def style_of_pages() -> str:
    """The style of every page."""
    return resources.files("vmstate.report").joinpath("page.css").read_text(encoding="utf-8")


def policy_of(style: str, script: str) -> str:
    """The content security policy of a page: this style and this script, and nothing from anywhere."""
    return (
        f"default-src 'none'; style-src {_digest(style)}; script-src {_digest(script)}; base-uri 'none'; "
        "form-action 'none'"
    )


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _lines(changes: list[Any]) -> list[str]:
    lines: list[str] = []
    for line in lines_of(changes):
        if len(lines) == MOST_CHANGES:
            lines.append(f"and more: {len(changes):,} changes in all")
            break
        lines.append(one_line(line))
    return lines


def _maps(facts: StreamFacts) -> list[tuple[str, list[Cell]]]:
    """The treemaps: of bytes, and of the time to load where a trace tells it."""
    numbers = {device.name: device.number for device in reversed(facts.devices)}
    costs = places_of_cost(facts.cost)
    maps = [("Where the bytes are", [(cost, size) for cost, size, _ in costs], "{:,} bytes")]
    timed = sorted(((cost, took) for cost, _, took in costs if took), key=lambda entry: -entry[1])
    if timed:
        maps.append(("Where the time goes at the destination", timed, "{:,} µs"))
    drawn = []
    for title, entries, unit in maps:
        entries = [entry for entry in entries if entry[1] > 0][:200]
        places = treemap([weight for _, weight in entries], MAP)
        cells = []
        for place, (cost, weight) in zip(places, entries, strict=True):
            name = one_line(cost.name) + (f"#{cost.instance_id}" if cost.instance_id else "")
            hue = sum(name.rpartition("/")[2].encode()) % 12
            # Some eight units a letter; what tells devices apart stands at the end.
            room = int(place.width // 8)
            label = name if len(name) <= room else name.rpartition("/")[2][:room]
            roomy = 16 * len(label) <= place.width and place.height >= 40
            cells.append(Cell(place, name, label, roomy, unit.format(weight), numbers.get(name), hue))
        drawn.append((title, cells))
    return drawn
