"""What the repository's host reads: workflows, templates, hooks; and what a release is made of."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from io import BytesIO
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import vmstate

ROOT = Path(__file__).resolve().parents[2]
GITHUB = ROOT / ".github"
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
WORKFLOWS = sorted(GITHUB.glob("workflows/*.yml"))
TARGETS = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))

# The source archive has all but what the repository's host reads.
in_the_repository = pytest.mark.skipif(not GITHUB.exists(), reason="a source archive, without the host's files")


def parsed(path: Path) -> Any:
    yaml = pytest.importorskip("ruamel.yaml", reason="needs check-jsonschema, which brings a reader of YAML")
    return yaml.YAML(typ="safe").load(path.read_text())


def valid(schema: str, path: Path) -> subprocess.CompletedProcess[str]:
    if importlib.util.find_spec("check_jsonschema") is None:
        pytest.skip("needs check-jsonschema")
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.slow
@in_the_repository
@pytest.mark.parametrize(
    ("schema", "pattern"),
    [
        ("vendor.github-workflows", "workflows/*.yml"),
        ("vendor.github-issue-forms", "ISSUE_TEMPLATE/[!c]*.yml"),
        ("vendor.github-issue-config", "ISSUE_TEMPLATE/config.yml"),
    ],
)
def test_files_of_the_host_are_of_their_schema(schema: str, pattern: str, tmp_path: Path) -> None:
    paths = sorted(GITHUB.glob(pattern))
    assert paths
    for path in paths:
        done = valid(schema, path)
        assert done.returncode == 0, done.stdout + done.stderr
        broken = tmp_path / path.name
        broken.write_text("nonsense: [1]\n")
        assert valid(schema, broken).returncode == 1


@in_the_repository
@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_every_job_calls_a_target_that_exists(path: Path) -> None:
    """What a job does can be done at home: a target of the Makefile, or an installation of what that needs."""
    called = set()
    for name, job in parsed(path)["jobs"].items():
        assert job["timeout-minutes"] <= 120, name
        runs = [step["run"] for step in job["steps"] if "run" in step]
        targets = {words.group(1) for run in runs if (words := re.fullmatch(r"make ([a-z]+)", run))}
        assert targets and targets <= TARGETS, name
        assert all(run.startswith(("make ", "sudo apt-get -qq ")) for run in runs), name
        called |= targets
    if path.name == "ci.yml":
        assert called >= {"lint", "quick", "wheel", "docs", "coverage", "test", "project", "lowest"}


@in_the_repository
def test_releases_of_python_are_the_same_everywhere() -> None:
    classifiers = [line.rpartition(" ")[2] for line in PROJECT["project"]["classifiers"] if ":: 3." in line]
    jobs = parsed(GITHUB / "workflows" / "ci.yml")["jobs"]
    assert jobs["quick"]["strategy"]["matrix"]["python"] == classifiers
    assert set(jobs["wheel"]["strategy"]["matrix"]["python"]) == {classifiers[0], classifiers[-1]}
    assert PROJECT["project"]["requires-python"] == f">={classifiers[0]}"


@in_the_repository
def test_templates_ask_for_a_scrubbed_stream() -> None:
    for path in (*GITHUB.glob("ISSUE_TEMPLATE/[!c]*.yml"), GITHUB / "PULL_REQUEST_TEMPLATE.md"):
        assert "vmstate thin" in path.read_text() and "--scrub" in path.read_text(), path.name
    for path in GITHUB.glob("ISSUE_TEMPLATE/[!c]*.yml"):
        stream = next(item for item in parsed(path)["body"] if item.get("id") == "stream")
        assert stream["validations"]["required"] is True


@in_the_repository
def test_hooks_call_what_there_is() -> None:
    hooks = [hook for repository in parsed(ROOT / ".pre-commit-config.yaml")["repos"] for hook in repository["hooks"]]
    assert {"ruff-check", "ruff-format", "mypy", "project"} == {hook["id"] for hook in hooks}
    for hook in hooks:
        program, *arguments = hook["entry"].split()
        assert program == "make" or program.startswith(".venv/bin/")
        assert program != "make" or arguments[-1] in TARGETS
        assert hook["language"] == "system"


def test_what_the_guide_runs_is_installed_for_development() -> None:
    assert "`pre-commit install`" in (ROOT / "CONTRIBUTING.md").read_text()
    needed = {re.split("[<>=!~]", word)[0] for word in PROJECT["project"]["optional-dependencies"]["dev"]}
    assert {"pre-commit", "towncrier", "ruff", "mypy"} <= needed


def test_targets_of_the_guide_exist() -> None:
    """And those that it leaves out are for those who record."""
    text = (ROOT / "CONTRIBUTING.md").read_text()
    table = set(re.findall(r"^\| `make ([a-z]+)(?: [A-Z]+=[A-Z]+)?` \|", text, re.MULTILINE))
    assert table <= TARGETS
    assert TARGETS - table <= {"guest", "fixtures", "corpus", "clean", "changelog"}


def test_fragments_have_a_kind() -> None:
    kinds = {kind["directory"] for kind in PROJECT["tool"]["towncrier"]["type"]}
    assert kinds == {"added", "changed", "removed", "fixed", "security"}
    for path in (ROOT / "changelog.d").iterdir():
        if path.name == "README.md":
            continue
        assert re.fullmatch(rf"[^.]+\.({'|'.join(kinds)})\.md", path.name), path.name
        text = path.read_text()
        assert text.strip() and all(len(line) <= 120 for line in text.splitlines()), path.name
    assert PROJECT["tool"]["towncrier"]["start_string"].strip() in (ROOT / "CHANGELOG.md").read_text()


def test_the_version_stands_in_one_place() -> None:
    assert "version" not in PROJECT["project"] and PROJECT["project"]["dynamic"] == ["version"]
    text = (ROOT / PROJECT["tool"]["hatch"]["version"]["path"]).read_text()
    assert re.findall(r'^__version__ = "([^"]+)"$', text, re.MULTILINE) == [vmstate.__version__]


def test_telling_the_version_is_cheap() -> None:
    code = (
        "import json, sys; from vmstate.cli import main; main(['--version']);"
        "print(json.dumps([name for name in sys.modules if name.startswith('importlib.metadata')]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    version, modules = done.stdout.splitlines()
    assert version == f"vmstate {vmstate.__version__}"
    assert json.loads(modules) == []


def tool(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / ".ci" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def contents_of(path: Path) -> list[str]:
    faults: list[str] = tool("contents").faults(path)
    return faults


def test_packages_that_hold_the_wrong_things_are_refused(tmp_path: Path) -> None:
    """What `make wheel` looks at: a `devices` at the top would be everybody's."""
    wheel = tmp_path / "a-1-py3-none-any.whl"
    names = ["vmstate/__init__.py", "vmstate/py.typed", "vmstate/devices/__init__.py", "vmstate/devices/_index.py"]
    names += [f"vmstate/report/page.{ending}" for ending in ("css", "html.j2", "js")]
    with zipfile.ZipFile(wheel, "w") as archive:
        for name in (*names, "a-1.dist-info/METADATA"):
            archive.writestr(name, "")
    assert contents_of(wheel) == []
    with zipfile.ZipFile(wheel, "a") as archive:
        archive.writestr("devices/__init__.py", "")
    assert contents_of(wheel) == ["devices at the top"]
    source = tmp_path / "a-1.tar.gz"
    with tarfile.open(source, "w:gz") as archive:
        archive.addfile(tarfile.TarInfo("a-1/README.md"), BytesIO())
    assert "no tests/conftest.py" in contents_of(source) and "no README.md" not in contents_of(source)


