"""`vmstate cmdline`: which QEMU command line loads a stream."""

from __future__ import annotations

import argparse
import json
import os
import shlex
from collections.abc import Iterator

from vmstate.cli.files import for_each
from vmstate.cli.query import source_line
from vmstate.errors import VMStateError, one_line
from vmstate.query.cmdline import CommandLine, command_line
from vmstate.saved.loading import load
from vmstate.vmsd.release import Release


def arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the verb."""
    parser.add_argument("files", metavar="FILE", nargs="+", help="the stream, or several")
    parser.add_argument(
        "--for",
        dest="wanted",
        metavar="QEMU",
        help="the QEMU that is to load it: a release (7.2), or a program, which is asked for its machine types, "
        "devices and properties",
    )
    parser.add_argument("--root", metavar="DIR", help="the program is that of another system's root")
    parser.add_argument("--explain", action="store_true", help="also the bytes that each part of an option came from")
    parser.add_argument(
        "--files", dest="folder", metavar="DIR", help="make the stand-ins of ROM files that the options name there"
    )
    parser.add_argument("--xml", action="store_true", help="print a domain of libvirt in place of a command line")
    parser.add_argument("--format", choices=("text", "json"), default="text", help="json: a line for each file")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the command lines; 1 where a part of one is missing that the stream does not tell how to replace."""
    release, program = None, None
    if options.wanted is not None:
        if options.wanted[:1].isdigit():
            release = Release.read(options.wanted)
        else:
            program = options.wanted
    if options.root and program is None:
        raise VMStateError("a root is for a program: name it", expected="--for qemu-system-...")
    if options.xml and (options.explain or options.format == "json"):
        raise VMStateError("a domain is printed alone", expected="--xml without --explain and --format json")

    def show(file: str) -> int:
        with load(file) as stream:
            try:
                line = command_line(stream, release=release, folder=options.folder or "", program=program)
            except VMStateError as error:
                raise error.within(file=stream.name) from None
        if program is not None:
            from vmstate.lab.spelling import spelled

            line = spelled(line, program, root=options.root)
        if options.folder:
            make_files(line, options.folder)
        if options.xml:
            print_domain(line, file)
        elif options.format == "json":
            print(json.dumps({"file": file, **line.as_dict()}))
        else:
            print_text(line, explain=options.explain)
        return 0

    return for_each(options.files, show)


def print_domain(line: CommandLine, file: str) -> None:
    """The domain, called as the file is; what the stream does not tell stands in comments in front of it."""
    from vmstate.query.domain_xml import domain_xml

    for text in (*(f"migrate-set-capabilities {name} on" for name in line.capabilities), *line.missing):
        print(f"<!-- {one_line(text).replace('--', '- -')} -->")
    name = os.path.basename(file).removesuffix(".xz").removesuffix(".gz").removesuffix(".zst").removesuffix(".mig")
    print(domain_xml(line, name or "stream"), end="")


def make_files(line: CommandLine, folder: str) -> None:
    """Make the stand-ins of ROM files, of zeros: what is in them comes with the stream."""
    os.makedirs(folder, exist_ok=True)
    for name, size in line.files.items():
        with open(os.path.join(folder, name), "wb") as file:
            file.truncate(size)


def print_text(line: CommandLine, *, explain: bool) -> None:
    """The command line, an option in a line, for a shell."""
    words = [shlex.quote(line.program), *(shlex.join(option.words) for option in line.options)]
    for number, word in enumerate(words):
        end = "" if number == len(words) - 1 else " \\"
        print(("" if number == 0 else "  ") + word + end)
        if explain and number:
            for text in sources(line, number - 1):
                print(f"    # {one_line(text)}")
    for name in line.capabilities:
        print(f"# before it is loaded: migrate-set-capabilities {name} on")
    for name, size in line.files.items():
        print(f"# {one_line(name)} stands for a ROM file of {size} bytes (--files DIR makes it)")
    for text in line.missing:
        print(f"# {one_line(text)}")


def sources(line: CommandLine, number: int) -> Iterator[str]:
    """What the parts of an option came from."""
    for part, origins in line.options[number].sources.items():
        for origin in origins:
            yield f"{part}: {source_line(origin).strip()}"
