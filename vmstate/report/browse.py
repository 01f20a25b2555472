"""A stream in the terminal: sections and fields on the left, their bytes on the right, one cursor for both.

The tree is that of the page (`vmstate.report.tree`), made of a section when it is opened, and its nodes level by level
as they are opened: of 100,000 sections or fields there are nodes for runs of them first. What can take long is done in
a thread (`vmstate.report.job`): keys are answered meanwhile, what needs the stream waits, and what only reads can be
broken off. Looking for something is `vmstate find`,
changing a value is `vmstate set` with the same checks, and what has changed since another stream is `vmstate diff`: the
browser shows them and knows nothing of its own.
"""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import ClassVar, TypeVar

from rich.text import Span, Text
from textual import on
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.widgets import Footer, Input, Static, Tree
from textual.widgets.tree import TreeNode

from vmstate.compare.diff import diff
from vmstate.errors import VMStateError, one_line
from vmstate.query.find import find
from vmstate.report.job import BrokenOffError, Job
from vmstate.report.tree import MOST_FIELDS, Row, field_count, rows_of
from vmstate.rules.edit import RefusedError, assign
from vmstate.stream.stream import RamSummary, Section, Stream
from vmstate.vmsd.collector import collector_paused

LINE = 8
"""Bytes on a line: as many as stand beside the tree in 80 columns."""

LINES_AROUND = 4
MOST_LINES = 512
"""Lines of bytes that are shown of one field."""

MOST_NODES = 500
"""Nodes that stand below one: what there are more of is divided into runs."""

LARGE = 1 << 14
"""Bytes of a section that is taken apart in a thread."""

SMALLEST = (60, 12)
"""Columns and lines below which nothing can be read."""


UNTOLD = 1.0
"""Seconds after which it is told how long something has taken already."""


class Run:
    """Sections or rows that follow each other and stand below one node, until it is opened."""

    def __init__(self, held: Sequence[Section | Row]) -> None:
        self.held = held


Held = Section | Row | Run | None
T = TypeVar("T")


