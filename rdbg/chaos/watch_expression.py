"""Expressions over the guest's memory, for ``--fail-on watch:EXPR``.

Python's own parser reads them, and a short list says which of its constructs mean something here: numbers, symbols,
words of memory, arithmetic, comparisons, and, or, not.
"""

from __future__ import annotations

import ast
from collections.abc import Callable

from rdbg.emu.machine_api import Access, MachineApi, Watch
from rdbg.errors import UsageError
from rdbg.quick_dataclass import dataclass
from rdbg.symbols.table import SymbolTable

#: Loads, with their bytes: word(ADDRESS) and so on.
_LOADS = {"word": 4, "half": 2, "byte": 1}
_BINARY: dict[type[ast.operator], Callable[[int, int], int]] = {
    ast.Add: lambda a, b: a + b,
    ast.Sub: lambda a, b: a - b,
    ast.Mult: lambda a, b: a * b,
    ast.BitAnd: lambda a, b: a & b,
    ast.BitOr: lambda a, b: a | b,
    ast.BitXor: lambda a, b: a ^ b,
    ast.LShift: lambda a, b: a << min(b & 0xFFFF, 64),
    ast.RShift: lambda a, b: a >> min(b & 0xFFFF, 64),
}
_COMPARISONS: dict[type[ast.cmpop], Callable[[int, int], bool]] = {
    ast.Eq: lambda a, b: a == b,
    ast.NotEq: lambda a, b: a != b,
    ast.Lt: lambda a, b: a < b,
    ast.LtE: lambda a, b: a <= b,
    ast.Gt: lambda a, b: a > b,
    ast.GtE: lambda a, b: a >= b,
}


@dataclass(frozen=True)
class WatchExpression:
    """An expression over the guest's memory.

    Args:
        text: as it was written.
        tree: what it means.
        loads: what it reads: (address, bytes).
        symbols: the address and size of each name in it.
    """

    text: str
    tree: ast.expr
    loads: tuple[tuple[int, int], ...]
    symbols: dict[str, tuple[int, int]]

    def watches(self) -> tuple[Watch, ...]:
        """Watches for the writes that may change it."""
        return tuple(Watch(address, size, Access.WRITE) for address, size in self.loads)

    def value(self, machine: MachineApi) -> int:
        """What it is where the machine stands, words and symbols without a sign. What is not mapped reads as 0."""
        return _Reader(machine, self.symbols).value(self.tree)


def parse_watch_expression(text: str, symbols: SymbolTable) -> WatchExpression:
    """Understand an expression: ``lost > 0``, ``queue_head - queue_tail == 5``, ``byte(0x80100000) & 1``.

    A symbol is the word (half, byte: by its size in the image) that stands at it; ``&symbol`` is written
    ``address(symbol)``. Comparisons can be joined with and, or, not.

    Args:
        text: the expression.
        symbols: of the guest.

    Raises:
        UsageError: it is no expression, or a name in it is not a symbol.
    """
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise UsageError(f"--fail-on watch:{text}: not an expression; write for example watch:lost>0") from None
    checker = _Checker(text, symbols)
    checker.check(tree)
    if not checker.loads:
        raise UsageError(f"--fail-on watch:{text}: reads nothing of the guest, so that it never changes; name a symbol")
    return WatchExpression(text, tree, tuple(sorted(checker.loads)), checker.symbols)


