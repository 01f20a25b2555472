"""`vmstate early what-if`: what early migration would cost a machine that is only described."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence

from vmstate.cli.numbers import one_or_more
from vmstate.cli.outputs import check_wanted_plot, plot_argument
from vmstate.early.backends import BACKENDS
from vmstate.early.cost import SETS, PolicyCost, Question, what_if
from vmstate.early.measured import NAME, MeasuredLoads

NAMES = {figures.name: figures for figures in SETS}


def arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the verb."""
    parser.add_argument("--queue-pairs", type=one_or_more, default=4, metavar="N", help="queue pairs of each card (4)")
    parser.add_argument("--nics", type=one_or_more, default=1, metavar="N", help="cards (1)")
    parser.add_argument("--backend", choices=(*BACKENDS, "all"), default="all", help="(all)")
    parser.add_argument(
        "--change-rate", type=float, default=0.0, metavar="R", help="changes of settings per second and card (0)"
    )
    parser.add_argument("--reset-rate", type=float, default=0.0, metavar="R", help="resets per second and card (0)")
    parser.add_argument("--seconds", type=float, default=10.0, metavar="S", help="from the early save to the stop (10)")
    parser.add_argument("--figures", choices=(*NAMES, "all"), default="all", help="whose figures (all)")
    parser.add_argument(
        "--measured",
        metavar="FILE",
        help="what `early budget --format json` wrote: figures of this machine beside them",
    )
    plot_argument(parser)
    parser.add_argument("--format", choices=("text", "json"), default="text", help="for a reader, or for a program")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Answer for each back end that is asked for."""
    check_wanted_plot(options)
    chosen = list(BACKENDS) if options.backend == "all" else [options.backend]
    questions = [
        Question(options.queue_pairs, options.nics, backend, options.change_rate, options.reset_rate, options.seconds)
        for backend in chosen
    ]
    wanted = [figures for name, figures in NAMES.items() if options.figures in (name, "all")]
    loads: dict[str, float] = {}
    if options.measured is not None:
        measured = MeasuredLoads.read(options.measured)
        questions[0].check()
        wanted.append(measured.figures(options.queue_pairs))
        loads = measured.all_loads(options.queue_pairs, options.nics)
    answers = [(question, what_if(question, wanted)) for question in questions]
    if options.plot is not None:
        draw(options.plot, answers)
    if options.format == "json":
        document = {
            "what_if": [
                question.as_dict() | {"answers": list(map(_rounded_numbers, answers_here))}
                for question, answers_here in answers
            ],
            **({"device_loads_ms": loads} if options.measured is not None else {}),
            "figures": {figure_set.name: [figure.as_dict() for figure in figure_set.figures] for figure_set in wanted},
        }
        json.dump(document, sys.stdout)
        print()
        return 0
    columns = ("full reload", "baseline", "minimal", "full", "expected", "set-up")
    print(f"{'milliseconds of downtime':<34}" + "".join(f"{column:>12}" for column in columns))
    for question, answers_here in answers:
        for answer in answers_here:
            print(_answer_line(question.backend, answer))
    if loads:
        told = ", ".join(f"{way} {milliseconds:.3f}" for way, milliseconds in loads.items())
        print(f"all device loads at the stop, through a relay on a stock QEMU, {NAME}: {told}")
    elif options.measured is not None:
        print(f"all device loads at the stop: so many cards were not {NAME}")
    return 0


def draw(path: str, answers: Sequence[tuple[Question, Sequence[PolicyCost]]]) -> None:
    """Two bars for each back end, policy and set of figures: the downtime as it is, and with early starts."""
    from vmstate.report.plots import bars

    groups = {}
    for question, question_answers in answers:
        for answer in question_answers:
            name = f"{question.backend}, {answer.policy}, {answer.figures}"
            groups[f"{name}: as it is"] = {"baseline": answer.baseline}
            groups[f"{name}: early"] = {"expected": answer.expected}
    bars(path, groups, "milliseconds of downtime")


def _rounded_numbers(answer: PolicyCost) -> dict[str, object]:
    return {name: round(value, 6) if isinstance(value, float) else value for name, value in answer.as_dict().items()}


def _answer_line(backend: str, answer: PolicyCost) -> str:
    name = f"{backend}, {answer.policy}, {answer.figures}"
    numbers = (answer.baseline, answer.minimal, answer.full, answer.expected, answer.setup)
    line = f"{name:<34}{answer.full_probability:>12.1%}" + "".join(f"{number:>12.3f}" for number in numbers)
    return f"{line}  without {', '.join(answer.not_counted)}" if answer.not_counted else line
