"""`vmstate early`: what early migration would do with two moments of a guest, and the record between them."""

from __future__ import annotations

import argparse
import json
import sys
from contextlib import ExitStack
from itertools import takewhile
from typing import Any

from vmstate.cli import early_budget, early_relay, early_study, early_what_if
from vmstate.cli.encode import write
from vmstate.cli.files import add_qmp
from vmstate.cli.live import add_after, two_of
from vmstate.cli.outputs import output
from vmstate.early.items import BackendName
from vmstate.early.policy import POLICIES, Plan
from vmstate.early.streams import DevicePlan, apply_record, plan_streams, record_streams
from vmstate.errors import one_line
from vmstate.files import write_atomic
from vmstate.saved.loading import load

BOTH = "both"
LONG = 60
"""Characters of a value that are shown."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the verb."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    what = "full reload or minimal resync: what each policy decides, and why"
    plan = actions.add_parser("plan", help=what, description=f"{what[0].upper()}{what[1:]}.")
    plan.add_argument("early", metavar="EARLY", nargs="?", help="the stream of the earlier moment")
    plan.add_argument("final", metavar="FINAL", nargs="?", help="the stream of the later moment")
    add_qmp(plan, "; with EARLY it is the later moment")
    add_after(plan)
    plan.add_argument("--policy", choices=(*POLICIES, BOTH), default=BOTH, help="which policy decides (both)")
    plan.add_argument("--backend", choices=[*map(str, BackendName)], default=str(BackendName.TAP), help="(tap)")
    plan.add_argument("--format", choices=("text", "json"), default="text", help="for a reader, or for a program")
    plan.set_defaults(run=run_plan)

    what = "the record that leads from EARLY to FINAL, as a file"
    record = actions.add_parser("record", help=what, description=f"Write {what}.")
    record.add_argument("early", metavar="EARLY", help="the stream of the earlier moment")
    record.add_argument("final", metavar="FINAL", help="the stream of the later moment")
    record.add_argument("--backend", choices=[*map(str, BackendName)], default=str(BackendName.TAP), help="(tap)")
    record.add_argument("-o", "--output", metavar="RECORD", type=output, required=True, help="(-: standard output)")
    record.set_defaults(run=run_record)

    what = "EARLY with its devices as the record says"
    apply = actions.add_parser("apply", help=what, description=f"Write {what}.")
    apply.add_argument("early", metavar="EARLY", help="the stream of the earlier moment")
    apply.add_argument("record", metavar="RECORD", help="what `early record` wrote")
    apply.add_argument("-o", "--output", metavar="FINAL", type=output, required=True, help="(-: standard output)")
    apply.set_defaults(run=run_apply)

    what = "a stream with early copies of its devices in front of guest memory, for a stock QEMU"
    inserting = actions.add_parser("insert", help=what, description=f"Write {what}.")
    inserting.add_argument("stream", metavar="STREAM", help="the stream")
    inserting.add_argument("--early", metavar="STATE", help="a stream of an earlier moment that the copies are of")
    inserting.add_argument("--devices", metavar="GLOB", default="*", help="only sections whose idstr is like that (*)")
    inserting.add_argument("-o", "--output", metavar="OUT", type=output, required=True, help="(-: standard output)")
    inserting.add_argument("--format", choices=("text", "json"), default="text", help="for a reader, or for a program")
    inserting.set_defaults(run=run_insert)

    what = "stand between two stock QEMUs: device sections early, and left out at the stop where they did not change"
    early_relay.arguments(actions.add_parser("relay", help=what, description=f"{what[0].upper()}{what[1:]}."))

    what = "what each device takes to be loaded by a real QEMU, and what early copies take of it"
    early_budget.arguments(actions.add_parser("budget", help=what, description=f"{what[0].upper()}{what[1:]}."))

    what = "what early migration would cost a machine that is only described"
    early_what_if.arguments(actions.add_parser("what-if", help=what, description=f"{what[0].upper()}{what[1:]}."))

    what = "early migration tried on a real guest: something done between two moments, and the guest goes on elsewhere"
    early_study.arguments(actions.add_parser("study", help=what, description=f"{what[0].upper()}{what[1:]}."))
    parser.set_defaults(takes_command=("study",))


def run_plan(options: argparse.Namespace) -> int:
    """Say what each policy decides."""
    policies = tuple(POLICIES) if options.policy == BOTH else (options.policy,)
    with ExitStack() as stack:
        early, final = (
            stack.enter_context(load(moment) if isinstance(moment, str) else moment)
            for moment in two_of(options, options.early, options.final)
        )
        devices = plan_streams(early, final, policies, options.backend)
        if options.format == "json":
            json.dump({"devices": [device.as_dict() for device in devices]}, sys.stdout)
            print()
        else:
            for device in devices:
                print_device(device)
    return 0


def keep_what_is_read(output: str, *places: str | None) -> None:
    """Refuse an output that is one of the files that are read. Raises `StreamError`."""
    from vmstate.qemu.provenance import refuse_itself

    for place in places:
        refuse_itself(place or "-", output)


def run_record(options: argparse.Namespace) -> int:
    """Write the record file."""
    keep_what_is_read(options.output, options.early, options.final)
    with load(options.early) as early, load(options.final) as final:
        data = record_streams(early, final, backend=options.backend)
    if options.output == "-":
        sys.stdout.buffer.write(data)
    else:
        write_atomic(options.output, [data])
    return 0


def run_apply(options: argparse.Namespace) -> int:
    """Write the early stream with the record applied."""
    keep_what_is_read(options.output, options.early, options.record)
    with load(options.early) as early:
        apply_record(early, options.record)
        write(early, options.output)
    return 0


def run_insert(options: argparse.Namespace) -> int:
    """Write the stream with early copies, and say which."""
    from vmstate.early.copies import insert

    keep_what_is_read(options.output, options.stream, options.early)
    with ExitStack() as stack:
        stream = stack.enter_context(load(options.stream))
        early = None if options.early is None else stack.enter_context(load(options.early))
        pieces, choices = insert(stream, early, options.devices)
        if options.output == "-":
            for piece in pieces:
                sys.stdout.buffer.write(piece)
            return 0
        write_atomic(options.output, pieces)
    if options.format == "json":
        print(json.dumps({"file": options.output, "sections": [choice.as_dict() for choice in choices]}))
        return 0
    for choice in choices:
        name, instance_id = choice.key
        size = "" if choice.copy is None else f" ({len(choice.copy)} bytes)"
        print(one_line(f"{'early' if choice.copy else '-':<6}{name}#{instance_id}: {choice.reason}{size}"))
    return 0


def print_device(device: DevicePlan) -> None:
    """A device: whether it was reset, and what each policy decides."""
    print(one_line(device.name))
    print(f"  reset: {device.evidence.reset}: {'; '.join(device.evidence.reasons)}")
    for plan in device.plans:
        print_plan(plan)


def print_plan(plan: Plan) -> None:
    """A plan: the mode and the bytes, the items that count, what is lost, the operations, the cost."""
    print(f"  {plan.policy}, {plan.backend}: {plan.mode}, {plan.bytes} bytes (the section has {plan.full_bytes})")
    for reason in plan.reasons:
        print(one_line(f"    {reason.item} ({reason.cls}): {_change_in_words(reason.before, reason.after)}"))
    if plan.lost:
        print(f"    lost: {', '.join(plan.lost)}")
    if plan.refused_early is not None:
        print(f"    no early start: {plan.refused_early}")
    early = len(plan.early_operations)
    print(f"    back end: {early} operations early, {len(plan.operations)} at the stop")
    for operation in plan.operations:
        why = "" if operation.item is None else f"  ({operation.item})"
        print(one_line(f"      {str(operation)[:LONG]}{why}"))
    for name, cost in plan.costs.items():
        without = f", without {', '.join(cost.not_counted)}" if cost.not_counted else ""
        print(f"    at the stop: {cost.total:.3f} ms by the {name} figures{without}")


def _change_in_words(before: Any, after: Any) -> str:
    """A value before and after; of long ones what is around the first place where they differ."""
    before_text, after_text = _value_in_words(before), _value_in_words(after)
    start = 0
    if max(len(before_text), len(after_text)) > LONG:
        alike = sum(1 for _ in takewhile(lambda both: both[0] == both[1], zip(before_text, after_text, strict=False)))
        start = max(0, alike - LONG // 2)
    return f"{_text_around(before_text, start)} -> {_text_around(after_text, start)}"


def _value_in_words(value: Any) -> str:
    return "absent" if value is None else value if isinstance(value, str) else json.dumps(value)


def _text_around(text: str, start: int) -> str:
    cut = text[start : start + LONG]
    return f"{'...' if start else ''}{cut}{'...' if start + LONG < len(text) else ''}"
