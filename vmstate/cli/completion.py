"""Completion of the command line in a shell."""

from __future__ import annotations

import argparse
from typing import Any

FILES = ("FILE", "STREAM", "A", "B", "EARLY", "FINAL", "RECORD", "OUT", "JSON", "TARGET", "TRACE")
FOLDERS = ("DIR", "FOLDER")
"""Of arguments that are called so in the help a shell completes the names of files or folders."""


def print_completion(parser: argparse.ArgumentParser, shell: str) -> int:
    """Print what a shell takes to complete our command line."""
    try:
        import shtab
    except ModuleNotFoundError:
        parser.error("a completion needs shtab: pip install shtab")
    if shell not in shtab.SUPPORTED_SHELLS:
        parser.error(f"no completion is known for {shell!r} (expected {', '.join(shtab.SUPPORTED_SHELLS)})")
    _complete_by_files(parser, shtab)
    print(shtab.complete(parser, shell))
    return 0


def _complete_by_files(parser: argparse.ArgumentParser, shtab: Any) -> None:
    """Let what is the name of a file or a folder be completed as that."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for inner in action.choices.values():
                _complete_by_files(inner, shtab)
        elif action.metavar in FOLDERS or action.metavar in FILES:
            action.complete = shtab.DIRECTORY if action.metavar in FOLDERS else shtab.FILE  # type: ignore[attr-defined]
