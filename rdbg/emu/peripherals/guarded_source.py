"""The source of a peripheral: what it may not do is refused before it runs, and the rest runs with what is the same on
every host."""

from __future__ import annotations

import ast
import builtins
import importlib
import itertools
import sys
from collections.abc import Callable, Iterator, Mapping
from types import ModuleType
from typing import Any

from rdbg.emu.peripherals import bus_chips, declared_fields, peripheral_class, unchanging
from rdbg.emu.peripherals.peripheral_class import Peripheral
from rdbg.emu.peripherals.unchanging import UnchangingCheck
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
_BASES = (peripheral_class.Peripheral, bus_chips.SpiChip, bus_chips.I2cChip)
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
_BUILTINS = (
    "ArithmeticError", "AssertionError", "AttributeError", "Exception", "IndexError", "KeyError", "LookupError",
    "NotImplementedError", "OverflowError", "RuntimeError", "StopIteration", "TypeError", "ValueError",
    "ZeroDivisionError", "__build_class__", "abs", "all", "any", "bin", "bool", "bytearray", "bytes", "callable", "chr",
    "classmethod", "dict", "divmod", "enumerate", "filter", "float", "format", "hex", "int", "isinstance", "issubclass",
    "iter", "len", "list", "map", "max", "min", "next", "object", "oct", "ord", "pow", "property", "range", "repr",
    "reversed", "round", "slice", "sorted", "staticmethod", "str", "sum", "super", "tuple", "zip",
)  # fmt: skip
#: Turns of loops and calls of functions that one access, or one expiry, may take: some seconds.
MOST_TURNS = 5_000_000
_TURN = "_rdbg_turn"
_STORE = "_rdbg_changeable"
_CAUGHT = "_rdbg_caught"
MOST_SOURCE = 1 << 20


class TooDeep(BaseException):
    """Calls within calls went deeper than the host lets them; no source catches that."""


class Turns:
    """Counts what a peripheral does in one access, so that a loop without an end is one that ends."""

    def __init__(self) -> None:
        self.left = MOST_TURNS
        self.too_deep = False

    def turn(self) -> None:
        """One more.

        Raises:
            RuntimeError: too many.
        """
        self.left -= 1
        if self.left < 0:
            raise RuntimeError(f"it goes on and on: {MOST_TURNS:,} turns of loops and calls for one access")

    def caught(self) -> None:
        """The source has caught something: how deep calls may go is the host's business, so that is no case for it.

        Raises:
            TooDeep: it was that.
        """
        error = sys.exc_info()[1]
        if isinstance(error, RecursionError | TooDeep):
            self.too_deep = True
            raise TooDeep

    def each(self, items: Iterator[object]) -> Iterator[object]:
        """The same, one more turn each: where nothing but the interpreter's own code goes round, as in `sum`."""
        for item in items:
            self.turn()
            yield item

    def imported(self, *names: Any) -> ModuleType:
        """`import`, with iterators that have an end."""
        module = _import(*names)
        if names[0] == "itertools":
            for endless in ("count", "cycle", "repeat"):
                setattr(module, endless, self._ending(getattr(itertools, endless)))
        return module

    def iterator(self, *of: Any) -> Iterator[object]:
        """`iter`."""
        made: Iterator[object] = iter(*of)
        return made if len(of) == 1 else self.each(made)

    def _ending(self, endless: Callable[..., Iterator[object]]) -> Callable[..., Iterator[object]]:
        return lambda *values, **named: self.each(endless(*values, **named))


