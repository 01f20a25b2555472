"""What the run state says to query-status.

Facts from QEMU's qapi/run-state.json and migration/global_state.c.
"""

from __future__ import annotations

from typing import Any

from vmstate.devices.core.globalstate import RUN_STATES
from vmstate.errors import QueryError
from vmstate.vmsd.question import Ask, Questions


def status(ask: Ask) -> str:
    """The run state before the machine was stopped to be saved. Raises `QueryError` for one that QEMU refuses."""
    text: Any = bytes(ask("runstate")).split(b"\0")[0].decode("ascii", "backslashreplace")
    if text not in RUN_STATES:
        raise QueryError(
            "the run state is none of QEMU's", section=ask.idstr, path="runstate", expected="a RunState", found=text
        )
    return str(text)


GLOBAL_STATE: Questions = {
    "query-status": {"running": lambda ask: status(ask) == "running", "status": status},
}
