"""Conditions as users write them after ``--where``, made into expressions that a machine evaluates where it stands.

They are C's: registers by name, numbers, arithmetic, comparisons, ``&&``, ``||``, ``!``, and memory ``word(ADDRESS)``,
``half(ADDRESS)``, ``byte(ADDRESS)``. Python's own parser reads them, as it does conditions of campaigns.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from types import MappingProxyType

from rdbg.emu.architecture import Architecture
from rdbg.emu.expression import Expression, Operation, Step
from rdbg.errors import UsageError

_LONGEST = 1000
_LOADS = {"word": Operation.LOAD_32, "half": Operation.LOAD_16, "byte": Operation.LOAD_8}
_BINARY: dict[type[ast.operator], Operation] = {
    ast.Add: Operation.ADD,
    ast.Sub: Operation.SUBTRACT,
    ast.Mult: Operation.MULTIPLY,
    ast.FloorDiv: Operation.DIVIDE_UNSIGNED,
    ast.Div: Operation.DIVIDE_UNSIGNED,
    ast.Mod: Operation.REMAINDER_UNSIGNED,
    ast.BitAnd: Operation.AND,
    ast.BitOr: Operation.OR,
    ast.BitXor: Operation.EXCLUSIVE_OR,
    ast.LShift: Operation.SHIFT_LEFT,
    ast.RShift: Operation.SHIFT_RIGHT_UNSIGNED,
}
#: Operation, whether its sides change places, whether the outcome is turned round.
_COMPARISONS: dict[type[ast.cmpop], tuple[Operation, bool, bool]] = {
    ast.Eq: (Operation.EQUAL, False, False),
    ast.NotEq: (Operation.EQUAL, False, True),
    ast.Lt: (Operation.LESS_UNSIGNED, False, False),
    ast.Gt: (Operation.LESS_UNSIGNED, True, False),
    ast.LtE: (Operation.LESS_UNSIGNED, True, True),
    ast.GtE: (Operation.LESS_UNSIGNED, False, True),
}


def parse_where(text: str, architecture: Architecture, names: Mapping[str, int] = MappingProxyType({})) -> Expression:
    """Understand ``a0 == 0``, ``$a1 > 100 && word(sp + 16) != 0``, ``-a0 < 10``. Registers have no sign; sums wrap
    at the width of an address. What binds tighter is as in Python: ``a0 & 1 == 0`` is ``(a0 & 1) == 0``.

    Args:
        text: the condition.
        architecture: whose registers are meant.
        names: what else has a name here, by the number of a register; it goes before a register of that name.

    Raises:
        UsageError: it is none.
    """
    prepared = re.sub(r"!(?!=)", " not ", text.replace("&&", " and ").replace("||", " or ").replace("$", ""))
    try:
        if len(text) > _LONGEST:
            raise ValueError
        tree = ast.parse(prepared.strip(), mode="eval").body
        return (*_Compiler(text, architecture, names).steps(tree), Step(Operation.END))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise UsageError(f"--where '{text[:80]}': not a condition; write for example --where 'a0 == 0'") from None


class _Compiler:
    def __init__(self, text: str, architecture: Architecture, names: Mapping[str, int]) -> None:
        self._text = text
        self._names = names
        self._architecture = architecture

    def steps(self, node: ast.expr) -> list[Step]:
        """The steps that leave a node's value on top."""
        if isinstance(node, ast.Constant) and type(node.value) is int:
            return [Step(Operation.CONSTANT, node.value)]
        if isinstance(node, ast.Name):
            return [Step(Operation.REGISTER, self._register(node.id))]
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _LOADS:
            if len(node.args) == 1 and not node.keywords:
                return [*self.steps(node.args[0]), Step(_LOADS[node.func.id])]
        if isinstance(node, ast.UnaryOp) and not isinstance(node.op, ast.UAdd):
            inner = self.steps(node.operand)
            if isinstance(node.op, ast.Not):
                return [*inner, Step(Operation.IS_ZERO)]
            if isinstance(node.op, ast.Invert):
                return [*inner, Step(Operation.INVERT), self._narrow()]
            return [Step(Operation.CONSTANT, 0), *inner, Step(Operation.SUBTRACT), self._narrow()]
        if isinstance(node, ast.BinOp) and type(node.op) in _BINARY:
            if isinstance(node.op, ast.Div | ast.FloorDiv | ast.Mod) and ast.unparse(node.right) == "0":
                raise UsageError(f"--where '{self._text[:80]}': '{ast.unparse(node)[:40]}' divides by zero")
            return [*self.steps(node.left), *self.steps(node.right), Step(_BINARY[type(node.op)]), self._narrow()]
        if isinstance(node, ast.Compare) and len(node.ops) == 1 and type(node.ops[0]) in _COMPARISONS:
            operation, swapped, turned = _COMPARISONS[type(node.ops[0])]
            left, right = self.steps(node.left), self.steps(node.comparators[0])
            sides = [*right, *left] if swapped else [*left, *right]
            return [*sides, Step(operation), *([Step(Operation.IS_ZERO)] if turned else [])]
        if isinstance(node, ast.BoolOp):
            joint = Operation.AND if isinstance(node.op, ast.And) else Operation.OR
            made = [*self._truth(node.values[0])]
            for value in node.values[1:]:
                made += [*self._truth(value), Step(joint)]
            return made
        raise UsageError(
            f"--where '{self._text[:80]}': '{ast.unparse(node)[:40]}' means nothing here; there are registers, "
            "numbers, word(A) half(A) byte(A), + - * / % & | ^ << >> ~, comparisons, && || !"
        )

    def _truth(self, node: ast.expr) -> list[Step]:
        return [*self.steps(node), Step(Operation.IS_ZERO), Step(Operation.IS_ZERO)]

    def _narrow(self) -> Step:
        return Step(Operation.EXTEND_ZERO, self._architecture.address_bits)

    def _register(self, name: str) -> int:
        number = self._names.get(name, self._architecture.number_of_name(name))
        if number is None:
            raise UsageError(f"--where '{self._text[:80]}': there is no register '{name}'")
        return number
