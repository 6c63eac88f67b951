"""Registers, code, source line and calls of a moment."""

from __future__ import annotations

from typing import Any

from rdbg.emu.architecture import RegisterKind
from rdbg.errors import RdbgError
from rdbg.quick_dataclass import dataclass
from rdbg.targets.backtrace import backtrace
from rdbg.targets.disassembly import disassemble
from rdbg.ui.names import names_of
from rdbg.ui.run_view import RunView

#: Instructions shown before and behind PC, and source lines before and behind its own.
_BEFORE, _BEHIND, _BESIDE = 6, 14, 4


@dataclass(frozen=True)
class MomentAtHand:
    """What there is to see where the machine stands."""

    def answer(self, view: RunView) -> dict[str, Any]:
        """All of it; looking changes nothing."""
        machine, names = view.timeline.machine, names_of(view)
        architecture = machine.architecture
        length = architecture.instruction_lengths[0]
        pc = machine.pc
        start = max(0, pc - _BEFORE * length)
        code = machine.read_memory(start, (_BEFORE + 1 + _BEHIND) * length)
        if len(code) < pc - start + length:  # what lies before is not there
            start, code = pc, machine.read_memory(pc, (1 + _BEHIND) * length)
        try:
            instructions = disassemble(architecture, machine.big_endian, start, code)
        except RdbgError:
            instructions = []
        line = names.line_at(pc)
        return {
            "icount": view.timeline.position,
            "pc": architecture.shown(pc),
            "function": _place(names.function_at(pc)),
            "source": None if line is None else {"file": line[0], "line": line[1]},
            "text": [] if line is None else names.text_around(*line, _BESIDE),
            "frames": [
                {
                    "pc": architecture.shown(frame.pc),
                    "function": frame.function,
                    "source": _line(names.line_at(frame.pc if not number else frame.pc - 2 * length)),
                }
                for number, frame in enumerate(backtrace(machine, names.function_at))
            ],
            "code": [
                [
                    architecture.shown(each.address),
                    each.code.hex(),
                    each.text,
                    _place(names.function_at(each.address)),
                    each.address == pc,
                ]
                for each in instructions
            ],
            "registers": [
                [
                    (info.aliases or (info.name,))[0],
                    f"{machine.read_register(info.number):0{info.bits // 4}x}",
                    info.group,
                ]
                for info in architecture.registers_of(machine.layout)
                if info.kind is not RegisterKind.FLOAT
            ],
        }


def _place(known: tuple[str, int] | None) -> str:
    if known is None:
        return ""
    return known[0] if not known[1] else f"{known[0]}+{known[1]}"


def _line(known: tuple[str, int] | None) -> str:
    return "" if known is None else f"{known[0]}:{known[1]}"
