"""States: what a description's bytes say.

With a class, a state is an object of that (attrs) class. Without one it is a `State`: an ordered mapping by wire
name, repeated names gathered into a list. Either carries, outside equality, what is not a value: the version it was
read at, the facts found, and the residue.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import MemberDescriptorType
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from vmstate.vmsd.data import NamedTuple

if TYPE_CHECKING:
    from vmstate.vmsd.description import VMStateDescription

    T = TypeVar("T")

    class _VmsdOfClass:
        """The type of `vmsd`: the description whose states are of the class at hand."""

        def __get__(self, instance: object, owner: type[T]) -> VMStateDescription[T]: ...

        def __set__(self, instance: object, value: Any) -> None: ...


META = "_vmstate"
"""The slot that holds a state's `Meta`, None, or `UNTOUCHED`."""

UNTOUCHED = False
"""In place of a `Meta`: the state is what it was read from, for none of its attributes has been set since."""


class SentSubsection(NamedTuple):
    """A subsection as it came: its number in the description, its attribute, and its header.

    `earlier` is for one that came again later and so was overwritten: its bytes behind the header.
    """

    number: int
    attribute: str
    header: bytes
    earlier: bytes | None = None


class Meta:
    """What a state carries beside its values.

    `version_id` is None where it is the description's own. `residue` maps an attribute (numbered where it repeats) to
    the bytes that stood in the stream where QEMU accepts them and would write others, with the value they were read
    as. `subsections` is there where their order, their number or their headers are not as QEMU would write them.
    """

    __slots__ = ("facts", "residue", "subsections", "version_id")

    def __init__(self) -> None:
        self.version_id: int | None = None
        self.facts: dict[str, Any] = {}
        self.residue: dict[str, tuple[bytes, Any]] = {}
        self.subsections: list[SentSubsection] | None = None

    def is_empty(self) -> bool:
        """Whether there is nothing in it."""
        return self.version_id is None and not self.facts and not self.residue and self.subsections is None


class State(dict[str, Any]):
    """The state of a description that has no class: wire name -> value, in the order of the wire."""

    __slots__ = (META,)
    _vmstate: Meta | None

    def __setitem__(self, key: str, value: Any) -> None:
        forget_residue(self, key)
        super().__setitem__(key, value)


class ClassBodyWord:
    """The base of what stands for an attribute in the body of a class of states until the class is made."""

    __slots__ = ()

    @property
    def in_state(self) -> bool:
        """Whether states have a value for it."""
        raise NotImplementedError


WORDS_MADE = "__vmstate_declared__"
"""Where a class body notes every word that is made in it."""


class StateClass(type):
    """The class of `VMState`: takes the words out of a class body, and makes slots for those that states have."""

    __vmstate_words__: dict[str, ClassBodyWord]
    """Attribute -> word, in the order of the wire."""
    __vmstate_made__: list[Any]
    """Every word that was made in the body; one that is lost was assigned to a name that another has now."""

    def __new__(mcs, name: str, bases: tuple[type, ...], namespace: dict[str, Any]) -> StateClass:
        words = {attribute: word for attribute, word in namespace.items() if isinstance(word, ClassBodyWord)}
        made = namespace.pop(WORDS_MADE, [])
        if bases:
            for attribute, word in words.items():
                del namespace[attribute]
                if not word.in_state:
                    namespace.get("__annotations__", {}).pop(attribute, None)
            slots = [attribute for attribute, word in words.items() if word.in_state]
            if not any(hasattr(base, META) for base in bases):
                slots += [META, "__weakref__"]
            namespace["__slots__"] = slots
        cls = super().__new__(mcs, name, bases, namespace)
        cls.__vmstate_words__, cls.__vmstate_made__ = words, made
        return cls


class _AttrsFields:
    """`__attrs_attrs__`, made when somebody asks for it."""

    def __get__(self, instance: object, owner: type[VMState]) -> Any:
        import attrs

        names = {
            name: attrs.field(default=attrs.Factory(make), kw_only=True) for name, make in _defaults(owner).items()
        }
        shadow = attrs.make_class(owner.__name__, names)
        owner.__attrs_attrs__ = attrs.fields(shadow)
        return owner.__attrs_attrs__


def _defaults(cls: type[VMState]) -> dict[str, Callable[[], Any]]:
    return cls.__vmstate_defaults__


