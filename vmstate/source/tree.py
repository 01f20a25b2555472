"""A source tree: a folder, or a revision of a git repository that is read without being checked out.

`open_tree` takes "DIR" or "GIT@REV". Of git only `ls-tree`, `rev-parse`, `cat-file --batch` and, for a release whose
tag a clone has not got, `log` are called, with no hook, no configuration of the user or the system, no replacement
objects, no lazy fetch and no terminal: nothing of a tree is ever run, and nothing is asked over a network.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import suppress
from types import TracebackType
from typing import Self

from vmstate.errors import VMStateError
from vmstate.vmsd.release import Release

MAX_FILE = 4 << 20
"""Bytes of a file that is read at most: the largest of QEMU's sources that matter have half a megabyte."""

MAX_FILES = 100_000
"""Files of a tree that are looked at."""

SOURCE = (".c", ".h", ".inc", ".hx", ".rs", ".mak")
"""Endings of the files that are read."""

BUILD = ("/Kconfig", "/meson.build")
"""The files that say what is built for which machine."""

LEFT_OUT = frozenset(
    (
        "tests", "roms", "subprojects", "docs", "pc-bios", "linux-user", "bsd-user", "contrib", "scripts",
        "capstone", "dtc", "slirp", "qga", "storage-daemon", "tools", "disas", "libdecnumber", "tcg", ".git",
        "build", "po", "python", "common-user", "plugins", "meson"
    )
)  # fmt: skip
"""Folders at the top of a tree that hold nothing of a machine's state."""

NUMBERED = re.compile(r"\d+\.\d+(?:\.\d+)?(?:-rc\d+)?\Z")
EXPECTED = "a folder, or REPOSITORY@REVISION, with include/migration/vmstate.h"

MAIN_HEADS = ("HEAD", "refs/heads/master", "refs/heads/main", "refs/remotes/origin/master")
"""Where the commits of releases are looked for."""

GIT_SECONDS = 120
"""The time that git has for one answer."""


class Tree:
    """The files of a tree that can matter: path -> blob id (as git counts it), and their bytes.

    `name` is what the user called it, `release` what its VERSION says (None where it says nothing).
    """

    name: str
    blobs: Mapping[str, str]
    too_large: Mapping[str, int]
    """Files that are not read, with their size in bytes."""
    release: Release | None

    def read(self, path: str) -> bytes:
        """The bytes of one of `blobs`. Raises `VMStateError`."""
        raise NotImplementedError

    def earlier(self, blob: str) -> bytes | None:
        """The bytes of another state of a file, by its blob id; None where the tree has no others."""
        return None

    def close(self) -> None:
        """End what was started for it."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    @property
    def id(self) -> str:
        """The same for trees whose files are the same."""
        digest = hashlib.sha256()
        for path in sorted(self.blobs):
            digest.update(f"{path}\0{self.blobs[path]}\n".encode("utf-8", "surrogateescape"))
        return digest.hexdigest()


def open_tree(name: str, release: Release | None = None) -> Tree:
    """The tree "DIR" or "GIT@REV"; `release` is said where the tree's own VERSION is not to be believed.

    Raises `VMStateError`: there is no such folder, repository or revision, or it is no tree of QEMU.
    """
    folder, at, revision = name.rpartition("@")
    tree: Tree = GitTree(name, folder, revision) if at and not os.path.isdir(name) else FolderTree(name)
    try:
        if not any(path == "hw/hw.h" or path.endswith("vmstate.h") for path in tree.blobs):
            raise VMStateError("no source tree of QEMU", file=name, expected=EXPECTED)
        tree.release = release if release is not None else _release_of(tree)
    except BaseException:
        tree.close()
        raise
    return tree


def is_tree(name: str) -> bool:
    """Whether a name means a source tree: a folder with QEMU's vmstate.h, or a folder, an @ and a revision."""
    folder, at, revision = name.rpartition("@")
    if os.path.isdir(name):
        return os.path.exists(os.path.join(name, "include", "migration", "vmstate.h"))
    return bool(at and revision and os.path.isdir(folder))


