"""What may have been meant by a command line that is wrong."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from difflib import get_close_matches

_CALLED = {
    "help": "--help",
    "version": "--version",
    "completion": "--print-completion",
    **dict.fromkeys(("cat", "dump", "print"), "show"),
    **dict.fromkeys(("ls", "list"), "info"),
    **dict.fromkeys(("grep", "search"), "find"),
    **dict.fromkeys(("check", "validate", "test"), "verify"),
    **dict.fromkeys(("edit", "change"), "set"),
    **dict.fromkeys(("save", "record"), "capture"),
    **dict.fromkeys(("restore", "run", "start"), "load"),
    **dict.fromkeys(("fix", "mend"), "repair"),
    **dict.fromkeys(("cmp", "compare"), "diff"),
}
"""What other programs call a verb, and what it is here."""


def complaint(message: str) -> str:
    """argparse's complaint of a wrong choice, with what may have been meant; any other as it is."""
    wrong = re.search(r"invalid choice: '([^']*)' \(choose from (.*)\)", message)
    verbs = [] if wrong is None else re.findall(r"[^\s,']+", wrong[2])
    close = None if wrong is None else _meant(wrong[1], verbs)
    if wrong is not None and "info" in verbs:
        close = _CALLED.get(wrong[1], close)
    if wrong is None or close is None:
        return message
    return f"{message[: wrong.start()]}there is no {wrong[1]!r}: did you mean {close}?"


def unrecognized(words: Sequence[str], options: Iterable[str]) -> str:
    """A complaint of words that mean nothing; `options` are those that there are."""
    close = _meant(words[0].partition("=")[0], options)
    return f"unrecognized arguments: {' '.join(words)}" + ("" if close is None else f": did you mean {close}?")


def _meant(word: str, known: Iterable[str]) -> str | None:
    """What is most like a word, of what is known; None where nothing is."""
    return next(iter(get_close_matches(word, [*known], n=1)), None)
