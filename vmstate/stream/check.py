"""What QEMU would refuse, or change, when it loads a state: the rules declared beside the fields."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vmstate.errors import DescriptionError
from vmstate.stream.stream import Section, Stream
from vmstate.stream.verify import Finding
from vmstate.vmsd.description import VMStateDescription
from vmstate.vmsd.state import Tracked

if TYPE_CHECKING:
    from vmstate.stream.destination import KnownDestination


def check(subject: Stream | Section | Any, destination: KnownDestination | None = None) -> list[Finding]:
    """The rules of QEMU's that a stream, a section or the state of a declared class breaks.

    Rules that need what only the destination knows are left out where no fact tells it. With a `destination` a whole
    stream (or its bytes, which need not decode) is held against that: an error stands for a load that it refuses.
    """
    if destination is not None:
        return destination.check(subject.to_bytes() if isinstance(subject, Stream) else subject)
    if isinstance(subject, Stream):
        return [finding for section in subject.sections for finding in check(section)]
    if isinstance(subject, Section):
        if subject.vmsd is None:
            return []
        return _findings(subject.vmsd, subject.state, subject.version_id, subject.name, subject.offset)
    if isinstance(subject, Tracked):
        return _findings(type(subject).vmsd, subject, None, None, None)
    raise DescriptionError(f"nothing describes a {type(subject).__name__}: check the section it is of")


def _findings(
    vmsd: VMStateDescription, state: Any, version_id: int | None, section: str | None, offset: int | None
) -> list[Finding]:
    broken = vmsd.codec.check(state, version_id=version_id, facts=None)
    return [Finding(one.rule, "note" if one.mended else "error", section, one.path, offset, one.text) for one in broken]
