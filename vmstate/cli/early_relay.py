"""`vmstate early relay`: early migration between two stock QEMUs, by standing between them."""

from __future__ import annotations

import argparse
import gc
import json
import os
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING

from vmstate.cli.numbers import seconds
from vmstate.cli.words import counted
from vmstate.errors import VMStateError, one_line

if TYPE_CHECKING:
    from vmstate.early.relay import Report
    from vmstate.qemu.monitor import Monitor
    from vmstate.stream.stream import Stream

WAYS = ("skip", "insert", "through")


def arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the action."""
    parser.add_argument("--listen", metavar="URI", required=True, help="where the source migrates to: unix:, tcp:")
    parser.add_argument("--connect", metavar="URI", required=True, help="where the destination waits (-incoming)")
    parser.add_argument(
        "--way",
        choices=WAYS,
        default="skip",
        help="insert: device sections early, too; skip: and left out at the stop where unchanged; through: as it comes "
        "(skip)",
    )
    parser.add_argument("--qmp", metavar="SOCKET", help="the source's monitor, for its early state: unix:PATH")
    parser.add_argument(
        "--early",
        metavar="STATE",
        help="or a stream of the source of an earlier moment, or its command line in quotes (started, and not run)",
    )
    parser.add_argument(
        "--features",
        metavar="DEVICE=BITS",
        type=device_features,
        action="append",
        default=[],
        help="with a command line: what a virtio device's driver has accepted, as a number (0x...); repeatable",
    )
    parser.add_argument("--devices", metavar="GLOB", default="*", help="only sections whose idstr is like that (*)")
    parser.add_argument(
        "--against",
        metavar="TARGET",
        help="the destination, as for `explain`: if it refuses the source, nothing is sent early",
    )
    parser.add_argument(
        "--refresh", metavar="SECONDS", type=seconds, help="with --qmp and skip: newer early state as often (never)"
    )
    parser.add_argument("--record", metavar="FILE", help="write down what was done, as JSON")
    parser.add_argument(
        "--limit",
        metavar="SECONDS",
        type=seconds,
        default=600,
        help="for the source to come (default 600), its monitor to answer (at most 30)",
    )
    parser.add_argument("--format", choices=("text", "json"), default="text", help="for a reader, or for a program")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Carry one migration, and say what was done with it."""
    from vmstate.early.relay import Relay, SkipUnchanged
    from vmstate.files import replacing, reported
    from vmstate.qemu.live import LIMIT, connected

    if options.qmp is not None and options.early is not None:
        raise VMStateError("early state comes from one place", expected="--qmp or --early", found="both")
    if options.features and not is_command_line(options.early):
        raise VMStateError("features are told of a machine on which no guest has run", expected="--early 'QEMU ...'")
    if options.refresh is not None and (options.qmp is None or options.way != "skip"):
        raise VMStateError("newer early state is for --way skip, and asked of the source", expected="--qmp SOCKET")
    with ExitStack() as stack:
        # What cannot be written is better known before a guest moves.
        record = None if options.record is None else stack.enter_context(replacing(options.record))
        monitor = (
            None
            if options.qmp is None
            else stack.enter_context(connected(options.qmp, limit=min(options.limit, LIMIT)))
        )
        early = None if options.early is None else stack.enter_context(early_stream(options))
        relay = stack.enter_context(
            Relay(
                options.listen,
                options.connect,
                way=options.way,
                monitor=monitor,
                early=early,
                policy=SkipUnchanged(options.devices, dict(options.features)),
                plainly=refusal_of(options, monitor, early),
                refresh=options.refresh,
                limit=options.limit,
            )
        )
        for warning in relay.warnings():
            print(one_line(f"warning: {warning}"), file=sys.stderr)
        # To look for garbage takes milliseconds, maybe at the stop: the relay does it when it has read a state.
        if gc.isenabled():
            gc.disable()
            stack.callback(gc.enable)
        # Whoever starts the migration waits for this line.
        print(f"listening at {relay.uri}", file=sys.stderr, flush=True)
        report = relay.run()
        # Told first: where it cannot be written down, the migration was carried all the same.
        if options.format == "json":
            print(json.dumps(report.as_dict()))
        else:
            print_text(report)
        if record is not None:
            with reported(options.record):
                record.write(json.dumps(report.as_dict(), indent=1).encode() + b"\n")
                record.flush()
    return 1 if report.ended is not None or report.refused else 0


