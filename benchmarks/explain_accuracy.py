"""How often `explain` is right: its answers held against recorded pairs (vmstate/lab/machines.py).

    python benchmarks/explain_accuracy.py FOLDER... [--way command|stream] [--wrong]

Each pair is explained in two ways: against the destination as a command line makes it (that which was recorded with the
pair, or with --fresh a QEMU that is started again), and against nothing but a stream that the destination wrote. An
answer is right if its verdict is QEMU's; "unknown" is neither right nor wrong. Of the failures that are called so, it
counts too whether the line that QEMU is said to print is among those that it printed.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from vmstate.compare.explain import explain
from vmstate.compare.explained import FAILS, LOADS, UNKNOWN, Explanation
from vmstate.compare.target import Target, of_stream, open_target
from vmstate.errors import StreamError, VMStateError, one_line
from vmstate.lab.statistics import wilson
from vmstate.lab.target import target_of
from vmstate.qemu.machine import find_qemu
from vmstate.vmsd.data import Value

COMMAND, STREAM = "command", "stream"
WAYS = (COMMAND, STREAM)
"""How a destination is told: by its command line, by a stream of it."""

NO_ANSWER = "no answer"


class Pair(Value):
    """A recorded pair: its number, where its stream and its destination are, and what stands in its JSON file."""

    name: str
    stream: str
    target: str
    top: dict[str, Any]


class Answer(Value):
    """What `explain` said of a pair. `verdict` may be "no answer", where it raised; then `error` has its words.

    `line_is_right`: whether the line that was foretold is among those that QEMU printed; None where QEMU loads it or
    that was not said.
    """

    pair: Pair
    way: str
    verdict: str
    line: str | None
    line_is_right: bool | None
    seconds: float
    error: str | None = None

    @property
    def is_right(self) -> bool:
        """Whether the verdict is QEMU's."""
        return bool(self.verdict == self.pair.top["verdict"])

    @property
    def is_wrong(self) -> bool:
        """Whether the verdict is another than QEMU's; what is unknown is not."""
        return not self.is_right and self.verdict in (LOADS, FAILS)


def read_pairs(folder: str | Path) -> list[Pair]:
    """The pairs of a folder, in their order. Raises `StreamError` where there are none."""
    pairs = []
    for path in sorted(Path(folder).glob("[0-9]*.json")):
        if path.name.endswith(".target.json"):
            continue
        top = json.loads(path.read_text(encoding="utf-8"))
        stem = path.with_suffix("")
        pairs.append(Pair(f"{stem}", f"{stem}.mig.xz", f"{stem}.target.json", top))
    if not pairs:
        raise StreamError("this is no folder of recorded pairs", file=str(folder))
    return pairs


def destination_of(pair: Pair, *, fresh: bool) -> Target:
    """The destination of a pair: recorded with it, or where it is not, started again. Raises `VMStateError`."""
    if not fresh and os.path.exists(pair.target):
        return open_target(pair.target)
    side = pair.top["destination"]
    qemu = find_qemu(side["argv"][0], side["root"])
    return target_of([*side["argv"], "-S"], qemu=qemu)


def answers_of(pair: Pair, *, ways: Iterable[str] = WAYS, fresh: bool = False) -> Iterator[Answer]:
    """What `explain` says of a pair, in each of the ways."""
    for way in ways:
        start = time.monotonic()
        try:
            target = destination_of(pair, fresh=fresh)
            if way == STREAM:
                if target.stream is None:
                    # What cannot be saved has no stream.
                    continue
                target = of_stream(target.stream)
            start = time.monotonic()
            explanation = explain(pair.stream, target)
        except VMStateError as error:
            yield Answer(pair, way, NO_ANSWER, None, None, time.monotonic() - start, str(error))
        else:
            yield answer_of(pair, way, explanation, time.monotonic() - start)


def answer_of(pair: Pair, way: str, explanation: Explanation, seconds: float = 0.0) -> Answer:
    """An explanation as an answer."""
    line = explanation.qemu_error
    is_right = None
    if pair.top["verdict"] == FAILS and explanation.verdict == FAILS:
        is_right = line is not None and line in pair.top["output"]
    return Answer(pair, way, explanation.verdict, line, is_right, seconds)


