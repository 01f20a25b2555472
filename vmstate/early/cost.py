"""What a plan costs: figures that others have published, and figures that were measured here, never mixed.

A `Figure` is a number of milliseconds with what it is of and where it is from. `PUBLISHED` and `LAB` are the two sets.
A cost is worked out with one of them: what the set has no figure for is not guessed but named (`Cost.not_counted`). The
machines behind the two are not alike, so only figures of one set can be compared.

`cost_of` prices the operations of a plan. `what_if` builds the plans of a machine that does not exist (so many cards
and queue pairs, such a back end, so many changes a second) with the models of `vmstate.early.backends`, and prices
those.

Published figures: the profile and the vDPA measurements in the threads around RFC v1 of July 2025, the cover letter of
RFC v2 of March 2026 (20260320142015.3856652-1-jonah.palmer@oracle.com), the series of 2022 and 2023 for vDPA and
vhost-user hardware. Figures of the lab: QEMU's own traces and the recorded vhost-user conversations that are in the
repository's fixtures, under TCG, and ioctls on a tap device; there was no /dev/vhost-net and no vDPA device.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from vmstate.early.backends import BACKENDS
from vmstate.early.backends.base import Backend
from vmstate.early.backends.vdpa import VhostVdpa
from vmstate.early.layout import Ring, RingLayout
from vmstate.early.operations import CVQ_COMMANDS, Operation, Phase
from vmstate.errors import VMStateError
from vmstate.vmsd.data import Data, Value


class Figure(Value):
    """A time in milliseconds: its name, what it is of, and where it is from."""

    name: str
    ms: float
    of: str
    source: str


class Figures(Data):
    """A set of figures that belong together."""

    name: str
    figures: tuple[Figure, ...]

    def __getitem__(self, name: str) -> float:
        """The milliseconds of a figure. Raises `KeyError` where the set has none of that name."""
        for figure in self.figures:
            if figure.name == name:
                return figure.ms
        raise KeyError(name)

    def get(self, name: str) -> float | None:
        """The milliseconds of a figure, or None."""
        return next((figure.ms for figure in self.figures if figure.name == name), None)


_V2 = "cover letter of RFC v2, 2026-03-20: 4 queue pairs, 30 runs, local migration"
_PROFILE = "profile in the thread of RFC v1, 2025"
_VDPA = "vhost-vDPA measurements in the thread of RFC v1, 2025: 8 queue pairs, 128 GB"

PUBLISHED = Figures(
    "published",
    (
        Figure("downtime vhost=on baseline", 69.0, "query-migrate downtime, median", _V2),
        Figure("downtime vhost=on early", 60.5, "query-migrate downtime, median", _V2),
        Figure("downtime vhost=on baseline p95", 85.0, "query-migrate downtime, 95th percentile", _V2),
        Figure("downtime vhost=on early p95", 86.0, "query-migrate downtime, 95th percentile", _V2),
        Figure("downtime vhost=off baseline", 55.0, "query-migrate downtime, median", _V2),
        Figure("downtime vhost=off early", 49.0, "query-migrate downtime, median", _V2),
        Figure("downtime vhost=off baseline p95", 69.0, "query-migrate downtime, 95th percentile", _V2),
        Figure("downtime vhost=off early p95", 81.0, "query-migrate downtime, 95th percentile", _V2),
        Figure("probe gap vhost=on baseline", 309.0, "largest gap of a UDP probe, median", _V2),
        Figure("probe gap vhost=on early", 282.5, "largest gap of a UDP probe, median", _V2),
        Figure("probe gap vhost=on baseline p95", 338.0, "largest gap of a UDP probe, 95th percentile", _V2),
        Figure("probe gap vhost=on early p95", 338.0, "largest gap of a UDP probe, 95th percentile", _V2),
        Figure("probe gap vhost=off baseline", 283.5, "largest gap of a UDP probe, median", _V2),
        Figure("probe gap vhost=off early", 252.5, "largest gap of a UDP probe, median", _V2),
        Figure("probe gap vhost=off baseline p95", 310.0, "largest gap of a UDP probe, 95th percentile", _V2),
        Figure("probe gap vhost=off early p95", 301.0, "largest gap of a UDP probe, 95th percentile", _V2),
        Figure("load full", 13.29, "virtio_load of one section", _PROFILE),
        Figure("load virtqueues", 6.83, "of that the 1024 entries of virtio/virtqueues", _PROFILE),
        Figure("load extra_state", 6.33, "of that the 1024 entries of virtio/extra_state", _PROFILE),
        Figure("load minimal", 0.13, "what the two walks leave of it", f"derived: 13.29 - 6.83 - 6.33, {_PROFILE}"),
        Figure(
            "vhost ioctl",
            0.074,
            "an operation of the vhost start that left the downtime: 2.5 ms for 34 of them",
            f"derived: (69.0 - 60.5) - (55.0 - 49.0) over the operations of 8 queues, {_V2}",
        ),
        Figure("vdpa configuration", 249.0, "start and configuration at the destination, median of three", _VDPA),
        Figure("vdpa configuration per pair", 31.1, "the same for each of the 8 pairs", f"derived: 249.0 / 8, {_VDPA}"),
        Figure("vdpa enable", 0.0044, "enabling one data queue", f"derived: 0.071 / 16, {_VDPA}"),
        Figure("vdpa cold start", 26900.0, "first start to the first queue enabled, shadow virtqueues off", _VDPA),
        Figure("vdpa pinning", 200.0, "pinning memory when the machine starts", "the same thread: 39 GB"),
        Figure("vdpa downtime pinned in it", 2252.6, "downtime with pinning in it", "the same thread: 39 GB"),
        Figure("vdpa downtime pinned before", 2094.9, "downtime with pinning before it", "the same thread: 39 GB"),
        Figure(
            "vdpa rss per queue", 7.0, "one update of RSS, for each receive queue", "commit b2e093a2, 2022: 64 queues"
        ),
        Figure("vdpa 64 queues", 800.0, "setting up 64 queues one by one", "commit b2e093a2, 2022"),
        Figure("vdpa 64 queues at once", 250.0, "the same, applied once at DRIVER_OK", "commit b2e093a2, 2022"),
        Figure("vhost-user start", 191.4, "dev_conf of a DPDK back end on hardware", "virtio-net early load, 2023"),
        Figure("vhost-user prepared", 6.6, "the same with an earlier set-up", "virtio-net early load, 2023"),
        Figure("v1 software baseline", 3.2, "one queue pair, no vhost, average", "cover letter of RFC v1, 2025"),
        Figure("v1 software iterative", 1.4, "the same, section sent before", "cover letter of RFC v1, 2025"),
    ),
)
"""What others have published."""

_TRACE = "fixtures/trace: QEMU 11.1, TCG, tap with 4 queue pairs"
_TALK = "fixtures/vhost-user: QEMU 11.1 with passt and qemu-storage-daemon, a recorder between, median"
_TUN = "Linux 6, tap with 4 queues, 200 times each, median"

LAB = Figures(
    "lab",
    (
        Figure("load full", 1.239, "vmstate_downtime_load of the virtio-net section", _TRACE),
        Figure("save full", 0.389, "vmstate_downtime_save of the virtio-net section", _TRACE),
        Figure("vhost-user reply", 0.049, "a message that is answered", _TALK),
        Figure("vhost-user message", 0.026, "a message that is not answered", _TALK),
        Figure("TUNSETQUEUE attach", 0.011, "attaching a queue", _TUN),
        Figure("TUNSETQUEUE detach", 0.072, "detaching a queue", _TUN),
        Figure("TUNSETOFFLOAD", 0.009, "changing the offloads", _TUN),
        Figure("TUNSETVNETHDRSZ", 0.001, "setting the length of the header", _TUN),
    ),
)
"""What was measured here."""

SETS = (PUBLISHED, LAB)

ANSWERED = ("SET_VRING_CALL", "SET_VRING_KICK", "SET_VRING_ENABLE", "SET_MEM_TABLE", "GET_VRING_BASE")
"""The messages of a vhost-user start and stop that QEMU waits for, in the recorded conversations."""


class Cost(Value):
    """Milliseconds of the downtime: `load` the section or the record, `back_end` the operations at the stop.

    `not_counted` are the names of operations for which the set has no figure.
    """

    load: float
    back_end: float
    not_counted: tuple[str, ...] = ()

    @property
    def total(self) -> float:
        """Both."""
        return self.load + self.back_end

    def as_ms(self) -> dict[str, float]:
        """The numbers by name, in milliseconds, to the microsecond."""
        return {"load": round(self.load, 3), "back_end": round(self.back_end, 3), "total": round(self.total, 3)}


def cost_of(
    figures: Figures,
    backend: str,
    operations: Iterable[Operation],
    *,
    full: bool,
    queue_pairs: int,
    share: float = 0.0,
) -> Cost:
    """What a plan costs in the downtime.

    `operations` are those of the plan, of which the ones at the stop count; `full` whether the whole section is loaded;
    `share` how large the record is against the section, for sets without a figure of their own for it.
    """
    back_end, unknown = _priced(
        figures, backend, [operation for operation in operations if operation.phase is Phase.STOP], queue_pairs
    )
    minimal = figures.get("load minimal")
    whole = figures["load full"]
    load = whole if full else (whole * share if minimal is None else minimal)
    return Cost(load, back_end, unknown)


def _priced(
    figures: Figures, backend: str, operations: Sequence[Operation], queue_pairs: int
) -> tuple[float, tuple[str, ...]]:
    """The milliseconds of operations, and the names of those that have no figure."""
    names = [operation.name for operation in operations]
    total = 0.0
    lumped: set[str] = set()
    if figures is PUBLISHED and backend == "vhost-vdpa" and "SET_FEATURES" in names:
        # The published time is that of the whole start, the commands of the control queue included.
        total += figures["vdpa configuration per pair"] * queue_pairs
        lumped = {*names} - {"SET_VRING_ENABLE"}
    if figures is PUBLISHED and backend == "vhost-user" and names:
        total += figures["vhost-user start" if "SET_VRING_NUM" in names else "vhost-user prepared"]
        lumped = {*names}
    unknown: dict[str, None] = {}
    for operation in operations:
        if operation.name in lumped:
            continue
        price = _price(figures, backend, operation, queue_pairs)
        if price is None:
            unknown[operation.name] = None
        else:
            total += price
    return total, tuple(unknown)


def _price(figures: Figures, backend: str, operation: Operation, queue_pairs: int) -> float | None:
    name = operation.name
    if name.startswith("TUNSET"):
        return figures.get(f"{name} {operation.value}" if name == "TUNSETQUEUE" else name)
    match backend:
        case "vhost-net":
            return figures.get("vhost ioctl")
        case "vhost-user":
            return figures.get("vhost-user reply" if name in ANSWERED else "vhost-user message")
        case "vhost-vdpa" if name == "SET_VRING_ENABLE":
            return figures.get("vdpa enable")
        case "vhost-vdpa" if name in ("RSS_CONFIG", "HASH_CONFIG", "VQ_PAIRS_SET"):
            rss = figures.get("vdpa rss per queue")
            return None if rss is None else rss * queue_pairs
    return None


# -------------------------------------------------------------------------------------------------------------------
# What if


CHANGING_COMMANDS = (
    "MAC_ADDR_SET",
    "MAC_TABLE_SET",
    "ALLMULTI",
    "VLAN_ADD",
    "VQ_PAIRS_SET",
    "RSS_CONFIG",
    "GUEST_OFFLOADS_SET",
)
"""What sends a setting that a guest changed, one command for each; all are as likely."""

QUEUE_MAX = 1024
"""VIRTIO_QUEUE_MAX, the length of the arrays in the section."""
SECTION_BYTES = 16 * QUEUE_MAX + 28 * QUEUE_MAX
"""The fixed arrays of the section, whatever the number of queues: 45,056 bytes."""

MOST_PAIRS = (QUEUE_MAX - 1) // 2
"""As many as leave a queue for the control queue."""


class Question(Value):
    """A machine, and what its guests do between the early save and the stop.

    `nics` cards with `queue_pairs` each; changes of a setting and resets of the device in a second and for each card;
    `seconds` between the early save and the stop.
    """

    queue_pairs: int = 4
    nics: int = 1
    backend: str = "vhost-net"
    change_rate: float = 0.0
    reset_rate: float = 0.0
    seconds: float = 10.0

    def check(self) -> None:
        """Raise `VMStateError` for a question that no machine answers to."""
        whole = (("queue pairs", self.queue_pairs, MOST_PAIRS), ("NICs", self.nics, QUEUE_MAX))
        for name, value, most in whole:
            if not 1 <= value <= most:
                raise VMStateError(f"a number of {name} that no machine has", expected=f"1 to {most}", found=str(value))
        for name, rate in (("changes", self.change_rate), ("resets", self.reset_rate), ("seconds", self.seconds)):
            if not (math.isfinite(rate) and rate >= 0):
                raise VMStateError(f"{name}: not a number that can be", expected="0 or more", found=str(rate))
        if self.backend not in BACKENDS:
            raise VMStateError("no such back end", expected=", ".join(BACKENDS), found=self.backend)


class PolicyCost(Value):
    """What a policy costs with one set of figures, in milliseconds for all cards together.

    `full_probability` is how likely a card needs the full reload. `baseline` is the downtime without early migration,
    `minimal` that of the short path without a change, `full` that of the full reload behind an early start; `expected`
    is weighed by how likely each is. All are the parts that virtio-net has in the downtime, not the whole of it.
    `setup` is what the early load and the early start take while the guest runs: no memory is received meanwhile.
    """

    policy: str
    figures: str
    full_probability: float
    baseline: float
    minimal: float
    full: float
    expected: float
    setup: float
    not_counted: tuple[str, ...]


def record_bytes(queue_pairs: int) -> int:
    """How long the record without change is, about: indices, isr and selectors, tx_waiting, MSI-X, PCI registers."""
    queues = 2 * queue_pairs + 1
    vectors = queues + 1
    return 2 * queues + 11 + 4 * queue_pairs + 16 * vectors + math.ceil(vectors / 8) + 64


def example(queue_pairs: int) -> RingLayout:
    """A card with so many queue pairs in use and a control queue; the addresses are those of no machine."""
    rings = tuple(
        Ring(num=256, desc=0x100000 + 0x3000 * queue, avail=0x101000 + 0x3000 * queue, used=0x102000 + 0x3000 * queue)
        for queue in range(2 * queue_pairs + 1)
    )
    return RingLayout(features=1 << 32, rings=rings, data=tuple(range(2 * queue_pairs)), control=2 * queue_pairs)


def what_if(question: Question, sets: Sequence[Figures] = SETS) -> tuple[PolicyCost, ...]:
    """What both policies cost, with each set of figures. Raises `VMStateError` for an impossible question."""
    question.check()
    return tuple(_answer(question, policy, figures) for figures in sets for policy in ("per-item", "rfc-v2"))


def _answer(question: Question, policy: str, figures: Figures) -> PolicyCost:
    layout = example(question.queue_pairs)
    share = record_bytes(question.queue_pairs) / SECTION_BYTES
    settings = _control_commands(question)

    def price(operations: Iterable[Operation], *, full: bool) -> Cost:
        return cost_of(figures, question.backend, operations, full=full, queue_pairs=question.queue_pairs, share=share)

    begun = _opened_backend(question)
    early = [operation.replace(phase=Phase.STOP) for operation in begun.early_start(layout, settings)]
    setup = price(early, full=True)
    cold = price(_opened_backend(question).finish(layout, settings), full=True)
    warm = _opened_backend(question)
    warm.run(warm.early_start(layout, settings))
    minimal = price(warm.finish(layout), full=False)
    stopping = warm.stop()
    warm.run(stopping)
    reload = price((*stopping, *warm.finish(layout, settings)), full=True)
    # Changes come by themselves: the time to the next has no memory.
    changed = 1 - math.exp(-question.change_rate * question.seconds)
    reset = 1 - math.exp(-question.reset_rate * question.seconds)
    likely = reset if policy == "per-item" else 1 - (1 - changed) * (1 - reset)
    late, unknown = _late_commands(question, figures) if policy == "per-item" else (0.0, ())
    expected = likely * reload.total + (1 - likely) * (minimal.total + late)
    not_counted = tuple(
        dict.fromkeys((*setup.not_counted, *cold.not_counted, *minimal.not_counted, *reload.not_counted, *unknown))
    )
    each = question.nics
    return PolicyCost(
        policy,
        figures.name,
        likely,
        each * cold.total,
        each * minimal.total,
        each * reload.total,
        each * expected,
        each * setup.total,
        not_counted,
    )


def _opened_backend(question: Question) -> Backend:
    return BACKENDS[question.backend]().open()


def _control_commands(question: Question) -> tuple[Operation, ...]:
    """What a start sends through the control queue where everything is set."""
    if not issubclass(BACKENDS[question.backend], VhostVdpa):
        return ()
    rss = (1, 0, tuple(range(question.queue_pairs)), question.queue_pairs, "")
    return tuple(
        Operation(name, value=rss if name == "RSS_CONFIG" else 1)
        for name in CVQ_COMMANDS
        if name not in ("HASH_CONFIG", "VLAN_DEL")
    )


def _late_commands(question: Question, figures: Figures) -> tuple[float, tuple[str, ...]]:
    """What sending the settings that changed is expected to cost, and which commands have no figure."""
    if question.backend != "vhost-vdpa" or not question.change_rate:
        return 0.0, ()
    likely = 1 - math.exp(-question.change_rate * question.seconds / len(CHANGING_COMMANDS))
    prices = {
        name: _price(figures, question.backend, Operation(name), question.queue_pairs) for name in CHANGING_COMMANDS
    }
    known = sum(price for price in prices.values() if price is not None)
    return likely * known, tuple(name for name, price in prices.items() if price is None)
