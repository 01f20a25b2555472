"""What `vmstate info` says of a file that holds a stream and more, and of several files in a table."""

from __future__ import annotations

import json
from typing import Any

from rich.table import Table
from rich.text import Text

from vmstate.cli.console import print_rendered
from vmstate.errors import VMStateError, one_line
from vmstate.files import size_text
from vmstate.saved.containers import Container


def print_container(container: Container) -> None:
    """What a stream was taken out of."""
    print(f"{one_line(container.file)}: holds a QEMU migration stream")
    for label, text in container.lines():
        print(f"  {label:<12}  {one_line(text)}")


def tell_choices(error: VMStateError, form: str) -> int:
    """What a file is of whose streams none was named; returns the exit code."""
    container: Container = error.container  # type: ignore[attr-defined]
    if form == "json":
        print(json.dumps({"file": container.file, "container": container.facts()}))
        return 0
    print(f"{one_line(container.file)}: {one_line(error.message)}")
    for label, text in container.lines():
        print(f"  {label:<12}  {one_line(text)}")
    print(f"  of one of them: {one_line(str(error.expected))}")
    return 0


def print_table(files: list[dict[str, Any]]) -> None:
    """A row for each of several files."""
    table = Table("file", "machine", "memory", "sections", "without a description", box=None, pad_edge=False)
    for facts in files:
        sections = facts["sections"]
        unknown = {section["name"] for section in sections if section["described_by"] == "none"}
        row = (
            str(facts["file"]),
            facts["machine"] or "not said",
            size_text(facts["ram"]["total"] or 0),
            str(len(sections)),
            ", ".join(sorted(unknown)) or "none",
        )
        table.add_row(*map(Text, map(one_line, row)))
    print_rendered(table)