class VMState(metaclass=StateClass):
    """The base of every state class: slots, construction by keyword, equality, repr; and `vmsd`, its description.

    `@description` puts a class on it where the class is not. A class that names it as its base says the same to type
    checkers, which cannot see what a decorator adds.

    For attrs (`attrs.fields`, `attrs.asdict`, `attrs.evolve`) it is an attrs class, but it is not attrs that makes it:
    that takes 1 ms a class, and a stream needs dozens. Setting an attribute drops its residue.
    """

    __slots__ = ()
    __hash__ = None  # type: ignore[assignment]
    __attrs_attrs__: ClassVar[Any] = _AttrsFields()
    __vmstate_defaults__: ClassVar[dict[str, Callable[[], Any]]] = {}
    if TYPE_CHECKING:
        vmsd: ClassVar[_VmsdOfClass]

    def __init__(self, **values: Any) -> None:
        put = object.__setattr__
        put(self, META, None)
        for name, default in self.__vmstate_defaults__.items():
            put(self, name, values.pop(name) if name in values else default())
        if values:
            raise TypeError(f"{type(self).__name__}() has no {', '.join(map(repr, values))}")

    if not TYPE_CHECKING:
        # A checker would take every attribute for one that can be set.
        def __setattr__(self, name, value):
            if name != META and (meta := getattr(self, META, None)) is not None:
                if meta is UNTOUCHED:
                    object.__setattr__(self, META, None)
                else:
                    forget_residue(self, name)
            object.__setattr__(self, name, value)

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in self.__vmstate_defaults__)

    def __repr__(self) -> str:
        shown = (f"{name}={getattr(self, name)!r}" for name in self.__vmstate_defaults__)
        return f"{type(self).__name__}({', '.join(shown)})"


def forget_residue(state: Any, attribute: str) -> None:
    """The attribute is written as QEMU would write its value from now on."""
    meta = meta_of(state)
    if meta is None:
        return
    if meta.residue:
        numbered = attribute + "["
        for key in [key for key in meta.residue if key == attribute or key.startswith(numbered)]:
            del meta.residue[key]
    if meta.subsections is not None:
        meta.subsections = [sent for sent in meta.subsections if sent.attribute != attribute] or None


def meta_of(state: Any) -> Meta | None:
    """What a state carries beside its values, if anything."""
    return getattr(state, META, None) or None


def ensure_meta(state: Any) -> Meta:
    """The `Meta` of a state, made where it has none yet."""
    meta = meta_of(state)
    if meta is None:
        meta = Meta()
        object.__setattr__(state, META, meta)
    return meta


def version_of(state: Any) -> int | None:
    """The version_id a state was read at where it is not the description's own, else None."""
    meta = meta_of(state)
    return None if meta is None else meta.version_id


def facts_of(state: Any) -> Mapping[str, Any]:
    """The facts found while a state was read, or set on it."""
    meta = meta_of(state)
    return {} if meta is None else dict(meta.facts)


def set_facts(state: Any, **facts: Any) -> None:
    """Tell what the host of a state knows, for a state that was not read from a stream."""
    ensure_meta(state).facts.update(facts)


def residue_of(state: Any) -> Mapping[str, bytes]:
    """Attribute -> the bytes that QEMU accepts and would have written otherwise, of this struct alone."""
    meta = meta_of(state)
    return {} if meta is None else {name: raw for name, (raw, _) in meta.residue.items()}


def items_of(state: Any) -> Iterator[tuple[str, Any]]:
    """(attribute, value) of a state, in the order of the wire."""
    if isinstance(state, dict):
        yield from state.items()
    else:
        for name in type(state).__vmstate_defaults__:
            yield name, getattr(state, name)


def derived_of(state: Any) -> list[str]:
    """The names of what the class of a state makes of its attributes: a MAC table from bytes, say."""
    if isinstance(state, dict):
        return []
    return [
        name
        for cls in type(state).__mro__
        for name, made in vars(cls).items()
        if not name.startswith("_") and hasattr(made, "__get__") and _is_derived(made)
    ]


def _is_derived(made: Any) -> bool:
    return isinstance(made, property) or (hasattr(type(made), "__set__") and not isinstance(made, MemberDescriptorType))


def is_state(value: Any) -> bool:
    """Whether a value is the state of a struct."""
    return isinstance(value, (State, VMState))