class LoadedSource:
    """A peripheral's module, loaded for one device.

    Args:
        path: for messages.
        data: its source.

    Raises:
        RdbgError: it is not Python, does what a peripheral must not, or fails while it is loaded.
    """

    def __init__(self, path: str, data: bytes) -> None:
        self.path = path
        self.turns = Turns()
        self.failure: Callable[[str], RdbgError] = RdbgError  #: makes what is raised where it fails
        if len(data) > MOST_SOURCE:
            raise RdbgError(f"{path}: has {len(data)} bytes; a peripheral's source has at most {MOST_SOURCE}")
        try:
            tree = ast.parse(data, path)
        except SyntaxError as error:
            raise RdbgError(f"{path}:{error.lineno or 1}: {error.msg}") from None
        except (ValueError, RecursionError, MemoryError):
            raise RdbgError(f"{path}: is not Python's text: give a module") from None
        # whether it answers accesses with bus errors
        self.refuses = any(isinstance(node, ast.Raise) and _names(node, "NoAnswer") for node in ast.walk(tree))
        try:
            _Refusals(path, tree).visit(tree)
            tree = ast.fix_missing_locations(unchanging.GuardStores(_STORE).visit(_CountTurns().visit(tree)))
            code = compile(tree, path, "exec", dont_inherit=True)
        except (RecursionError, ValueError, SyntaxError) as error:
            line = error.lineno if isinstance(error, SyntaxError) else None
            where = path if line is None else f"{path}:{line}"
            raise RdbgError(
                f"{where}: {error.msg if isinstance(error, SyntaxError) else 'is nested too deeply'}"
            ) from None
        allowed = {name: getattr(builtins, name) for name in _BUILTINS}
        self.names: dict[str, Any] = {
            "__builtins__": {**allowed, "__import__": self.turns.imported, "iter": self.turns.iterator},
            "__name__": PUBLIC_MODULE,  # one that is there: dataclass looks for annotations in it
            _TURN: self.turns.turn,
            _CAUGHT: self.turns.caught,
            _STORE: unchanging.changeable,
        }
        importlib.import_module(PUBLIC_MODULE)
        self.guarded("loading it", lambda: exec(code, self.names))
        self._keep_constant()

    def peripheral(self, name: str) -> type[Peripheral]:
        """The class of a name.

        Raises:
            RdbgError: there is none, or it is no peripheral.
        """
        found = self.names.get(name)
        if not isinstance(found, type) or not issubclass(found, Peripheral) or found in _BASES:
            there = [
                each
                for each, value in self.names.items()
                if isinstance(value, type) and issubclass(value, Peripheral) and value not in _BASES
            ]
            known = f"it has {', '.join(there)}" if there else f"derive one: from {PUBLIC_MODULE} import Peripheral"
            raise RdbgError(f"{self.path}: has no class {name!r} derived from Peripheral: {known}")
        return found

    def guarded(self, doing: str, call: Callable[[], Any]) -> Any:
        """Call into the source.

        Args:
            doing: what for, for the message.
            call: without arguments.

        Raises:
            RdbgError: it failed: the line names file, line and message.
            NoAnswer: as it says.
        """
        self.turns.left = MOST_TURNS
        self.turns.too_deep = False
        try:
            found = call()
            if self.turns.too_deep:
                raise TooDeep  # something has swallowed it
            return found
        except (RecursionError, TooDeep) as error:
            raise self.failure(f"{self._place(error)}: calls within calls go too deep ({doing})") from None
        except peripheral_class.NoAnswer as error:
            error.place = self._place(error)
            raise
        except RdbgError:
            raise
        except Exception as error:
            raise self.failure(f"{self._place(error)}: {_words(error)} ({doing})") from None

    def _place(self, error: BaseException) -> str:
        """The last line of this source that an exception came through."""
        line, trace = 0, error.__traceback__
        while trace is not None:
            if trace.tb_frame.f_code.co_filename == self.path:
                line = trace.tb_lineno
            trace = trace.tb_next
        return f"{self.path}:{line}" if line else self.path

    def _keep_constant(self) -> None:
        """Lists and dicts outside of classes cannot change from now on, and nothing else can.

        Raises:
            RdbgError: something there can change, and would have to.
        """
        check = UnchangingCheck(self.path, PUBLIC_MODULE)
        try:
            for name, value in list(self.names.items()):
                if not name.startswith("__") and name not in (_TURN, _STORE, _CAUGHT):
                    self.names[name] = unchanging.constant(name, value)
                    check.look(name, self.names[name])
        except ValueError as error:
            raise RdbgError(f"{self.path}: {error}") from None


def _names(node: ast.AST, name: str) -> bool:
    """Whether a name stands in a piece of source."""
    return any(isinstance(part, ast.Name) and part.id == name for part in ast.walk(node))


def _is_view(node: ast.AST) -> bool:
    """Whether it is ``x.keys()`` or ``x.items()``."""
    call = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and not node.args
    return call and node.func.attr in ("keys", "items")  # type: ignore[attr-defined]


def _words(error: Exception) -> str:
    """An exception's message in one line."""
    if isinstance(error, peripheral_class.NoAnswer | RecursionError) and not str(error):
        return type(error).__name__
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}"[:300] if text else type(error).__name__


class _Refusals(ast.NodeVisitor):
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
        if (node.id.startswith("__") and node.id != "__name__") or node.id in (_TURN, _STORE):
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


class _CountTurns(ast.NodeTransformer):
    """Puts a call of `Turns.turn` into each loop and each function, and one of `Turns.caught` into each handler."""

    def _counted(self, node: Any) -> Any:
        self.generic_visit(node)
        call = ast.Expr(ast.Call(ast.Name(_TURN, ast.Load()), [], []))
        for part in ast.walk(call):
            ast.copy_location(part, node.body[0])
        documented = isinstance(node, ast.FunctionDef) and ast.get_docstring(node) is not None
        node.body.insert(1 if documented else 0, call)
        return node

    visit_While = visit_For = visit_FunctionDef = _counted

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> ast.ExceptHandler:
        self.generic_visit(node)
        call = ast.Expr(ast.Call(ast.Name(_CAUGHT, ast.Load()), [], []))
        for part in ast.walk(call):
            ast.copy_location(part, node.body[0])
        node.body.insert(0, call)
        return node

    def visit_comprehension(self, node: ast.comprehension) -> ast.comprehension:
        self.generic_visit(node)
        turned = ast.Compare(ast.Call(ast.Name(_TURN, ast.Load()), [], []), [ast.Is()], [ast.Constant(None)])
        node.ifs.insert(0, turned)
        for part in ast.walk(turned):
            ast.copy_location(part, node.iter)
        return node


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


def _import(
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
