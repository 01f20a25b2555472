"""The provenance of a stream: what is known of the machine that wrote it, in a file beside it.

    guest.mig                    the stream; or guest.mig.xz, guest.mig.zst, ...: compressed since
    guest.mig.provenance.json    the provenance: its name is that of the plain stream, so compressing does not lose it
    guest.mig.m0.ram             guest memory, where the stream is without it: one file for each memory backend

No other name is looked at: a guest.mig.json is somebody else's. The provenance is a JSON object:

    kind             "provenance", as a document of `vmstate decode` says "document"
    vmstate          1, the version of this form
    file             the name of the stream; size (bytes) and sha256 are of its plain bytes
    recorded         when, UTC
    recorder         this software's version
    qemu_version     QEMU's version; qemu_build: what the distribution calls the build
    argv             QEMU's command line, where known; in it DIR/ stands for a folder that is made for the machine
    folder           the folder that the command line was given in
    capabilities     the migration capabilities that were on
    transport        how the bytes got into the file: fd, exec, file
    memory           [{"id", "size", "file"}] of guest memory, its path from the folder of the provenance, and whether
                     this software added the backend to the command line ("added")
    console          whether this software had the machine's first serial port, and added it where there was none
    guest            what was typed in the guest before
    migration        QEMU's last answer to query-migrate
    answers          {command: answer} of QEMU about the machine as it was saved
    original         of a stream that was made from the one that QEMU wrote: file, size and sha256 of that
    changed          of a stream that `vmstate set` made: [{"section", "path", "before", "after"}]
    live             of the device sections of a machine that went on: run state, milliseconds of its pause, migration
    thinned          true where `vmstate thin` left the pages of memory out

All but kind and vmstate may be missing, and there may be others: who records streams writes down what he did.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from vmstate.errors import SchemaError, StreamError
from vmstate.files import write_atomic
from vmstate.qemu.depth import is_shallow
from vmstate.saved.opening import ENDINGS, open_input
from vmstate.saved.parts import split
from vmstate.schema.plain import refuse_many_values

if TYPE_CHECKING:
    from vmstate.rules.edit import Edit

KIND = "provenance"
FORM = 1
SUFFIX = ".provenance.json"
LARGEST = 8 << 20
"""Bytes of a provenance at most: QEMU's answers about a thousand queues are some 400 KB."""

NAME_MAX = 255
"""Bytes of a file's name at most, on every file system of Linux."""

LONGEST = 1 << 17
"""Bytes at which Linux takes a word of a command line no more (MAX_ARG_STRLEN)."""

RUN_FOLDER = "DIR/"
"""What a command line says for the folder that is made for the machine."""

_LISTS_OF_WORDS = ("argv", "capabilities", "guest")
_TEXTS = ("file", "sha256", "recorded", "recorder", "qemu_version", "qemu_build", "folder", "transport")
_OBJECTS = ("migration", "answers", "original", "live")


def provenance_path(path: str | os.PathLike[str]) -> str:
    """Where the provenance of a stream stands: that of guest.mig and of guest.mig.xz is guest.mig.provenance.json."""
    name = os.fspath(path)
    ending = next((ending for ending in ENDINGS if name.endswith(ending)), "")
    return name.removesuffix(ending) + SUFFIX


def has_provenance(path: str | os.PathLike[str]) -> bool:
    """Whether a stream has a provenance beside it, whatever that holds."""
    return os.path.isfile(provenance_path(path))


def read_provenance(path: str | os.PathLike[str]) -> dict[str, Any] | None:
    """The provenance of a stream; None where there is none. Raises `StreamError` where it cannot be one."""
    place = provenance_path(path)
    if not os.path.isfile(place):
        return None
    with open_input(place) as opened:
        if len(opened.data) > LARGEST:
            raise StreamError("this is no provenance of a stream", file=place, expected=f"at most {LARGEST:,} bytes")
        text = bytes(opened.data)
    try:
        refuse_many_values(text, "the provenance")
        known = json.loads(text)
    except SchemaError as error:
        raise StreamError(str(error), file=place) from None
    except (ValueError, RecursionError) as error:
        reason = "it is nested too deep" if isinstance(error, RecursionError) else str(error)
        raise StreamError(f"the provenance is not JSON: {reason}", file=place) from None
    return checked(known, place)


