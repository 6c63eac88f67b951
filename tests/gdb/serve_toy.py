"""Serves the toy of 64 bits to GDB, dressed as a RISC-V with compressed instructions: what GDB reads of it is true.

Prints ``listening PORT END`` when GDB may come.
"""

from __future__ import annotations

from dataclasses import replace

from rdbg.emu.architecture import ElfIdentity, RegisterInfo, RegisterKind
from rdbg.gdbstub import GdbOptions
from rdbg.history.history import History
from rdbg.targets.target import Target
from rdbg.timeline import StopConditions, Timeline
from tests.gdb.serve_guest import serve
from tests.timeline.toy import Op
from tests.timeline.toy64 import LONG, TOY64, Toy64

INSTRUCTIONS = 2000
#: Stores x11 at the start of its memory, changes it, and does so again; may skip the rest.
PROGRAM = [
    Op("store", 0, 0), Op("add", 1, 3), Op("branch", 1, 0), Op("add", 1, 1), Op("load", 0, 64), Op("add", 2, 7),
    Op("branch", 2, 0), Op("add", 1, 9),
]  # fmt: skip
PLACES = Toy64.lay_out(PROGRAM)

#: The toy's registers are x10 to x13; the others stay 0.
_FIRST = 10
RV64 = replace(
    TOY64,
    name="rv64",
    bfd_name="riscv:rv64",
    elf=ElfIdentity(machine=243, bits=64, flags=1),  # EM_RISCV, EF_RISCV_RVC
    pc="pc",
    stack_pointer="x2",
    expedited=("pc", "x2"),
    registers=(
        *(RegisterInfo(n, f"x{n}", 64, "cpu", n) for n in range(32)),
        RegisterInfo(32, "pc", 64, "cpu", 32, RegisterKind.CODE),
    ),
)


class DressedToy(Toy64):
    """The toy, with registers and instructions that GDB can show."""

    architecture = RV64

    def read_register(self, number: int) -> int:
        """x10 to x13 are the toy's, 32 is PC."""
        return self.pc if number == 32 else self.regs[number - _FIRST] if _FIRST <= number < _FIRST + 4 else 0

    def _poke_register(self, journal_id: int, value: int) -> None:
        if journal_id == 32:
            self.pc = value
        elif _FIRST <= journal_id < _FIRST + 4:
            self.regs[journal_id - _FIRST] = value

    def read_memory(self, address: int, length: int) -> bytes:
        """Where the program stands, instructions that do nothing of the length that the toy's have."""
        code = b"".join(bytes.fromhex("13000000" if op.kind in LONG else "0100") for op in self.program)
        at = address - self.places[0]
        return code[at : at + length] if 0 <= at < len(code) else super().read_memory(address, length)


def main() -> None:
    history = History.live_run()
    timeline = Timeline(DressedToy(PROGRAM), history)
    timeline.run(StopConditions(), lambda: timeline.position >= INSTRUCTIONS)
    timeline.close()
    target = Target(RV64, features={"cpu": "org.gnu.gdb.riscv.cpu"})
    serve(timeline, GdbOptions(port=0, stopped=True, target=target))


if __name__ == "__main__":
    main()
