"""`Data`: plain immutable data classes that cost nothing to define.

The library has some fifty small classes that every command loads. Making one with attrs takes 0.4 ms, for its methods
are compiled from text; all of them would take as long as everything else a command does. These classes have what they
need and no more: construction by position or keyword with defaults, and a repr. Those that are `Value` compare
by value, the others by identity. `NamedTuple` is that of `typing`, which compiles the text of every annotation, without
that. docs/architecture.md tells which is for what.
"""

from __future__ import annotations

from collections import namedtuple
from types import FunctionType
from typing import TYPE_CHECKING, Any, ClassVar, Self, dataclass_transform

if TYPE_CHECKING:
    from typing import NamedTuple as NamedTuple  # noqa: PLC0414 (said to be public here)
else:

    class _NamedTupleMeta(type):
        def __new__(mcs, name, bases, namespace):
            if not bases:
                return super().__new__(mcs, name, bases, namespace)
            fields = namespace["__annotations__"]
            defaults = [namespace.pop(field) for field in fields if field in namespace]
            made = namedtuple(name, fields, defaults=defaults, module=namespace["__module__"])
            for key, value in namespace.items():
                setattr(made, key, value)
            return made

    class NamedTuple(metaclass=_NamedTupleMeta):
        """The base of named tuples, declared as those of `typing`."""


@dataclass_transform(frozen_default=True, eq_default=False)
class Data:
    """The base of plain immutable data classes.

    The names of the values are those of the annotations; a default stays an attribute of the class. There is no
    metaclass, since `isinstance` is many times slower for the classes of one.
    """

    _names: ClassVar[tuple[str, ...]] = ()
    _needed: ClassVar[frozenset[str]] = frozenset()

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        namespace = vars(cls)
        fresh = names = [key for key in namespace.get("__annotations__", ()) if key[0] != "_"]
        if len(cls.__bases__) > 1:
            names = [*dict.fromkeys(key for base in cls.__bases__ for key in getattr(base, "_names", ())), *names]
            cls._needed = frozenset(key for base in cls.__bases__ for key in getattr(base, "_needed", ()))
        else:
            names = [*cls._names, *names]
        cls._names = tuple(dict.fromkeys(names))
        cls._needed = cls._needed.union([key for key in fresh if key not in namespace])
        if cls.__init__.__module__ == __name__:
            cls.__init__ = _taking(cls)  # type: ignore[method-assign]

    def __init__(self) -> None:
        self.__dict__.update(locals())
        del self.__dict__["self"]

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"{type(self).__name__} cannot be changed: {name!r}")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{type(self).__name__} cannot be changed: {name!r}")

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        # What cannot change can be shared.
        return self

    def __repr__(self) -> str:
        cls = type(self)
        shown = (f"{name}={_shown(getattr(self, name))}" for name in cls._names)
        return f"{cls.__name__}({', '.join(shown)})"


def _taking(cls: type[Data]) -> Any:
    """The `__init__` of a class: that of `Data` with other parameters, for which nothing is compiled."""
    names = cls._names
    code = Data.__init__.__code__.replace(
        co_argcount=len(names) + 1,
        co_nlocals=len(names) + 1,
        co_qualname=cls.__qualname__,
        co_varnames=("self", *names),
    )
    defaults = tuple(getattr(cls, name) for name in names if name not in cls._needed)
    return FunctionType(code, globals(), "__init__", defaults)


def _shown(value: Any) -> str:
    if isinstance(value, (bytes, memoryview)) and len(value) > 64:
        return f"<{len(value)} bytes>"
    return repr(value)


@dataclass_transform(frozen_default=True)
class Value(Data):
    """Plain immutable data that is equal where its class and values are."""

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in type(self)._names)

    def __hash__(self) -> int:
        return hash(tuple(getattr(self, name) for name in type(self)._names))

    def as_dict(self) -> dict[str, Any]:
        """The values by name."""
        return {name: getattr(self, name) for name in type(self)._names}

    def replace(self, **changes: Any) -> Self:
        """An object of this class with some of the values changed."""
        return type(self)(**self.__dict__ | changes)