def _release_of(tree: Tree) -> Release | None:
    if "VERSION" not in tree.blobs:
        return None
    with suppress(VMStateError):
        return Release.read(tree.read("VERSION").decode("ascii", "replace").strip())
    return None


def is_wanted(path: str) -> bool:
    """Whether a file of a tree can matter."""
    return path in ("VERSION", "Kconfig.host") or (
        path.endswith((*SOURCE, *BUILD)) and path.partition("/")[0] not in LEFT_OUT
    )


class FolderTree(Tree):
    """A folder with sources. Links are not followed, so it ends."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.release = None
        if not os.path.isdir(name):
            raise VMStateError("no such folder", file=name, expected="a folder, or REPOSITORY@REVISION")
        # Else all files of some large folder would be read before that is known.
        if not any(os.path.exists(os.path.join(name, place)) for place in ("hw", "vmstate.h", "include", "migration")):
            raise VMStateError("no source tree of QEMU", file=name, expected=EXPECTED)
        self._held: dict[str, bytes] = {}
        blobs: dict[str, str] = {}
        large: dict[str, int] = {}
        for path, size in self._files():
            if size > MAX_FILE:
                large[path] = size
                continue
            try:
                with open(os.path.join(name, path), "rb") as file:
                    data = file.read(MAX_FILE)
            except OSError as error:
                raise VMStateError(f"cannot be read: {error.strerror}", file=os.path.join(name, path)) from None
            blobs[path] = hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()
        self.blobs = blobs
        self.too_large = large

    def _files(self) -> Iterator[tuple[str, int]]:
        count = 0
        for folder, folders, files in os.walk(self.name):
            inside = os.path.relpath(folder, self.name)
            prefix = "" if inside == "." else inside.replace(os.sep, "/") + "/"
            folders[:] = sorted(each for each in folders if prefix or each not in LEFT_OUT)
            for file in sorted(files):
                if not is_wanted(prefix + file):
                    continue
                status = os.lstat(os.path.join(folder, file))
                if not stat.S_ISREG(status.st_mode):
                    continue
                count += 1
                if count > MAX_FILES:
                    raise VMStateError(f"more than {MAX_FILES} source files", file=self.name)
                yield prefix + file, status.st_size

    def read(self, path: str) -> bytes:
        try:
            with open(os.path.join(self.name, path), "rb") as file:
                return file.read(MAX_FILE)
        except OSError as error:
            raise VMStateError(f"cannot be read: {error.strerror}", file=os.path.join(self.name, path)) from None


def git_environment() -> dict[str, str]:
    """An environment in which git takes nothing from the user's or the system's configuration and asks nobody."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    return kept | {
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ALLOW_PROTOCOL": "",
        "LC_ALL": "C",
    }


def git_command(folder: str) -> list[str]:
    """The words with which git is called on a repository: bare, or with a work tree (whose .git is taken)."""
    inside = os.path.join(folder, ".git")
    where = inside if os.path.exists(inside) else folder
    # What the repository's own configuration could make git run is switched off.
    quiet = [
        "core.hooksPath=" + os.devnull,
        "core.fsmonitor=false",
        "core.pager=cat",
        "diff.external=",
        "uploadpack.x=",
    ]
    return ["git", f"--git-dir={where}", "--no-pager", *(word for each in quiet for word in ("-c", each))]


