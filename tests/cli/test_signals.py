"""A signal ends a command with one line, whatever it does."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

EARLY = (
    "import os, signal, sys\n"
    "from vmstate.__main__ import main\n"
    "class Importing:\n"
    "    def find_spec(self, name, path=None, target=None):\n"
    "        if name == 'vmstate.cli':\n"
    "            os.kill(os.getpid(), int(sys.argv.pop()))\n"
    "sys.meta_path.insert(0, Importing())\n"
    "raise SystemExit(main())\n"
)
"""A command that gets a signal while it is being imported."""

IN_A_CALLBACK = EARLY.replace(
    "            os.kill(os.getpid(), int(sys.argv.pop()))\n",
    "            number = int(sys.argv.pop())\n"
    "            gone = weakref.ref(Importing(), lambda gone: os.kill(os.getpid(), number))\n"
    "            time.sleep(20)\n",
).replace("import os,", "import time, weakref, os,")
"""In the callback of a weak reference, as some modules have at their import: Python drops what it raises."""

SIGNALS = [
    (signal.SIGINT, 130, "vmstate: interrupted\n"),
    (signal.SIGTERM, 143, "vmstate: ended by SIGTERM\n"),
    (signal.SIGHUP, 129, "vmstate: ended by SIGHUP\n"),
]


@pytest.fixture(autouse=True)
def nothing_is_ignored() -> Iterator[None]:
    """What the tests' own starter ignores, as `nohup` does, the commands would ignore too."""
    before = {number: signal.signal(number, signal.SIG_DFL) for number in (signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("program", [EARLY, IN_A_CALLBACK], ids=["import", "callback"])
@pytest.mark.parametrize(("number", "code", "line"), SIGNALS)
def test_while_it_is_imported(program: str, number: int, code: int, line: str) -> None:
    command = [sys.executable, "-c", program, "info", "x", str(int(number))]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (code, line)


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code", "line"), SIGNALS)
@pytest.mark.parametrize("verb", ["info", "verify", "decode"])
def test_while_it_waits_for_its_input(verb: str, number: int, code: int, line: str, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    command = [sys.executable, "-m", "vmstate", verb, str(pipe)]
    # Once both ends of the pipe are open it has begun to read, of which there is nothing.
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as tool,
        pipe.open("wb"),
    ):
        time.sleep(0.2)
        tool.send_signal(number)
        _, error = tool.communicate(timeout=60)
    assert (tool.returncode, error) == (code, line)
