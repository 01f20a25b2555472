"""What is read from a tree: plain values, which can be written as JSON and read again.

Only facts stand in them: names, numbers, order, conditions; no text of the tree.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Self

from vmstate.vmsd.data import Value


class Fact(Value):
    """A value that is written as JSON by its names; what has its default is left out."""

    def as_json(self) -> dict[str, Any]:
        """The values by name, without those that have their default."""
        shown = {}
        for name in type(self)._names:
            value = getattr(self, name)
            if value == getattr(type(self), name, None) and name not in type(self)._needed:
                continue
            shown[name] = _as_json(value)
        return shown

    @classmethod
    def of_json(cls, raw: Mapping[str, Any]) -> Self:
        """The value that `as_json` has written."""
        return cls(**{name: _of_json(value) for name, value in raw.items()})


def _as_json(value: Any) -> Any:
    if isinstance(value, Fact):
        return value.as_json()
    if isinstance(value, tuple):
        return [_as_json(each) for each in value]
    return value


def _of_json(value: Any) -> Any:
    return tuple(_of_json(each) for each in value) if isinstance(value, list) else value


class Problem(Fact):
    """Something that could not be told from the source: where, of what, and why."""

    path: str
    line: int
    what: str
    reason: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.what}: {self.reason}"


class SourceField(Fact):
    """A member of a `VMStateField[]`, macros expanded.

    `name` is the wire's. `size` is the host's sizeof of one element in bytes, `count` how many there are where that is
    a constant. `count_from` and `size_from` are the members that say it at run time. `info` and `vmsd` are names of
    C variables, `flags` those of VMStateFlags. `struct` and `member` are what is sent, as the source names it.
    `exists` is the name of the function that says whether it is sent.
    """

    name: str
    line: int = 0
    version: int = 0
    size: int | None = None
    count: int | None = None
    start: int = 0
    count_from: str | None = None
    size_from: str | None = None
    info: str | None = None
    flags: tuple[str, ...] = ()
    vmsd: str | None = None
    struct_version: int = 0
    exists: str | None = None
    struct: str | None = None
    member: str | None = None
    kind: str | None = None
    """The type that the macro was given, where it checks one."""
    err_hint: str | None = None
    path: str | None = None
    """The file, where it is not that of the description."""
    memory: str | None = None
    """Where what it points at is made: "always", or "sometimes" where only under a condition; None: not seen."""
    against: str | None = None
    """What the member is where the flags take it for the other: "a pointer", or "no pointer"."""


class SourceDescription(Fact):
    """A `VMStateDescription`, under the name of its C variable (`symbol`)."""

    symbol: str
    path: str
    line: int
    name: str = ""
    version: int = 0
    minimum: int = 0
    static: bool = True
    priority: str | None = None
    unmigratable: bool = False
    early_setup: bool = False
    needed: str | None = None
    hooks: tuple[str, ...] = ()
    """Which of pre_load, post_load, pre_save, ... it has, each with its function: "post_load=x_post_load"."""
    fields: tuple[SourceField, ...] = ()
    has_fields: bool = False
    """Whether it has an array of fields at all."""
    ended: bool = True
    """Whether the array of fields has an end marker."""
    subsections: tuple[str, ...] = ()
    twice: tuple[str, ...] = ()
    """Members that its initialiser has more than once."""
    untold: tuple[str, ...] = ()
    """Members whose values could not be told."""
    measured: tuple[str, ...] = ()
    """Members whose values are the size of something."""

    @classmethod
    def of_json(cls, raw: Mapping[str, Any]) -> Self:
        values = dict(raw)
        fields = tuple(SourceField.of_json(field) for field in values.pop("fields", ()))
        return cls(**{name: _of_json(value) for name, value in values.items()}, fields=fields)


class SourceInfo(Fact):
    """A `VMStateInfo`: the C variable, and the name that a vmdesc shows.

    `puts` are the sizes in bytes of what its `put` writes, where that is a row of numbers without any condition, or of
    what its `get` reads.
    """

    symbol: str
    path: str
    line: int
    name: str = ""
    static: bool = True
    puts: tuple[int, ...] = ()


class SourceFunction(Fact):
    """A function that says whether a field or a subsection is sent.

    `returns` is the expression that it returns, in our words, where it is a single one without calls; else None.
    `digest` tells whether it was changed. `given` is what it takes its opaque pointer for, as in `UnitResult.heads`.
    """

    name: str
    path: str
    line: int
    returns: str | None = None
    digest: str = ""
    given: tuple[str, ...] = ()


class SourceType(Fact):
    """A device class: `TypeInfo`, and the description that its class_init gives it (None: its parent's)."""

    name: str
    path: str
    line: int
    parent: str | None = None
    abstract: bool = False
    vmsd: str | None = None
    inner: str | None = None
    """The description of the class between, as that of VirtioDeviceClass, which is sent inside another."""
    instance: tuple[str, ...] = ()
    """The struct of its instances, as in `UnitResult.heads`."""
    properties: tuple[str, ...] = ()
    """The arrays of properties that its class_init gives it."""
    save: str | None = None
    """The function that writes by hand what is sent before `inner`."""


class Registration(Fact):
    """A call that registers a section by hand. `idstr` is None where it is made at run time or the description's."""

    function: str
    path: str
    line: int
    idstr: str | None = None
    vmsd: str | None = None
    instance: int | None = None
    version: int | None = None
    kept: bool = False
    """Whether it stays when the device that registers it is unrealized."""


class CompatEntry(Fact):
    """One entry of a list of properties for older machine types."""

    list: str
    driver: str
    property: str
    value: str
    path: str
    line: int


class Visible(Fact):
    """Something that a guest can see besides the state that is sent.

    `kind` is "property" (`owner`: the array, `value`: the default), "machine" (`owner`: a function that sets a field of
    a machine class), "cpu" (`owner`: a model of x86), "pci" (`owner`: a function that writes configuration space) or
    "lists" (`owner`: a function of a machine type with a version, `name`: a list or another such function in it).
    `value` is None where it is no constant. Of a property `info`, `member` and `bit` say what it sets.
    """

    kind: str
    owner: str
    name: str
    value: str | None
    path: str
    line: int
    info: str | None = None
    member: str | None = None
    bit: int | None = None


class UnitResult(Fact):
    """What was read from one file for one target; `files` are those that something was taken from.

    `heads` has a row for each struct that fields are of: its name there, its own, and those that lie at its beginning,
    the outermost first. A pointer to one of these is a pointer to each. "?" is one that cannot be told.
    """

    path: str
    target: str
    files: tuple[str, ...] = ()
    descriptions: tuple[SourceDescription, ...] = ()
    infos: tuple[SourceInfo, ...] = ()
    functions: tuple[SourceFunction, ...] = ()
    types: tuple[SourceType, ...] = ()
    registrations: tuple[Registration, ...] = ()
    compat: tuple[CompatEntry, ...] = ()
    heads: tuple[tuple[str, ...], ...] = ()
    visible: tuple[Visible, ...] = ()
    counts: tuple[tuple[str, int | str], ...] = ()
    """Members that say how many elements, or bytes, there are, each with what functions give it: a constant, or a
    member of its parent and what is added, "member - 1". A name in quotes is a property that is given a constant.
    """
    problems: tuple[Problem, ...] = ()
    option: str | None = None
    """Of a crate of Rust: the CONFIG_X that decides whether it is built."""
    names: str = ""
    """The keys of all that was taken (`vmstate.source.sources.key_of`), with blanks between."""
    whole: tuple[str, ...] = ()
    """The files, besides its own, of which all counts and not only what was taken by name."""

    @classmethod
    def of_json(cls, raw: Mapping[str, Any]) -> Self:
        kinds: dict[str, type[Fact]] = {
            "descriptions": SourceDescription,
            "infos": SourceInfo,
            "functions": SourceFunction,
            "types": SourceType,
            "registrations": Registration,
            "compat": CompatEntry,
            "visible": Visible,
            "problems": Problem,
        }
        values: dict[str, Any] = {}
        for name, value in raw.items():
            kind = kinds.get(name)
            values[name] = _of_json(value) if kind is None else tuple(kind.of_json(each) for each in value)
        return cls(**values)


def sorted_problems(problems: Iterable[Problem]) -> list[Problem]:
    """Each once, by place."""
    return sorted(dict.fromkeys(problems), key=lambda problem: (problem.path, problem.line, problem.what))