def run_git(folder: str, *words: str, name: str | None = None) -> bytes:
    """What git writes. Raises `VMStateError` with git's last line where it fails."""
    try:
        done = subprocess.run(
            [*git_command(folder), *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=GIT_SECONDS,
            check=False,
            env=git_environment(),
        )
    except FileNotFoundError:
        raise VMStateError("git is not installed", file=name or folder) from None
    except subprocess.TimeoutExpired:
        raise VMStateError(f"git gave no answer within {GIT_SECONDS} s", file=name or folder) from None
    if done.returncode != 0:
        lines = done.stderr.decode("utf-8", "replace").strip().splitlines() or ["no reason given"]
        raise VMStateError(f"git {words[0]}: {lines[-1].removeprefix('fatal: ')}", file=name or folder)
    return done.stdout


def commit_of(folder: str, revision: str, name: str) -> str:
    """The id of the commit that a revision means. Raises `VMStateError`."""
    if not os.path.isdir(folder):
        raise VMStateError("no such repository", file=name, expected="REPOSITORY@REVISION")
    if not revision or revision.startswith("-"):
        raise VMStateError("no revision", file=name, expected="REPOSITORY@REVISION")
    # A release by its number is the tag that QEMU gives it.
    tags = (f"v{revision}", f"v{revision}.0") if NUMBERED.match(revision) else ()
    for spelling in (revision, *tags):
        with suppress(VMStateError):
            words = ("rev-parse", "--verify", "--quiet", "--end-of-options", spelling + "^{commit}")
            return run_git(folder, *words, name=name).decode("ascii", "replace").strip().splitlines()[-1]
    run_git(folder, "rev-parse", "--git-dir", name=name)
    released = _released(folder, revision, name) if NUMBERED.match(revision) else None
    if released is None:
        raise VMStateError(f"the repository has no commit {revision!r} (it may be a shallow clone)", file=name)
    return released


def _released(folder: str, number: str, name: str) -> str | None:
    """The commit that gave VERSION the number of a release, in a clone that has no tags."""
    version = number if number.count(".") > 1 else f"{number}.0"
    # Both commits that have the number and those that take it away: the oldest is that of the release.
    pattern = f"^{version.replace('.', '[.]')}$"
    words = ("log", "--format=%H", "--no-textconv", "--no-ext-diff", "--ignore-missing", "-G", pattern, *MAIN_HEADS)
    commits = run_git(folder, *words, "--", "VERSION", name=name).decode("ascii", "replace").split()
    return commits[-1] if commits else None


class GitTree(Tree):
    """A revision of a repository. `commit` is its full id."""

    def __init__(self, name: str, folder: str, revision: str) -> None:
        self.name = name
        self.release = None
        self.folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self.commit = commit_of(folder, revision, name)
        listing = run_git(folder, "ls-tree", "-r", "-l", "-z", "--full-tree", self.commit, name=name)
        blobs: dict[str, str] = {}
        large: dict[str, int] = {}
        for entry in listing.split(b"\0"):
            head, _, raw_path = entry.partition(b"\t")
            words = head.split()
            if len(words) != 4 or words[1] != b"blob" or words[0] == b"120000":
                continue
            path = raw_path.decode("utf-8", "surrogateescape")
            if not is_wanted(path):
                continue
            size = int(words[3]) if words[3].isdigit() else 0
            if size > MAX_FILE:
                large[path] = size
            else:
                blobs[path] = words[2].decode("ascii")
            if len(blobs) > MAX_FILES:
                raise VMStateError(f"more than {MAX_FILES} source files", file=name)
        self.blobs = blobs
        self.too_large = large

    def _batch(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            self._process = subprocess.Popen(
                [*git_command(self.folder), "cat-file", "--batch"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=git_environment(),
            )
        return self._process

    def read(self, path: str) -> bytes:
        data = self.earlier(self.blobs[path])
        if data is None:
            raise VMStateError("git has not the contents (a partial clone?)", file=f"{self.name}:{path}")
        return data

    def earlier(self, blob: str) -> bytes | None:
        process = self._batch()
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(blob.encode("ascii") + b"\n")
            process.stdin.flush()
            answer = re.fullmatch(rb"[0-9a-f]+ blob (\d+)\n", process.stdout.readline())
            if answer is None:
                return None
            size = int(answer[1])
            data = process.stdout.read(size)
            process.stdout.read(1)
        except OSError as error:
            raise VMStateError(f"git cat-file ended: {error.strerror}", file=self.name) from None
        if len(data) != size:
            raise VMStateError("git cat-file ended early", file=self.name)
        return data

    def close(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    with suppress(OSError):
                        pipe.close()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
