"""What QEMU's load leaves behind when it is done on top of another load.

A description is read into a live object. What the stream does not have is not touched: a subsection that is absent, a
field whose condition does not hold. After one load that is right, for the object was as a reset leaves it. After an
early load it keeps early values: scaling that the guest has switched off since, a device that was broken and has been
reset, ring sizes that were given back. So the early state is cleared before a full reload.
"""

from __future__ import annotations

from typing import Any

from vmstate.early.items import ItemTable
from vmstate.vmsd.data import Data
from vmstate.vmsd.description import VMStateDescription, state_keys


class LoadResult(Data):
    """The state of an object after a load: `stale` are the paths that kept an earlier value, `leaked` the arrays whose
    earlier memory nobody frees any more."""

    state: Any
    stale: tuple[str, ...]
    leaked: tuple[str, ...]


def load_over(held: Any, read: Any, table: ItemTable) -> LoadResult:
    """Load `read`, a state as the bytes say it, into an object that has the state `held`.

    `held` is None for an object that is as a reset leaves it. `read` is changed, and becomes the result.
    """
    stale: list[str] = []
    leaked: list[str] = []
    if held is not None:
        _load_struct_over(held, read, "", table, stale, leaked)
    return LoadResult(read, tuple(stale), tuple(leaked))


def _load_struct_over(held: Any, read: Any, path: str, table: ItemTable, stale: list[str], leaked: list[str]) -> None:
    vmsd = type(read).vmsd
    for name in state_keys(vmsd):
        was, now = getattr(held, name, None), getattr(read, name, None)
        here = f"{path}.{name}" if path else name
        if was is None or name in table.set_by_load:
            continue
        if now is None:
            setattr(read, name, was)
            stale.append(here)
        elif name in table.allocated:
            leaked.append(here)
        elif isinstance(getattr(type(now), "vmsd", None), VMStateDescription) and type(now) is type(was):
            _load_struct_over(was, now, here, table, stale, leaked)
