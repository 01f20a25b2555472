"""Print the lowest releases that pyproject.toml allows, as pip takes them: of what is used, and what the tests use."""

import tomllib
from itertools import chain
from pathlib import Path

NOT_TESTED = (
    "qemu-vmstate",
    "axe-playwright",
    "basedpyright",
    "build",
    "check-jsonschema",
    "cosmic-ray",
    "coverage",
    "hatchling",
    "mkdocs",
    "mypy",
    "playwright",
    "pre-commit",
    "pytest-cov",
    "ruff",
    "towncrier",
    "twine",
)
"""The project itself, and what looks at its source, its packages, its documents and its files alone."""

project = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text())["project"]
for needed in chain(project["dependencies"], *project["optional-dependencies"].values()):
    if not needed.startswith(NOT_TESTED):
        print(needed.partition(",")[0].replace(">=", "=="))