class _Checker:
    """Finds what an expression reads, and what in it means nothing."""

    def __init__(self, text: str, symbols: SymbolTable) -> None:
        self._text = text
        self._table = symbols
        self.symbols: dict[str, tuple[int, int]] = {}
        self.loads: set[tuple[int, int]] = set()

    def check(self, node: ast.expr) -> None:
        """Check a part.

        Raises:
            UsageError: it means nothing here.
        """
        if isinstance(node, ast.Constant) and type(node.value) is int:
            return
        if isinstance(node, ast.Name):
            self.loads.add(self._find(node.id))
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and len(node.args) == 1:
            self._check_call(node.func.id, node.args[0])
        elif isinstance(node, ast.UnaryOp) and not isinstance(node.op, ast.UAdd):
            self.check(node.operand)
        elif isinstance(node, ast.BinOp) and type(node.op) in _BINARY:
            self.check(node.left)
            self.check(node.right)
        elif isinstance(node, ast.BoolOp):
            for part in node.values:
                self.check(part)
        elif isinstance(node, ast.Compare) and all(type(op) in _COMPARISONS for op in node.ops):
            for part in (node.left, *node.comparators):
                self.check(part)
        else:
            raise self._fail(ast.unparse(node))

    def _check_call(self, name: str, argument: ast.expr) -> None:
        if name == "address" and isinstance(argument, ast.Name):
            self._find(argument.id)
            return
        if name not in _LOADS:
            raise self._fail(f"{name}(...)")
        self.check_address(argument)
        address = _Reader(None, self.symbols).value(argument) & 0xFFFF_FFFF
        if address % _LOADS[name]:
            raise UsageError(f"--fail-on watch:{self._text}: {address:#010x} is not aligned for {name}()")
        self.loads.add((address, _LOADS[name]))

    def check_address(self, node: ast.expr) -> None:
        """Check that an address is known beforehand."""
        before = set(self.loads)
        self.check(node)
        if self.loads != before:
            raise UsageError(
                f"--fail-on watch:{self._text}: an address that is itself read from memory cannot be watched; write a "
                "number or address(SYMBOL)"
            )

    def _find(self, name: str) -> tuple[int, int]:
        place = self._table.find(name)
        if place is None:
            near = self._table.near(name[:3])
            meant = f" (did you mean {near[0]}?)" if near else ""
            raise UsageError(f"--fail-on watch:{self._text}: {name} is no symbol of the image{meant}")
        found = (place.address, place.size if place.size in (1, 2, 4) else 4)
        self.symbols[name] = found
        return found

    def _fail(self, part: str) -> UsageError:
        return UsageError(
            f"--fail-on watch:{self._text}: {part} means nothing here; there are numbers, symbols, word(A) half(A) "
            "byte(A) address(SYMBOL), + - * & | ^ << >> ~, comparisons, and or not"
        )


class _Reader:
    """Computes values where a machine stands."""

    def __init__(self, machine: MachineApi | None, symbols: dict[str, tuple[int, int]]) -> None:
        self._machine = machine
        self._symbols = symbols

    def value(self, node: ast.expr) -> int:
        if isinstance(node, ast.Constant):
            return int(node.value)  # type: ignore[arg-type]  # checked
        if isinstance(node, ast.Name):
            return self._load(*self._symbols[node.id])
        if isinstance(node, ast.Call):
            assert isinstance(node.func, ast.Name)
            if node.func.id == "address":
                assert isinstance(node.args[0], ast.Name)
                return self._symbols[node.args[0].id][0]
            return self._load(self.value(node.args[0]) & 0xFFFF_FFFF, _LOADS[node.func.id])
        if isinstance(node, ast.UnaryOp):
            value = self.value(node.operand)
            return (
                int(not value) if isinstance(node.op, ast.Not) else -value if isinstance(node.op, ast.USub) else ~value
            )
        if isinstance(node, ast.BinOp):
            return _BINARY[type(node.op)](self.value(node.left), self.value(node.right))
        if isinstance(node, ast.BoolOp):
            every = isinstance(node.op, ast.And)
            return int(all(map(self.value, node.values)) if every else any(map(self.value, node.values)))
        assert isinstance(node, ast.Compare)
        values = [self.value(part) for part in (node.left, *node.comparators)]
        return int(all(_COMPARISONS[type(op)](a, b) for op, a, b in zip(node.ops, values, values[1:], strict=False)))

    def _load(self, address: int, size: int) -> int:
        if self._machine is None:
            return 0
        data = self._machine.read_memory(address, size)
        return int.from_bytes(data, "big" if self._machine.big_endian else "little")
