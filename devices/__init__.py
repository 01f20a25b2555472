"""The device library shipped with vmstate: descriptions of QEMU's devices."""

from __future__ import annotations

if __name__ != "vmstate.devices":
    # The folder stands at the top of the repository, where Python would find it under its bare name as well.
    raise ImportError(f"the device library is vmstate.devices, not {__name__}", name=__name__)

from vmstate.devices._index import ENTRIES as ENTRIES
from vmstate.devices._index import INDEX as INDEX
from vmstate.lazy import names_on_demand

__getattr__, __dir__ = names_on_demand(
    globals(), {"vmstate.devices._boards": ("BOARDS",), "vmstate.devices._noise": ("NOISE",)}
)
