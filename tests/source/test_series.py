"""A series on top of a tree is what git would make of it, without git and without a file being written."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from vmstate.errors import VMStateError
from vmstate.source.series import PatchedTree
from vmstate.source.tree import open_tree

HEADER = "include/migration/vmstate.h"
TEXT = "".join(f"line {number}\n" for number in range(60))


def git(folder: Path, *words: str) -> bytes:
    command = ["git", "-C", str(folder), "-c", "user.name=a", "-c", "user.email=a@example.org", *words]
    return subprocess.run(command, check=True, capture_output=True).stdout


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two commits on top of a first: changes, a new file, a renamed one, one without, and files that do not matter."""
    folder = tmp_path_factory.mktemp("repository")
    git(folder, "init", "-q")
    for path, text in {HEADER: "", "hw/a.c": TEXT, "hw/b.c": TEXT, "hw/c.c": "gone\n", "docs/x.c": "1\n"}.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "first")
    text = TEXT.replace("line 3\n", "line 3\nm\xf6re\n\n").replace("line 50\n", "")
    (folder / "hw/a.c").write_text(text + "without an end", encoding="utf-8")
    (folder / "hw/new.c").write_text("-- new\n++ file\n", encoding="utf-8")
    (folder / "docs/x.c").write_bytes(b"\0\1")
    git(folder, "rm", "-q", "hw/c.c")
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "[thing] second, with a long subject that goes on and on, over more than a line")
    (folder / "hw/a.c").write_text(text.replace("line 4\n", "line four\n"), encoding="utf-8")
    git(folder, "mv", "hw/b.c", "hw/moved.c")
    git(folder, "commit", "-q", "-a", "-m", "third")
    return folder


def of_revision(repository: Path, revision: str) -> dict[str, bytes]:
    with open_tree(f"{repository}@{revision}") as tree:
        return {path: tree.read(path) for path in tree.blobs}


@pytest.mark.parametrize("way", ["mails", "diff", "turned", "encoded"])
def test_a_series_is_what_git_makes_of_it(repository: Path, way: str) -> None:
    series = git(repository, "format-patch", "--stdout", "-M", "HEAD~2")
    if way == "diff":
        series = git(repository, "diff", "--binary", "-M", "HEAD~2", "HEAD")
    elif way == "turned":
        second = series.index(b"From ", 5)
        while series[second - 1 : second] != b"\n":
            second = series.index(b"From ", second + 1)
        series = series[second:] + series[:second]
    elif way == "encoded":
        import email
        import quopri

        mails = []
        for raw in (git(repository, "format-patch", "--stdout", f"HEAD~{n + 1}..HEAD~{n}") for n in (1, 0)):
            message = email.message_from_bytes(raw.partition(b"\n")[2])
            body = message.get_payload(decode=True)
            assert isinstance(body, bytes)
            head = (
                b"Subject: x\nContent-Type: text/plain; charset=UTF-8\nContent-Transfer-Encoding: quoted-printable\n\n"
            )
            mails.append(raw.partition(b"\n")[0] + b"\n" + head + quopri.encodestring(body))
        series = b"".join(mails)
    with PatchedTree(open_tree(f"{repository}@HEAD~2"), series) as tree:
        made = {path: tree.read(path) for path in tree.blobs}
        blobs = dict(tree.blobs)
    assert made == of_revision(repository, "HEAD")
    with open_tree(f"{repository}@HEAD") as expected:
        assert blobs == expected.blobs


@pytest.mark.slow
def test_the_hook_for_a_tree(tmp_path: Path) -> None:
    """What .pre-commit-hooks.yaml has is run as it stands there."""
    root = Path(__file__).resolve().parents[2]
    text = (root / ".pre-commit-hooks.yaml").read_text(encoding="utf-8")
    entry = text.partition("id: vmstate-source-lint")[2].partition("entry: >-")[2].partition("  language:")[0]
    tree = tmp_path / "tree"
    shutil.copytree(root / "fixtures" / "source" / "beeper", tree)
    git(tree, "init", "-q")
    git(tree, "add", ".")
    git(tree, "commit", "-q", "-m", "x")
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
                   "XDG_CACHE_HOME": str(tmp_path)}  # fmt: skip
    command = shlex.split(" ".join(entry.split()))

    def run() -> tuple[int, str]:
        done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout

    assert run() == (0, "")
    device = tree / "hw" / "audio" / "beeper.c"
    device.write_text(
        device.read_text(encoding="utf-8").replace("VMSTATE_UINT8(mode, BeeperState),", ""), encoding="utf-8"
    )
    git(tree, "config", "diff.mnemonicPrefix", "true")
    git(tree, "add", ".")
    code, out = run()
    assert code == 1
    assert "breaks: beeper: 'mode' was sent" in out


def test_a_hunk_stands_where_its_lines_are(repository: Path) -> None:
    hunk = b"--- a/hw/a.c\n+++ b/hw/a.c\n@@ -20,3 +20,3 @@\n line 9\n-line 10\n+line ten\n line 11\n"
    with PatchedTree(open_tree(f"{repository}@HEAD~2"), hunk) as tree:
        assert tree.read("hw/a.c").decode() == TEXT.replace("line 10\n", "line ten\n")


@pytest.mark.parametrize(
    ("series", "message"),
    [
        (b"", "no patch"),
        (b"From x Mon Sep 17 00:00:00 2001\n\nonly words\n", "no patch"),
        (b"--- a/hw/a.c\n+++ b/hw/a.c\n@@ -1 +1 @@\n-nowhere\n+x\n", "the hunk at line 1 does not apply to hw/a.c"),
        (b"--- a/hw/a.c\n+++ b/hw/a.c\n@@ -1,9 +1 @@\n line 0\n", "the hunk at line 1 ends early"),
        (b"--- a/hw/a.c\n+++ b/hw/a.c\n@@ what @@\n", "a hunk without its line numbers"),
        (b"--- a/hw/z.c\n+++ b/hw/z.c\n@@ -1 +1 @@\n-a\n+b\n", "hw/z.c is not in the tree"),
        (b"--- /dev/null\n+++ b/hw/a.c\n@@ -0,0 +1 @@\n+b\n", "hw/a.c is new there, and in the tree already"),
        (b"diff --git a/hw/a.c b/hw/a.c\nGIT binary patch\nliteral 0\n", "a binary patch of hw/a.c"),
        (b"--- a/hw/a.c\n+++ b/hw/a.c\n" + b"@@ -1,0 +1,0 @@\n" * 50_001, "more than 50000 hunks"),
    ],
)
def test_what_does_not_apply(repository: Path, series: bytes, message: str) -> None:
    with pytest.raises(VMStateError) as raised:
        PatchedTree(open_tree(f"{repository}@HEAD~2"), series)
    assert message in str(raised.value)