def checked(known: Any, place: str) -> dict[str, Any]:
    """What stands in the file `place`, if it is a provenance that can be used. Raises `StreamError`."""
    if not isinstance(known, dict) or known.get("kind") != KIND or known.get("vmstate") != FORM:
        kind = known.get("kind") if isinstance(known, dict) else None
        raise StreamError(
            "this is no provenance of a stream",
            file=place,
            expected=f'an object with "kind": "{KIND}" and "vmstate": {FORM}',
            found=f"a {kind}" if isinstance(kind, str) and kind.isalpha() and kind != KIND else None,
        )
    if not is_shallow(known):
        raise StreamError("the provenance cannot be used: it is nested too deep", file=place)
    for keys, expected, fits in _FORMS:
        for key in keys:
            if known.get(key) is not None and not fits(known[key]):
                raise StreamError(f"the provenance cannot be used: its {key!r}", file=place, expected=expected)
    return {key: value for key, value in known.items() if value is not None}


def _is_text(value: Any) -> bool:
    """Whether it is a text that can stand in a command line or a path."""
    if not isinstance(value, str) or "\0" in value:
        return False
    try:
        return len(os.fsencode(value)) < LONGEST
    except UnicodeEncodeError:
        return False


def _is_words(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_text, value))


def _is_memory(entry: Any) -> bool:
    return (
        isinstance(entry, dict)
        and all(_is_text(entry.get(key)) and entry[key] for key in ("id", "file"))
        and "/" not in entry["id"]
        and _is_size(entry.get("size"))
        and isinstance(entry.get("added"), bool | None)
    )


def _is_size(value: Any) -> bool:
    return type(value) is int and 0 <= value < 1 << 63


def _is_list_of_objects(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(entry, dict) for entry in value)


_FORMS: tuple[tuple[tuple[str, ...], str, Callable[[Any], bool]], ...] = (
    (_LISTS_OF_WORDS, "a list of texts", _is_words),
    (_TEXTS, "a text", _is_text),
    (("thinned",), "true or false", lambda value: isinstance(value, bool)),
    # Whoever records streams has written down there what came over it.
    (("console",), "true or false", lambda value: isinstance(value, bool | list)),
    (_OBJECTS, "an object", lambda value: isinstance(value, dict)),
    (("size",), "a number of bytes", _is_size),
    (("changed",), "a list of objects", _is_list_of_objects),
    (
        ("memory",),
        'a list of objects with "id", "size" and "file"',
        lambda value: isinstance(value, list) and all(map(_is_memory, value)),
    ),
)


def provenance_to_carry(source: str, target: str) -> dict[str, Any] | None:
    """The provenance of a stream `source` that goes along to `target`, before anything is written. None: there is none.

    Raises `StreamError` where it cannot be used, and where its place is taken: by a file that is no provenance, or by
    the provenance of another stream.
    """
    refuse_place(target)
    if "-" in (source, target):
        return None
    known = read_provenance(source)
    if known is None or (os.path.exists(target) and not os.path.isfile(target)):
        # Beside a pipe or a device there is nothing to say: nobody finds the stream there again.
        return None
    place = provenance_path(target)
    if not os.path.lexists(place) or _is_same(source, target):
        return known
    there = read_provenance(target) if os.path.isfile(place) else None
    if there is None:
        raise StreamError("something stands in the place of the provenance", file=place, expected="no file, or a file")
    is_of_target = os.path.lexists(target) or there.get("file") == os.path.basename(target)
    # What stands there of the same stream, as that of its document, says no less afterwards.
    is_of_source = there == moved(known, source, target)
    if _is_same(place, provenance_path(source)) or not (is_of_target or is_of_source):
        owner = there.get("file") or "another stream"
        raise StreamError(f"the provenance of {owner} stands where that of {target} belongs", file=place)
    return known


