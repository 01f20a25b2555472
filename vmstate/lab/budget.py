"""Where the time goes when a destination loads its devices, and what early copies take of it, on real QEMU.

    for measured in Budget(guest_in(".guest")).run(set_ups(pairs=(1, 4, 16, 64), cards=(1, 4, 8))):
        print(measured.set_up.name, measured.way, measured.total("stop"))

For each set-up a guest boots once and is saved. Its stream is then loaded into a QEMU that was started for it, many
times, in each of the ways by turns: as it is, and with the bytes that a relay would have sent
(`vmstate.early.forward`). QEMU's trace says when each section began and ended, and how often the memory topology was
made anew in between: that is what is dear, and whoever comes first pays for it. Nothing is migrated, so what is
measured is the load alone. Beside the median stands the least of the runs, which is what a load takes where nobody else
wants the processor.

What a transaction of memory regions around the whole load would save (a series of 2022 and 2023 on QEMU's list) cannot
be measured without a patch. `one_transaction` says what follows from these figures: what an update costs, by least
squares over the devices, times all updates but one.
"""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from statistics import linear_regression, median
from typing import Any

from vmstate.early.copies import choose
from vmstate.early.forward import Forward
from vmstate.errors import MachineError
from vmstate.lab.cards import card_words
from vmstate.lab.guest import READY, Guest
from vmstate.lab.network import OwnNetwork
from vmstate.lab.statistics import median_interval, summary
from vmstate.lab.trace import SectionLoad, load_trace_words, section_loads
from vmstate.qemu.capture import capture_started
from vmstate.qemu.machine import Machine, Qemu, find_qemu
from vmstate.rules.edit import set_value
from vmstate.saved.loading import load
from vmstate.stream.registry import last_part
from vmstate.stream.stream import Stream
from vmstate.vmsd.data import Data, Value

PROGRAM = "qemu-system-x86_64"
CARD = "virtio-net"
BASE, CARD_ALONE, INSERT, REVERSED, SKIP = "base", "card-alone", "insert", "reversed", "skip"

WAYS = {
    BASE: "the stream as it is",
    CARD_ALONE: "early copies of the cards alone",
    INSERT: "early copies of all devices that stand one, in the stream's order",
    REVERSED: "the same copies, the last first",
    SKIP: "early copies, and at the stop only what a relay does not leave out",
}
"""How a stream is loaded, by name."""

PER_PAIR = 2
"""MiB more that a guest has for each queue pair beyond four."""

VHOST_NET = "/dev/vhost-net"


class SetUp(Value):
    """A machine whose load is measured: its cards, what the guest does first, what is put into the stream.

    `values` are (path in the card's section, value) pairs. With `is_tap` False the network is QEMU's user network.
    """

    name: str
    pairs: int = 4
    cards: int = 1
    vectors: int | None = None
    is_tap: bool = True
    netdev: str = ""
    device: str = ""
    lines: tuple[str, ...] = ()
    values: tuple[tuple[str, Any], ...] = ()

    @property
    def is_plain(self) -> bool:
        """Whether it differs from the first by its pairs or cards alone."""
        return self == SetUp(self.name, pairs=self.pairs, cards=self.cards)


