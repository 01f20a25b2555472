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
    "drgn",
    "hatchling",
    "mkdocs",
    "mypy",
    "playwright",
    "pre-commit",
    "pytest-cov",
    "ruff",
    "towncrier",
    "twine",
    "volatility3",
)
"""The project itself, what looks at its source, its packages, its documents and its files alone, and other programs."""

project = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text())["project"]
for needed in chain(project["dependencies"], *project["optional-dependencies"].values()):
    if not needed.startswith(NOT_TESTED):
        print(needed.partition(",")[0].replace(">=", "=="))
