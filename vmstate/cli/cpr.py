"""What `show` and `verify` say of the state of a CPR transfer, which is no stream."""

from __future__ import annotations

import argparse
import json

from vmstate.cli.words import counted
from vmstate.errors import PathError, VMStateError, one_line
from vmstate.saved.cpr import CprStateError, CprStateFile
from vmstate.stream.finding import Finding
from vmstate.vmsd.path import resolve


def state_of(error: VMStateError) -> CprStateFile:
    """The state in the file that an error is about; raises the error where it is about another."""
    if not isinstance(error, CprStateError):
        raise error
    return error.container


def show_cpr_state(error: VMStateError, path: str | None, options: argparse.Namespace, *, several: bool) -> int:
    """Show the state, or what is at a path in it."""
    from vmstate.cli.show import write_json
    from vmstate.cli.show_text import children, is_folder, render
    from vmstate.report.text import text_of

    known = state_of(error)
    try:
        value = known.state if path is None else resolve(known.state, path)[1]
    except PathError as wrong:
        raise wrong.within(file=known.file) from None
    if options.format == "json":
        whole = {"file": known.file, **({"state": value} if path is None else {"path": path, "value": value})}
        write_json(value if path is not None and not several else whole)
    elif is_folder(value):
        render(known.file if path is None or several else path, children(value))
    else:
        print(f"{one_line(known.file)}: {text_of(value)}" if several else text_of(value))
    return 0


def verify_cpr_state(error: VMStateError, options: argparse.Namespace) -> int:
    """Say what is wrong with the state, and whether anything is."""
    from vmstate.cli.verify import line

    known = state_of(error)
    findings: list[Finding] = list(known.findings())
    errors = sum(finding.severity == "error" for finding in findings)
    if options.format == "json":
        listed = [finding.as_dict() for finding in findings]
        print(json.dumps({"file": known.file, "ok": not errors, "sections": 0, "findings": listed}))
        return 1 if errors else 0
    for finding in findings:
        print(one_line(line(finding)))
    verdict = "does not verify" if errors else "verifies"
    print(
        f"{one_line(known.file)}: {verdict}: the state of a CPR transfer, "
        f"{counted(len(known.state.fds), 'descriptor')}, {counted(errors, 'error')}, "
        f"{counted(len(findings) - errors, 'note')}"
    )
    return 1 if errors else 0
