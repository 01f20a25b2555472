"""What a relay does with the bytes of a migration on their way, without I/O: bytes go in, what is to be sent comes out.

    forward = Forward(choices, skip=True)
    for piece in forward.push(data): ...
    forward.record()

Early copies are put behind the configuration section, and, where `skip` is asked for, a section of the stop whose bytes
are those of its last early copy is left out: QEMU's load loop does not ask whether every device's section came. A copy
of a section whose load reads guest memory is put in once those pages have come: a part of RAM is ended there, and
another begun, which no destination minds. Everything else is passed on as it came. Of RAM only the headers of its
records are looked at, and nothing of it is kept but the pages that a copy waits for; nothing is kept back, nor of a
section that nobody knows the size of. Whatever is not as it is known to be, postcopy, a section in parts that is not
RAM, early sections that somebody in front has put in already, makes the rest pass plainly, and the reason is kept.

Facts from QEMU's migration/savevm.c and migration/ram.c.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NoReturn

from vmstate.codec.codec import Codec
from vmstate.early.copies import Choice, Key
from vmstate.early.late import LateCopies
from vmstate.errors import StreamError, TruncatedError, VMStateError
from vmstate.stream.configuration import Configuration
from vmstate.stream.ends import Ends
from vmstate.stream.events import FOOTER, KINDS, MAGIC, VERSION, CommandType, Mark, SectionHeader
from vmstate.stream.ram import DEFAULT_PAGE_SIZE, RamScanner
from vmstate.stream.ram_records import (
    COMPRESS_PAGE,
    CONTINUE,
    EOS,
    HEADER,
    MULTIFD_FLUSH,
    PAGE,
    XBZRLE,
    ZERO,
    RamBlock,
    RamSize,
)
from vmstate.stream.reader import RAM, RAM_ADVISE, RAM_VERSION

_FULL_HEADER = 14
"""Bytes of the header of a full section besides its idstr."""

_PASSED = frozenset(
    (CommandType.OPEN_RETURN_PATH, CommandType.PING, CommandType.POSTCOPY_ADVISE, CommandType.SWITCHOVER_START)
)
"""Commands behind which the stream goes on as before."""

_LONGEST = 64 << 20
"""Bytes that may wait until it is known what they are."""

_LONG = 1 << 20
"""Bytes of a section that is waited for as a whole."""

_NEAR_END = 4 << 20
"""Bytes of a block of RAM behind which its first turn is as good as over; smaller ones are never held up for."""

_END = bytes((Mark.EOF,))
_FOOTER = bytes((FOOTER,))

_FOOTER_SIZE = 5
"""Bytes of a footer: the mark, be32 section_id."""


class Forward:
    """One migration's bytes from source to destination.

    `choices` are those of all device sections of the source's machine, as at the moment that the copies are of;
    `machine` is that machine's type, None where it is not known: a migration of another passes plainly. With
    `skip` sections are left out at the stop. `has_other_channels` says whether pages may come where they are not seen
    here.
    """

    def __init__(
        self,
        choices: Iterable[Choice],
        *,
        skip: bool,
        machine: str | None = None,
        has_other_channels: Callable[[], bool] = lambda: False,
    ) -> None:
        self.skip = skip
        self.machine = machine
        self.choices: dict[Key, Choice] = {choice.key: choice for choice in choices}
        self.plainly: str | None = None
        self.begun = False
        self.in_devices = False
        self.inserted: list[Choice] = []
        self.left_out: list[Key] = []
        self.changed: list[Key] = []
        self._overtaken: set[Key] = set()
        self._refreshed: list[Choice] = []
        self._held: list[bytes] = []
        self._held_size = 0
        self._tail = b""
        self._ahead = 0
        """Of the held bytes, how many are sent already, and held only to be read."""
        self._wanted = 0
        """How many bytes must be held until it is worth reading on."""
        self._resume: int | None = None
        self._base = 0
        self._passing = 0
        self._state: Callable[[memoryview, int], int] = self._header
        self._out: list[bytes | memoryview] = []
        self._unsent = 0
        self._page = DEFAULT_PAGE_SIZE
        self._scanner: RamScanner | None = None
        self._blocks_left: int | None = None
        self._capabilities: Configuration | None = None
        self._postcopy = False
        self._starts: dict[int, SectionHeader] = {}
        self._section_id = 0
        self._has_other_channels = has_other_channels
        self._late = LateCopies(self._page, has_other_channels)
        self._at_stop = False
        self._blocks: dict[str, int] = {}
        self._block = ""
        self._hold_at: tuple[str, int] | None = None
        """The block and the offset in it, bytes, behind which the first turn through memory is nearly over."""
        self._holds_again = False
        self._is_to_hold = False

    # Bytes.

    def push(self, data: bytes | bytearray | memoryview) -> list[bytes | memoryview]:
        """What is to be sent now that `data` has come; it may be kept until the next call."""
        if self.plainly is not None:
            return [memoryview(data)] if len(data) else []
        if self._held_size + len(data) < self._wanted and not _may_be_last(self._tail + data[-6:]):
            self._hold(bytes(data))
            return []
        if self._held:
            data = b"".join((*self._held, data))
        view = memoryview(data)
        self._out, self._unsent, self._resume, self._wanted = [], self._ahead, None, 0
        position = 0
        try:
            while self.plainly is None:
                if self._passing:
                    step = min(self._passing, len(view) - position)
                    self._passing -= step
                    position += step
                    if self._passing:
                        break
                position = self._state(view, position)
        except TruncatedError:
            position = max(position, self._unsent) if self._resume is None else self._resume
        except VMStateError as error:
            self._give_up(f"the stream cannot be read: {error}")
        self._held, self._held_size, self._ahead = [], 0, 0
        if self.plainly is None and len(view) - position > _LONGEST:
            self._give_up("a section is too long")
        if self.plainly is not None:
            self._send_up_to(view, len(view))
            return self._out
        self._send_up_to(view, position)
        self._hold(bytes(view[position:]))
        self._ahead = self._unsent - position
        self._base += position
        return self._out

    def finish(self) -> list[bytes | memoryview]:
        """What is still to be sent where no more bytes will come."""
        held = b"".join(self._held)[self._ahead :]
        self._held, self._held_size, self._ahead = [], 0, 0
        return [held] if held else []

    def is_to_hold(self) -> bool:
        """Whether the source is to be held up a moment now, before more is taken from it; asked once behind each push.

        It is so twice near the end of the first turn through memory. A source stops where it could send what is left in
        the time that its downtime-limit allows, as fast as it sent in its last 100 ms; so at the end of a turn it stops
        with all that the guest wrote in it. One that was slow sends that once more first, and in this short turn hardly
        anything is written. The first time the 100 ms that it measures are only partly those in which it was held up.
        """
        hold, self._is_to_hold = self._is_to_hold, False
        return hold and self.plainly is None and not self._at_stop and not self._has_other_channels()

    def is_at_stop(self) -> bool:
        """Whether what the source sends once its guest has stopped has begun."""
        return self._at_stop or self.in_devices

    def refresh(self, choices: Iterable[Choice]) -> None:
        """Take the sections as they are at a later moment; copies that changed are sent while RAM is."""
        self._refreshed = [*choices]

    def _hold(self, data: bytes) -> None:
        if data:
            self._held.append(data)
            self._held_size += len(data)
            self._tail = (self._tail + data[-6:])[-6:]

    def _send_up_to(self, view: memoryview, position: int) -> None:
        if position > self._unsent:
            self._out.append(view[self._unsent : position])
            self._unsent = position

    def _is_unsent(self, position: int) -> bool:
        """Whether nothing from here on is sent, so that something can be put in front of it, or it be left out."""
        return self._unsent <= position

    def _give_up(self, reason: str) -> None:
        # Where nothing is left out all is done once the copies are put in.
        self.plainly = "" if self.inserted and not self.skip else reason

    @property
    def behind(self) -> list[Choice]:
        """The copies that were sent behind the pages that they wait for."""
        return self._late.sent

    # What is read. Each takes the bytes and the position of what is next, and returns that of what follows.

    def _header(self, view: memoryview, position: int) -> int:
        _need(view, position, 8)
        self.begun = True
        if bytes(view[:4]) != MAGIC or int.from_bytes(view[4:8], "big") != VERSION:
            self._give_up("this is no migration stream")
            return position
        self._state = self._configuration
        return 8

    def _configuration(self, view: memoryview, position: int) -> int:
        _need(view, position, 1)
        if view[position] == Mark.CONFIGURATION:
            codec = Configuration.vmsd.codec  # type: ignore[attr-defined]
            assert isinstance(codec, Codec)
            state, position = codec.decode_at(view, position + 1, final=False, base=self._base)
            self._capabilities = state
            self._page = state.page_size or DEFAULT_PAGE_SIZE
            self._late = LateCopies(self._page, self._has_other_channels)
            if self.machine is not None and state.machine != self.machine:
                self._give_up(f"the early state is of another machine ({self.machine}, not {state.machine})")
        self._state = self._first_part
        return position

    def _first_part(self, view: memoryview, position: int) -> int:
        """Behind the configuration section: here the copies are put, if they are not there yet."""
        _need(view, position, 1)
        if view[position] == Mark.SECTION_FULL:
            key, *_ = _read_header(view, position)
            if (choice := self.choices.get(key)) is not None and choice.copy is not None:
                self._give_up("there are early sections already: somebody in front puts them in")
                return position
        self._send_up_to(view, position)
        self.inserted = [choice for choice in self.choices.values() if choice.copy is not None]
        self._out += [choice.copy for choice in self.inserted if choice.copy is not None]
        self._state = self._part
        if self.skip:
            for choice in self.choices.values():
                self._late.wait_for_pages_of(choice)
        if not self.inserted and not self._late:
            self._give_up("there is no early copy")
        return position

    def _part(self, view: memoryview, position: int) -> int:
        _need(view, position, 1)
        mark = view[position]
        if not self.skip and self._blocks and not (self._hold_at or self._holds_again or self._is_to_hold):
            # Nothing more is to be done, so nothing more is looked at.
            self._give_up("")
            return position
        if mark == Mark.COMMAND:
            return self._command(view, position)
        if mark == Mark.EOF:
            self._give_up("")
            return position
        if mark not in KINDS:
            raise StreamError("no part of a stream begins so", found=f"{mark:#04x}")
        if mark in (Mark.SECTION_PART, Mark.SECTION_END):
            return self._later_part(view, position, mark)
        return self._named(view, position, mark)

    def _command(self, view: memoryview, position: int) -> int:
        _need(view, position, 5)
        command = int.from_bytes(view[position + 1 : position + 3], "big")
        length = int.from_bytes(view[position + 3 : position + 5], "big")
        if command not in _PASSED:
            name = CommandType(command).name if command in CommandType.__members__.values() else str(command)
            self._give_up(f"a command behind which the stream is another ({name})")
            return position
        _need(view, position, 5 + length)
        if command == CommandType.POSTCOPY_ADVISE and length == RAM_ADVISE:
            self._postcopy = True
        return position + 5 + length

    def _later_part(self, view: memoryview, position: int, mark: int) -> int:
        _need(view, position, 5)
        start = self._starts.get(int.from_bytes(view[position + 1 : position + 5], "big"))
        if start is None:
            raise StreamError("a part of a section that has not begun")
        if self._holds_again and mark == Mark.SECTION_PART:
            # It has measured since, and begun anew.
            self._holds_again, self._is_to_hold = False, True
        if mark == Mark.SECTION_PART and self._is_unsent(position):
            self._send_refreshed(view, position)
            self._send_between(view, position, self._late.due())
        self._at_stop = mark == Mark.SECTION_END
        self._section_id = start.section_id
        self._state = self._records
        return position + 5

    def _send_refreshed(self, view: memoryview, position: int) -> None:
        """Newer copies of what has changed: in front of a part of RAM, behind which nothing of the stop has come."""
        refreshed, self._refreshed = self._refreshed, []
        for choice in refreshed:
            known = self.choices.get(choice.key)
            if known is None or choice.header != known.header:
                continue
            if known.behind is not None and choice.behind is None:
                # As it is now no copy of it may come behind memory.
                self._late.drop(choice.key)
            if known.copy is None and choice.behind is None:
                continue
            if choice.copy is None and choice.behind is None:
                # It may not come early as it is now: what was sent is not what the last section can be held against.
                self.choices[choice.key] = known.without_skip(choice.reason)
            elif (
                choice.copy is not None
                and choice.may_skip
                and (choice.payload != known.payload or choice.key in self._overtaken)
            ):
                self._send_up_to(view, position)
                self._out.append(choice.copy)
                self.choices[choice.key] = choice
                self._overtaken.discard(choice.key)
                self.inserted.append(choice)
            if choice.behind is not None and choice.payload != known.payload:
                self.choices[choice.key] = choice
                self._late.wait_for_pages_of(choice)

    def _named(self, view: memoryview, position: int, mark: int) -> int:
        key, version_id, section_id, end = _read_header(view, position)
        name, instance_id = key
        if mark == Mark.SECTION_START:
            if name != RAM or version_id != RAM_VERSION:
                self._give_up(f"a section that is sent in parts and is not RAM ({name})")
                return position
            self._starts[section_id] = SectionHeader("start", section_id, name, instance_id, version_id, 0)
            configuration = self._capabilities
            self._scanner = RamScanner(
                self._page,
                ignore_shared=configuration is not None and configuration.has_capability("x-ignore-shared"),
                mapped_ram=configuration is not None and configuration.has_capability("mapped-ram"),
                postcopy=self._postcopy,
                # The destination's, of which nothing is known: it minds no block that is listed twice.
                local={},
            )
            self._section_id = section_id
            self._state = self._block_list
            return end
        if not self.skip:
            self._give_up("")
            return position
        return self._full(view, position, end, key, section_id)

    # RAM.

    def _block_list(self, view: memoryview, position: int) -> int:
        """The list of the blocks, which is known to be over by the sum of their lengths."""
        assert self._scanner is not None
        while self._blocks_left != 0:
            step = self._scanner.next_event(view, position, len(view), self._base)
            if step is None:
                raise TruncatedError("the list of blocks goes on", needed=1)
            event, position = step
            if isinstance(event, RamSize):
                self._blocks_left = event.total
            elif isinstance(event, RamBlock) and self._blocks_left is not None:
                self._blocks_left -= event.used_length
                self._blocks[event.idstr] = event.used_length
            else:
                raise StreamError("RAM does not begin with the list of its blocks")
            # What is read is not read again where more is needed.
            self._send_up_to(view, position)
        if self._blocks:
            largest = max(self._blocks.values())
            # They are sent in this order; what is behind the last that is large takes no time.
            block, size = next((name, size) for name, size in reversed(self._blocks.items()) if 2 * size >= largest)
            self._hold_at = (block, size - _NEAR_END) if size >= 2 * _NEAR_END else None
        self._state = self._records
        return position

    def _records(self, view: memoryview, position: int) -> int:
        """The records of a part of RAM: a header each, and what it says is behind it."""
        end, page = len(view), self._page
        mask = page - 1
        header = 0
        unpack = HEADER.unpack_from
        awaited = self._late.awaited
        while position + 8 <= end:
            header = unpack(view, position)[0]
            flags = header & mask
            if flags == PAGE | CONTINUE:
                if header - flags in awaited:
                    self._awaited_page(view, position, header - flags, 8 + page, page)
                position += 8 + page
            elif flags == ZERO | CONTINUE:
                if header - flags in awaited:
                    self._awaited_page(view, position, header - flags, 9, 1)
                position += 9
            elif flags == EOS:
                self._state = self._footer
                return position + 8
            elif flags == MULTIFD_FLUSH:
                self._late.forget_pages()
                awaited = self._late.awaited
                position += 8
            else:
                position += self._rare_record(view, position, header - flags, flags)
                awaited = self._late.awaited
            if position > end:
                # What is missing of a record goes on its way as it comes.
                self._hold_behind(header - flags)
                self._passing = position - end
                self._send_up_to(view, end)
                raise TruncatedError("a record goes on", needed=1)
        self._hold_behind(header & ~mask)
        self._send_up_to(view, position)
        raise TruncatedError("RAM goes on", needed=1)

    def _hold_behind(self, address: int) -> None:
        """Have the source held up where this page of the present block is near the end of the first turn."""
        if self._hold_at is not None and self._block == self._hold_at[0] and address >= self._hold_at[1]:
            self._hold_at, self._holds_again, self._is_to_hold = None, True, True

    def _rare_record(self, view: memoryview, position: int, address: int, flags: int) -> int:
        """The size of a record that begins a block, or whose body is of any length."""
        size = 8
        if not flags & CONTINUE:
            self._send_up_to(view, position)
            _need(view, position, 9)
            size += 1 + view[position + 8]
            _need(view, position, size)
            self._block = bytes(view[position + 9 : position + size]).decode("utf-8", "replace")
            self._late.begin_block(self._block)
        kind = flags & ~CONTINUE
        if kind in (PAGE, ZERO):
            body = self._page if kind == PAGE else 1
            if address in self._late.awaited:
                self._awaited_page(view, position, address, size + body, body)
            return size + body
        if kind not in (XBZRLE, COMPRESS_PAGE):
            raise StreamError("a record of RAM that is not known", found=f"{flags:#x}")
        self._send_up_to(view, position)
        length = 3 if kind == XBZRLE else 4
        _need(view, position, size + length)
        start = position + size + (1 if kind == XBZRLE else 0)
        if address in self._late.awaited:
            # What is in it now is not told by what has come alone.
            self._late.has_come(address, None)
        return size + length + int.from_bytes(view[start : position + size + length], "big")

    def _awaited_page(self, view: memoryview, position: int, address: int, size: int, body: int) -> None:
        """Take a page that something waits for, of a record of so many bytes whose body is the last of them.

        A body of one byte is that of all bytes. Where it was the last page that a copy waits for, the copy is sent
        behind it.
        """
        end = position + size
        if end > len(view):
            # It goes on its way, and is read once it is all there.
            self._send_up_to(view, len(view))
            self._resume = position
            raise TruncatedError("a page goes on", needed=1)
        content = bytes(view[end - body : end])
        self._late.has_come(address, content if body > 1 else content * self._page)
        self._send_late(view, end)

    def _send_late(self, view: memoryview, position: int) -> None:
        """Send the copies whose pages are there, in front of a record: this part of RAM ends, and another begins."""
        if self._at_stop or not self._is_unsent(position):
            return
        due = self._late.due()
        if due:
            section = self._section_id.to_bytes(4, "big")
            self._send_up_to(view, position)
            self._out.append(HEADER.pack(EOS) + _FOOTER + section)
            self._send_between(view, position, due)
            self._out.append(bytes((Mark.SECTION_PART,)) + section)

    def _send_between(self, view: memoryview, position: int, copies: list[Choice]) -> None:
        """Send copies in front of a part of RAM."""
        for choice in copies:
            self._send_up_to(view, position)
            self._out.append(choice.header + choice.payload + choice.footer)
            self._late.mark_sent(choice)
            # From now on this is what the destination has of it.
            self._overtaken.discard(choice.key)

    def _footer(self, view: memoryview, position: int) -> int:
        _need(view, position, 5)
        if view[position] != FOOTER or int.from_bytes(view[position + 1 : position + 5], "big") != self._section_id:
            self._give_up("sections have no footers")
            return position
        self._state = self._part
        return position + 5

    # Sections of devices.

    def _full(self, view: memoryview, position: int, end: int, key: Key, section_id: int) -> int:
        # An early section of the source's own, in front of RAM, is not of the stop.
        self.in_devices = self.in_devices or self._scanner is not None
        choice = self.choices.get(key)
        if choice is None or choice.header != view[position:end] or not choice.footer:
            return self._begin_inside(end, section_id)
        whole = position + choice.size
        place = whole - len(choice.footer)
        come = min(whole, len(view))
        is_same = view[end:come] == (choice.payload + choice.footer)[: come - end]
        may_skip = self._may_skip(choice) and key not in self._overtaken
        if is_same and may_skip and self._is_unsent(position):
            self._send_up_to(view, position)
            if come < whole:
                self._wait_for(position, choice.size)
            self._unsent = whole
            self.left_out.append(key)
            return whole
        if come < whole:
            # It is not left out, so what is there goes on its way. One that is long is not read again with each piece;
            # but where it is shorter than it was, and near the end, no more may come until all is passed on.
            is_long = choice.size > _LONG
            self._send_up_to(view, position if is_long and not _may_be_last(bytes(view[-6:])) else len(view))
            self._wait_for(position, choice.size if is_long else 0)
        if may_skip and not is_same:
            self.changed.append(key)
            # The destination has it otherwise from now on: the copy is nothing to hold a later one against.
            self._overtaken.add(key)
        if view[place:whole] == choice.footer:
            return whole
        return self._begin_inside(end, section_id)

    def _may_skip(self, choice: Choice) -> bool:
        """Whether a section may be left out where it is equal to its last copy."""
        late = self._late.may_skip(choice)
        return choice.copy is not None and choice.may_skip if late is None else late

    def _wait_for(self, position: int, size: int) -> NoReturn:
        """End reading until `size` bytes from `position` on are there (0: until more is), and begin there again."""
        self._resume, self._wanted = position, size
        raise TruncatedError("the section goes on", needed=1)

    def _begin_inside(self, end: int, section_id: int) -> int:
        self._section_id = section_id
        self._state = self._inside
        return end

    def _inside(self, view: memoryview, position: int) -> int:
        """In a section whose length is not known: to where its footer stands and a part of a stream follows.

        All is sent that can only be of this section, and read once.
        """
        footer = _FOOTER + self._section_id.to_bytes(4, "big")
        data = bytes(view[position:])
        place = -1
        while (place := data.find(footer, place + 1)) >= 0:
            behind = position + place + _FOOTER_SIZE
            try:
                if self._begins_part(view, behind):
                    self._state = self._part
                    return behind
            except TruncatedError:
                # Of an end nothing can be left out, and no more may come.
                is_end = view[behind : behind + 1] == _END
                self._send_up_to(view, len(view) if is_end else behind)
                self._resume = position + place
                raise
        self._send_up_to(view, len(view))
        self._resume = max(position, len(view) - len(footer) + 1)
        raise TruncatedError("the section goes on", needed=1)

    def _begins_part(self, view: memoryview, position: int) -> bool:
        _need(view, position, 1)
        if view[position] == Mark.EOF:
            # Without a vmdesc behind it, it is as likely a zero byte of the state; and what follows an end just passes.
            _need(view, position, 2)
            return view[position + 1] == Mark.VMDESCRIPTION
        ends = Ends(view, self._base, False, True, self._starts, section_id=self._section_id, begin=position)
        return ends.begins_part(position)

    def record(self) -> dict[str, Any]:
        """What was done, as JSON values."""
        return {
            "plainly": self.plainly or None,
            "sections": [choice.as_dict() for choice in self.choices.values()],
            "early": [_named(choice.key) for choice in self.inserted],
            "early_bytes": sum(len(choice.copy or b"") for choice in self.inserted)
            + sum(choice.size for choice in self.behind),
            "behind_memory": [_named(choice.key) for choice in self.behind],
            "left_out": [_named(key) for key in self.left_out],
            "changed": [_named(key) for key in self.changed],
        }


def _named(key: Key) -> str:
    return f"{key[0]}#{key[1]}"


def _read_header(view: memoryview, position: int) -> tuple[Key, int, int, int]:
    """The header of a section that begins: its key, version_id, section_id, and where it ends."""
    _need(view, position, 6)
    length = view[position + 5]
    end = position + _FULL_HEADER + length
    _need(view, position, end - position)
    section_id = int.from_bytes(view[position + 1 : position + 5], "big")
    name = bytes(view[position + 6 : position + 6 + length]).decode("utf-8", "replace")
    instance_id, version_id = (int.from_bytes(view[end - at : end - at + 4], "big") for at in (8, 4))
    return (name, instance_id), version_id, section_id, end


def _may_be_last(tail: bytes) -> bool:
    """Whether a stream may be over behind its last bytes: at a footer and the end, or a vmdesc."""
    return (tail[-1:] == _END and tail[-6:-5] == _FOOTER) or tail[-1:] == b"}"


def _need(view: memoryview, position: int, size: int) -> None:
    if position + size > len(view):
        raise TruncatedError("the stream goes on", needed=1)


def skippable(choices: Mapping[Key, Choice]) -> list[Key]:
    """The sections that may be left out at the stop."""
    return [key for key, choice in choices.items() if choice.copy is not None and choice.may_skip]
