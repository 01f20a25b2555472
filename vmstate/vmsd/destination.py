"""What a device holds against its own when it loads: facts of the destination that no layout tells.

A destination compares some of what comes with what it is itself: a number of queues, a size, the features that its
host offers. Such rules are data, beside the device. They hang on the class of the
device (`@device(compares=...)`), and are imported when a stream is held against a destination.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vmstate.vmsd.data import Data
from vmstate.vmsd.release import Release

EQUAL = "equal"
"""What comes must be what the device has."""
NOT_ABOVE = "not-above"
"""What comes must not be more than what the device has."""
IF_SET = "if-set"
"""What is set where it comes from must be set here too."""
AMONG = "among"
"""Each element of what comes must be one of those that the device has."""
NEVER = "never"
"""What no release reads, though some write it."""


SHOWN = 4
"""Elements that are told of a list."""


class DestinationRule(Data):
    """A value that QEMU refuses unless it goes with what the device itself has at the same path.

    `path` is that of the state as the device library has it; `[*]` stands for every element, held against the largest
    of the destination where that has another number of them. `text` says in words what differs, `qemu_error` the line
    that QEMU prints, or None where it prints none of its own; in both `{here}` is the value of the stream, `{there}`
    that of the destination (`among`: the elements that only one of the two has), `{index}` the number of the element.
    `advice` says what to change. QEMU has the rule from release `since` on. What is wrong stands at `place`, where that
    is another path.
    """

    id: str
    path: str
    relation: str
    text: str
    qemu_error: str | None
    advice: str
    since: Release = Release(0, 0)
    place: str | None = None

    def holds(self, here: Any, there: Any) -> bool:
        """Whether a value of the stream goes with that of the destination; None where that has none."""
        match self.relation:
            case "equal":
                return bool(here == there)
            case "not-above":
                return there is None or here is None or bool(here <= there)
            case "if-set":
                return not here or bool(there)
            case "among":
                return set(here) <= set(there)
        return False

    def shown(self, here: Any, there: Any) -> tuple[Any, Any]:
        """Both values as the texts have them."""
        if self.relation != AMONG:
            return here, there
        only = [sorted(set(one) - set(two)) for one, two in ((here, there), (there, here))]
        more = [f" and {len(one) - SHOWN} more" if len(one) > SHOWN else "" for one in only]
        return ", ".join(only[0][:SHOWN]) + more[0], (", ".join(only[1][:SHOWN]) or "none of them") + more[1]


class FeatureSet(Data):
    """Where a state has the features that the driver accepted, and what its bits are called.

    `words` are (path, number of the lowest bit, bits) in the order in which QEMU takes them: a later one replaces an
    earlier one, and one that is not there says nothing. `names` and `properties`: bit -> the name of the feature, and
    that of the device property that offers it. `shown_by`: bit -> the path of what is sent if, and only if, the host
    offers it, whatever the driver accepted.
    """

    words: tuple[tuple[str, int, int], ...]
    names: Mapping[int, str]
    properties: Mapping[int, str]
    shown_by: Mapping[int, str] = {}


class DestinationRules(Data):
    """All that a kind of device compares. `subsections_since`: the first release that knows a subsection.

    `accidents` are facts that one machine can have so at one time and so at another: what a stream of the destination
    says of them does not decide.
    """

    rules: tuple[DestinationRule, ...] = ()
    features: FeatureSet | None = None
    subsections_since: Mapping[str, Release] = {}
    accidents: frozenset[str] = frozenset()
