"""A program that passes for a QEMU as far as a test needs: it greets, answers, and does what its -name says."""

from __future__ import annotations

import stat
import sys
from pathlib import Path

SCRIPT = '''#!{python}
import json, os, re, signal, socket, sys, threading, time

words = " ".join(sys.argv)
monitor = socket.socket(fileno=int(re.search(r"id=vmstate-qmp,fd=(\\d+)", words)[1]))
console = re.search(r"id=vmstate-console,fd=(\\d+)", words)
deed = sys.argv[sys.argv.index("-name") + 1] if "-name" in sys.argv else ""


def say(**message):
    monitor.sendall(json.dumps(message).encode() + b"\\n")


def on_console():
    line = socket.socket(fileno=int(console[1]))
    if deed == "floods":
        while True:
            line.sendall(b"x" * 65536)
    if deed == "dribbles":
        while True:
            line.sendall(b"\\x1b[31m\\xff")
            time.sleep(0.001)
    if deed == "ends":
        greeted.wait()
        line.sendall(b"\\x1b[2J two\\nlines \\x1b]0;title\\x07")
        os._exit(0)
    if deed == "echoes":
        line.sendall(b"login:")
        line.recv(65536)
        line.sendall(b"BEGIN-1-\\nDONE-1-" + b"9" * 100000 + b"-")
        time.sleep(60)


def incoming(data):
    """Take a stream, refuse it, or die of it."""
    place = data.find(b"\\x05i8254") + 6 + 8
    if int.from_bytes(data[place : place + 4], "big") > 1 << 16:
        place = "../hw/fake.c:12: fake_post_load"
        print(f"qemu-system-x86_64: {{place}}: Assertion `number <= 65536' failed.", file=sys.stderr, flush=True)
        os.kill(os.getpid(), signal.SIGABRT)
    say(event="MIGRATION", data={{"status": "completed"}}, timestamp={{"seconds": 0, "microseconds": 0}})


say(QMP={{"version": {{"qemu": {{"major": 7, "minor": 2, "micro": 0}}, "package": ""}}, "capabilities": []}})
greeted = threading.Event()
if console and deed:
    threading.Thread(target=on_console, daemon=True).start()
for line in monitor.makefile("rb"):
    request = json.loads(line)
    answer = {{"running": False, "status": "paused"}} if request["execute"] == "query-status" else {{}}
    if deed.startswith(f"answers {{request['execute']}} "):
        monitor.sendall(f'{{{{"return": {{deed.split(" ", 2)[2]}}, "id": {{request["id"]}}}}}}\\n'.encode())
        continue
    say(**{{"return": answer, "id": request["id"]}})
    greeted.set()
    if request["execute"] == "migrate-incoming":
        with open(int(request["arguments"]["uri"].removeprefix("fd:")), "rb") as stream:
            incoming(stream.read())
'''


def fake_qemu(folder: Path) -> str:
    """The path of such a program in a folder.

    On its console `-name floods` prints without end, `dribbles` byte by byte, `ends` and is gone, `echoes` answers what
    is typed with a status of a hundred thousand digits. It ends by an assertion at a stream in which the first number
    of the i8254 is above 65536. With `-name 'answers COMMAND JSON'` it answers a command so.
    """
    path = folder / "qemu-system-x86_64"
    path.write_text(SCRIPT.format(python=sys.executable))
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)
