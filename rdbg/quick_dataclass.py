"""Frozen dataclasses that are made quickly: those of the standard library, at a third of the price.

Python's own compiles six functions for each frozen class, which takes 0.3 ms. A session has 160 such classes: they were
a quarter of the program's start. Here ``__init__`` alone is compiled, and the other methods are shared. A class is used
as any other dataclass: `dataclasses.replace`, `fields` and `asdict` take it, and for a type checker it is one.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from operator import attrgetter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dataclasses import dataclass as dataclass
else:

    def dataclass(cls: type | None = None, /, **options: Any) -> Any:
        """`dataclasses.dataclass`, with the same arguments: quick for ``frozen=True`` alone, else Python's own."""
        if options != {"frozen": True}:
            return dataclasses.dataclass(cls, **options)
        return _frozen if cls is None else _frozen(cls)


_METHODS = frozenset({"__init__", "__repr__", "__eq__", "__hash__", "__setattr__", "__delattr__"})


def _frozen(cls: type) -> type:
    if cls.__bases__ != (object,) or not _METHODS.isdisjoint(cls.__dict__):
        return dataclasses.dataclass(frozen=True)(cls)  # what is inherited or written by hand has rules of its own
    made: Any = dataclasses.dataclass(init=False, repr=False, eq=False)(cls)
    made.__dataclass_params__.frozen = made.__dataclass_params__.eq = True
    fields = dataclasses.fields(made)
    made.__init__ = _initializer(made, fields)
    made.__repr__ = _shower([field.name for field in fields if field.repr])
    compared = [field.name for field in fields if field.compare]
    made.__eq__ = _comparer(_getter(compared))
    made.__hash__ = _hasher(_getter(compared))
    made.__setattr__ = _refuse_assignment
    made.__delattr__ = _refuse_deletion
    return cls


def _initializer(cls: type, fields: tuple[dataclasses.Field[Any], ...]) -> Callable[..., None]:
    """The constructor, compiled: who makes many instances should not wait for a loop."""
    names: dict[str, Any] = {"set_": object.__setattr__, "missing_": dataclasses.MISSING}
    parameters, lines = [], []
    for field in fields:
        name, value = field.name, field.name
        parameter = name
        if field.default is not dataclasses.MISSING:
            names[f"default_{name}"] = field.default
            parameter = f"{name}=default_{name}"
        elif field.default_factory is not dataclasses.MISSING:
            names[f"make_{name}"] = field.default_factory
            parameter = f"{name}=missing_"
            value = f"make_{name}() if {name} is missing_ else {name}"
        parameters.append(parameter)
        lines.append(f" set_(self, {name!r}, {value})")
    if hasattr(cls, "__post_init__"):
        lines.append(" self.__post_init__()")
    exec(f"def __init__(self, {', '.join(parameters)}):\n" + "\n".join(lines or [" pass"]), names)
    made: Callable[..., None] = names["__init__"]
    made.__qualname__, made.__module__ = f"{cls.__qualname__}.__init__", cls.__module__
    return made


def _getter(names: list[str]) -> Callable[[Any], tuple[Any, ...]]:
    """Gives the values of these fields."""
    if len(names) > 1:
        return attrgetter(*names)
    if not names:
        return lambda instance: ()
    one = attrgetter(names[0])
    return lambda instance: (one(instance),)


def _comparer(values: Callable[[Any], tuple[Any, ...]]) -> Callable[[Any, object], bool]:
    def __eq__(self: Any, other: object) -> bool:
        if other.__class__ is not self.__class__:
            return NotImplemented
        return values(self) == values(other)

    return __eq__


def _hasher(values: Callable[[Any], tuple[Any, ...]]) -> Callable[[Any], int]:
    def __hash__(self: Any) -> int:
        return hash(values(self))

    return __hash__


def _shower(names: list[str]) -> Callable[[Any], str]:
    def __repr__(self: Any) -> str:
        shown = ", ".join(f"{name}={getattr(self, name)!r}" for name in names)
        return f"{self.__class__.__qualname__}({shown})"

    return __repr__


def _is_frozen(instance: Any, name: str) -> bool:
    """Whether an attribute is one that the class may not change: all, but for what a subclass adds."""
    return "__dataclass_fields__" in type(instance).__dict__ or name in instance.__dataclass_fields__


def _refuse_assignment(self: Any, name: str, value: object) -> None:
    if _is_frozen(self, name):
        raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")
    object.__setattr__(self, name, value)


def _refuse_deletion(self: Any, name: str) -> None:
    if _is_frozen(self, name):
        raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")
    object.__delattr__(self, name)
