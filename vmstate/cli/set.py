"""`vmstate set`: values changed, and everything that follows from them."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping

from vmstate.cli.encode import write
from vmstate.cli.outputs import output
from vmstate.cli.show import json_value
from vmstate.errors import VMStateError, one_line
from vmstate.qemu.provenance import carry_provenance, provenance_to_carry, refuse_disk_image
from vmstate.report.text import text_of
from vmstate.rules.check import check
from vmstate.rules.edit import Edit, RefusedError, assign
from vmstate.saved.loading import load
from vmstate.stream.stream import Stream

TYPE_CHECKING = False
if TYPE_CHECKING:
    from vmstate.saved.containers import Container


def arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the verb."""
    parser.add_argument("file", metavar="FILE", help="the stream")
    parser.add_argument(
        "assignments",
        metavar="PATH=VALUE",
        nargs="+",
        help="a value; PATH+=VALUE and PATH-=VALUE add to a list, a set or flags, and take away; CARD.mac=ADDRESS "
        "changes all that a network card keeps of its address",
    )
    parser.add_argument(
        "-o", "--output", metavar="OUT", type=output, required=True, help="the stream (-: standard output)"
    )
    parser.add_argument(
        "--xml", action="store_true", help="change the MAC addresses (CARD.mac=...) in libvirt's XML, too"
    )
    parser.add_argument("--force", action="store_true", help="write even what QEMU would refuse")
    parser.add_argument("--format", choices=("text", "json"), default="text", help="for a reader, or for a program")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Edit, write, and say what was changed."""
    # First of all: a provenance that cannot be read must not leave a stream without one.
    known = provenance_to_carry(options.file, options.output)
    refuse_disk_image(options.file, options.output)
    with load(options.file) as stream:
        if stream.cut is not None:
            raise stream.cut.within(file=stream.name)
        addresses = _addresses(stream) if options.xml else {}
        try:
            changes = assign(stream, *options.assignments, force=options.force)
        except RefusedError as error:
            refused = error.within(file=stream.name)
            print(f"vmstate: QEMU would refuse this: {refused} (--force writes it)", file=sys.stderr)
            return 1
        except VMStateError as error:
            raise error.within(file=stream.name) from None
        notes = [
            finding
            for name in dict.fromkeys(change.section for change in changes)
            for section in stream.sections
            if section.name == name
            for finding in check(section)
        ]
        write(stream, options.output, with_xml(stream, addresses) if options.xml else None)
    if known is not None:
        carry_provenance(known, options.file, options.output, edits=changes)
    open_rules = dict.fromkeys(finding for change in changes for finding in change.not_judged)
    for finding in open_rules:
        where = ": ".join(part for part in (finding.section, finding.path) if part)
        print(one_line(f"note: {where}: {finding.message} [{finding.rule}]"), file=sys.stderr)
    out = sys.stderr if options.output == "-" else sys.stdout
    if options.format == "json":
        listed = [{"section": c.section, "path": c.path, "before": c.before, "after": c.after} for c in changes]
        print(json.dumps(listed, default=json_value), file=out)
        return 0
    for change in changes:
        print(
            one_line(f"{change.section}: {change.path}: {shown(change, 'before')} -> {shown(change, 'after')}"),
            file=out,
        )
    for note in notes:
        print(one_line(f"note: {note.section}: {note.path}: {note.message} [{note.rule}]"), file=sys.stderr)
    return 0


def _addresses(stream: Stream) -> dict[int, str]:
    """The MAC addresses of the cards of a stream that was taken out of a file with XML: section's number -> text."""
    from vmstate.rules.station import addresses
    from vmstate.saved.libvirt import LibvirtImage

    if not isinstance(stream.container, LibvirtImage):
        raise VMStateError("only a save image of libvirt has XML", file=stream.name)
    return addresses(stream)


def with_xml(stream: Stream, before: Mapping[int, str]) -> Container:
    """The save image that a stream was taken out of, with the addresses that were changed changed in its XML.

    `before` are those that the cards had. Raises `VMStateError` where none was changed, and for one that the XML does
    not have.
    """
    from vmstate.rules.station import addresses
    from vmstate.saved.libvirt import LibvirtImage
    from vmstate.saved.packing import with_addresses

    now = addresses(stream)
    changed = [(old, now[number]) for number, old in before.items() if now.get(number, old) != old]
    if not changed:
        cards = ", ".join(f"{stream.sections[number].name}.mac={old}" for number, old in before.items()) or "none"
        raise VMStateError("--xml: no MAC address was changed", file=stream.name, expected=f"one of {cards}")
    assert isinstance(stream.container, LibvirtImage)
    return with_addresses(stream.container, changed)


def shown(change: Edit, which: str) -> str:
    """A value of a change, short."""
    value = getattr(change, which)
    if isinstance(value, (dict, list)):
        text = json.dumps(value, default=json_value)
        return text if len(text) <= 160 else text[:157] + "..."
    return "nothing" if value is None else text_of(value)
