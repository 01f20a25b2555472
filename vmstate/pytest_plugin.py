"""pytest plugin: golden streams and assertions on streams, for any project's tests.

pytest finds it by the entry point `vmstate` of the group pytest11. Each name is a fixture, nothing has to be imported:

    def test_my_device(golden_stream, assert_roundtrip, assert_same_state):
        stream = golden_stream("my-device-running")
        assert stream["my-device"].state.pitch == 440
        assert_roundtrip(stream)
        assert_same_state("before.mig", stream, ignore=["my-device.phase"])

The assertions are also plain functions of this module, for helpers and for editors that want types.

pytest loads this for every run of every project in whose environment the package is installed, so nothing else of the
package is imported before a test asks for it.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest

if TYPE_CHECKING:
    from vmstate.errors import VMStateError
    from vmstate.lab.incoming import Outcome
    from vmstate.stream.stream import Section, Stream

Source: TypeAlias = "Stream | str | os.PathLike[str] | bytes"
"""A stream that is loaded, the path of one, or its bytes."""

INI = "vmstate_streams"
COMPRESSED = (".xz", ".gz", ".bz2", ".zst", ".lz4")
ENDINGS = ("", ".mig", *(f".mig{ending}" for ending in COMPRESSED), *COMPRESSED)
"""What may be left out of the name of a golden stream."""


PROGRAM = "qemu-system-x86_64"
VERSION = 3
"""Of the stream format, for a section that is compared by itself."""

LINES = 100
"""Lines of a diff that an assertion shows."""

SHOWN = 8
"""Bytes that an assertion shows of either side."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """The setting of the configuration file that says where golden streams are."""
    parser.addini(INI, "folders with golden streams, relative to the configuration file", type="paths", default=[])


# Golden streams


@pytest.fixture
def golden_stream(request: pytest.FixtureRequest) -> Iterator[Callable[..., Stream]]:
    """A function that loads a stream by name or path; what it loaded is closed behind the test.

    A name is looked for relative to the folder of the test, then in the folders of the setting `vmstate_streams`, then
    among this project's own fixtures, in these also below them; where the package runs from no checkout, these are the
    thin ones that come with it (vmstate.saved.corpus). `.mig` and what a compression appends may be left out. Keyword
    arguments are those of `vmstate.load`. Raises `StreamError`.
    """
    folders = [Path(path) for path in request.config.getini(INI)]
    with ExitStack() as stack:

        def golden_stream(name: str | os.PathLike[str], **how: Any) -> Stream:
            __tracebackhide__ = True
            from vmstate.saved.corpus import corpus_stream
            from vmstate.saved.loading import load

            stream_path = find_stream(name, request.path.parent, folders)
            stream = load(corpus_stream(stream_path) if isinstance(stream_path, str) else stream_path, **how)
            stream.name = os.fspath(stream_path)
            return stack.enter_context(stream)

        yield golden_stream


def find_stream(name: str | os.PathLike[str], beside: Path, folders: Sequence[Path] = ()) -> Path | str:
    """The file of a golden stream, or its name among those of the package: see `golden_stream`.

    `beside` is the folder of the test. Raises `StreamError`.
    """
    __tracebackhide__ = True
    wanted = os.fspath(name)
    for ending in ENDINGS:
        path = beside / f"{wanted}{ending}"
        if path.is_file():
            return path
    for folder in (*folders, *_own_fixtures()):
        inside = _files_meant(folder, wanted)
        if len(inside) > 1:
            raise _error("means more than one golden stream", wanted, " or ".join(map(str, inside)))
        if inside:
            return inside[0]
    from vmstate.saved.corpus import corpus_names

    names = corpus_names()
    packed = [name for name in names if _is_named(Path(name), wanted)]
    if len(packed) == 1:
        return packed[0]
    missing = next((str(folder) for folder in folders if not folder.is_dir()), None)
    if missing is not None:
        raise _error(f"the setting {INI} names a folder that is not there", missing, "a folder with golden streams")
    paths = [*(path for folder in (beside, *folders) for path in _files(folder)), *map(Path, names)]
    expected = " or ".join(_names_like(wanted, paths)) or None
    searched = ", ".join(map(str, [beside, *folders]))
    raise _error(f"there is no golden stream of this name in {searched}", wanted, expected)


def _error(message: str, wanted: str, expected: str | None) -> Exception:
    from vmstate.errors import StreamError

    return StreamError(message, file=wanted, expected=expected)


def _own_fixtures() -> list[Path]:
    folder = Path(__file__).resolve().parent.parent / "fixtures"
    return [folder] if (folder / "may-differ.json").is_file() else []


def _files_meant(folder: Path, wanted: str) -> list[Path]:
    """The files that a name means in a folder; only where there is none, those in folders below it."""
    here = [path for ending in ENDINGS if (path := folder / f"{wanted}{ending}").is_file()]
    if here or os.path.isabs(wanted):
        return here[:1]
    return sorted(path for path in _files(folder) if _is_named(path, wanted))


def _is_named(path: Path, wanted: str) -> bool:
    """Whether a name means a file: the end of its path, but for what may be left out."""
    parts = Path(wanted).parts
    return (
        bool(parts)
        and path.parts[-len(parts) : -1] == parts[:-1]
        and any(path.name == f"{parts[-1]}{ending}" for ending in ENDINGS)
    )


def _files(folder: Path) -> Iterator[Path]:
    for top, folders, names in os.walk(folder):
        folders[:] = sorted(subfolder for subfolder in folders if not subfolder.startswith("."))
        yield from (Path(top, name) for name in names)


def _names_like(wanted: str, paths: Iterable[Path]) -> list[str]:
    """Names of streams that are like one that is not there."""
    from difflib import get_close_matches

    names = {path.name.partition(".mig")[0] for path in paths if ".mig" in path.name}
    return get_close_matches(Path(wanted).name, sorted(names), n=3)


# Assertions


def assert_roundtrip(stream: Source) -> None:
    """Every byte of a stream is written back as it was read.

    Of a stream that is loaded, what it writes now is held against what it was loaded from; of one that was made in
    Python, what it writes against what is written after reading that.
    """
    __tracebackhide__ = True
    from vmstate.errors import VMStateError
    from vmstate.saved.loading import load
    from vmstate.stream.stream import Stream

    try:
        if isinstance(stream, Stream) and stream.source is not None:
            problem = _first_difference(stream, stream.source)
        else:
            with load(stream.to_bytes() if isinstance(stream, Stream) else stream) as loaded:
                problem = _first_difference(loaded, loaded.source)
    except VMStateError as error:
        problem = error
    if problem is not None:
        raise AssertionError(str(problem.within(file=_name_of(stream)))) from None


def _first_difference(stream: Stream, data: memoryview | None) -> VMStateError | None:
    """Where what a stream writes is not what it was loaded from."""
    from vmstate.errors import StreamError
    from vmstate.stream.verify import rewritten

    assert data is not None
    finding = next(iter(rewritten(stream, data)), None)
    if finding is None:
        return None
    at = finding.offset or 0
    section = stream.section_at(at)
    path = read = written = None
    if section is not None and not section.is_ram:
        payload = section.payload()
        start = at - section.payload_offset
        places = section.trace().items() if section.vmsd is not None else ()
        inside = [(entry.size, name) for name, entry in places if entry.offset <= at < entry.offset + entry.size]
        path = min(inside)[1] if inside else None
        read, written = data[at : at + SHOWN].hex(" "), payload[max(start, 0) :][:SHOWN].hex(" ") or "nothing"
    return StreamError(finding.message, section=finding.section, path=path, offset=at, expected=read, found=written)


def assert_same_state(
    a: Source | Section, b: Source | Section, *, ignore: Iterable[str] = (), noise: Collection[str] | None = None
) -> None:
    """Two streams, or two sections, have the same values, noise aside.

    `ignore` are paths, SECTION[.PATH], at and below which nothing counts; `*` in one stands for any text. `noise` names
    the kinds of noise that do not count (`vmstate.compare.noise.KINDS`): all, unless the caller says otherwise.
    """
    __tracebackhide__ = True
    from vmstate.compare.diff import diff
    from vmstate.compare.noise import KINDS
    from vmstate.compare.text import lines_of, verdict_of
    from vmstate.errors import VMStateError

    try:
        ignored = [ignore] if isinstance(ignore, str) else ignore
        difference = diff(_stream_of(a), _stream_of(b), noise=KINDS if noise is None else noise, ignore=ignored)
    except VMStateError as error:
        raise AssertionError(str(error)) from None
    if not difference.equal:
        lines = list(lines_of(difference.changes))
        if len(lines) > LINES:
            lines = [*lines[:LINES], f"... {len(lines) - LINES} lines more: vmstate diff shows all"]
        raise AssertionError("\n".join([verdict_of(difference), *lines]))


def _stream_of(given: Source | Section) -> Source:
    """A section as a stream of its own."""
    from vmstate.stream.events import Header
    from vmstate.stream.stream import Section, Stream

    return Stream([Header(VERSION), given], name=given.name) if isinstance(given, Section) else given


def assert_loads_in_qemu(
    stream: Source,
    qemu: str | os.PathLike[str] | None = None,
    args: Sequence[str] | str | None = None,
    *,
    root: str | os.PathLike[str] | None = None,
    limit: float = 60,
) -> Outcome:
    """A real QEMU takes the stream; what became of it (`status`: "running", "paused", ...).

    `qemu` is a program, by name or path; `args` its options, without -incoming. What is not told comes from the
    provenance beside the stream (GUEST.mig.provenance.json, which `vmstate capture` writes). `root` is a folder with
    another system, whose QEMU is run. The test is skipped where there is no QEMU; where that refuses the stream, the
    assertion says so in QEMU's words, and where in the stream it stopped.
    """
    __tracebackhide__ = True
    from vmstate.errors import VMStateError

    name = _name_of(stream)
    try:
        with _with_provenance(stream) as (path, origin):
            outcome = _loaded_in_qemu(path, origin, qemu, args, root, limit)
    except VMStateError as error:
        error.file = name
        raise AssertionError(str(error)) from None
    if not outcome.accepted:
        raise AssertionError(_refusal(name, outcome))
    return outcome


def _loaded_in_qemu(
    path: Path,
    origin: str | None,
    program: str | os.PathLike[str] | None,
    args: Sequence[str] | str | None,
    root: str | os.PathLike[str] | None,
    limit: float,
) -> Outcome:
    __tracebackhide__ = True
    from vmstate.errors import MachineError
    from vmstate.lab.incoming import load_into_qemu
    from vmstate.qemu.machine import find_qemu, words_of
    from vmstate.qemu.provenance import read_provenance
    from vmstate.qemu.trust import program_of

    known = (None if origin is None else read_provenance(origin)) or {}
    words = list(known.get("argv") or [])
    options = words_of(args) if isinstance(args, str) else words[1:] if args is None else list(args)
    if not words and args is None:
        raise MachineError(
            "nothing says which machine to start", expected="args=, QEMU's options, or the provenance beside the stream"
        )
    command = os.fspath(program) if program is not None else program_of(words or [PROGRAM])
    try:
        binary = find_qemu(command, root)
    except MachineError as error:
        pytest.skip(f"needs a real QEMU: {error} (on Debian: apt install qemu-system-x86, or the like)")
    # A provenance without its command line is still what tells of guest memory and capabilities.
    return load_into_qemu(path, [command, *options], origin=origin, qemu=binary, limit=limit)


@contextmanager
def _with_provenance(stream: Source) -> Iterator[tuple[Path, str | None]]:
    """A file with the stream as it is now, and the stream whose provenance is its own.

    The provenance of GUEST.mig.xz is GUEST.mig.provenance.json, that of GUEST.mig too.
    """
    import tempfile

    from vmstate.files import write_atomic
    from vmstate.qemu.provenance import has_provenance
    from vmstate.stream.stream import Stream

    origin = stream.name if isinstance(stream, Stream) else None if isinstance(stream, bytes) else os.fspath(stream)
    beside = origin if origin is not None and has_provenance(origin) else None
    if isinstance(stream, str | os.PathLike):
        yield Path(stream), beside
        return
    with tempfile.TemporaryDirectory(prefix="vmstate-") as folder:
        path = Path(folder, "stream.mig")
        if isinstance(stream, Stream):
            stream.save(path)
        else:
            write_atomic(path, [stream])
        yield path, beside


def _refusal(name: str, outcome: Outcome) -> str:
    from vmstate.errors import one_line

    lines = [f"{one_line(name)}: refused by QEMU {outcome.qemu_version}: {one_line(outcome.error or '')}"]
    for place in outcome.places:
        where = ": ".join(part for part in (place.section, place.path) if part)
        at = "" if place.offset is None else f" at offset {place.offset:#x}"
        lines.append(one_line(f"  {where}{at}: {place.message}"))
    return "\n".join([*lines, f"QEMU was started with {one_line(shlex.join(outcome.argv))}"])


def _name_of(stream: Source) -> str:
    """What to call a stream in a message."""
    if isinstance(stream, bytes):
        return "<bytes>"
    if isinstance(stream, str | os.PathLike):
        return os.fspath(stream)
    return stream.name or "<stream>"


# The assertions as fixtures: a test that asks for one by name needs no import.


# A relative path means the same in all fixtures: a file beside the test or, where there is none, in the current folder.


def _beside(request: pytest.FixtureRequest, given: Any) -> Any:
    if not isinstance(given, str | os.PathLike):
        return given
    beside = request.path.parent / given
    if not beside.is_file() or (os.path.isfile(given) and os.path.samefile(given, beside)):
        return given
    return beside


@pytest.fixture(name="assert_roundtrip")
def _assert_roundtrip(request: pytest.FixtureRequest) -> Callable[..., None]:
    """`vmstate.pytest_plugin.assert_roundtrip`: every byte of a stream is written back as it was read."""

    def roundtrip(stream: Source) -> None:
        __tracebackhide__ = True
        assert_roundtrip(_beside(request, stream))

    return roundtrip


@pytest.fixture(name="assert_same_state")
def _assert_same_state(request: pytest.FixtureRequest) -> Callable[..., None]:
    """`vmstate.pytest_plugin.assert_same_state`: two streams have the same values, noise and `ignore` aside."""

    def same_state(a: Source | Section, b: Source | Section, **how: Any) -> None:
        __tracebackhide__ = True
        assert_same_state(_beside(request, a), _beside(request, b), **how)

    return same_state


@pytest.fixture(name="assert_loads_in_qemu")
def _assert_loads_in_qemu(request: pytest.FixtureRequest) -> Callable[..., Outcome]:
    """`vmstate.pytest_plugin.assert_loads_in_qemu`: a real QEMU takes a stream; skips where there is none."""

    def loads_in_qemu(stream: Source, *arguments: Any, **how: Any) -> Outcome:
        __tracebackhide__ = True
        return assert_loads_in_qemu(_beside(request, stream), *arguments, **how)

    return loads_in_qemu
