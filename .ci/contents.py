"""Refuse packages that hold what they should not, or lack what they should: python .ci/contents.py FILE..."""

import sys
import tarfile
import zipfile
from pathlib import Path

WANTED_IN_SOURCE = (
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "LICENSE",
    "Makefile",
    "NOTICE",
    "README.md",
    "SECURITY.md",
    "devices/_index.py",
    "fixtures/README.md",
    "pyproject.toml",
    "tests/conftest.py",
    "tests/support/recorded.py",
    "vmstate/py.typed",
)
WANTED_IN_WHEEL = (
    "vmstate/__init__.py",
    "vmstate/py.typed",
    "vmstate/devices/__init__.py",
    "vmstate/devices/_index.py",
    "vmstate/report/page.css",
    "vmstate/report/page.html.j2",
    "vmstate/report/page.js",
)

LARGEST = 1_500_000
"""Bytes of a wheel, without what a page is made of."""

PAGE = (".css", ".html.j2", ".js")


def faults(path: Path) -> list[str]:
    """What is wrong with a wheel or a source archive."""
    if path.suffix == ".whl":
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            page = sum(member.compress_size for member in archive.infolist() if member.filename.endswith(PAGE))
        size = path.stat().st_size - page
        top = {name.partition("/")[0] for name in names}
        odd = sorted(name for name in top if name != "vmstate" and not name.endswith(".dist-info"))
        large = [f"{size:,} bytes, and {LARGEST:,} are the most"] if size > LARGEST else []
        return large + [f"{name} at the top" for name in odd] + _lacking(names, WANTED_IN_WHEEL)
    with tarfile.open(path) as archive:
        names = [name.partition("/")[2] for name in archive.getnames()]
    return _lacking(names, WANTED_IN_SOURCE)


def _lacking(names: list[str], wanted: tuple[str, ...]) -> list[str]:
    return [f"no {name}" for name in wanted if name not in names]


if __name__ == "__main__":
    wrong = [f"{path}: {fault}" for path in sys.argv[1:] for fault in faults(Path(path))]
    print("\n".join(wrong) or f"contents of {len(sys.argv) - 1} packages as they should be")
    sys.exit(bool(wrong))
