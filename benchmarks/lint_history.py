"""What `vmstate source lint` says of commits of which it is known whether they broke migration, by cross-validation.

    python benchmarks/lint_history.py GIT HISTORY.json [--json OUT]

GIT is a clone of QEMU. HISTORY.json has `breaks`, each with the commit that was `breaking` and whether its cause is
`in_description`, and `correct` changes, each with its `commit`. Each commit is linted against its parent. A break is
told where a finding is a break, a defect, or either of a device without a promise.

Rules are not fitted to data, but which of them are errors was decided with such commits in view. So each break is
judged a second time, by those rules alone that another break needs, too (leave one out). Every break that is missed,
either way, is listed, and every correct change that is told as an error.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

COMMAND = "import sys; from vmstate.cli import main; sys.exit(main())"
ERRORS = ("breaks", "defect", "unpromised")


def findings(repository: str, commit: str) -> list[dict[str, Any]]:
    """What lint says of a commit."""
    words = ["source", "lint", repository, f"{commit}~1..{commit}", "--format", "json"]
    done = subprocess.run([sys.executable, "-c", COMMAND, *words], capture_output=True, text=True, check=False)
    if done.returncode > 1:
        raise SystemExit(f"{commit}: {done.stderr.strip()}")
    told = json.loads(done.stdout)
    rows: list[dict[str, Any]] = told["findings"] if isinstance(told, dict) else told
    return rows


def rules_of(rows: list[dict[str, Any]], *, strict: bool) -> set[str]:
    """The rules of what is told as an error; `strict` leaves out what is of a device without a promise."""
    return {row["rule"] for row in rows if row["severity"] in (ERRORS[:2] if strict else ERRORS)}


def main() -> int:
    """Lint all, and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("repository", metavar="GIT")
    parser.add_argument("history", metavar="HISTORY", type=Path)
    parser.add_argument(
        "--json", metavar="OUT", type=Path, help="every finding; what stands there already is not linted again"
    )
    options = parser.parse_args()
    history = json.loads(options.history.read_text())
    marked = [entry["breaking"] for entry in history["breaks"] if entry.get("in_description")]
    correct = [entry["commit"] for entry in history["correct"]]
    known: dict[str, list[dict[str, Any]]] = {}
    if options.json is not None and options.json.exists():
        known = json.loads(options.json.read_text())
    for commit in dict.fromkeys([*marked, *correct]):
        if commit not in known:
            known[commit] = findings(options.repository, commit)
            print(f"{len(known)}: {commit[:10]}", file=sys.stderr, flush=True)
            if options.json is not None:
                options.json.write_text(json.dumps(known, indent=1) + "\n")
    rules = {commit: rules_of(known[commit], strict=False) for commit in marked}
    told = [commit for commit in marked if rules[commit]]
    held = [
        commit for commit in told if rules[commit] & set().union(*(rules[each] for each in marked if each != commit))
    ]
    print(f"breaks in a description: {len(told)} of {len(marked)} told, {len(held)} with their own rules left out")
    for commit in marked:
        if commit not in told:
            print(f"  {commit[:10]} missed")
        elif commit not in held:
            print(f"  {commit[:10]} told only by {', '.join(sorted(rules[commit]))}")
    wrong = [commit for commit in correct if rules_of(known[commit], strict=True)]
    print(f"correct changes: {len(wrong)} of {len(correct)} told as errors")
    for commit in wrong:
        print(f"  {commit[:10]} {', '.join(sorted(rules_of(known[commit], strict=True)))}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
