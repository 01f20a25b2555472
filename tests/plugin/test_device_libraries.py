"""Device libraries of other distributions: what they can do, and what a broken one costs."""

from __future__ import annotations

import json
import signal
import threading
import time
from pathlib import Path

import pytest
from libraries import BEEPER, install, run
from recorded import FIXTURES, NO_VMDESC, S390X

from vmstate.stream import announced

WARNING = "the device library of mydevices 1.0 is broken: "

MUTE = "class Mute(Exception):\n    def __str__(self): raise OSError\n"

BROKEN = {
    "no such module": (None, None, "No module named 'mydevices'"),
    "an entry point without a module": (BEEPER, "mydevices", "TypeError: "),
    "an entry point of nothing": (BEEPER, "mydevices = mydevices:LIBRARY", "has no attribute 'LIBRARY'"),
    "an import that fails": ("import to_be_found_nowhere", None, "No module named 'to_be_found_nowhere'"),
    "no Python": ("def :", None, "SyntaxError: "),
    "raises": ("raise ValueError('not\\ntoday')", None, "ValueError: not today"),
    "ends the program": ("import sys; sys.exit(0)", None, "SystemExit: 0"),
    "raises what is no Exception": (
        "class PanicException(BaseException): pass\nraise PanicException('called `unwrap()`')",
        None,
        "PanicException: called `unwrap()`",
    ),
    "makes errors of warnings": (
        "import warnings; warnings.simplefilter('error'); raise ValueError('not today')",
        None,
        "ValueError: not today",
    ),
    "ends a generator": ("raise GeneratorExit", None, "broken: GeneratorExit"),
    "raises what has no words": (
        f"{MUTE}raise Mute",
        None,
        "broken: Mute",
    ),
    "raises what has many words": ("raise ValueError('x' * 100_000)", None, "xxx..."),
    "no index": ("", None, "mydevices has no INDEX"),
    "an index of another form": ("INDEX = ['beeper']", None, "mydevices has no INDEX"),
    "a place that is no tuple": ("INDEX = {'beeper': 'mydevices:Beeper'}", None, "INDEX has no places for 'beeper'"),
    "a class in no module": ("INDEX = {'beeper': ('nowhere:Beeper',)}", None, "No module named 'nowhere'"),
    "a class that is not there": ("INDEX = {'beeper': ('mydevices:Beeper',)}", None, "nothing at 'mydevices:Beeper'"),
    "a class without a name": ("INDEX = {'beeper': ('mydevices',)}", None, "nothing at 'mydevices'"),
    "no description": (
        "INDEX = {'beeper': ('mydevices:Beeper',)}\nclass Beeper: pass",
        None,
        "mydevices:Beeper is no description",
    ),
    "a module of a class that raises": (
        "INDEX = {'beeper': ('mydevices:Beeper',)}\ndef __getattr__(name): raise OSError(name)",
        None,
        "OSError: ",
    ),
    "a table of another form": (f"{BEEPER}\nENTRIES = ['beeper']", None, "ENTRIES is no table"),
    "an entry of another form": (f"{BEEPER}\nNOISE = {{'beeper': 5}}", None, "NOISE is no table"),
    "noise of no kind": (f"{BEEPER}\nNOISE = {{'beeper': {{'on': 5}}}}", None, "NOISE cannot have 5 for 'beeper'"),
    "a word of another form": (
        f"{BEEPER}\nENTRIES = {{'beeper': {{'legacy_instances': 0x61}}}}",
        None,
        "beeper cannot have legacy_instances of 97",
    ),
}


AT_WORK = {
    "raises": "ZeroDivisionError: ",
    "raises what is no Exception": "Panic: ",
    "ends the program": "SystemExit: 0",
    "raises what has no words": "Mute",
}
"""How `value=` of a library of others fails, while a section is read."""


def recorded(words: str) -> str:
    """The library's module where its device has a record of these words."""
    source = BEEPER.replace("description,", "description, device,")
    return source.replace("@description", f"@device('beeper', {words})\n@description")


def failing(tmp_path: Path, how: str) -> Path:
    """A library whose `value=` fails for numbers that are not zero, so that its class can be made."""
    source = BEEPER.replace("@description", f"class Panic(BaseException): pass\n\n\n{MUTE}\n\n@description")
    fails = {
        "raises": "lambda raw: 1 // (raw == 0)",
        "ends the program": "lambda raw: __import__('sys').exit(0) if raw else 0",
        "raises what has no words": "lambda raw: (_ for _ in ()).throw(Mute()) if raw else 0",
        "raises what is no Exception": "lambda raw: (_ for _ in ()).throw(Panic('at the disco')) if raw else 0",
    }
    return install(tmp_path, source.replace("uint32()", f"uint32(value={fails[how]})"))


