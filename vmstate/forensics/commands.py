"""The commands `vmstate-vol` and `vmstate-drgn`: volatility3's and drgn's own, on whatever `vmstate.load` opens."""

from __future__ import annotations

import os
import runpy
import sys
from collections.abc import Sequence
from contextlib import suppress

from vmstate.errors import VMStateError
from vmstate.saved.parts import split

MISSING = "pip install 'qemu-vmstate[forensics]'"


def without_part(words: Sequence[str]) -> tuple[list[str], str | None]:
    """The words of volatility3's command line with the part of FILE@PART behind -f taken out, and that part."""
    out, part = list(words), None
    for number, word in enumerate(words):
        behind = number > 0 and words[number - 1] in ("-f", "--file")
        option = "" if behind else next((each for each in ("--file=", "-f") if word.startswith(each)), None)
        value = word[len(option or "") :]
        if option is not None and "@" in value and not os.path.exists(value):
            path, part = split(value)
            out[number] = option + path
    return out, part


def vol() -> int:
    """Run volatility3's command line, with the layer of `vmstate.forensics.volatility` among its own."""
    try:
        from volatility3 import cli

        from vmstate.forensics import volatility
    except ImportError as error:
        print(f"vmstate-vol: {error}: {MISSING}", file=sys.stderr)
        return 2
    sys.argv[1:], part = without_part(sys.argv[1:])
    if part is not None:
        os.environ[volatility.PART] = part
    cli.main()
    return 0


def drgn() -> int:
    """drgn's prompt on a file, or a script that finds the program in `prog`."""
    if len(sys.argv) < 2 or sys.argv[1].startswith("-"):
        print("usage: vmstate-drgn FILE [SCRIPT [ARGUMENT...]]", file=sys.stderr)
        return 2
    try:
        import drgn
        from drgn.cli import run_interactive

        from vmstate.forensics.drgn_program import program_of
    except ImportError as error:
        print(f"vmstate-drgn: {error}: {MISSING}", file=sys.stderr)
        return 2
    try:
        program = program_of(sys.argv[1])
    except VMStateError as error:
        print(f"vmstate-drgn: {error}", file=sys.stderr)
        return 2
    with suppress(drgn.MissingDebugInfoError):
        program.load_default_debug_info()
    drgn.set_default_prog(program)
    if len(sys.argv) == 2:
        run_interactive(program)
        return 0
    sys.argv = sys.argv[2:]
    runpy.run_path(sys.argv[0], init_globals={"prog": program}, run_name="__main__")
    return 0