def set_ups(pairs: Sequence[int] = (1, 4, 16, 64), cards: Sequence[int] = (1, 4, 8)) -> list[SetUp]:
    """What is measured: so many queue pairs on one card, so many cards with 4 pairs, and one difference each from one
    card with 4 pairs. Raises `MachineError` for numbers that no machine has.
    """
    if not all(1 <= number <= 64 for number in pairs) or not all(1 <= number <= 16 for number in cards):
        raise MachineError("no such machine", expected="1 to 64 queue pairs, 1 to 16 cards", found=f"{pairs}, {cards}")
    chosen = [SetUp("4 pairs")]
    chosen += [SetUp(f"{number} pairs" if number > 1 else "1 pair", pairs=number) for number in pairs if number != 4]
    chosen += [SetUp(f"{number} cards", cards=number) for number in cards if number > 1]
    macs = [bytes([0x02, 0, 0, 0, 0, number]) for number in range(64)]
    chosen += [
        SetUp("3 vectors", vectors=3),
        SetUp("full MAC table", values=(("virtio.net.mac_table", macs),)),
        SetUp("all VLANs", values=(("virtio.net.vlans", [0xFFFFFFFF] * 128),)),
        SetUp("RSS", device="rss=on,hash=on", lines=("ethtool -X eth0 equal 2",)),
        SetUp("user network", pairs=1, is_tap=False),
    ]
    if os.access(VHOST_NET, os.R_OK | os.W_OK):
        chosen.append(SetUp("vhost-net", netdev="vhost=on"))
    return chosen


class Measured(Data):
    """The loads of a set-up in one way: for each run the sections in the order in which they were loaded."""

    set_up: SetUp
    way: str
    qemu_version: str
    argv: tuple[str, ...]
    runs: tuple[tuple[SectionLoad, ...], ...]

    def total(self, of: Callable[[SectionLoad], bool]) -> list[float]:
        """Microseconds of the sections for which `of` holds, a sum for each run."""
        return [round(sum(section.microseconds for section in run if of(section)), 1) for run in self.runs]

    def counts(self, *, early: bool) -> tuple[int, int]:
        """Views and updates of the memory topology in the loads early, or at the stop; medians of the runs."""
        chosen = [[section for section in run if section.is_early is early] for run in self.runs]
        views = median(sum(section.views for section in run) for run in chosen)
        updates = median(sum(section.updates for section in run) for run in chosen)
        return int(views), int(updates)

    def devices(self) -> list[dict[str, Any]]:
        """A row for each section, the dearest at the stop first: microseconds and updates, early and at the stop."""
        rows: dict[tuple[str, int], dict[str, Any]] = {}
        for run in self.runs:
            for section in run:
                key = (section.idstr, section.instance_id)
                row = rows.setdefault(key, {"stop": [], "early": [], "stop_updates": 0, "early_updates": 0})
                when = "early" if section.is_early else "stop"
                row[when].append(section.microseconds)
                row[f"{when}_updates"] = max(row[f"{when}_updates"], section.updates)
        shown = [
            {
                "idstr": idstr,
                "instance_id": instance_id,
                "stop_us": _told(row["stop"]),
                "early_us": _told(row["early"]),
                "stop_updates": row["stop_updates"],
                "early_updates": row["early_updates"],
            }
            for (idstr, instance_id), row in rows.items()
        ]
        return sorted(shown, key=lambda row: -row["stop_us"].get("median", 0))

    def as_dict(self) -> dict[str, Any]:
        """The figures as JSON values, microseconds."""
        at_stop, early, of_cards = (self.total(of) for of in (is_at_stop, is_early, is_card_at_stop))
        figures = {
            "set_up": {**self.set_up.as_dict(), "values": [path for path, _ in self.set_up.values]},
            "is_plain": self.set_up.is_plain,
            "way": self.way,
            "qemu_version": self.qemu_version,
            "argv": list(self.argv),
            "runs": len(self.runs),
        }
        for name, values in (("stop", at_stop), ("cards_at_stop", of_cards), ("early", early)):
            figures[f"{name}_us"] = _told(values)
            figures[f"{name}_interval_us"] = median_interval(values)
        for name, is_early_count in (("stop", False), ("early", True)):
            views, updates = self.counts(early=is_early_count)
            figures |= {f"{name}_views": views, f"{name}_updates": updates}
        return figures | {"devices": self.devices()}


def is_at_stop(section: SectionLoad) -> bool:
    """A load behind the last of RAM, for which the guest waits."""
    return not section.is_early


def is_early(section: SectionLoad) -> bool:
    """A load in front of the last of RAM."""
    return section.is_early