@pytest.mark.parametrize("how", AT_WORK)
@pytest.mark.slow
def test_a_library_that_fails_at_work_is_named(how: str, tmp_path: Path) -> None:
    folder = failing(tmp_path, how)
    for words in (["info"], ["show"], ["verify"]):
        done = run(folder, "-m", "vmstate", *words, "beeper.mig")
        assert done.returncode == 2 and done.stdout == ""
        (line,) = done.stderr.splitlines()
        assert line.startswith("vmstate: beeper.mig: beeper: the device library of mydevices 1.0 fails: "), line
        assert AT_WORK[how] in line
    code = "import vmstate\ntry: vmstate.load('beeper.mig')\nexcept vmstate.VMStateError as error: print(error.section)"
    assert run(folder, "-c", code).stdout == "beeper\n"


def test_the_users_interrupt_stays_one(tmp_path: Path) -> None:
    done = run(install(tmp_path, "raise KeyboardInterrupt"), "-m", "vmstate", "info", "beeper.mig")
    assert (done.returncode, done.stderr) == (130, "vmstate: interrupted\n")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_at_the_import_ends_the_command(number: signal.Signals, tmp_path: Path) -> None:
    """The library has no fault by it."""
    install(tmp_path, f"import os; os.kill(os.getpid(), {number.value}){BEEPER}")
    done = run(tmp_path, "-m", "vmstate", "info", "beeper.mig")
    assert (done.returncode, done.stdout) == (128 + number, "")
    assert done.stderr == f"vmstate: ended by {number.name}\n"


def test_a_library_may_read_streams_when_it_is_imported(tmp_path: Path) -> None:
    """Of its own devices it knows nothing then; afterwards everybody does."""
    install(tmp_path, f"import vmstate; early = vmstate.load('beeper.mig')['beeper'].described_by{BEEPER}")
    code = "import vmstate; print(*(vmstate.load('beeper.mig')['beeper'].described_by for _ in range(2)))"
    code += "; import mydevices; print(mydevices.early)"
    done = run(tmp_path, "-c", code)
    assert (done.returncode, done.stdout, done.stderr) == (0, "library library\nnone\n", "")
    done = run(tmp_path, "-m", "vmstate", "decode", "beeper.mig")
    assert (done.returncode, done.stderr) == (0, "")


def test_who_has_warnings_be_errors_gets_one(tmp_path: Path) -> None:
    folder = install(tmp_path, "INDEX = 1")
    done = run(folder, "-W", "error", "-m", "vmstate", "info", "beeper.mig")
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line == "vmstate: the device library of mydevices 1.0 is broken: mydevices has no INDEX"


@pytest.fixture(params=BROKEN.values(), ids=BROKEN)
def broken(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, str]:
    source, entry, reason = request.param
    return install(tmp_path, source, entry=entry), reason


def test_a_broken_library_costs_one_warning(broken: tuple[Path, str]) -> None:
    folder, reason = broken
    done = run(folder, "-m", "vmstate", "info", "beeper.mig")
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1].split()[-2:] == ["none", "beeper"]
    (line,) = done.stderr.splitlines()
    assert WARNING in line
    assert reason in line


@pytest.mark.slow
def test_a_broken_library_costs_a_program_one_warning(broken: tuple[Path, str]) -> None:
    folder, _ = broken
    code = "import vmstate; print(*(vmstate.load('beeper.mig')['beeper'].described_by for _ in range(2)))"
    done = run(folder, "-c", code)
    assert (done.returncode, done.stdout) == (0, "none none\n")
    (line,) = done.stderr.splitlines()
    assert WARNING in line


def test_what_a_library_prints_is_no_part_of_an_answer(tmp_path: Path) -> None:
    install(tmp_path, f"print('hello'){BEEPER}")
    done = run(tmp_path, "-m", "vmstate", "decode", "beeper.mig")
    assert (done.returncode, done.stderr) == (0, "hello\n")
    assert json.loads(done.stdout)["kind"] == "document"


@pytest.mark.slow
@pytest.mark.parametrize("options", [[], ["-W", "error"]])
def test_a_library_that_takes_long_is_named(options: list[str], tmp_path: Path) -> None:
    """While it is waited for; what it says then counts."""
    install(tmp_path, f"import time; time.sleep(3){BEEPER}")
    done = run(tmp_path, *options, "-m", "vmstate", "show", "beeper.mig")
    assert done.returncode == 0 and "pitch" in done.stdout
    assert [line.partition("the device library of ")[2] for line in done.stderr.splitlines()] == (
        [] if options else ["mydevices 1.0 takes long, and is waited for"]
    )


