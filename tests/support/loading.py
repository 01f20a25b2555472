"""A stream loaded into a real QEMU whose guest does not run then, and what is there afterwards."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from contextlib import suppress

from machines import qemu_of

import vmstate
from vmstate.qemu.live import live_state
from vmstate.qemu.machine import Machine


def loaded_state(
    words: Sequence[str], root: str | None, data: bytes, *, reset: bool = False
) -> dict[tuple[str, int], bytes]:
    """The device sections of a machine (`words` have -S) that has loaded a stream, and been reset since."""
    reading, writing = os.pipe()
    with Machine([*words, "-incoming", "defer"], qemu=qemu_of(root), descriptors=[reading]) as machine:
        os.close(reading)
        machine.ask("migrate-incoming", {"uri": f"fd:{reading}"})

        def write() -> None:
            with suppress(BrokenPipeError), os.fdopen(writing, "wb") as pipe:
                pipe.write(data)

        threading.Thread(target=write, daemon=True).start()
        machine.monitor.until("query-status", [("status", "paused"), ("status", "prelaunch")])
        if reset:
            machine.ask("system_reset")
            while machine.monitor.next_event(10)["event"] != "RESET":
                pass
        loaded = live_state(machine.monitor).data
    with vmstate.load(loaded) as stream:
        return {(section.name, section.instance_id): section.payload() for section in stream.sections}
