"""What a device asks of its host when it loads: facts of the destination that no layout and no rule tells.

It hangs on the class of the device (`@device(compares=...)`; `@virtio_device` makes it of the table of features), and
is imported when a stream is held against a destination.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from vmstate.vmsd.data import Data, NamedTuple
from vmstate.vmsd.release import Release


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


class Level(NamedTuple):
    """A number that a source sends where it is not as usual, and that a destination takes up to its own.

    `name` is what QEMU calls it; `usual` gives, for a value that is sent and the machine type, the value of a side that
    sends none.
    """

    name: str
    usual: Callable[[int, str | None], int]


class Identity(NamedTuple):
    """A number of an array by which a destination knows whether the stream is of a device like its own.

    `field` is the array's wire name, `place` that of the number in it, `name` what it is called; `takes` says whether a
    destination of a release (None: the newest) with the second value takes the first. Where the number in the
    subsection `mode` is sent, it is that which the destination must have, as `has_mode` says of it; where it is not
    sent, and the destination is in such a mode itself, nothing is compared.
    """

    field: str
    place: int
    name: str
    takes: Callable[[int, int, Release | None], bool]
    advice: str
    mode: str
    mode_name: str
    has_mode: Callable[[int, int, Release | None], bool]
    mode_advice: str


class WrongObject(NamedTuple):
    """A section that QEMU reads over an object it is not of (a defect of QEMU's), where it is of no bus.

    `ends` says of each release that was tried and ends by it the line that it prints, None where it is ended by a
    signal. `loads` are those that go on; of one that is in both `harmless` decides by the payload. `rightly` are the
    last parts of the idstrs of devices that have a section of the same name, and read it as they should.
    """

    ends: Mapping[Release, str | None]
    loads: frozenset[Release]
    advice: str
    rightly: frozenset[str] = frozenset()
    harmless: Callable[[bytes], bool] | None = None


class Comparison(Data):
    """What a device compares with its host or with its own when it loads, beyond the rules of its description.

    `features` are those that a driver accepts and a host offers. `accidents` are facts that one machine can have so at
    one time and so at another: what a stream of the destination says of them does not decide. `levels` are numbers in
    subsections of their own, by the name of the subsection. `identities` are for sections that only a vmdesc describes.
    `refuses_itself`: up to which release there are machines whose own section QEMU does not load where it has some
    bytes, so that it is judged by its rules even if a destination would send the same. `pointers` are, of what only a
    vmdesc describes, the subsections that are read through a pointer, each with what the destination must have: it has
    that where it sends the subsection itself. `wrong_object` is for sections that no release reads as it should. `ends`
    has the subsections which a device that was never used sends, but where QEMU ends by reading the section, each with
    the line that it prints; that a stream was written before the device was used is known where the machine was
    started, or has a section of the kinds `ends_beside`.
    """

    features: FeatureSet | None = None
    accidents: frozenset[str] = frozenset()
    levels: Mapping[str, Level] = {}
    identities: tuple[Identity, ...] = ()
    refuses_itself: Mapping[bytes, Release] = {}
    pointers: Mapping[str, str] = {}
    wrong_object: WrongObject | None = None
    ends: Mapping[str, str] = {}
    ends_beside: frozenset[str] = frozenset()

    def refuses(self, payload_of: Callable[[], bytes], release: Release | None) -> bool:
        """Whether a device of a release (None: of any) may refuse what it saved itself, the bytes of its section."""
        marks = [mark for mark, last in self.refuses_itself.items() if release is None or release <= last]
        payload = payload_of() if marks else b""
        return any(mark in payload for mark in marks)
