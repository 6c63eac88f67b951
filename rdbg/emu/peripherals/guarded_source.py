"""The source of a peripheral: what it may not do is refused before it runs, and the rest runs with what is the same on
every host."""

from __future__ import annotations

import ast
import builtins
import importlib
import itertools
import sys
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

from rdbg.emu.peripherals import bus_chips, peripheral_class, unchanging
from rdbg.emu.peripherals.peripheral_class import Peripheral
from rdbg.emu.peripherals.source_rules import CAUGHT, PUBLIC_MODULE, STORE, TURN, CountTurns, Refusals, import_allowed
from rdbg.emu.peripherals.unchanging import UnchangingCheck
from rdbg.errors import RdbgError

_BASES = (peripheral_class.Peripheral, bus_chips.SpiChip, bus_chips.I2cChip)
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
        module = import_allowed(*names)
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
            Refusals(path, tree).visit(tree)
            tree = ast.fix_missing_locations(unchanging.GuardStores(STORE).visit(CountTurns().visit(tree)))
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
            TURN: self.turns.turn,
            CAUGHT: self.turns.caught,
            STORE: unchanging.changeable,
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
                if not name.startswith("__") and name not in (TURN, STORE, CAUGHT):
                    self.names[name] = unchanging.constant(name, value)
                    check.look(name, self.names[name])
        except ValueError as error:
            raise RdbgError(f"{self.path}: {error}") from None


def _names(node: ast.AST, name: str) -> bool:
    """Whether a name stands in a piece of source."""
    return any(isinstance(part, ast.Name) and part.id == name for part in ast.walk(node))


def _words(error: Exception) -> str:
    """An exception's message in one line."""
    if isinstance(error, peripheral_class.NoAnswer | RecursionError) and not str(error):
        return type(error).__name__
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}"[:300] if text else type(error).__name__
