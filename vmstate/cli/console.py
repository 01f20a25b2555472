"""What trees and tables are printed on; imported where there is one to print, for rich takes long."""

from __future__ import annotations

from typing import Any

from rich.console import Console

PIPE_WIDTH = 1 << 16
"""Columns of what is no terminal: nothing may be cut or wrapped for it."""


def print_rendered(rendered: Any) -> None:
    """Print what rich renders, in the width of the terminal where there is one."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = PIPE_WIDTH
    console.print(rendered)
