"""Whether a device was reset between two states, as far as the states themselves tell.

A guest that resets a device and starts it again can end with the same status, features and filters; only a count of
resets tells for certain. Without one there is evidence: what no running driver changes. None of it proves that there
was no reset.
"""

from __future__ import annotations

from vmstate.early.layout import Ring, RingLayout
from vmstate.vmsd.data import Value

NONE_SEEN, INFERRED, KNOWN = "none-seen", "inferred", "known"


class Evidence(Value):
    """`reset` is none-seen, inferred or known; `reasons` say what it is concluded from."""

    reset: str
    reasons: tuple[str, ...]

    @property
    def is_reset(self) -> bool:
        """Whether the device has to be taken for one that was reset."""
        return self.reset != NONE_SEEN


def evidence_of(early: RingLayout, final: RingLayout, counted_early: int | None, counted_final: int | None) -> Evidence:
    """What two layouts of a device, and two counts of its resets where there are any, say."""
    if counted_early is not None and counted_final is not None:
        if counted_early == counted_final:
            return Evidence(NONE_SEEN, (f"the count of resets is {counted_final} at both moments",))
        return Evidence(KNOWN, (f"the count of resets went from {counted_early} to {counted_final}",))
    reasons = (*_driver_reasons(early, final), *_ring_reasons(early, final))
    if reasons:
        return Evidence(INFERRED, reasons)
    return Evidence(NONE_SEEN, ("no sign of a reset was seen, which does not prove that there was none",))


def moved_queues(early: RingLayout, final: RingLayout) -> tuple[int, ...]:
    """The queues that were set up, and have another size or other addresses now."""
    pairs = enumerate(zip(early.rings, final.rings, strict=False))
    return tuple(number for number, (before, after) in pairs if before.desc and before.place != after.place)


def restarts_explain(early: RingLayout, final: RingLayout) -> bool:
    """Whether restarts of single queues explain the rings that moved.

    Where it may, a driver restarts the queues that carry data one by one, as Linux does to change their size. It
    does not restart its control queue, and where every ring moved the start of a driver is the simpler explanation.
    """
    moved = moved_queues(early, final)
    set_up = [number for number, ring in enumerate(early.rings) if ring.desc]
    return early.can_reset_queues and final.can_reset_queues and early.control not in moved and moved != (*set_up,)


def _driver_reasons(early: RingLayout, final: RingLayout) -> list[str]:
    reasons = []
    if early.features != final.features:
        reasons.append(f"the accepted features went from {early.features:#x} to {final.features:#x}")
    if early.driver_ok and not final.driver_ok:
        reasons.append("the status is below DRIVER_OK")
    return reasons


def _ring_reasons(early: RingLayout, final: RingLayout) -> list[str]:
    reasons = []
    moved = moved_queues(early, final)
    explained = restarts_explain(early, final)
    if moved and not explained:
        reasons.append(f"{_queues_in_words(moved)} other addresses or sizes, and {_why_not(early, final)}")
    for number, (before, after) in enumerate(zip(early.rings, final.rings, strict=False)):
        # The restart of a queue begins with its end: no addresses, and not enabled.
        if before.enabled and not after.enabled and not (number in moved and explained and after.desc == 0):
            reasons.append(f"queue {number} is not enabled any more")
        if number not in moved and before.desc:
            back = _went_back(before, after, packed=final.packed)
            if 0 < back < before.num / 2:
                reasons.append(f"the index of queue {number} went back by {back}")
    return reasons


def _why_not(early: RingLayout, final: RingLayout) -> str:
    if not (early.can_reset_queues and final.can_reset_queues):
        return "RING_RESET was not accepted"
    if early.control in moved_queues(early, final):
        return "a driver that restarts single queues leaves the control queue alone"
    return "these are all queues there are"


def _queues_in_words(numbers: tuple[int, ...]) -> str:
    names = ", ".join(map(str, numbers))
    return f"queue {names} has" if len(numbers) == 1 else f"queues {names} have"


def _went_back(before: Ring, after: Ring, *, packed: bool) -> int:
    """By how many entries an index is behind where it was; most of the range where it went on."""
    if not packed:
        return (before.base - after.base) & 0xFFFF
    return (_avail_place(before) - _avail_place(after)) % (2 * before.num) if before.num else 0


def _avail_place(ring: Ring) -> int:
    """The place of a packed ring's avail index in two rounds: one with each value of the wrap counter."""
    avail = ring.base & 0xFFFF
    return (avail & 0x7FFF) + (0 if avail >> 15 else ring.num)
