"""Device libraries of other distributions, and streams of the devices in them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

BEEPER = """
from vmstate.declare import description, uint8, uint32

INDEX = {"beeper": ("mydevices:Beeper",)}


@description("beeper", version_id=1)
class Beeper:
    on: int = uint8()
    pitch: int = uint32()
"""

STREAM = b"QEVM\0\0\0\3\4\0\0\0\1\6beeper\0\0\0\0\0\0\0\1\1\0\0\1\xb8\x7e\0\0\0\1\0"
"""A section of a beeper that is on, at 440 Hz."""


def install(folder: Path, source: str | None, *, name: str = "mydevices", entry: str | None = None) -> Path:
    """A distribution with a module, if there is a source, and an entry point, as an installer leaves it in a folder."""
    if source is not None:
        (folder / f"{name}.py").write_text(source)
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[vmstate.devices]\n{entry or f'{name} = {name}'}\n")
    (folder / "beeper.mig").write_bytes(STREAM)
    return folder


def run(folder: Path, *argv: str | Path, path: Path | None = None) -> subprocess.CompletedProcess[str]:
    """A run of Python in a folder whose distributions are installed; with `path` in front of what else there is."""
    places = [str(place) for place in (path, folder) if place is not None]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(places)}
    return subprocess.run(
        [sys.executable, "-P", *map(str, argv)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