def is_card_at_stop(section: SectionLoad) -> bool:
    """The load of a card for which the guest waits."""
    return not section.is_early and last_part(section.idstr) == CARD


class Transaction(Value):
    """What one transaction of memory regions around the whole load would leave, in microseconds, worked out.

    `update` is what an update of the topology costs, `updates` how many there are at the stop, `now` all loads at the
    stop, `expected` what would be left of them with one update. All are of the least times.
    """

    update: float
    updates: int
    now: float
    expected: float


def one_transaction(measured: Measured) -> Transaction | None:
    """What follows for one transaction from a set-up's figures; None where updates and time do not go together."""
    points = [(row["stop_updates"], row["stop_us"]["least"]) for row in measured.devices() if row["stop_us"]]
    if len({updates for updates, _ in points}) < 2:
        return None
    slope = linear_regression(*zip(*points, strict=True)).slope
    _, updates = measured.counts(early=False)
    now = min(measured.total(is_at_stop))
    if slope <= 0:
        return None
    return Transaction(round(slope, 1), updates, now, round(max(0.0, now - slope * (updates - 1)), 1))


class Marginal(Value):
    """What one difference of a set-up adds to the loads at the stop, in microseconds, by the least times.

    `whole` is the difference to the first set-up, `each` that for each of so many more pairs or cards.
    """

    set_up: str
    way: str
    whole: float
    more: int

    @property
    def each(self) -> float:
        """Microseconds for each pair or card more; all of it where there are no more of either."""
        return round(self.whole / self.more, 1) if self.more else self.whole


def marginal(first: Measured, measured: Measured) -> Marginal:
    """What a set-up takes more than the first one, in the same way."""
    more = 0
    if measured.set_up.is_plain:
        more = measured.set_up.pairs - first.set_up.pairs or measured.set_up.cards - first.set_up.cards
    whole = round(min(measured.total(is_at_stop)) - min(first.total(is_at_stop)), 1)
    return Marginal(measured.set_up.name, measured.way, whole, more)


def _told(values: Sequence[float]) -> dict[str, float]:
    return {**summary(values), "least": min(values)} if values else {}


