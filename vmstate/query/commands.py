"""The commands: QMP's names, the arguments they take, and how an answer is put together.

Facts from QEMU's qapi/net.json, qapi/virtio.json, qapi/pci.json and qapi/run-state.json.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from vmstate.errors import QueryError
from vmstate.query.ask import Inquiry
from vmstate.query.pci import query_pci
from vmstate.vmsd.data import Data

UINT16_MAX = 0xFFFF


class Argument(Data):
    """An argument: its name, its type as QMP has it, and whether the command cannot do without."""

    name: str
    type: str
    needed: bool = False


class QmpCommand(Data):
    """A command: what it answers with, and what it takes."""

    answer: Callable[[Inquiry], Any]
    arguments: tuple[Argument, ...] = ()


def query_rx_filter(inquiry: Inquiry) -> Any:
    """[RxFilterInfo], of all network cards that tell, or of the one that is named."""
    name = inquiry.arguments.get("name")
    subjects = inquiry.able() if name is None else [inquiry.the_one(name, "device that supports rx-filter querying")]
    return inquiry.answers(subjects)


def query_virtio(inquiry: Inquiry) -> Any:
    """[VirtioInfo]."""
    subjects = inquiry.able()
    if not subjects:
        raise QueryError("No virtio devices found")
    return inquiry.answers(subjects)


def query_virtio_device(inquiry: Inquiry) -> Any:
    """VirtioStatus or VirtQueueStatus."""
    return inquiry.answer(inquiry.the_one(inquiry.arguments.get("path"), "virtio device"))


def query_status(inquiry: Inquiry) -> Any:
    """StatusInfo."""
    return inquiry.answer(inquiry.the_one(None, "globalstate"))


PATH = Argument("path", "str")

COMMANDS: Mapping[str, QmpCommand] = {
    "query-pci": QmpCommand(query_pci),
    "query-rx-filter": QmpCommand(query_rx_filter, (Argument("name", "str"),)),
    "query-status": QmpCommand(query_status),
    "x-query-virtio": QmpCommand(query_virtio),
    "x-query-virtio-queue-status": QmpCommand(query_virtio_device, (PATH, Argument("queue", "uint16", needed=True))),
    "x-query-virtio-status": QmpCommand(query_virtio_device, (PATH,)),
}
"""The commands that there are."""


def checked(command: str, known: QmpCommand, given: Mapping[str, Any]) -> Mapping[str, Any]:
    """The arguments, if they are what the command takes. Raises `QueryError`."""
    if not isinstance(given, Mapping):
        raise QueryError(f"{command}: the arguments are no object", found=type(given).__name__)
    types = {argument.name: argument.type for argument in known.arguments}
    for name, value in given.items():
        if name not in types:
            takes = ", ".join(types) or "none"
            raise QueryError(f"{command} has no argument {name!r}", expected=takes)
        if not fits(value, types[name]):
            raise QueryError(f"{command}: {name!r} is not what it should be", expected=types[name], found=repr(value))
    for argument in known.arguments:
        if argument.needed and argument.name not in given:
            raise QueryError(f"{command} needs the argument {argument.name!r}", expected=argument.type)
    return given


def fits(value: Any, qmp_type: str) -> bool:
    """Whether a value is of a type of QMP's."""
    if qmp_type == "str":
        return isinstance(value, str)
    return type(value) is int and 0 <= value <= UINT16_MAX
