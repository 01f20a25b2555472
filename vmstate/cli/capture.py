"""`vmstate capture`: a machine into a stream, with its provenance."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from vmstate.cli.numbers import seconds
from vmstate.errors import VMStateError, one_line
from vmstate.files import size_text


def arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the verb."""
    parser.add_argument("-o", "--output", metavar="OUT", help="the stream; OUT.json is written beside it")
    parser.add_argument("--qmp", metavar="SOCKET", help="the monitor of a QEMU that runs: unix:PATH or tcp:HOST:PORT")
    parser.add_argument(
        "--listen", metavar="URI", help="be the destination of `migrate URI`: unix:PATH or tcp:HOST:PORT"
    )
    parser.add_argument(
        "--channels",
        metavar="DIR",
        help="with --listen and --to: stand between two QEMUs, and keep every connection of a migration in DIR",
    )
    parser.add_argument("--to", metavar="URI", help="with --channels: where the destination listens (-incoming)")
    parser.add_argument("--stopped", action="store_true", help="with --qmp: the guest does not go on afterwards")
    parser.add_argument("--root", metavar="DIR", help="start the QEMU of another system's root, by its own loader")
    parser.add_argument("--until", metavar="TEXT", help="first wait until the guest prints TEXT on its serial console")
    parser.add_argument(
        "--type", metavar="LINE", action="append", default=[], help="then type LINE into its shell (repeatable)"
    )
    parser.add_argument(
        "--without-ram", action="store_true", help="leave shared guest memory out (x-ignore-shared), keep it beside OUT"
    )
    parser.add_argument(
        "--devices-only",
        action="store_true",
        help="with --qmp: the device sections alone, without a migration; the guest is paused for some milliseconds",
    )
    parser.add_argument(
        "--transport", choices=("fd", "exec", "file"), help="how QEMU writes (fd: through this process)"
    )
    parser.add_argument(
        "--capability", metavar="NAME", action="append", default=[], help="a migration capability (repeatable)"
    )
    parser.add_argument("--limit", metavar="SECONDS", type=seconds, default=120, help="for each step (default 120)")
    parser.add_argument("--format", choices=("text", "json"), default="text", help="for a reader, or for a program")
    parser.usage = (
        "vmstate capture -o OUT [options] (--qmp SOCKET | --listen URI | -- QEMU ...)\n"
        "       vmstate capture --channels DIR --listen URI --to URI"
    )
    parser.set_defaults(run=run, takes_command=True)


def run(options: argparse.Namespace) -> int:
    """Capture, and say what there is."""
    if options.channels:
        return channels_between(options)
    if not options.output or options.to:
        raise VMStateError("where to is not told", expected="-o OUT, or --channels DIR --listen URI --to URI")
    if sum(map(bool, (options.program, options.qmp, options.listen))) != 1:
        raise VMStateError(
            "name one of: a running QEMU (--qmp), an address to listen at (--listen), a QEMU to start (--)"
        )
    if options.devices_only:
        return devices_of_running(options)
    if options.listen:
        return from_source(options)
    bar = Progress("capture")
    try:
        known = from_running(options, bar) if options.qmp else from_started(options, bar)
    finally:
        bar.done()
    if options.format == "json":
        print(json.dumps(known))
    else:
        print(f"{options.output}: {known['size']:,} bytes, QEMU {known['qemu_version']}, sha256 {known['sha256']}")
        for entry in known["memory"]:
            print(f"{entry['file']}: guest memory, {size_text(entry['size'])}")
    return 0


def from_running(options: argparse.Namespace, bar: Progress) -> dict[str, Any]:
    """Capture a QEMU that somebody else runs."""
    from vmstate.qemu.capture import capture_running
    from vmstate.qemu.monitor import Monitor, answers_understood, read_address

    if options.until or options.type or options.root:
        raise VMStateError("--until, --type and --root are for a QEMU that is started, not for one that runs")
    try:
        with answers_understood(), Monitor(read_address(options.qmp), limit=options.limit) as monitor:
            return capture_running(
                options.output,
                monitor,
                transport=options.transport,
                capabilities=options.capability,
                ram=not options.without_ram,
                resume=not options.stopped,
                progress=bar.show,
                limit=options.limit,
            )
    except VMStateError as error:
        raise error.within(file=options.qmp) from None


