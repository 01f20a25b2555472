"""What `vmstate show` prints for a reader: trees of (label, children), equal elements folded into one line."""

from __future__ import annotations

from collections import Counter
from typing import Any

from vmstate.cli.info import runs_of_parts
from vmstate.cli.show import at_path
from vmstate.codec.records import Records
from vmstate.errors import PathError, one_line
from vmstate.files import size_text
from vmstate.report.text import text_of
from vmstate.schema.values import to_plain
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

Tree = list[tuple[str, Any]]


def show_text(stream: Stream, file: str | None, path: str | None, *, raw: bool) -> None:
    """Print a stream, or what is at a path in it; of several files with the name of the file."""
    if path is None:
        render(str(stream.name), stream_tree(stream, raw=raw))
        return
    holder, steps, value = at_path(stream, path)
    named = named_features(stream, holder, steps) if type(value) is int else None
    if is_folder(value):
        inside = children(to_plain(value) if raw else value)
        if isinstance(holder, Section) and not steps:
            inside = [*features(stream, holder), *inside]
        render(path if file is None else f"{file}: {path}", inside)
    else:
        print(("" if file is None else f"{one_line(file)}: ") + (named or text_of(value)))


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
