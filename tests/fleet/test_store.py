"""An object store for real: an S3 server on this machine, and how many bytes it was asked for."""

from __future__ import annotations

import json
import lzma
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from recorded import FIXTURES

from vmstate.cli import main
from vmstate.fleet import remote
from vmstate.fleet.scan import Known, places, row_of

NEEDS = "needs pip install s3fs 'moto[server]'"


class Counting:
    """Stands in front of a server, and counts what it sends."""

    def __init__(self, port: int) -> None:
        self.sent = 0
        self.behind = port
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self) -> None:
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self.behind))
            threading.Thread(target=self.carry, args=(client, server, False), daemon=True).start()
            threading.Thread(target=self.carry, args=(server, client, True), daemon=True).start()

    def carry(self, source: socket.socket, drain: socket.socket, counted: bool) -> None:
        try:
            while data := source.recv(1 << 16):
                self.sent += len(data) * counted
                drain.sendall(data)
        except OSError:
            pass
        drain.close()


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[Counting]:
    pytest.importorskip("s3fs", reason=NEEDS)
    server = pytest.importorskip("moto.server", reason=NEEDS).ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    counting = Counting(server.get_host_and_port()[1])
    for name, value in {
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "b",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{counting.port}",
    }.items():
        monkeypatch.setenv(name, value)
    yield counting
    counting.listener.close()
    server.stop()


@pytest.mark.slow
def test_of_a_bucket_as_much_is_read_as_is_needed(
    store: Counting, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import fsspec

    monkeypatch.setattr(remote, "HEAD", 16 << 10)
    monkeypatch.setattr(remote, "TAIL", 32 << 10)
    system = fsspec.filesystem("s3")
    system.mkdir("streams")
    whole = lzma.decompress((FIXTURES / "qemu-11.1-q35-smp4-rootports.mig.xz").read_bytes())
    small = (FIXTURES / "qemu-7.2-microvm-virtio-net-mmio.mig.xz").read_bytes()
    for name, data in (("a/whole.mig", whole), ("small.mig.xz", small), ("cut.mig", whole[:5000])):
        system.pipe_file(f"streams/{name}", data)
        (tmp_path / name.rpartition("/")[2]).write_bytes(data)
    urls = list(places(["s3://streams"]))
    assert urls == ["s3://streams/a/whole.mig", "s3://streams/cut.mig", "s3://streams/small.mig.xz"]
    known = Known()
    for url in urls:
        before = store.sent
        there, here = row_of(url, known), row_of(str(tmp_path / url.rpartition("/")[2]), known)
        if "whole" in url:
            # The rest is guest memory; of what is asked for more than once the first time is too little.
            assert store.sent - before < len(whole) // 2
        same = ("machine", "release", "devices", "features", "verify", "size", "verdict")
        assert [here[key] for key in same] == [there[key] for key in same]
        assert (here["error"] is None) == (there["error"] is None)
    # One line each: a bucket that is not there, and a server that does not let us in.
    assert main(["fleet", "scan", "s3://absent/x.mig", "--workers", "1", "--format", "json"]) == 2
    assert json.loads(capsys.readouterr().out)["error"].count("\n") == 0
