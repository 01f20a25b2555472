"""A migration of one device from a `Source` to a `Destination`, with what happens where either end fails."""

from __future__ import annotations

from vmstate.early.destination import Destination
from vmstate.early.source import Source
from vmstate.errors import VMStateError


def set_up(source: Source, destination: Destination) -> None:
    """Send what is sent while the guest runs. Raises `VMStateError`; the guest runs on at the source then."""
    try:
        for message in source.setup():
            destination.receive(message)
        destination.end_of_setup()
    except VMStateError:
        source.failed()
        raise


def switch_over(source: Source, destination: Destination) -> None:
    """Stop the guest, send the rest, and let it run at the destination.

    Raises `VMStateError` where the destination cannot; the guest runs on at the source then, or, where its memory was
    on the other side already, nowhere.
    """
    source.stop()
    try:
        for message in source.complete():
            destination.receive(message)
        destination.finish()
    except VMStateError:
        source.failed()
        raise
    destination.resume()
    source.completed()


def cancel(source: Source, destination: Destination) -> None:
    """Give up before the guest runs at the destination: it runs on at the source."""
    source.cancel()
    destination.cancel()