def test_one_thread_watches_all_questions_and_ends_behind_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(announced, "LONG", 0.1)
    told: list[str] = []
    monkeypatch.setattr(announced, "_tell", told.append)
    before = threading.active_count()
    assert [announced.asked(f"quick {number}", abs, -number) for number in range(500)] == list(range(500))
    assert threading.active_count() <= before + 1
    assert announced.asked("slow", lambda: time.sleep(0.4)) is None
    assert [line.partition(" of ")[2] for line in told] == ["slow takes long, and is waited for"]
    deadline = time.monotonic() + 10
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.02)
    assert threading.active_count() == before


def test_where_no_thread_can_be_had_a_library_is_asked_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(announced, "_WATCHES", set())
    monkeypatch.setattr(threading.Thread, "start", refuse)
    assert announced.asked("any", abs, -1) == 1


def test_a_program_can_ask_for_silence(tmp_path: Path) -> None:
    install(tmp_path, "INDEX = 1")
    code = (
        "import warnings, vmstate; from vmstate.errors import DeviceLibraryWarning; "
        "warnings.simplefilter('ignore', DeviceLibraryWarning); vmstate.load('beeper.mig')"
    )
    done = run(tmp_path, "-c", code)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_broken_library_does_not_cost_another_its_devices(tmp_path: Path) -> None:
    install(tmp_path, "raise RuntimeError", name="another")
    install(tmp_path, BEEPER)
    done = run(tmp_path, "-m", "vmstate", "info", "beeper.mig")
    assert done.stdout.splitlines()[-1].split()[-2:] == ["library", "beeper"]
    (line,) = done.stderr.splitlines()
    assert "the device library of another 1.0 is broken: RuntimeError" in line


def test_one_broken_class_does_not_cost_the_others(tmp_path: Path) -> None:
    """Nor an older layout of the same idstr."""
    places = "('mydevices:Newest', 'mydevices:Beeper')"
    install(tmp_path, BEEPER.replace('("mydevices:Beeper",)', places))
    done = run(tmp_path, "-m", "vmstate", "show", "beeper.mig", "beeper.pitch")
    assert (done.returncode, done.stdout) == (0, "440 (0x1b8)\n")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("part", ["answers", "compares", "items", "exercise"])
def test_a_part_that_is_not_there_costs_one_warning(part: str, tmp_path: Path) -> None:
    install(tmp_path, recorded(f"{part}='mydevices:NOTHING'"))
    code = """
from vmstate.stream import registry
assert registry.questions_of("beeper") == {}
assert registry.comparison_of("beeper").features is None
assert registry.exercise_of("beeper") is None
assert not registry.is_old_style("beeper")
assert [vmsd.name for vmsd in registry.all_descriptions("beeper")] == ["beeper"]
"""
    done = run(tmp_path, "-c", code)
    assert done.returncode == 0, done.stderr
    (line,) = done.stderr.splitlines()
    assert "nothing at 'mydevices:NOTHING'" in line


@pytest.mark.parametrize("words", ["answers=5", "compares=()", "legacy_instances=0x61", "listed='no'"])
def test_a_class_that_says_something_of_another_form_costs_one_warning(words: str, tmp_path: Path) -> None:
    install(tmp_path, recorded(words))
    code = """
from vmstate.stream import registry
assert registry.questions_of("beeper") == {}
assert registry.comparison_of("beeper").features is None
assert registry.legacy_instances("beeper") == () and registry.is_listed("beeper") is True
"""
    done = run(tmp_path, "-c", code)
    assert done.returncode == 0, done.stderr
    (line,) = done.stderr.splitlines()
    assert WARNING in line


@pytest.mark.slow
@pytest.mark.parametrize(
    "verb",
    [
        ("show", "beeper.mig"),
        ("verify", "beeper.mig"),
        ("decode", "beeper.mig", "-o", "beeper.json"),
        ("diff", "beeper.mig", "beeper.mig", "--all"),
        ("explain", "beeper.mig", "--against", "beeper.mig"),
        ("query", "beeper.mig", "query-pci"),
        ("compat", "beeper.mig", "library"),
        ("fuzz", "decoder", "--devices", "virtio-rng", "--runs", "3", "-o", "runs"),
    ],
    ids=lambda verb: verb[0],
)
def test_no_command_fails_that_did_not_without(verb: tuple[str, ...], tmp_path: Path) -> None:
    clean = tmp_path / "clean"
    broken = tmp_path / "broken"
    for folder in (clean, broken):
        folder.mkdir()
    install(clean, "INDEX = {}")
    install(broken, "INDEX = {'beeper': ('mydevices:Beeper',)}")
    expected, done = (run(folder, "-m", "vmstate", *verb) for folder in (clean, broken))
    assert "Traceback" not in done.stderr
    assert "(see vmstate" not in expected.stderr and "expected --" not in expected.stderr, expected.stderr
    assert done.returncode == expected.returncode, done.stderr
    left = [line for line in done.stderr.splitlines() if WARNING not in line]
    assert left == expected.stderr.splitlines()


