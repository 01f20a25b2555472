"""`load`: a migration stream from wherever it is kept."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from vmstate.errors import VMStateError
from vmstate.saved.opening import Input, StreamLike, open_input
from vmstate.schema.vmdesc import Vmdesc
from vmstate.stream.stream import Stream, read_stream


def load(
    source: StreamLike | Input,
    *,
    vmdesc: Vmdesc | None = None,
    library: bool = True,
    facts: Mapping[str, Any] | None = None,
    channels: Iterable[str | os.PathLike[str]] = (),
    phases: str | None = None,
) -> Stream:
    """Load a migration stream from a path ("-": standard input), bytes, a binary file, or an opened `Input`.

    Compressed input is known by its magic. `vmdesc` stands in for the stream's own; without `library` the device
    library is not asked. `facts` are what is known of the host that saved, by name. `channels` are files with what else
    was recorded of the migration, or folders of them. `phases`: see `stream.phases`. An unfinished save image is
    read as far as it goes, with an `UnfinishedWarning`. Raises `VMStateError`.
    """
    if phases:
        from vmstate.saved.late import load_phases

        return load_phases(source, phases, vmdesc, library, facts)
    opened = source if isinstance(source, Input) else open_input(source)
    if channels or opened.further:
        from vmstate.saved.channels import load_channels

        return load_channels(opened, channels, load, vmdesc=vmdesc, library=library, facts=facts)
    with closed_by_failure(opened):
        try:
            stream = read_stream(opened, vmdesc=vmdesc, library=library, facts=facts)
        except VMStateError as error:
            opened.check()
            if getattr(opened.container, "is_whole", True):
                raise
            from vmstate.saved.unfinished import what_is_there

            stream = what_is_there(opened, error)
        opened.check()
        return stream


def load_what_is_whole(source: StreamLike | Input) -> Stream:
    """Load a stream that may be cut off: its parts up to there, with the reason in its `cut`. Raises `VMStateError`."""
    opened = source if isinstance(source, Input) else open_input(source)
    if opened.further:
        from vmstate.saved.channels import load_channels

        return load_channels(opened, (), load_what_is_whole)
    with closed_by_failure(opened):
        try:
            stream = read_stream(opened)
            opened.check()
            return stream
        except VMStateError as error:
            opened.check()
            failure = error
        # Few streams are cut off.
        from vmstate.stream.cut import whole_parts

        return whole_parts(opened, failure)


@contextmanager
def closed_by_failure(opened: Input) -> Iterator[None]:
    """Close an input where the body fails, and say in which file it was."""
    try:
        yield
    except VMStateError as error:
        try:
            opened.check()
        finally:
            opened.close()
        raise error.within(file=opened.name) from None
    except BaseException:
        opened.close()
        raise