def devices_of_running(options: argparse.Namespace) -> int:
    """Write the device state of a QEMU that runs, and say for how long its guest stood still."""
    from vmstate.qemu.live import capture_devices

    if not options.qmp:
        raise VMStateError("--devices-only is for a QEMU that runs", expected="--qmp SOCKET")
    if options.without_ram or options.stopped or options.transport or options.capability:
        raise VMStateError(
            "with --devices-only nothing is migrated, so there is no choice of how", expected="no option"
        )
    known = capture_devices(options.output, options.qmp, limit=options.limit)
    if options.format == "json":
        print(json.dumps(known))
        return 0
    live = known["live"]
    print(f"{options.output}: {known['size']:,} bytes, QEMU {known['qemu_version']}, sha256 {known['sha256']}")
    if live["pause_ms"] is None:
        print(one_line(f"the guest was not running ({live['status']})"))
    else:
        print(f"the guest stood still for {live['pause_ms']:.1f} ms (the whole command took {live['call_ms']:.1f} ms)")
    if live["migration"] is not None:
        print(one_line(f"a migration was under way ({live['migration']})"))
    return 0


def from_started(options: argparse.Namespace, bar: Progress) -> dict[str, Any]:
    """Capture a QEMU that is started for it."""
    from vmstate.qemu.capture import capture_started
    from vmstate.qemu.machine import find_qemu

    if options.stopped:
        raise VMStateError("--stopped is for a QEMU that runs: one that is started ends with the capture")
    return capture_started(
        options.output,
        options.program,
        qemu=find_qemu(options.program[0], options.root),
        until=options.until,
        lines=options.type,
        transport=options.transport,
        capabilities=options.capability,
        ram=not options.without_ram,
        progress=bar.show,
        limit=options.limit,
    )


def from_source(options: argparse.Namespace) -> int:
    """Receive a live migration, and say what came as it comes."""
    from vmstate.lab.live import Sink, summary_of

    def told(event: Any) -> None:
        line = summary_of(event)
        if line is not None:
            print(one_line(line), file=sys.stderr)

    with Sink(options.listen, limit=options.limit) as sink:
        # Whoever starts the migration waits for this line.
        print(f"listening at {sink.uri}", file=sys.stderr, flush=True)
        with sink.receive(options.output, told=told if sys.stderr.isatty() else None) as stream:
            size, sections = sum(len(chunk) for chunk in stream.chunks()), len(stream.sections)
    if options.format == "json":
        print(json.dumps({"file": options.output, "size": size, "sha256": sink.sha256, "sections": sections}))
    else:
        print(f"{options.output}: {size:,} bytes, {sections} sections, sha256 {sink.sha256}")
    return 0


def channels_between(options: argparse.Namespace) -> int:
    """Stand between two QEMUs, and keep what they say to each other."""
    from vmstate.qemu.recorder import Recorder

    if not options.listen or not options.to or options.output or options.qmp or options.program:
        raise VMStateError("both sides of a migration are needed", expected="--channels DIR --listen URI --to URI")
    recorder = Recorder(options.listen, options.to, options.channels, options.limit)
    # Whoever starts the migration waits for this line.
    print(f"listening at {recorder.uri}", file=sys.stderr, flush=True)
    kept = recorder.run()
    if options.format == "json":
        print(json.dumps({"folder": options.channels, "channels": kept}))
    else:
        for number, channel in enumerate(kept):
            print(
                f"{one_line(options.channels)}: channel {number}: {channel['kind']}, {channel['sent']:,} bytes, "
                f"{channel['returned']:,} back"
            )
    return 0


class Progress:
    """How far a migration is, on one line of a terminal; nothing elsewhere."""

    def __init__(self, what: str) -> None:
        self.what = what
        self.shown = False

    def show(self, answer: dict[str, Any]) -> None:
        """Take an answer to query-migrate."""
        ram = answer.get("ram")
        if not ram or not sys.stderr.isatty():
            return
        total, left = ram.get("total", 0), ram.get("remaining", 0)
        share = f"{100 * (total - left) // total} %" if total else "..."
        rate = ram.get("mbps", 0) / 8
        text = f"{self.what}: {answer.get('status')}, {share} of {size_text(total)}, {rate:.0f} MB/s"
        sys.stderr.write(f"\r\x1b[K{text}")
        sys.stderr.flush()
        self.shown = True

    def done(self) -> None:
        """Clear the line."""
        if self.shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