class Budget:
    """A guest and a QEMU whose loads are measured.

    `guest` is that of `vmstate.lab.guest`; `root` a system with another QEMU; `machine` the value of -M. `limit` are
    seconds for each step. The guest boots under `accel`, and is loaded under `load_accel` where that is another: what
    is loaded does not run, so KVM can be measured where it opens and yet no guest comes up under it. Raises
    `MachineError`.
    """

    def __init__(
        self,
        guest: Guest | None,
        *,
        program: str = PROGRAM,
        root: str | None = None,
        machine: str = "q35",
        accel: str = "tcg",
        load_accel: str | None = None,
        memory: int = 96,
        limit: float = 60.0,
    ) -> None:
        if guest is None:
            raise MachineError("there is no guest: python -m vmstate.lab.guest FOLDER makes one, on Debian")
        self.guest = guest
        self.program = program
        self.qemu = find_qemu(program, root)
        self.machine = machine
        self.accel = accel
        self.load_accel = load_accel or accel
        self.memory = memory
        self.limit = limit

    def run(
        self, chosen: Iterable[SetUp], runs: int = 20, ways: Sequence[str] = tuple(WAYS)
    ) -> Iterator[list[Measured]]:
        """Measure each set-up: its ways, `runs` loads of each in turn. Raises `VMStateError`."""
        if runs < 1 or not ways or any(way not in WAYS for way in ways):
            raise MachineError("nothing to measure", expected=f"1 run or more, {', '.join(WAYS)}", found=f"{runs}")
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="vmstate-budget-")))
            network: OwnNetwork | None = None
            for set_up in chosen:
                if set_up.is_tap and network is None:
                    network = stack.enter_context(OwnNetwork(limit=self.limit))
                yield self._measure(set_up, network if set_up.is_tap else None, folder, runs, ways)

    def _measure(
        self, set_up: SetUp, network: OwnNetwork | None, folder: Path, runs: int, ways: Sequence[str]
    ) -> list[Measured]:
        argv = self._argv(set_up, network, self.accel)
        qemu = self.qemu if network is None else Qemu(network.inside(self.qemu.command), self.qemu.environment)
        path = folder / "saved.mig"
        known = capture_started(
            path, argv, qemu=qemu, until=READY, lines=("sleep 1; true", *set_up.lines), limit=self.limit
        )
        with load(path) as stream:
            card = next(section for section in stream.sections if last_part(section.name) == CARD)
            for place, value in set_up.values:
                set_value(stream, f"{card.name}.{place}", value)
            streams = {way: stream_of_way(stream, way) for way in ways}
        argv = self._argv(set_up, network, self.load_accel)
        loads: dict[str, list[tuple[SectionLoad, ...]]] = {way: [] for way in ways}
        for _ in range(runs):
            for way, data in streams.items():
                loads[way].append(self._load(argv, qemu, data, folder / "trace"))
        version = str(known["qemu_version"])
        return [Measured(set_up, way, version, tuple(argv), tuple(loads[way])) for way in ways]

    def _argv(self, set_up: SetUp, network: OwnNetwork | None, accel: str) -> list[str]:
        kernel = [*self.guest.words[:-1], f"{self.guest.words[-1]} ipv6.disable=1"]
        # The driver fills every ring with buffers, and a guest that runs out of memory does not boot.
        memory = self.memory + PER_PAIR * max(0, set_up.pairs * set_up.cards - 4)
        machine = ["-M", self.machine, "-accel", accel, "-nodefaults", "-vga", "none", "-m", str(memory)]
        cards = card_words(
            set_up.cards, set_up.pairs, network, netdev=set_up.netdev, device=set_up.device, vectors=set_up.vectors
        )
        return [self.program, *machine, "-smp", "2", *cards, *kernel]

    def _load(self, argv: Sequence[str], qemu: Qemu, data: bytes, trace: Path) -> tuple[SectionLoad, ...]:
        """Load a stream into a QEMU that is started for it, and ended when it has it; its guest does not run."""
        with suppress(FileNotFoundError):
            trace.unlink()
        reading, writing = os.pipe()
        words = [*argv, *load_trace_words(str(trace)), "-S", "-incoming", "defer"]
        with ExitStack() as stack:
            failing = stack.enter_context(ExitStack())
            failing.callback(os.close, writing)
            try:
                machine = stack.enter_context(
                    Machine(words, qemu=qemu, console=True, descriptors=[reading], limit=self.limit)
                )
            finally:
                os.close(reading)
            machine.ask("migrate-incoming", {"uri": f"fd:{reading}"})
            failing.pop_all()
            threading.Thread(target=_write, args=(writing, data), daemon=True).start()
            machine.monitor.until("query-status", [("status", "paused"), ("status", "prelaunch")])
        loads = section_loads(trace.read_text(errors="replace")) if trace.exists() else []
        if not loads:
            raise MachineError("this QEMU writes no trace of its loads: it was built without the trace backend `log`")
        return tuple(loads)


def stream_of_way(stream: Stream, way: str) -> bytes:
    """The bytes that a destination gets of a stream in one of `WAYS`."""
    data = stream.to_bytes()
    if way == BASE:
        return data
    choices = [*choose(stream.sections, f"*{CARD}" if way == CARD_ALONE else "*")]
    if way == REVERSED:
        choices.reverse()
    forward = Forward(choices, skip=way == SKIP)
    return b"".join(bytes(piece) for piece in (*forward.push(data), *forward.finish()))


def _write(descriptor: int, data: bytes) -> None:
    # A destination that refuses the stream reads no further.
    with suppress(BrokenPipeError), os.fdopen(descriptor, "wb") as pipe:
        pipe.write(data)
