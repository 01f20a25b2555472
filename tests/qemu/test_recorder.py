"""Every channel of a migration kept, by a proxy that stands between its ends."""

from __future__ import annotations

import json
import socket
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from saved_files import plain

from vmstate import load
from vmstate.cli import main
from vmstate.errors import MachineError, VMStateError
from vmstate.qemu import proxy
from vmstate.qemu.recorder import Recorder

CHANNELS = [f"multifd-7.2.ch{number}" for number in range(3)]


def destination(listener: socket.socket, count: int, received: list[bytes]) -> None:
    """Take connections one after the other, say a word on each, and take all that comes."""
    connections = [listener.accept()[0] for _ in range(count)]
    for connection in connections:
        connection.sendall(b"\0\1\0\4back")
        parts = []
        while part := connection.recv(1 << 16):
            parts.append(part)
        received.append(b"".join(parts))
        connection.close()


def migrate(listening: Path, contents: list[bytes]) -> None:
    """What a source does: a connection for each channel."""
    sides = []
    for _ in contents:
        side = socket.socket(socket.AF_UNIX)
        side.connect(str(listening))
        sides.append(side)
    for side, content in zip(sides, contents, strict=True):
        side.sendall(content)
        side.shutdown(socket.SHUT_WR)
    for side in sides:
        while side.recv(64):
            pass
        side.close()


@pytest.mark.parametrize("delay", [0, 0.02])
def test_what_both_sides_say_is_kept_and_is_one_machine(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, delay: float
) -> None:
    begin = threading.Thread.start

    def start(thread: threading.Thread) -> None:
        time.sleep(delay)
        begin(thread)

    monkeypatch.setattr(threading.Thread, "start", start)
    contents = [plain(name) for name in CHANNELS]
    received: list[bytes] = []
    with proxy.listen(str(tmp_path / "in"), backlog=8) as listener:
        there = threading.Thread(target=destination, args=(listener, 3, received), daemon=True)
        there.start()
        folder = tmp_path / "kept"
        words = ["--listen", f"unix:{tmp_path / 'at'}", "--to", f"unix:{tmp_path / 'in'}"]
        codes: list[int] = []
        command = ["capture", "--channels", str(folder), *words, "--limit", "20", "--format", "json"]
        recording = threading.Thread(target=lambda: codes.append(main(command)), daemon=True)
        recording.start()
        while not (tmp_path / "at").exists():
            recording.join(0.02)
        migrate(tmp_path / "at", contents)
        recording.join(20)
        there.join(20)
    assert codes == [0]
    assert received == contents
    assert [(folder / f"ch{number}.src2dst").read_bytes() for number in range(3)] == contents
    assert (folder / "ch0.dst2src").read_bytes() == b"\0\1\0\4back"
    told = json.loads(capsys.readouterr().out)["channels"]
    assert [channel["kind"] for channel in told] == ["migration", "multifd", "multifd"]
    assert [channel["sent"] for channel in told] == list(map(len, contents))
    assert main(["ram", str(folder), "-o", str(tmp_path / "raw")]) == 0
    further = [folder / f"ch{number}.src2dst" for number in (1, 2)]
    with load(folder / "ch0.src2dst", channels=further) as stream:
        assert stream.memory().read(0x102000, 9) == b"page    2"


def test_a_channel_that_is_taken_while_all_others_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its other end has it already, and may have ended the others: it is waited for."""
    connect = proxy.connect
    taken: list[socket.socket] = []

    def late(*place: Any) -> socket.socket:
        taken.append(connect(*place))
        time.sleep(0.3 if len(taken) == 3 else 0)
        return taken[-1]

    monkeypatch.setattr(proxy, "connect", late)
    contents = [plain(name) for name in CHANNELS]
    received: list[bytes] = []
    with proxy.listen(str(tmp_path / "in"), backlog=8) as listener:
        threading.Thread(target=destination, args=(listener, 3, received), daemon=True).start()
        with proxy.Proxy(f"unix:{tmp_path / 'at'}", f"unix:{tmp_path / 'in'}", limit=20) as between:
            threading.Thread(target=migrate, args=(tmp_path / "at", contents[:2]), daemon=True).start()

            def last() -> None:
                time.sleep(0.1)
                with socket.socket(socket.AF_UNIX) as side:
                    side.connect(str(tmp_path / "at"))
                    time.sleep(0.6)
                    side.sendall(contents[2])
                    side.shutdown(socket.SHUT_WR)
                    while side.recv(64):
                        pass

            threading.Thread(target=last, daemon=True).start()
            between.run()
            assert received == contents


def test_what_cannot_be_recorded_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "something").touch()
    with pytest.raises(MachineError, match="a folder of their own"):
        Recorder(f"unix:{tmp_path / 'at'}", f"unix:{tmp_path / 'in'}", tmp_path)
    with pytest.raises(VMStateError, match="kept"):
        Recorder(f"unix:{tmp_path / 'at'}", f"unix:{tmp_path / 'in'}", tmp_path / "no" / "kept")
    assert main(["capture", "--channels", str(tmp_path / "kept"), "--listen", f"unix:{tmp_path / 'at'}"]) == 2
    assert main(["capture"]) == 2
    assert "--channels DIR --listen URI --to URI" in capsys.readouterr().err
