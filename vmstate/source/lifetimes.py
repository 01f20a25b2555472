"""What the functions of a file do with what descriptions are of: where its memory is made, where sections end.

Functions are not run and not parsed: names that are called, and what stands in which braces, is all that is looked at.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice

CALLED = re.compile(r"\b([A-Za-z_]\w*)\s*\(")
MADE = re.compile(
    r"(?:->|\.)(\w+)\s*=\s*(?:\([^()]*\)\s*)?(?:g_new0?|g_try_new0?|g_malloc0?(?:_n)?|g_realloc|qemu_malloc|qemu_mallocz|"
    r"qemu_memalign|qemu_blockalign)\s*\("
)
CONDITION = re.compile(r"\s*(?:else\s+)?(?:if|else|switch)\b")
STRUCTURE = re.compile(r"[(){};]")
BEGINS = re.compile(
    r"->(?:realize|init|instance_init)\s*=\s*&?(\w+)|device_class_set_parent_realize\([^;]*?,\s*(\w+)\s*,"
)
ENDS = re.compile(r"->(?:unrealize|exit|instance_finalize)\s*=\s*&?(\w+)|"
                  r"device_class_set_parent_unrealize\([^;]*?,\s*(\w+)\s*,")  # fmt: skip
BEGINNINGS = ("init", "realize", "probe", "setup", "register")
ENDINGS = ("exit", "finalize", "unrealize", "cleanup", "uninit", "unregister", "fini", "deinit")
UNREGISTERED = re.compile(r"\bvmstate_unregister\s*\(([^;]*)\)\s*;")


MAX_ASSIGNED = 4000
"""Places of one function that are looked at: QEMU's have some dozens at most."""


def memory_made(functions: Iterable[str]) -> dict[str, bool]:
    """Member -> whether its memory is made on every way through one of these functions (bodies), not under an if."""
    made: dict[str, bool] = {}
    for body in functions:
        assignments = list(islice(MADE.finditer(body), MAX_ASSIGNED))
        conditional = are_conditional(body, [assignment.start() for assignment in assignments])
        for assignment, is_conditional in zip(assignments, conditional, strict=True):
            member = assignment[1]
            made[member] = made.get(member, False) or not is_conditional
    return made


def are_conditional(body: str, places: Sequence[int]) -> list[bool]:
    """Whether each place of a body, in rising order, is in an `if`, an `else` or a `switch`."""
    made: list[bool] = []
    open_braces: list[bool] = []
    statement = 0
    brackets = 0
    begun = 0
    for place in places:
        for mark in STRUCTURE.finditer(body, begun, place):
            char = mark[0]
            if char in "()":
                brackets += 1 if char == "(" else -1
            elif char == "{":
                open_braces.append(CONDITION.match(body, statement) is not None)
                statement = mark.end()
            elif char == "}":
                if open_braces:
                    open_braces.pop()
                statement = mark.end()
            elif not brackets:
                statement = mark.end()
        begun = place
        made.append(any(open_braces) or CONDITION.match(body, statement) is not None)
    return made


def arguments_of(text: str, place: int) -> list[str] | None:
    """The arguments of a call whose bracket is open."""
    depth = 0
    arguments = [""]
    for char in text[place : place + 2000]:
        if char == ")" and depth == 0:
            return [argument.strip() for argument in arguments]
        if char in "([{":
            depth += 1
        elif char in ")]}":
            depth -= 1
        if char == "," and depth == 0:
            arguments.append("")
        else:
            arguments[-1] += char
    return None


def kept_after_end(functions: Mapping[str, str], registering: str, vmsd: str) -> bool:
    """Whether a section that `registering` registers stays when its device is unrealized.

    True where what a device's realize calls registers it, and nothing that its unrealize calls unregisters it.
    `functions` has the bodies of a file's functions by name. A device that has no unrealize is never taken away.
    """
    begins = _named(functions, BEGINS)
    ends = _named(functions, ENDS)
    if not ends or registering not in _reached(functions, begins):
        return False
    return not any(
        re.search(rf"\b{vmsd}\b", call)
        for name in _reached(functions, ends)
        for call in UNREGISTERED.findall(functions[name])
    )


def has_end(functions: Mapping[str, str], registering: str) -> bool:
    """Whether a file has a function that ends what the registering one begins, by its name: X_init and X_exit."""
    stem, _, begins = registering.rpartition("_")
    return begins in BEGINNINGS and any(f"{stem}_{ends}" in functions for ends in ENDINGS)


def _named(functions: Mapping[str, str], pattern: re.Pattern[str]) -> set[str]:
    return {
        name for body in functions.values() for names in pattern.findall(body) for name in names if name in functions
    }


def _reached(functions: Mapping[str, str], first: Iterable[str]) -> set[str]:
    reached: set[str] = set()
    waiting = list(first)
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting += [inner for inner in CALLED.findall(functions[name]) if inner in functions]
    return reached
