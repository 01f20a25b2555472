"""`Recorder`: a proxy between the two ends of a migration that keeps what they say to each other, all of it.

Each connection is two files of a folder, by its number: what the source said, and what came back. The folder is what
`vmstate.load` takes as the channels of one machine.
"""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO

from vmstate.errors import MachineError
from vmstate.files import reported
from vmstate.qemu.monitor import LIMIT
from vmstate.qemu.proxy import Channel, Proxy

FORTH, BACK = "src2dst", "dst2src"


class Recorder:
    """Listens at `listen_at`, carries connections on to `connect_to`, and keeps them in `folder`, which is made and has
    to be empty. `limit` is how many seconds the first connection may take to come.

    Raises `MachineError` where nothing can listen there, `StreamError` where nothing can be written.
    """

    def __init__(self, listen_at: str, connect_to: str, folder: str | os.PathLike[str], limit: float = LIMIT) -> None:
        self.folder = Path(folder)
        with reported(str(self.folder)):
            self.folder.mkdir(exist_ok=True)
            if any(self.folder.iterdir()):
                raise MachineError("channels are kept in a folder of their own", expected="an empty folder")
        self._files: dict[tuple[int, str], BinaryIO] = {}
        self._proxy = Proxy(listen_at, connect_to, tap=self._keep, limit=limit)
        self.uri = self._proxy.uri

    def run(self) -> list[dict[str, Any]]:
        """Carry one migration; returns what each connection was. Raises `VMStateError`."""
        with ExitStack() as stack:
            stack.callback(self._close)
            with self._proxy:
                self._proxy.run()
            return [
                {
                    "kind": channel.kind,
                    "sent": channel.sent,
                    "returned": channel.returned,
                    "ended": channel.ended,
                    "files": [name for name in (f"ch{number}.{FORTH}", f"ch{number}.{BACK}") if self._has(name)],
                }
                for number, channel in enumerate(self._proxy.channels)
            ]

    def _has(self, name: str) -> bool:
        return (self.folder / name).exists()

    def _keep(self, channel: Channel, is_back: bool, data: memoryview) -> None:
        """Keep what has been said, before it is passed on. Each file is written by one thread."""
        direction = BACK if is_back else FORTH
        number = self._proxy.channels.index(channel)
        path = self.folder / f"ch{number}.{direction}"
        with reported(str(path)):
            file = self._files.get((number, direction))
            if file is None:
                file = self._files[number, direction] = path.open("xb", buffering=0)
            while data:
                data = data[file.write(data) :]

    def _close(self) -> None:
        for file in self._files.values():
            file.close()
