"""What a device asks of its host when it loads: facts of the destination that no layout and no rule tells.

It hangs on the class of the device (`@device(compares=...)`; `@virtio_device` makes it of the table of features), and
is imported when a stream is held against a destination.
"""

from __future__ import annotations

from collections.abc import Mapping

from vmstate.vmsd.data import Data


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


class Comparison(Data):
    """What a destination is asked of a kind of device, beyond the rules that hang on its description.

    `features` are those that a driver accepts and a host offers. `accidents` are facts that one machine can have so at
    one time and so at another: what a stream of the destination says of them does not decide.
    """

    features: FeatureSet | None = None
    accidents: frozenset[str] = frozenset()