def lines_of(answers: Sequence[Answer]) -> Iterator[str]:
    """A table of the answers, by architecture and way, with intervals (Wilson, 95 %)."""
    groups: dict[tuple[str, str], list[Answer]] = {}
    for answer in answers:
        groups.setdefault((answer.pair.top["arch"], answer.way), []).append(answer)
    yield "arch      way       pairs  fail  right                   wrong  wrong loads          unknown  line right"
    for (arch, way), group in groups.items():
        failing = [answer for answer in group if answer.pair.top["verdict"] == FAILS]
        right = sum(answer.is_right for answer in group)
        wrong = sum(answer.is_wrong for answer in group)
        wrong_loads = sum(answer.is_wrong and answer.verdict == LOADS for answer in group)
        unknown = sum(answer.verdict in (UNKNOWN, NO_ANSWER) for answer in group)
        lines = sum(answer.line_is_right is True for answer in failing)
        yield (
            f"{arch:9} {way:8} {len(group):6} {len(failing):5}  {_share(right, len(group)):22} {wrong:6}  "
            f"{_share(wrong_loads, len(group)):20} {unknown:7}  {_share(lines, len(failing))}"
        )


def cause_lines(pairs: Sequence[Pair]) -> Iterator[str]:
    """The largest causes of the failures of each architecture: of what was changed, and of QEMU's first words."""
    for arch in dict.fromkeys(pair.top["arch"] for pair in pairs):
        failing = [pair for pair in pairs if pair.top["arch"] == arch and pair.top["verdict"] == FAILS]
        for key, what in (("change", "change"), ("cause", "QEMU's words")):
            for cause, count in Counter(pair.top[key] for pair in failing).most_common(1):
                yield one_line(f"{arch}: the most frequent {what}: {count} of {len(failing)} failures: {cause}")


def _share(count: int, total: int) -> str:
    low, high = wilson(count, total)
    return f"{count} {100 * count / max(1, total):.1f}% [{100 * low:.1f},{100 * high:.1f}]"


def detail_of(answer: Answer) -> str:
    """A line on an answer that is not right, or whose line is not."""
    top = answer.pair.top
    lines = [line for line in top["output"].splitlines() if line.strip() and "warning: " not in line]
    words = lines[0] if lines else ""
    foretold = answer.error or answer.line
    return one_line(
        f"{answer.pair.name} {answer.way}: {answer.verdict}, and QEMU {top['verdict']}: {top['change']}: "
        f"{top['source']['release']} to {top['destination']['release']}: foretold {foretold!r}, printed {words!r}"
    )


def main(words: Sequence[str] | None = None) -> int:
    """Run as a program: exit code 0; 2 where there are no pairs."""
    parser = argparse.ArgumentParser(
        prog="python benchmarks/explain_accuracy.py", description="How often explain is right of recorded pairs."
    )
    parser.add_argument("folders", metavar="FOLDER", nargs="+", help="what vmstate/lab/machines.py recorded")
    parser.add_argument("--way", choices=WAYS, action="append", help="how the destination is told (both)")
    parser.add_argument("--fresh", action="store_true", help="start each destination again")
    parser.add_argument("--wrong", action="store_true", help="list the answers that are not right")
    options = parser.parse_args(words)
    answers: list[Answer] = []
    pairs: list[Pair] = []
    try:
        for folder in options.folders:
            for pair in read_pairs(folder):
                pairs.append(pair)
                for answer in answers_of(pair, ways=options.way or WAYS, fresh=options.fresh):
                    answers.append(answer)
                    if options.wrong and (not answer.is_right or answer.line_is_right is False):
                        print(detail_of(answer), flush=True)
    except VMStateError as error:
        print(f"vmstate: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    for line in (*lines_of(answers), *cause_lines(pairs)):
        print(line)
    return 0


if __name__ == "__main__":
    sys.exit(main())