class Browser(App[None]):
    """The browser of one stream; the stream is closed by whoever opened it."""

    CSS = """
    Horizontal { height: 1fr; }
    #trees { width: 1fr; }
    #side { width: 44; border-left: solid $primary; padding: 0 1; }
    #bytes { width: auto; }
    #asked { display: none; }
    #asked.open { display: block; }
    #told { height: 1; background: $panel; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "ask('find')", "Find"),
        Binding("n", "next", "Next"),
        Binding("g", "ask('offset')", "Offset"),
        Binding("e", "ask('value')", "Edit"),
        Binding("d", "ask('diff')", "Diff"),
        Binding("s", "ask('save')", "Save as"),
        Binding("escape", "leave", "Back", show=False),
        Binding("q", "quit", "Quit"),
    ]
    ENABLE_COMMAND_PALETTE = False

    def __init__(self, stream: Stream) -> None:
        super().__init__()
        self.stream = stream
        self._payloads: dict[int, bytes] = {}
        """What was encoded, by the offset of the section: the cursor moves faster than a large section is made."""
        self._rows: dict[int, list[Row]] = {}
        """The rows of sections that were taken apart, by the offset of the section."""
        self.working = ""
        """What is being done in a thread; meanwhile nothing else touches the stream."""
        self._job: Job | None = None
        """That work, where it may be broken off."""
        self._since = 0.0
        self._waiting: list[Callable[[], object]] = []
        """What is to be done when that is."""
        self._opening: TreeNode[Held] | None = None
        """What is being opened: where that is broken off it is closed again."""
        self._asking = ""
        self._places: Iterator[tuple[int, str]] = iter(())

    def compose(self) -> ComposeResult:
        """The tree, the bytes, a line for what is asked and one for what is told."""
        tree: Tree[Held] = Tree(one_line(str(self.stream.name)), id="trees")
        tree.root.expand()
        with Horizontal():
            yield tree
            with VerticalScroll(id="side"):
                yield Static("", id="bytes", markup=False)
        yield Static("", id="told", markup=False)
        yield Input(id="asked")
        yield Footer()

    def on_mount(self) -> None:
        """Fill the first level of the tree."""
        tree = self.fields
        self._hang(tree.root, [s for s in self.stream.sections if not s.is_ram or s.kind == "start"])
        tree.focus()
        self.set_interval(UNTOLD, self._tell_time)
        width, height = self.size
        if width < SMALLEST[0] or height < SMALLEST[1]:
            self.tell(f"the terminal is small: {width} by {height}, {SMALLEST[0]} by {SMALLEST[1]} are needed")

    @property
    def fields(self) -> Tree[Held]:
        """The tree."""
        return self.query_one("#trees", Tree)

    def tell(self, text: str) -> None:
        """A line at the bottom."""
        self.query_one("#told", Static).update(one_line(text))

    def work(
        self, what: str, function: Callable[[], T], then: Callable[[T], object], *, can_break_off: bool = True
    ) -> None:
        """Do what can take long in a thread, and with its result the rest; `what` is told meanwhile."""
        self.working, self._since = what, time.monotonic()
        self.tell(f"{what} ...")
        job = Job(function)
        self._job = job if can_break_off else None

        def in_thread() -> None:
            rest: Callable[[], object]
            try:
                result = job.run()
            except BrokenOffError:
                # It may have come where the collector was paused.
                gc.enable()
                rest = partial(self.tell, f"broken off: {what}")
            except RefusedError as error:
                rest = partial(self.tell, f"QEMU would refuse that: {error}")
            except (VMStateError, OSError) as error:
                rest = partial(self.tell, str(error))
            else:
                rest = partial(then, result)
            self.call_later(self._worked, rest)

        self.run_worker(in_thread, thread=True)

    def _worked(self, rest: Callable[[], object]) -> None:
        self.working, self._job = "", None
        node = self.fields.cursor_node
        if node is not None:
            self._show(node)
        rest()
        while self._waiting and not self.working:
            self._waiting.pop(0)()

    def _tell_time(self) -> None:
        took = time.monotonic() - self._since
        if self.working and took >= UNTOLD:
            leave = "" if self._job is None else ", escape breaks it off"
            self.tell(f"{self.working} ... {took:.0f} s{leave}")

    def break_off(self, instead: Callable[[], object] | None = None) -> bool:
        """Break off what is being done, and do something else instead; whether it may be broken off."""
        if self._job is None:
            return False
        self._job.break_off()
        if self._opening is not None and not self._opening.children:
            self._opening.collapse()
        self._opening = None
        self._waiting = [] if instead is None else [instead]
        return True

    async def action_quit(self) -> None:
        """Leave, without waiting for what only reads."""
        self.break_off()
        await super().action_quit()

    # The tree.

    @on(Tree.NodeExpanded)
    def open_node(self, event: Tree.NodeExpanded[Held]) -> None:
        """Make the nodes below one when it is opened."""
        node = event.node
        if isinstance(node.data, Section):
            self._opening = node
            self._taken_apart(node.data, partial(self._fill, node))
        else:
            self._fill(node)

    def _taken_apart(self, section: Section, then: Callable[[], object]) -> None:
        """Do something that needs the rows of a section: at once, or when a thread has made them."""
        if section.offset in self._rows:
            then()
        elif self.working:
            self._waiting.append(partial(self._taken_apart, section, then))
        elif section.size < LARGE:
            then()
        else:
            self.work(f"reading {_name(section)}", partial(self._rows_of, section), lambda rows: then())

    def _fill(self, node: TreeNode[Held]) -> None:
        if not node.children:
            self._hang(node, self._below(node.data))

    def _below(self, held: Held) -> Sequence[Section | Row]:
        """What stands below a node: the rows of a section, those of a row, what a run is of."""
        if isinstance(held, Run):
            return held.held
        if isinstance(held, Row):
            return held.children
        return () if held is None or not _has_rows(held) else self._rows_of(held)

    def _rows_of(self, section: Section) -> list[Row]:
        if section.offset not in self._rows:
            data, start = self._payload(section), section.payload_offset
            count = field_count(section.state)
            if count > MOST_FIELDS:
                rows = [Row("", "all of it", start, len(data), "bytes")]
                rows[0].value = f"{count:,} fields, more than are taken apart: vmstate show prints one by its path"
            else:
                with collector_paused():
                    # What was changed may have other sizes: the trace is of the bytes that would be written.
                    trace = section.trace()
                    rows = rows_of(section.state, trace, lambda at, size: data[at - start : at - start + size])
            # The rows stay: looked through for cycles at every other key, they would make the keys slow.
            gc.freeze()
            self._rows[section.offset] = rows
        return self._rows[section.offset]

    def _hang(self, node: TreeNode[Held], below: Sequence[Section | Row]) -> None:
        """Add nodes: one for each, or where that would be too many, one for each run."""
        step = 1
        while len(below) > step * MOST_NODES:
            step *= MOST_NODES
        for first in range(0, len(below), step):
            part = below[first : first + step]
            if len(part) > 1:
                node.add(
                    Text(f"{_title(part[0])} ... {_title(part[-1])}  {len(part):,} in a row", style="dim"), Run(part)
                )
                continue
            held = part[0]
            if _has_rows(held):
                node.add(_label(held), held)
            else:
                node.add_leaf(_label(held), held)

    def _section_of(self, node: TreeNode[Held]) -> Section | None:
        above: TreeNode[Held] | None = node
        while above is not None:
            if isinstance(above.data, Section):
                return above.data
            above = above.parent
        return None

    def _payload(self, section: Section) -> bytes:
        if section.offset not in self._payloads:
            self._payloads[section.offset] = section.payload()
        return self._payloads[section.offset]

    # The bytes.

    @on(Tree.NodeHighlighted)
    def show_bytes(self, event: Tree.NodeHighlighted[Held]) -> None:
        """The bytes of what the cursor is on."""
        self._show(event.node)

    def _show(self, node: TreeNode[Held]) -> None:
        if self.working:
            return
        section = self._section_of(node)
        view = self.query_one("#bytes", Static)
        if section is None:
            view.update("")
            return
        if isinstance(section.state, RamSummary):
            view.update(_memory_text(section.state))
            self.tell(f"{_name(section)}: the contents of memory are not shown")
            return
        path = _name(section)
        if isinstance(node.data, Row):
            offset, size, what = node.data.offset, node.data.size, node.data.kind
            path += f".{node.data.path}" if node.data.path else ""
        elif isinstance(node.data, Run):
            rows = [held for held in node.data.held if isinstance(held, Row)]
            offset, what = rows[0].offset, f"{len(rows):,} in a row"
            size = max(row.offset + row.size for row in rows) - offset
        else:
            offset, size, what = (
                section.payload_offset,
                len(self._payload(section)),
                f"section, version {section.version_id}",
            )
        view.update(hex_text(self._payload(section), section.payload_offset, offset, size))
        self.tell(f"{offset:#x} {size:,} B  {what}  {path}")

    # What is asked.

    def action_ask(self, what: str) -> None:
        """Ask for a word, an offset, a value, a file."""
        questions = {
            "find": "find: a name, a value, a MAC address, hex:...",
            "offset": "offset in the stream: 0x1234",
            "value": "a value for what the cursor is on",
            "diff": "compared with which earlier stream?",
            "save": "save as which file?",
        }
        asked = self.query_one("#asked", Input)
        self._asking = what
        asked.placeholder = questions[what]
        asked.value = ""
        if what == "value":
            row = self.fields.cursor_node
            if row is None or not isinstance(row.data, Row) or row.data.children or row.data.count > 1:
                self.tell("a value is changed where one stands: put the cursor on a field")
                return
        asked.add_class("open")
        asked.focus()

    def action_leave(self) -> None:
        """Back to the tree; from there: break off what is being done."""
        asked = self.query_one("#asked", Input)
        if not asked.has_class("open"):
            self.break_off()
        asked.remove_class("open")
        self.fields.focus()

    @on(Input.Submitted)
    def answer(self, event: Input.Submitted) -> None:
        """Do what was asked for, and say in one line why not where that cannot be."""
        text = event.value
        self.action_leave()
        answers: dict[str, Callable[[str], None]] = {
            "find": self.find_word,
            "offset": self.go_to_text,
            "value": self.set_value,
            "diff": self.compare_with,
            "save": self.save_as,
        }
        if not text.strip():
            return
        answer = partial(answers[self._asking], text)
        if not self.working:
            answer()
        elif self._asking == "value" or not self.break_off(answer):
            self.tell(f"still {self.working}")

    def find_word(self, word: str) -> None:
        """Go to the first place of a word."""
        self._places = ((match.offset, match.whole_path) for match in find(self.stream, word))
        self._next_place(f"looking for {word!r}", f"{word!r} is nowhere in the stream")

    def action_next(self) -> None:
        """Go to the next place of what was looked for, or of what has changed."""
        if self.working:
            self.tell(f"still {self.working}")
        else:
            self._next_place("looking for the next", "there is no further place")

    def _next_place(self, what: str, nowhere: str) -> None:
        def arrive(place: tuple[int, str] | None) -> None:
            if place is None:
                self.tell(nowhere)
            else:
                self.go_to(place[0])

        self.work(what, partial(next, self._places, None), arrive)

    def go_to_text(self, text: str) -> None:
        """Go to an offset that somebody typed."""
        try:
            offset = int(text, 0)
        except ValueError:
            self.tell(f"that is no offset: {text!r}")
            return
        if not self.go_to(offset):
            self.tell(f"no section has offset {offset:#x}")

    def go_to(self, offset: int) -> bool:
        """Put the cursor on the narrowest field that holds a byte of the stream; whether there is a section there."""
        section = self.stream.section_at(offset)
        if section is not None:
            self._taken_apart(section, partial(self._put_cursor, section, offset))
        return section is not None

    def _put_cursor(self, section: Section, offset: int) -> None:
        tree = self.fields
        node = self._node_of(section)
        inner: TreeNode[Held] | None = node
        while inner is not None:
            node = inner
            self._fill(node)
            node.expand()
            inner = next((child for child in node.children if _holds(child.data, offset)), None)
        if node is None:
            return
        # Rows that are new have no line before somebody asks for the last one.
        assert tree.last_line >= 0
        tree.move_cursor(node)
        self.call_after_refresh(tree.scroll_to_node, node, animate=False)
        # The tree tells of a cursor that has moved, and after a change it stands where it was.
        self._show(node)

    def _node_of(self, section: Section) -> TreeNode[Held] | None:
        """The node of a section, with those above it opened."""
        node = self.fields.root
        while node.data is not section:
            self._fill(node)
            node.expand()
            below = (child for child in node.children if _is_or_has(child.data, section))
            inner = next(below, None)
            if inner is None:
                return None
            node = inner
        return node

    def set_value(self, text: str) -> None:
        """Change the field that the cursor is on, with every check of `vmstate set`."""
        node = self.fields.cursor_node
        section = None if node is None else self._section_of(node)
        if node is None or section is None or not isinstance(node.data, Row):
            return
        row, path = node.data, node.data.path

        def changed(edits: Sequence[object]) -> None:
            self._payloads.pop(section.offset, None)
            self._rows.pop(section.offset, None)
            self.sub_title = "changed"
            more = f", and {len(edits) - 1} more" if len(edits) > 1 else ""
            self._taken_apart(section, partial(there_again, f"{path} is {text} now{more}; s saves"))

        def there_again(words: str) -> None:
            top = self._node_of(section)
            if top is not None:
                top.remove_children()
            self._put_cursor(section, row.offset)
            self.tell(words)

        edit = f"{section.name}#{section.instance_id}.{path}={text}"
        self.work(f"changing {path}", partial(assign, self.stream, edit), changed, can_break_off=False)

    def compare_with(self, path: str) -> None:
        """Go to the first value that has changed since an earlier stream; n goes to the next."""

        def compared() -> tuple[list[tuple[int, str]], str]:
            difference = diff(os.path.expanduser(path), self.stream)
            places = []
            for change in difference.changes:
                try:
                    holder, _, _ = self.stream.find(
                        f"{change.section}#{change.instance_id}" if change.instance_id else change.section
                    )
                except VMStateError:
                    continue
                if isinstance(holder, Section) and holder.vmsd is not None:
                    at = change.path or ""
                    within = [
                        (len(above), entry.offset) for above, entry in holder.trace().items() if at.startswith(above)
                    ]
                    places.append((max(within)[1] if within else holder.offset, at))
            count = len(difference.changes)
            return places, "nothing but noise differs" if difference.equal else f"{count} changes"

        def go(result: tuple[list[tuple[int, str]], str]) -> None:
            places, words = result
            self._places = iter(places)
            self._next_place(words, words)

        self.work(f"comparing with {path}", compared, go)

    def save_as(self, path: str) -> None:
        """Write the stream to a file that is not there yet."""
        place = os.path.expanduser(path)
        if os.path.lexists(place):
            self.tell(f"{place} is there already: another name, please")
            return
        saved = partial(self.tell, f"saved as {place}")
        self.work(f"saving {place}", partial(self.stream.save, place), lambda _: saved(), can_break_off=False)


def _name(section: Section) -> str:
    return section.name + (f"#{section.instance_id}" if section.instance_id else "")


def _title(held: Section | Row) -> str:
    return held.label if isinstance(held, Row) else one_line(_name(held))


def _has_rows(held: Section | Row) -> bool:
    if isinstance(held, Row):
        return bool(held.children)
    return held.vmsd is not None and not held.is_ram


def _label(held: Section | Row) -> Text:
    label = Text(_title(held), style="bold")
    if isinstance(held, Section):
        return label.append(f"  {held.size:,} B", style="not bold")
    if held.count > 1:
        label.append(f"  {held.count:,} equal", style="dim")
    if not held.children:
        label.append(f"  {held.value}", style="not bold")
    return label


def _holds(held: Held, offset: int) -> bool:
    if isinstance(held, Run):
        return any(_holds(row, offset) for row in held.held)
    return isinstance(held, Row) and held.offset <= offset < held.offset + held.size


def _is_or_has(held: Held, section: Section) -> bool:
    return held is section or (isinstance(held, Run) and any(inner is section for inner in held.held))


def _memory_text(summary: RamSummary) -> Text:
    text = Text()
    for block in summary.blocks:
        text.append(f"{block.used_length:>14,}  {one_line(block.idstr)}\n")
    return text


def hex_text(data: bytes, start: int, offset: int, size: int) -> Text:
    """The bytes around a field, `LINE` on a line, those of the field marked; `start` is the offset of the first."""
    first = max(0, (offset - start) // LINE - LINES_AROUND)
    last = min(-(-len(data) // LINE), -(-(offset - start + size) // LINE) + LINES_AROUND, first + MOST_LINES)
    lines: list[str] = []
    spans: list[Span] = []
    length = 0
    for line in range(first, last):
        at = line * LINE
        held = data[at : at + LINE]
        letters = "".join(chr(byte) if 31 < byte < 127 else "." for byte in held)
        lines.append(f"{start + at:08x} {held.hex(' '):{3 * LINE}}{letters}\n")
        spans.append(Span(length, length + 9, "dim"))
        begin, end = max(offset - start - at, 0), min(offset + size - start - at, len(held))
        if begin < end:
            bytes_from, letters_from = length + 9, length + 9 + 3 * LINE
            spans.append(Span(bytes_from + 3 * begin, bytes_from + 3 * end - 1, "reverse"))
            spans.append(Span(letters_from + begin, letters_from + end, "reverse"))
        length += len(lines[-1])
    return Text("".join(lines), no_wrap=True, spans=spans)