def device_features(text: str) -> tuple[str, int]:
    """What an idstr is like, and features as a number."""
    pattern, equals, bits = text.rpartition("=")
    try:
        number = int(bits, 0)
    except ValueError:
        number = -1
    if not equals or not pattern or number < 0:
        raise argparse.ArgumentTypeError(f"expected DEVICE=BITS, as virtio-net=0x130bf8024, found {text!r}")
    return pattern, number


def is_command_line(text: str | None) -> bool:
    """Whether a text is a command line in one word rather than a file."""
    return text is not None and " " in text.strip() and not os.path.exists(text)


def early_stream(options: argparse.Namespace) -> Stream:
    """The early state: a file's, or what a machine saves that is started by its command line, and does not run."""
    from vmstate.saved.loading import load

    if not is_command_line(options.early):
        return load(options.early)
    from vmstate.lab.target import target_of
    from vmstate.qemu.machine import command_in

    target = target_of(command_in(options.early), features=False, limit=options.limit)
    if target.stream is None:
        raise VMStateError("the machine does not say its state before it runs", found=target.unsaved or target.blocked)
    return target.stream


def refusal_of(options: argparse.Namespace, monitor: Monitor | None, early: Stream | None) -> str | None:
    """Why the destination is known to refuse the source as it is now; None where it is not, or is not known.

    What it refuses at the stop fails there, with a relay as without one; so nothing is sent early that it would refuse
    sooner.
    """
    if options.against is None or options.way == "through":
        return None
    from vmstate.cli.explain import side_of
    from vmstate.compare.explain import explain
    from vmstate.compare.findings import BREAKS
    from vmstate.qemu.live import live_state
    from vmstate.saved.loading import load

    # A monitor has one client at a time, and that is the relay.
    source = early if monitor is None else load(live_state(monitor).stream())
    if source is None:
        return None
    started_as = argparse.Namespace(root=None, machine=None, streams=[], limit=options.limit)
    explanation = explain(source, side_of(options.against, started_as))
    refused = [finding for finding in explanation.findings if finding.severity == BREAKS]
    for finding in refused:
        what = finding.section or "the stream"
        print(one_line(f"warning: the destination refuses {what}: {finding.message}"), file=sys.stderr)
    return f"the destination refuses {refused[0].section or 'the stream'}" if refused else None


def print_text(report: Report) -> None:
    """What was done, for a reader."""
    speed = report.taken / max(report.seconds, 1e-9) / 1e6
    channels = ", ".join(f"{count} {kind}" for kind, count in report.channels.items())
    print(
        f"{report.way}: {report.taken:,} bytes from the source, {report.sent:,} to the destination ({speed:.0f} MB/s)"
    )
    print(f"  connections: {channels or 'none'}")
    for moment in report.live:
        if moment["pause_ms"] is not None:
            print(f"  the source's guest stood still for {moment['pause_ms']:.1f} ms for its early state")
    done = report.done
    if done is not None:
        print(f"  early: {counted(len(done['early']), 'section')}, {done['early_bytes']:,} bytes")
        for name in done["behind_memory"]:
            print(one_line(f"    {name}: behind the memory that its load reads"))
        if report.way == "skip":
            print(f"  left out at the stop: {counted(len(done['left_out']), 'section')}")
            for name in done["left_out"]:
                print(one_line(f"    {name}"))
            for name in done["changed"]:
                print(one_line(f"    {name}: changed, and sent"))
    if report.plainly is not None:
        print(one_line(f"  passed as it came: {report.plainly}"))
    if report.refused:
        print("  the destination said that it failed")
    if report.ended is not None:
        print(one_line(f"  it ended early: {report.ended}"))
