"""`vmstate early study`: early migration tried on a real guest."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING

from vmstate.cli.numbers import seconds
from vmstate.early.items import BackendName
from vmstate.early.policy import POLICIES
from vmstate.errors import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable

    from vmstate.lab.study import Action, ActionResult, Laboratory, Loaded

BOTH = "both"


def arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the action."""
    parser.add_argument(
        "--guest", metavar="FOLDER", default=".guest", help="a guest of `python -m vmstate.lab.guest FOLDER` (.guest)"
    )
    parser.add_argument("--root", metavar="DIR", help="the QEMU of another system's root, by its own loader")
    parser.add_argument("--action", metavar="NAME", action="append", default=[], help="which (all of them; repeatable)")
    parser.add_argument("--actions", action="store_true", help="say which actions there are, and stop")
    parser.add_argument(
        "--policy", choices=(*POLICIES, BOTH), default="per-item", help="whose outcome is loaded (per-item)"
    )
    parser.add_argument(
        "--relay",
        action="store_true",
        help="what `early relay` would have sent, in place of early sections and records",
    )
    parser.add_argument("--backend", choices=[*map(str, BackendName)], default=str(BackendName.TAP), help="(tap)")
    parser.add_argument("--until", metavar="TEXT", help="what a guest behind -- prints when its shell is there")
    parser.add_argument("--keep", metavar="FOLDER", help="keep the streams and records in FOLDER")
    parser.add_argument("--limit", metavar="SECONDS", type=seconds, default=60, help="for each step (default 60)")
    parser.add_argument("--format", choices=("text", "json"), default="text", help="for a reader, or for a program")
    parser.usage = "vmstate early study [options] [-- QEMU ...]"
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Try each action. Exit code 1 where a guest did not go on from the record of each item by itself."""
    from vmstate.lab.guest import READY, guest_in
    from vmstate.lab.study import ACTIONS, Laboratory, actions_named

    if options.actions:
        for action in ACTIONS:
            print(f"{action.name:<16}{action.what}")
        return 0
    actions = actions_named(options.action)
    policies = tuple(POLICIES) if options.policy == BOTH else (options.policy,)
    results: list[ActionResult] = []
    with Laboratory(
        None if options.program else guest_in(options.guest),
        argv=options.program,
        root=options.root,
        until=options.until or READY,
        policies=policies,
        backend=options.backend,
        keep=options.keep,
        limit=options.limit,
    ) as laboratory:
        if options.relay:
            return run_relayed(options, laboratory, actions)
        if options.format == "text":
            columns = f"{'reset':<11}{'per-item':>9}{'bytes':>8}{'record':>8}{'rfc-v2':>9}{'bytes':>8}"
            print(f"{'action':<16}{columns}  loaded (queues that moved on)")
        for result in laboratory.study(actions):
            results.append(result)
            if options.format == "text":
                show(result)
    if options.format == "json":
        json.dump({"actions": [result.as_dict() for result in results]}, sys.stdout)
        print()
    tried = [result for result in results if result.left_out is None]
    good = all(load.lives for result in tried for load in result.loads if load.policy == "per-item")
    return 0 if tried and good else 1


def run_relayed(options: argparse.Namespace, laboratory: Laboratory, actions: Iterable[Action]) -> int:
    """Try each action as a relay would carry it. Exit code 1 where a machine is another, or its guest is not well."""
    from vmstate.lab.relayed import try_relayed

    results = []
    for action in actions:
        result = try_relayed(laboratory, action)
        results.append(result)
        if options.format == "json":
            continue
        if result.not_done is not None:
            print(one_line(f"{result.name:<16}left out: {result.not_done}"), flush=True)
            continue
        same = "the same state" if result.is_same else f"another state of {', '.join(result.differing)}"
        alive = "" if result.loaded is None else _outcome_cell(result.loaded)
        counts = f"early {result.early}, left out {result.left_out}, changed {len(result.changed)}"
        if result.fields:
            counts += f" ({', '.join(result.fields)})"
        print(one_line(f"{result.name:<16}{counts}: {same}, {alive}"), flush=True)
        if result.loaded is not None and result.loaded.error is not None:
            print(one_line(f"    {result.loaded.error}"))
    if options.format == "json":
        print(json.dumps({"actions": [result.as_dict() for result in results]}))
    tried = [result for result in results if result.not_done is None]
    return 0 if tried and all(result.is_same and result.lives for result in tried) else 1


def show(result: ActionResult) -> None:
    """A line for an action, and one for each destination that did not go on as it should."""
    if result.left_out is not None:
        print(one_line(f"{result.name:<16}left out: {result.left_out}"), flush=True)
        return
    for device in result.devices:
        if len(result.devices) > 1:
            print(one_line(device.name))
        cells = "".join(f"{plan.mode:>9}{plan.bytes:>8}{_record_cell(plan.policy, result)}" for plan in device.plans)
        loads = ", ".join(f"{load.policy} {_outcome_cell(load)}" for load in result.loads)
        print(f"{result.name:<16}{device.evidence.reset:<11}{cells}  {loads}", flush=True)
        for plan in device.plans:
            if plan.reasons or plan.lost:
                items = ", ".join(reason.item for reason in plan.reasons) or "nothing"
                lost = f"; lost: {', '.join(plan.lost)}" if plan.lost else ""
                print(f"    {plan.policy}: {items}{lost}")
    for load in result.loads:
        if load.error is not None:
            print(one_line(f"    {load.policy}: {load.error}"))


def _record_cell(policy: str, result: ActionResult) -> str:
    return f"{result.record_bytes:>8}" if policy == "per-item" else ""


def _outcome_cell(load: Loaded) -> str:
    if load.status is None:
        return "refused"
    if not load.console:
        return "no console"
    queues = ",".join(map(str, load.moved))
    return f"alive ({queues})" if load.network else "no network"