def refuse_place(target: str | os.PathLike[str]) -> None:
    """Refuse a name for an output that is none, or that of a provenance. Raises `StreamError`."""
    if not os.fspath(target):
        raise StreamError("the output needs a name", expected="a file, or - for standard output")
    if os.fspath(target).endswith(SUFFIX):
        raise StreamError("this is the name of a provenance", file=os.fspath(target), expected="another name")
    if len(os.fsencode(os.path.basename(provenance_path(target)))) > NAME_MAX:
        raise StreamError("the name is too long, with that of the provenance beside it", file=os.fspath(target))


def refuse_disk_image(source: str, target: str) -> None:
    """Refuse to put a stream over the disk image that it is a snapshot of. Raises `StreamError`.

    The image has the disk and other snapshots: of that only a copy is written. Any other file may be written anew.
    """
    if split(source)[1] is not None:
        refuse_itself(source, target)


def refuse_itself(source: str, target: str) -> None:
    """Refuse to put what is made of a file in its place: a document over its stream, a stream over the disk image with
    the snapshot `source` (FILE@SNAPSHOT) that it is taken out of. Raises `StreamError`.
    """
    if "-" in (source, target) or not os.path.isfile(target):
        return
    if _is_same(split(source)[0], target):
        raise StreamError("this is what is read, and would be lost: what is written needs another name", file=target)


def _is_same(first: str, second: str) -> bool:
    try:
        return os.path.samefile(first, second)
    except (OSError, ValueError):
        return os.path.abspath(first) == os.path.abspath(second)


def write_provenance(path: str | os.PathLike[str], known: Mapping[str, Any]) -> None:
    """Write the provenance of a stream beside it. Raises `StreamError`."""
    write_atomic(provenance_path(path), [json.dumps(known, indent=1).encode() + b"\n"])


def identity(path: str | os.PathLike[str]) -> dict[str, Any]:
    """file, size and sha256 of a stream, whose file may be compressed. Raises `VMStateError`."""
    import hashlib

    with open_input(path) as opened:
        digest, size = hashlib.sha256(opened.data).hexdigest(), len(opened.data)
    return {"file": os.path.basename(os.fspath(path)), "size": size, "sha256": digest}


def recorded_now(file: str | os.PathLike[str], *, size: int, sha256: str) -> dict[str, Any]:
    """How the provenance of a stream that QEMU has just written begins."""
    return {
        "kind": KIND,
        "vmstate": FORM,
        "file": os.path.basename(os.fspath(file)),
        "size": size,
        "sha256": sha256,
        "recorded": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "recorder": f"vmstate {_version()}",
    }


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("qemu-vmstate")
    except PackageNotFoundError:
        return "not installed"


def moved(known: Mapping[str, Any], source: str | os.PathLike[str], target: str | os.PathLike[str]) -> dict[str, Any]:
    """A provenance of the stream `source` for one beside `target`: the paths of its memory are from there."""
    before, after = (os.path.dirname(os.path.abspath(path)) for path in (source, target))
    memory = [
        {**entry, "file": os.path.relpath(os.path.join(before, entry["file"]), after)}
        for entry in known.get("memory") or []
    ]
    return {**known, "memory": memory} if memory else dict(known)


def carry_provenance(
    known: Mapping[str, Any],
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    *,
    edits: Iterable[Edit] = (),
    **more: Any,
) -> dict[str, Any]:
    """Write the provenance of a stream `target` that was made from `source`, whose provenance is known.

    It has the new file's name, size and sha256; `original`, which stream QEMU wrote, where the bytes are others; the
    edits that were made, and what `more` says. Raises `VMStateError`.
    """
    from vmstate.schema.values import to_plain

    changed = [
        {"section": edit.section, "path": edit.path, "before": to_plain(edit.before), "after": to_plain(edit.after)}
        for edit in edits
    ]
    now = identity(target)
    carried = {**moved(known, source, target), **now, **more}
    if now["sha256"] != known.get("sha256") and "original" not in known and "sha256" in known:
        carried["original"] = {key: known[key] for key in ("file", "size", "sha256") if key in known}
    if changed:
        carried["changed"] = [*(known.get("changed") or []), *changed]
    write_provenance(target, carried)
    return carried
