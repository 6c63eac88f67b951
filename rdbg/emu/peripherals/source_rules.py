"""What the source of a peripheral may do: the modules that it may import, what is refused before it runs, and what is
put into it so that no loop goes on for ever."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Mapping
from types import ModuleType
from typing import Any

from rdbg.emu.peripherals import bus_chips, declared_fields, peripheral_class
from rdbg.errors import RdbgError

#: The name by which a peripheral imports what it is made from.
PUBLIC_MODULE = "rdbg.peripheral"
PUBLIC_NAMES: dict[str, object] = {
    "ALWAYS": peripheral_class.ALWAYS,
    "NoAnswer": peripheral_class.NoAnswer,
    "Peripheral": peripheral_class.Peripheral,
    "SpiChip": bus_chips.SpiChip,
    "I2cChip": bus_chips.I2cChip,
    **{
        name: getattr(declared_fields, name)
        for name in ("ByteBuffer", "Byte", "Countdown", "Double", "Half", "Ranged", "Numbers", "Switch", "Word")
    },
}
#: Modules that give the same on every host, and keep nothing that a checkpoint would miss.
ALLOWED = (
    "abc", "binascii", "bisect", "collections", "collections.abc", "dataclasses", "enum", "hashlib", "heapq",
    "itertools", "math", "operator", "struct", "typing", "zlib",
)  # fmt: skip
#: What these have that differs from run to run, or reads attributes whose names do not stand in the source.
_HIDDEN = {
    "hashlib": ("algorithms_available", "algorithms_guaranteed"),
    "operator": ("attrgetter", "methodcaller"),
    "typing": ("ForwardRef", "get_type_hints"),
}
_INSTEAD = {
    "time": "virtual time is self.now_ns, and Countdown a timer",
    "datetime": "virtual time is self.now_ns",
    "random": "self.random(bits) gives random numbers that a replay gives again",
    "secrets": "self.random(bits) gives random numbers that a replay gives again",
    "uuid": "self.random(bits) gives random numbers that a replay gives again",
    "socket": "self.send and receive are a serial port, which -serial leads anywhere",
    "functools": "caches are state that checkpoints would miss",
    "logging": "self.log(text) writes to the log",
}
_ELSE = "a peripheral sees the machine alone, or a replay would differ"
_FORBIDDEN_NAMES = {
    "open": "put data into a tuple or bytes of this file",
    "print": "self.log(text) writes to the log",
    "input": "receive gets what comes by the serial port",
    "id": "it differs from run to run",
    "hash": "it differs from run to run",
    "set": "its order differs from run to run: use a dict or a sorted list",
    "frozenset": "its order differs from run to run: use a tuple",
}
_FORBIDDEN_NAMES |= dict.fromkeys(
    (
        "exec",
        "eval",
        "compile",
        "globals",
        "locals",
        "vars",
        "dir",
        "getattr",
        "setattr",
        "delattr",
        "breakpoint",
        "type",
    ),
    "a peripheral says what it does in its source",
)
_FRAMES = (
    "f_back", "f_builtins", "f_globals", "f_locals", "gi_frame", "gi_code", "cr_frame", "ag_frame", "tb_frame",
    "tb_next", "_machine", "_fields", "_countdowns", "mro",
)  # fmt: skip
#: Names that are put into the source.
TURN = "_rdbg_turn"
STORE = "_rdbg_changeable"
CAUGHT = "_rdbg_caught"


class Refusals(ast.NodeVisitor):
    """Looks for what a peripheral must not do."""

    def __init__(self, path: str, tree: ast.Module) -> None:
        self._path = path
        self._own = {
            node.name for node in tree.body if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        }

    def _refuse(self, node: ast.AST, what: str, instead: str) -> RdbgError:
        return RdbgError(f"{self._path}:{getattr(node, 'lineno', 1)}: {what} cannot be used: {instead}")

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self._import(node, alias.name)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        if node.level:
            raise self._refuse(node, "another file", "write all of a peripheral in one file")
        module = node.module or ""
        if module == "__future__":
            return
        self._import(node, module)
        for alias in node.names:
            if alias.name == "*":
                raise self._refuse(node, "import *", "name what is wanted")
            if alias.name not in vars(_module(module)) and f"{module}.{alias.name}" not in ALLOWED:
                known = (
                    f"{module} has {', '.join(sorted(PUBLIC_NAMES))}" if module == PUBLIC_MODULE else "it is not there"
                )
                raise self._refuse(node, f"{module}.{alias.name}", known)

    def _import(self, node: ast.AST, module: str) -> None:
        if module != PUBLIC_MODULE and module not in ALLOWED:
            instead = _INSTEAD.get(module.split(".")[0], _ELSE)
            raise self._refuse(node, f"module {module}", f"{instead}; modules that can be used: {', '.join(ALLOWED)}")

    def visit_Name(self, node: ast.Name) -> None:
        if node.id in _FORBIDDEN_NAMES and isinstance(node.ctx, ast.Load) and node.id not in self._own:
            raise self._refuse(node, node.id, _FORBIDDEN_NAMES[node.id])
        if (node.id.startswith("__") and node.id != "__name__") or node.id in (TURN, STORE):
            raise self._refuse(node, node.id, _FORBIDDEN_NAMES["exec"])

    def visit_Attribute(self, node: ast.Attribute) -> None:
        if node.attr.startswith("__") or node.attr in _FRAMES:
            raise self._refuse(node, f".{node.attr}", "a peripheral keeps to what is documented")
        if isinstance(node.ctx, ast.Store | ast.Del) and isinstance(node.value, ast.Name):
            if node.value.id in self._own or node.value.id == "cls":
                raise self._refuse(node, f"{node.value.id}.{node.attr} as a variable",
                                   "checkpoints would not hold it: declare a field")  # fmt: skip
        self.generic_visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        for default in (*node.args.defaults, *filter(None, node.args.kw_defaults)):
            if not isinstance(default, ast.Constant | ast.Name | ast.Attribute | ast.UnaryOp | ast.BinOp | ast.Tuple):
                raise self._refuse(
                    default, "a default that can change", "checkpoints would not hold it: use a constant"
                )
        self.generic_visit(node)

    def visit_Global(self, node: ast.Global) -> None:
        raise self._refuse(node, "global", "checkpoints would not hold it: declare a field")

    def visit_Nonlocal(self, node: ast.Nonlocal) -> None:
        raise self._refuse(node, "nonlocal", "checkpoints would not hold it: return the value, or declare a field")

    def visit_BinOp(self, node: ast.BinOp) -> None:
        for side in (node.left, node.right):
            if isinstance(node.op, ast.BitOr | ast.BitAnd | ast.BitXor | ast.Sub) and _is_view(side):
                raise self._refuse(node, "a set of a dict's keys or items", _FORBIDDEN_NAMES["set"])
        self.generic_visit(node)

    def visit_Compare(self, node: ast.Compare) -> None:
        self.visit(node.left)
        for operation, right in zip(node.ops, node.comparators, strict=True):
            if isinstance(operation, ast.In | ast.NotIn) and isinstance(right, ast.Set):
                for item in right.elts:
                    self.visit(item)
            else:
                self.visit(right)

    def visit_Set(self, node: ast.Set) -> None:
        raise self._refuse(node, "a set", _FORBIDDEN_NAMES["set"])

    def visit_SetComp(self, node: ast.SetComp) -> None:
        raise self._refuse(node, "a set", _FORBIDDEN_NAMES["set"])

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        raise self._refuse(node, "async", "a Countdown calls a method later")

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> None:
        if node.type is None:
            raise self._refuse(node, "except without a class", "name the exception")
        self.generic_visit(node)


class CountTurns(ast.NodeTransformer):
    """Puts a call of `Turns.turn` into each loop and each function, and one of `Turns.caught` into each handler."""

    def _counted(self, node: Any) -> Any:
        self.generic_visit(node)
        call = ast.Expr(ast.Call(ast.Name(TURN, ast.Load()), [], []))
        for part in ast.walk(call):
            ast.copy_location(part, node.body[0])
        documented = isinstance(node, ast.FunctionDef) and ast.get_docstring(node) is not None
        node.body.insert(1 if documented else 0, call)
        return node

    visit_While = visit_For = visit_FunctionDef = _counted

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> ast.ExceptHandler:
        self.generic_visit(node)
        call = ast.Expr(ast.Call(ast.Name(CAUGHT, ast.Load()), [], []))
        for part in ast.walk(call):
            ast.copy_location(part, node.body[0])
        node.body.insert(0, call)
        return node

    def visit_comprehension(self, node: ast.comprehension) -> ast.comprehension:
        self.generic_visit(node)
        turned = ast.Compare(ast.Call(ast.Name(TURN, ast.Load()), [], []), [ast.Is()], [ast.Constant(None)])
        node.ifs.insert(0, turned)
        for part in ast.walk(turned):
            ast.copy_location(part, node.iter)
        return node


def _is_view(node: ast.AST) -> bool:
    """Whether it is ``x.keys()`` or ``x.items()``."""
    call = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and not node.args
    return call and node.func.attr in ("keys", "items")  # type: ignore[attr-defined]


def _module(name: str) -> ModuleType:
    """What a peripheral gets as a module: its public names, and no other modules."""
    made = ModuleType(name)
    if name == PUBLIC_MODULE:
        vars(made).update(PUBLIC_NAMES)
        return made
    whole = importlib.import_module(name)
    public = getattr(whole, "__all__", None) or [each for each in vars(whole) if not each.startswith("_")]
    for each in public:
        value = getattr(whole, each)
        if not isinstance(value, ModuleType) and each not in _HIDDEN.get(name, ()):
            setattr(made, each, value)
    if name == "collections":
        made.abc = _module("collections.abc")  # type: ignore[attr-defined]
    return made


def import_allowed(
    name: str,
    names: Mapping[str, object] | None = None,
    local: Mapping[str, object] | None = None,
    wanted: tuple[str, ...] | None = (),
    level: int = 0,
) -> ModuleType:
    """`import`, as a peripheral's source has it."""
    if name == "__future__":
        return importlib.import_module(name)
    if name not in (*ALLOWED, PUBLIC_MODULE) or level:
        raise RdbgError(f"module {name} cannot be used by a peripheral: {_INSTEAD.get(name, _ELSE)}")
    if wanted or "." not in name:
        return _module(name)
    first, _, rest = name.partition(".")
    outer = ModuleType(first) if first not in ALLOWED else _module(first)
    setattr(outer, rest, _module(name))
    return outer
