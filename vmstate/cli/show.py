"""`vmstate show`: the state, or a part of it."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections import Counter
from typing import Any

from vmstate.cli.by_source import describe, source_argument
from vmstate.cli.files import for_each
from vmstate.cli.info import runs_of_parts
from vmstate.cli.live import add_qmp, files_of, source_of
from vmstate.cli.phases import loaded, phases_argument
from vmstate.codec.records import Records
from vmstate.errors import PathError, VMStateError, one_line
from vmstate.files import size_text
from vmstate.report.text import text_of
from vmstate.schema.values import plain_value, to_plain
from vmstate.stream.events import ConfigurationSection
from vmstate.stream.ram_records import RamBlock
from vmstate.stream.registry import virtio_id_of
from vmstate.stream.stream import RamSummary, Section, Stream
from vmstate.vmsd.path import Steps, format_path, value_at
from vmstate.vmsd.state import is_state, items_of

FEW = 16
"""Arrays of at most this many plain values stand on one line."""

ROW = 8
"""Numbers on a line, of an array that has many."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the verb."""
    parser.add_argument("files", metavar="FILE", nargs="*", help="the stream, or several")
    parser.add_argument("path", metavar="SECTION[.PATH]", nargs="?", help="one section, or what is at a path in it")
    add_qmp(parser)
    parser.add_argument("--format", choices=("text", "json"), default="text", help="json: a line for each file")
    parser.add_argument("--raw", action="store_true", help="also the bytes that QEMU accepts and would write otherwise")
    phases_argument(parser)
    source_argument(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Show a stream, a section or a value."""
    files, path = options.files, options.path
    # argparse gives every word to the files: the last is a path where it is no file, and one stands before it.
    if path is None and len(files) > (options.qmp is None) and not _is_file(files[-1]):
        *files, path = files
    files = files_of(options, files)
    return for_each(files, lambda file: show(file, path, options, several=len(files) > 1))


def _is_file(word: str) -> bool:
    return word == "-" or (os.path.exists(word) and not os.path.isdir(word))


def show(file: str, path: str | None, options: argparse.Namespace, *, several: bool) -> int:
    """Show one of the files; of several the values at a path are told with the file that has them."""
    with loaded(source_of(options, file), options) as stream:
        describe(stream, options)
        if path is not None:
            try:
                holder, steps, value = stream.find(path)
            except VMStateError as error:
                raise error.within(file=stream.name) from None
            named = named_features(stream, holder, steps) if type(value) is int and options.format == "text" else None
            if several and options.format == "json":
                write_json({"file": file, "path": path, "value": to_plain(value) if options.raw else value})
            elif several and not is_folder(value):
                print(f"{one_line(file)}: {named or text_of(value)}")
            elif options.format == "text" and isinstance(holder, Section) and not steps and is_folder(value):
                inside = children(to_plain(value) if options.raw else value)
                render(f"{file}: {path}" if several else path, [*features(stream, holder), *inside])
            elif named is not None:
                print(named)
            else:
                show_value(f"{file}: {path}" if several else path, value, options)
        elif options.format == "json":
            write_json(document(stream, raw=options.raw, phases=options.phases is not None))
        else:
            render(str(stream.name), stream_tree(stream, raw=options.raw))
        if stream.cut is None:
            return 0
        from vmstate.cli.cut import tell_where_cut

        sys.stdout.flush()
        tell_where_cut(stream)
        return 1


def document(stream: Stream, *, raw: bool, phases: bool = False) -> dict[str, Any]:
    """The whole stream as JSON values; with `phases` each section has the one in which it was saved."""
    facts: dict[str, Any] = {
        "file": stream.name,
        "version": stream.version,
        "configuration": stream.configuration,
        "vmdesc": stream.vmdesc_text is not None,
        "sections": [
            {
                **section.as_dict(),
                "state": to_plain(section.state) if raw else section.state,
            }
            for section in stream.sections
        ],
    }
    if phases:
        from vmstate.stream.phases import phase_of

        for section, described in zip(stream.sections, facts["sections"], strict=True):
            described["phase"] = str(phase_of(stream, section))
    if stream.cut is not None:
        from vmstate.cli.cut import where_cut

        facts["cut"] = where_cut(stream)
    return facts


def show_value(label: str, value: Any, options: argparse.Namespace) -> None:
    """Show what is at a path."""
    if options.format == "json":
        write_json(to_plain(value) if options.raw else value)
    elif is_folder(value):
        render(label, children(to_plain(value) if options.raw else value))
    else:
        print(text_of(value))


def write_json(value: Any) -> None:
    """JSON on standard output, in one line."""
    sys.stdout.write(json.dumps(value, default=json_value))
    sys.stdout.write("\n")


def json_value(value: Any) -> Any:
    """What the json module does not know."""
    return ram_value(value) if isinstance(value, RamSummary) else plain_value(value)


def ram_value(summary: RamSummary) -> dict[str, Any]:
    """A RAM section without the RAM."""
    blocks = [
        {"idstr": block.idstr, "used_length": block.used_length, "page_size": block.page_size, "gpa": block.gpa}
        for block in summary.blocks
    ]
    return {"total": summary.total, "blocks": blocks, "pages": summary.pages}


# The readable rendering: a tree of (label, children).

Tree = list[tuple[str, Any]]


def stream_tree(stream: Stream, *, raw: bool) -> Tree:
    """The sections of a stream."""
    nodes: Tree = []
    if stream.configuration is not None:
        nodes.append(("configuration", children(stream.configuration)))
    for run in runs_of_parts(stream.sections, lambda section: (section.kind, section.section_id)):
        if run[0].is_ram:
            nodes.append((title(run), ram_tree([section.state for section in run])))
        elif run[0].vmsd is None:
            nodes.append((title(run), text_of(b"".join(section.state for section in run))))
        else:
            for section in run:
                state = to_plain(section.state) if raw else section.state
                nodes.append((title([section]), [*features(stream, section), *children(state)]))
    return nodes


def features(stream: Stream, section: Section) -> Tree:
    """A line with the features that the driver of a virtio device accepted, by name."""
    text, _ = accepted_in_words(stream, section)
    return [("accepted features", text)] if text else []


def accepted_in_words(stream: Stream, section: Section) -> tuple[str, str]:
    """The features that the driver of a virtio device accepted, by name, and the path of the word that says so."""
    if virtio_id_of(section.name) is None:
        return "", ""
    from vmstate.query.find import accepted_features

    names, source = accepted_features(stream, section)
    if source is None:
        return "", ""
    try:
        number = value_at(section.state, source.path)
    except PathError:
        # The state that was asked is the library's, and here it is the vmdesc's.
        return "", ""
    # VIRTIO_NET_F_MQ is long, and what it belongs to stands above it.
    short = "|".join(name.partition("_F_")[2] or name for name in names)
    return f"{short or 'none'} ({number:#x})", source.path


def named_features(stream: Stream, holder: Section | ConfigurationSection, steps: Steps) -> str | None:
    """The text of a word of features of a virtio device; None of any other value."""
    if not isinstance(holder, Section) or not steps or not str(steps[-1]).startswith("guest_features"):
        return None
    text, path = accepted_in_words(stream, holder)
    if not text or format_path(steps) == path:
        return text or None
    word = value_at(holder.state, format_path(steps))
    return f"{text_of(word)}, a part of {text}"


def title(run: list[Section]) -> str:
    """What stands over a section, or over parts of one."""
    first, size = run[0], sum(section.size for section in run)
    number = f"#{first.instance_id}" if first.instance_id else ""
    kind = first.kind if len(run) == 1 else f"{len(run)} parts"
    return f"{first.name}{number}  [{kind}, version {first.version_id}, {size:,} bytes]"


def ram_tree(summaries: list[RamSummary]) -> Tree:
    """Parts of RAM: the blocks, and how many pages of each kind."""
    blocks = [block for summary in summaries for block in summary.blocks]
    pages: Counter[str] = Counter()
    for summary in summaries:
        pages.update(summary.pages)
    nodes: Tree = []
    if blocks:
        nodes.append(("blocks", [(block.idstr, block_text(block)) for block in blocks]))
    if pages:
        nodes.append(("pages", ", ".join(f"{count:,} {kind}" for kind, count in pages.items())))
    return nodes


def block_text(block: RamBlock) -> str:
    """A block of RAM in one line."""
    size = f"{size_text(block.used_length)} ({block.used_length:#x})"
    where = "" if block.gpa is None else f" at {block.gpa:#x}"
    return size + where + ("" if block.page_size is None else f", in pages of {size_text(block.page_size)}")


def is_folder(value: Any) -> bool:
    """Whether a value is shown as a tree of its own."""
    if isinstance(value, RamSummary) or is_state(value) or isinstance(value, dict):
        return True
    return isinstance(value, (list, tuple, Records)) and not isinstance(content(value), str)


def children(value: Any) -> Tree:
    """What is inside a value, arrays of equal elements folded into one line."""
    if isinstance(value, RamSummary):
        return ram_tree([value])
    if isinstance(value, (list, tuple, Records)):
        folds = folded(value)
        if len(folds) > FEW and len(folds) * ROW > len(value) and all(type(element) is int for element in value):
            return rows(value)
        return [(label, content(inner)) for label, inner in folds]
    pairs = value.items() if isinstance(value, dict) else items_of(value)
    return [(name, content(inner)) for name, inner in pairs if inner is not None]


def rows(value: Any) -> Tree:
    """Many numbers, some to a line."""
    starts = range(0, len(value), ROW)
    return [(f"[{at}..{min(at + ROW, len(value)) - 1}]", text_of(list(value[at : at + ROW]))) for at in starts]


def content(value: Any) -> Any:
    """A tree where there is one to show, else text."""
    if isinstance(value, (list, tuple, Records)):
        if is_short(value):
            return text_of(value)
        folds = folded(value)
        if len(folds) == 1:
            inner = content(folds[0][1])
            return f"{len(value)} times {inner}" if isinstance(inner, str) else [(folds[0][0], inner)]
        return children(value)
    return children(value) if is_folder(value) else text_of(value)


def is_short(value: Any) -> bool:
    """Whether a list fits on a line."""
    return len(value) <= FEW and not any(
        isinstance(element, (list, tuple, dict)) or is_state(element) for element in value
    )


def folded(value: Any) -> list[tuple[str, Any]]:
    """The elements, runs of equal ones as one."""
    runs: list[tuple[int, int, Any]] = []
    for index, element in enumerate(value):
        if runs and runs[-1][2] == element:
            runs[-1] = (runs[-1][0], index, element)
        else:
            runs.append((index, index, element))
    return [(f"[{first}]" if first == last else f"[{first}..{last}]", element) for first, last, element in runs]


def render(label: str, tree: Tree) -> None:
    """Print a tree with rich, which also knows whether there is a terminal."""
    from rich.text import Text
    from rich.tree import Tree as RichTree

    from vmstate.cli.console import print_rendered

    def fill(node: RichTree, nodes: Tree) -> None:
        for name, inner in nodes:
            if isinstance(inner, str):
                node.add(Text.assemble((one_line(name), "cyan"), ": ", inner))
            else:
                fill(node.add(Text(one_line(name), "bold")), inner)

    top = RichTree(Text(one_line(label), "bold"))
    fill(top, tree)
    print_rendered(top)
