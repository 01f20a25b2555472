"""At the other end of a monitor may be any program: what it answers costs one line at most."""

from __future__ import annotations

import json
import socket
import threading
from pathlib import Path
from typing import Any

import pytest

from vmstate.cli import main

GOOD: dict[str, Any] = {
    "qmp_capabilities": {},
    "query-status": {"running": False, "status": "paused"},
    "query-migrate-capabilities": [{"capability": "x-ignore-shared", "state": False}],
    "query-migrate-parameters": {"max-bandwidth": 1, "downtime-limit": 1},
    "query-migrate": {"status": "completed", "ram": {"total": 1, "remaining": 0}},
    "query-memdev": [],
    "query-commands": [],
}


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


ODD: list[Any] = [3, "x", True, None, [], [3], [None], [[]], {}, [{}], {"status": 3}, {"status": {}}, nested(700)]
LINES = [b"garbage\n", b"\xff\n", b"[1]\n", b"3\n", b"[" * 5000 + b"\n", b'{"error": 3}\n']
LINES += [b'{"error": {"desc": []}}\n', b'{"return": ', b""]


class Odd:
    """A monitor that answers one command otherwise than QEMU does."""

    def __init__(self, path: Path, command: str, answer: Any) -> None:
        self.command, self.answer = command, answer
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen()
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self) -> None:
        connection, _ = self.listener.accept()
        with connection, connection.makefile("rwb") as file:
            file.write(b'{"QMP": {"version": {"qemu": {"major": 7, "minor": 2, "micro": 1}}, "capabilities": []}}\n')
            file.flush()
            for line in file:
                request = json.loads(line)
                answer: Any = GOOD.get(request["execute"], {})
                if request["execute"] == self.command or self.command == "all but one":
                    if isinstance(self.answer, bytes):
                        file.write(self.answer)
                        file.flush()
                        return
                    answer = self.answer if request["execute"] != "qmp_capabilities" else {}
                file.write(json.dumps({"return": answer, "id": request["id"]}).encode() + b"\n")
                file.flush()

    def close(self) -> None:
        self.listener.close()
        self.thread.join(5)


@pytest.mark.slow
@pytest.mark.parametrize("command", [*GOOD, "all but one"])
def test_capture_says_one_line(command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number, answer in enumerate([*ODD, *LINES]):
        path = tmp_path / f"qmp{number}"
        monitor = Odd(path, command, answer)
        output = tmp_path / f"out{number}.mig"
        code = main(["capture", "--qmp", str(path), "-o", str(output), "--limit", "0.3"])
        error = capsys.readouterr().err
        # Some answers are of no consequence, and this monitor says that all went well.
        assert (code, error.count("\n")) in ((2, 1), (0, 0)), (answer, error)
        assert "internal error" not in error
        assert len(error) < 5000
        monitor.close()