def test_nobody_is_asked_for_what_is_known(tmp_path: Path) -> None:
    """Asking the entry points takes longer than reading a stream."""
    install(tmp_path, "raise RuntimeError")
    code = f"""
import sys, vmstate
assert vmstate.load({str(FIXTURES / NO_VMDESC)!r}).sections[-1].vmsd
print("importlib.metadata" in sys.modules, "mydevices" in sys.modules)
"""
    done = run(tmp_path, "-c", code)
    assert (done.stdout, done.stderr) == ("False False\n", "")


def test_where_nobody_announces_a_library_none_is_looked_for(tmp_path: Path) -> None:
    """Not even for a section that nobody knows: to import what finds them takes longer than to read a stream."""
    (metadata,) = install(tmp_path, BEEPER).glob("*.dist-info")
    (metadata / "entry_points.txt").write_text("[another.group]\nmydevices = mydevices\n")
    code = """
import sys, vmstate
print(vmstate.load("beeper.mig")["beeper"].described_by, "importlib.metadata" in sys.modules)
"""
    done = run(tmp_path, "-c", code)
    assert (done.stdout, done.stderr) == ("none False\n", "")


TODCLOCK = """
from vmstate.declare import description, device, uint8, uint64

INDEX = {"todclock": ("mydevices:TODClock",)}


@device("todclock", noise={"timer": ("low",)})
@description("todclock", version_id=1)
class TODClock:
    present: int = uint8()
    high: int = uint8()
    low: int = uint64()
"""


@pytest.mark.slow
def test_a_library_may_describe_what_is_bytes_elsewhere(tmp_path: Path) -> None:
    """todclock: QEMU registers it without a description, and a vmdesc has its size alone."""
    install(tmp_path, TODCLOCK)
    stream = FIXTURES / S390X
    done = run(tmp_path, "-m", "vmstate", "show", stream, "todclock.present")
    assert (done.stdout, done.stderr) == ("1\n", "")
    done = run(tmp_path, "-m", "vmstate", "set", stream, "todclock.low=77", "-o", "changed.mig")
    assert done.returncode == 0, done.stderr
    for file in (stream, "changed.mig"):
        done = run(tmp_path, "-m", "vmstate", "verify", file)
        assert done.returncode == 0, done.stdout + done.stderr
    # Its noise is known by the field, as that of the bytes is by their place.
    done = run(tmp_path, "-m", "vmstate", "diff", stream, "changed.mig")
    assert done.returncode == 0, done.stdout + done.stderr
    # Without the library the changed stream is what it was, but for some bytes; its vmdesc still has the size.
    (tmp_path / "mydevices-1.0.dist-info" / "entry_points.txt").unlink()
    done = run(tmp_path, "-m", "vmstate", "verify", "changed.mig")
    assert done.returncode == 0, done.stdout + done.stderr
    done = run(tmp_path, "-m", "vmstate", "decode", "changed.mig", "-o", "changed.json")
    assert done.returncode == 0, done.stderr
    parts = json.loads((tmp_path / "changed.json").read_text())
    assert "todclock" in json.dumps(parts)


def test_an_index_may_be_made_for_a_package_of_others(tmp_path: Path) -> None:
    package = tmp_path / "mine"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "beeper.py").write_text(recorded("noise={'counter': ('pitch',)}, target_endian='big'"))
    done = run(tmp_path, "-m", "vmstate.devices.index", "mine")
    assert done.returncode == 0, done.stderr
    (package / "__init__.py").write_text("from mine._index import ENTRIES, INDEX\nfrom mine._noise import NOISE\n")
    install(tmp_path, None, name="mine")
    code = """
import sys
from vmstate.stream import registry
assert registry.target_endian_of("beeper") == "big"
assert registry.noise_lists()["beeper"] == {"pitch": "counter"}
assert "mine.beeper" not in sys.modules
assert registry.all_descriptions("beeper")[0].name == "beeper"
assert "mine.beeper" in sys.modules
"""
    done = run(tmp_path, "-c", code)
    assert (done.returncode, done.stderr) == (0, "")
