"""Names that bring their module when they are first asked for: those of a package, and places "module:NAME".

A command must not pay for what it does not use, and importing is most of what a command does. So this module imports
nothing itself, and names for type checkers stand where only they look.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any


def imported(place: str) -> Any:
    """What stands at "module:NAME". Raises `DescriptionError` where nothing does; what an import raises passes."""
    module, _, name = place.partition(":")
    try:
        return getattr(__import__(module, fromlist=[name]), name)
    except AttributeError as error:
        from vmstate.errors import DescriptionError

        raise DescriptionError(f"there is nothing at {place!r}") from error


def names_on_demand(
    namespace: dict[str, Any], places: Mapping[str, tuple[str, ...]]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """`__getattr__` and `__dir__` for the package with these globals; `places` is module -> the names it has."""
    package = namespace["__name__"]
    place_of = {name: place for place, names in places.items() for name in names}

    def get(name: str) -> Any:
        if name not in place_of:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        # With a list of names, what comes back is the module itself and not the package at the top.
        module = __import__(place_of[name], fromlist=[name])
        value = namespace[name] = getattr(module, name)
        return value

    def names() -> list[str]:
        return sorted({*namespace, *place_of})

    return get, names
