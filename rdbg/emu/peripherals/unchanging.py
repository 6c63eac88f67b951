"""What a peripheral's source keeps outside of fields: it must not be able to change, since no checkpoint has it."""

from __future__ import annotations

import ast
import dataclasses
import enum
import operator
import struct
from collections.abc import Iterator
from types import (
    BuiltinFunctionType,
    ClassMethodDescriptorType,
    FunctionType,
    GetSetDescriptorType,
    MappingProxyType,
    MemberDescriptorType,
    MethodDescriptorType,
    MethodWrapperType,
    ModuleType,
    WrapperDescriptorType,
)

from rdbg.emu.peripherals.declared_fields import Countdown, Field

_INSTEAD = "which checkpoints would not hold: declare a field, or use a number, text, tuple or dict"
_PLAIN = (int, float, complex, str, bytes, bool, type(None), range, slice, type(Ellipsis), type(NotImplemented))
_DESCRIPTORS = (
    property, classmethod, staticmethod, ClassMethodDescriptorType, GetSetDescriptorType, MemberDescriptorType,
    MethodDescriptorType, MethodWrapperType, WrapperDescriptorType,
)  # fmt: skip
_LASTING = (type, FunctionType, ModuleType, enum.Enum, Field, Countdown)
#: Modules whose objects, not their classes alone, are constants: annotations.
_CONSTANT_MODULES = ("typing", "types", "__future__")


def constant(name: str, value: object) -> object:
    """A value outside of fields, so that it cannot change: lists become tuples, dicts are read only.

    Args:
        name: whose value it is, for the message.
        value: what it is.

    Raises:
        ValueError: it can change; the message says what it is.
    """
    if isinstance(value, type | FunctionType | ModuleType | Field | Countdown) or type(value) in _PLAIN:
        return value
    if type(value) in (list, tuple):
        items = tuple(constant(name, item) for item in value)  # type: ignore[attr-defined]
        same = type(value) is tuple and all(map(operator.is_, items, value))
        return value if same else items
    if isinstance(value, bytearray):
        return bytes(value)
    if isinstance(value, dict | MappingProxyType):
        return MappingProxyType({key: constant(name, item) for key, item in value.items()})
    if isinstance(value, enum.Enum):
        if constant(name, value.value) is not value.value:
            raise ValueError(f"{name} has a {type(value.value).__name__}, {_INSTEAD}")
        return value
    if isinstance(value, tuple | int | float | str | bytes) and not hasattr(value, "__dict__"):
        if isinstance(value, tuple) and any(constant(name, item) is not item for item in value):
            raise ValueError(f"{name} has a list, {_INSTEAD}")
        return value  # a named tuple, or a number of its own kind
    if isinstance(value, BuiltinFunctionType):
        owner = value.__self__
        if owner is None or isinstance(owner, type | ModuleType):
            return value
        raise ValueError(f"{name} is bound to a {type(owner).__name__}, {_INSTEAD}")
    if isinstance(value, _DESCRIPTORS):
        return value
    if dataclasses.is_dataclass(value) and value.__dataclass_params__.frozen:  # type: ignore[union-attr]
        if all(constant(name, item) is item for item in vars(value).values()):
            return value
    if (
        type(value) is struct.Struct
        or type(value).__module__ in _CONSTANT_MODULES
        or type(value).__name__ == "_tuplegetter"
    ):
        return value
    raise ValueError(f"{name} is a {type(value).__name__}, {_INSTEAD}")


class UnchangingCheck:
    """Looks through functions and classes of one source for what can change: defaults, closures, class attributes.

    Args:
        path: of the source, as its code names it.
        module: what its classes call their module.
    """

    def __init__(self, path: str, module: str) -> None:
        self._path = path
        self._module = module
        self._seen: set[int] = set()

    def look(self, name: str, value: object) -> None:
        """Look through a value, and what it leads to.

        Raises:
            ValueError: something there can change.
        """
        if id(value) in self._seen:
            return
        self._seen.add(id(value))
        if isinstance(value, classmethod | staticmethod):
            self.look(name, value.__func__)
        elif isinstance(value, property):
            for part in (value.fget, value.fset, value.fdel):
                self.look(name, part)
        elif isinstance(value, FunctionType):
            self._function(name, value)
        elif isinstance(value, type):
            if value.__module__ == self._module:
                self._class(value)
        elif isinstance(value, tuple):
            for item in value:
                self.look(name, item)
        elif isinstance(value, MappingProxyType):
            for item in value.values():
                self.look(name, item)

    def _held(self, name: str, value: object) -> None:
        """What a function or a class has hold of, as it is: nothing there is replaced."""
        if type(value) is tuple:
            for item in value:
                self._held(name, item)
        elif constant(name, value) is not value:
            raise ValueError(f"{name} is a {type(value).__name__}, {_INSTEAD}")
        else:
            self.look(name, value)

    def _function(self, name: str, function: FunctionType) -> None:
        if function.__code__.co_filename != self._path:
            return  # made by dataclass or namedtuple
        shown = function.__qualname__
        for default in (*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()):
            self._held(f"a default of {shown}", default)
        for variable, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
            try:
                content = cell.cell_contents
            except ValueError:
                continue  # never set
            self._held(f"{variable!r}, which {shown} keeps,", content)

    def _class(self, kind: type) -> None:
        for name, value in _attributes(kind):
            if not (name.startswith("__") and name.endswith("__")) or isinstance(value, FunctionType):
                self._held(f"{name!r} of {kind.__qualname__}", value)


def _attributes(kind: type) -> Iterator[tuple[str, object]]:
    """A class's own attributes, without those in which Python keeps what makes it an enum or a named tuple."""
    for name, value in vars(kind).items():
        if issubclass(kind, enum.Enum) and name.startswith("_") and name.endswith("_"):
            continue
        if name == "_abc_impl" or (name in ("_field_defaults", "_fields_defaults") and issubclass(kind, tuple)):
            continue
        if name in ("_fields", "_countdowns"):
            continue  # what a peripheral declares
        yield name, value


class GuardStores(ast.NodeTransformer):
    """Leads each assignment to an attribute through a function that looks at whose attribute it is.

    Args:
        guard: the function's name.
    """

    def __init__(self, guard: str) -> None:
        self._guard = guard

    def visit_Attribute(self, node: ast.Attribute) -> ast.Attribute:
        """``x.y = 1`` becomes ``guard(x).y = 1``."""
        self.generic_visit(node)
        if isinstance(node.ctx, ast.Store | ast.Del):
            node.value = ast.copy_location(
                ast.Call(ast.copy_location(ast.Name(self._guard, ast.Load()), node), [node.value], []), node
            )
        return node


def changeable(value: object) -> object:
    """The same, if its attributes may be assigned to.

    Raises:
        AttributeError: it is a class, a function, a field or another constant: it outlives the call.
    """
    if isinstance(value, _LASTING) or type(value).__module__ in _CONSTANT_MODULES:
        named = getattr(value, "__name__", None) or getattr(value, "name", type(value).__name__)
        raise AttributeError(
            f"attributes of {named} cannot change, since checkpoints would not hold it: declare a field"
        )
    return value