@pytest.mark.slow
def test_the_wheel_is_small_and_whole_when_packed(tmp_path: Path) -> None:
    """Below 1.5 MB without what a page is made of, as `make wheel` packs it; nothing in it is changed by that."""
    pytest.importorskip("zopfli", reason="needs zopfli: pip install zopfli")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)], cwd=ROOT, check=True
    )
    (wheel,) = tmp_path.glob("*.whl")
    closer = tmp_path / f"closer-{wheel.name}"
    closer.write_bytes(tool("pack_wheel").packed(wheel))
    assert contents_of(closer) == []
    with zipfile.ZipFile(wheel) as before, zipfile.ZipFile(closer) as after:
        assert after.testzip() is None
        for built, member in zip(before.infolist(), after.infolist(), strict=True):
            assert (member.filename, member.date_time, member.external_attr) == (
                built.filename,
                built.date_time,
                built.external_attr,
            )
            assert after.read(member) == before.read(built)


def test_a_wheel_that_is_too_large_is_refused(tmp_path: Path) -> None:
    wheel = tmp_path / "a-1-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("vmstate/large.js", bytes(2_000_000))
        assert archive.infolist()[0].compress_size == 2_000_000
    assert not any("the most" in fault for fault in contents_of(wheel))
    with zipfile.ZipFile(wheel, "a") as archive:
        archive.writestr("vmstate/large.py", bytes(1_500_001))
    assert "1,500," in contents_of(wheel)[0] and "are the most" in contents_of(wheel)[0]
