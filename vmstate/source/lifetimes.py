"""What the functions of a file do with what descriptions are of: where its memory is made, where sections end.

Functions are not run and not parsed: names that are called, and what stands in which braces, is all that is looked at.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

CALLED = re.compile(r"\b([A-Za-z_]\w*)\s*\(")
MADE = re.compile(
    r"(?:->|\.)(\w+)\s*=\s*(?:\([^()]*\)\s*)?(?:g_new0?|g_try_new0?|g_malloc0?(?:_n)?|g_realloc|qemu_malloc|qemu_mallocz|"
    r"qemu_memalign|qemu_blockalign)\s*\("
)
CONDITION = re.compile(r"\s*(?:else\s+)?(?:if|else|switch)\b")
BEGINS = re.compile(
    r"->(?:realize|init|instance_init)\s*=\s*&?(\w+)|device_class_set_parent_realize\([^;]*?,\s*(\w+)\s*,"
)
ENDS = re.compile(r"->(?:unrealize|exit|instance_finalize)\s*=\s*&?(\w+)|"
                  r"device_class_set_parent_unrealize\([^;]*?,\s*(\w+)\s*,")  # fmt: skip
UNREGISTERED = re.compile(r"\bvmstate_unregister\s*\(([^;]*)\)\s*;")


def memory_made(functions: Iterable[str]) -> dict[str, bool]:
    """Member -> whether its memory is made on every way through one of these functions (bodies), not under an if."""
    made: dict[str, bool] = {}
    for body in functions:
        for assignment in MADE.finditer(body):
            member = assignment[1]
            made[member] = made.get(member, False) or not _is_conditional(body, assignment.start())
    return made


def _is_conditional(body: str, place: int) -> bool:
    """Whether a place of a body is in an `if`, an `else` or a `switch`."""
    open_braces: list[bool] = []
    statement = 0
    brackets = 0
    for index in range(place):
        char = body[index]
        if char in "()":
            brackets += 1 if char == "(" else -1
        elif char == "{":
            open_braces.append(CONDITION.match(body, statement) is not None)
            statement = index + 1
        elif char == "}":
            if open_braces:
                open_braces.pop()
            statement = index + 1
        elif char == ";" and not brackets:
            statement = index + 1
    return any(open_braces) or CONDITION.match(body, statement) is not None


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
