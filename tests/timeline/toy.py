"""A tiny deterministic computer that keeps the contract of MachineApi: the model that navigation is tested on.

It has branches with delay slots, interrupt windows, inputs, an idle state, power-off, output, a fast mode that
notices watched accesses late, and blocks that it runs past and calls ambiguous.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rdbg.emu.inputs import InputEvent, InputKind, InputSource, NoInputs
from rdbg.emu.machine_api import (
    Access,
    Block,
    Conditions,
    Extent,
    MachineState,
    MemoryArea,
    Numbers,
    OutputSink,
    PageRows,
    RegisterInfo,
    RunRequest,
    RunStop,
    ScanHit,
    Space,
    StopKind,
    Touched,
    Watch,
    WatchedBlocks,
    WatchHit,
    Write,
    Writer,
)
from rdbg.emu.memory_map import PAGE_SIZE
from rdbg.emu.state_digest import StateDigest

PAGES = 150
DATA = 0x40  # first virtual page of data: virtual page DATA + n is page n
BLOCK_LIMIT = 20
MOST_BLOCKS = 10  # with watched accesses that a scan notes


@dataclass(frozen=True)
class Op:
    """One instruction: ``kind`` is add, load, store, branch, out, wait or off."""

    kind: str
    a: int = 0
    b: int = 0


class Toy:
    """The machine. ``program`` lies at virtual address 0, four bytes an instruction; it wraps around.

    Args:
        program: at least 3 instructions, no two branches in a row, none last.
        ambiguous: every block start address divisible by this is ambiguous (0: none).
        seed: fills some memory.
    """

    big_endian = False
    page_count = PAGES

    def __init__(self, program: Sequence[Op], ambiguous: int = 0, seed: int = 0) -> None:
        self.program = list(program)
        self.ambiguous = ambiguous
        self.inputs: InputSource = NoInputs()
        self.memory = bytearray(PAGES * PAGE_SIZE)
        self.memory[5 * PAGE_SIZE] = seed & 0xFF
        self.icount = 0
        self.pc = 0
        self.regs = [0] * 4
        self.idle = False
        self.off = False
        self.ticks = 0
        self.last_breakpoint_hit: ScanHit | None = None
        self.watched_blocks = WatchedBlocks()
        self._noted: tuple[Watch, list[Write]] | None = None
        self.runs = 0
        self.instructions_run = 0
        self._sink: OutputSink | None = None
        self._digest = StateDigest()
        self._stale = set(range(PAGES))
        self._clear_touched()

    @property
    def now_ns(self) -> int:
        return self.icount

    @property
    def virtual_ns(self) -> int:
        return self.icount

    def _clear_touched(self) -> None:
        self._written: set[int] = set()
        self._wv: set[int] = set()
        self._rv: set[int] = set()
        self._xv: set[int] = set()

    # --- execution ---------------------------------------------------------------------------
    def _op(self, pc: int) -> Op:
        return self.program[pc // 4]

    def _address(self, op: Op) -> int:
        return (DATA << 12) + (self.regs[op.a % 4] * 4 + op.b) % (PAGES * PAGE_SIZE - 4)

    def _execute(self, pc: int) -> None:
        op = self._op(pc)
        self._xv.add(pc >> 12)
        r = self.regs
        if op.kind == "add":
            r[op.a % 4] = (r[op.a % 4] * 5 + op.b) & 0xFFFFFFFF
        elif op.kind in ("load", "store"):
            at = self._address(op)
            offset = at - (DATA << 12)
            pages = {offset // PAGE_SIZE, (offset + 3) // PAGE_SIZE}
            if op.kind == "load":
                r[(op.a + 1) % 4] ^= struct.unpack_from("<I", self.memory, offset)[0]
                self._rv |= {DATA + page for page in pages}
            else:
                struct.pack_into("<I", self.memory, offset, r[(op.a + 1) % 4])
                self._wv |= {DATA + page for page in pages}
                self._changed(pages)
        elif op.kind == "out":
            self._out(struct.pack("<I", r[op.a % 4])[: 1 + op.b % 4])
        elif op.kind == "wait":
            self.idle = True
        elif op.kind == "off":
            self.off = True

    def _changed(self, pages: set[int]) -> None:
        self._written |= pages
        for page in pages:
            self._stale.add(page)

    def _out(self, data: bytes) -> None:
        if self._sink is not None:
            self._sink(self.icount, 0, data)

    def _unit(self) -> int:
        return 2 if self._op(self.pc).kind == "branch" else 1

    def _run_unit(self) -> bool:
        """Run an instruction, or a branch with its slot. True: a window was met (and its inputs have entered)."""
        here, op = self.pc, self._op(self.pc)
        taken = False
        if op.kind == "branch":
            taken = (self.regs[op.a % 4] >> 3) % 3 != 0
            self._xv.add(here >> 12)
            self._execute(here + 4)
            self.pc = op.b * 4 if taken else here + 8
            self.icount += 2
            self.instructions_run += 2
        else:
            self._execute(here)
            self.pc = here + 4
            self.icount += 1
            self.instructions_run += 1
        if self.pc >= 4 * len(self.program):
            self.pc, taken = 0, True
        if taken:
            self.ticks += self.icount % 3
            self._take_inputs()
        return taken

    def _run_unit_noting(self) -> bool:
        before, pc, made = self.icount, self.pc, self._accesses()
        was = bytes(self.memory)
        window = self._run_unit()
        for address, length, kind in made:
            if kind is Access.WRITE:
                at = address - (DATA << 12)
                self._note(
                    Writer.STORE, before, self.icount, pc, address, was[at : at + length], self.memory[at : at + length]
                )
        return window

    def _take_inputs(self) -> None:
        due = (self.inputs.next_icount(), self.inputs.waiting_from())
        if any(at is not None and at <= self.icount for at in due):
            for event in self.inputs.take(self.icount):
                if event.kind is InputKind.WAKE:
                    continue  # says what time it is on the host; this machine's clock is its icount
                self.regs[event.port % 4] ^= int.from_bytes(event.data[:4], "little") + event.value
                self.idle = False

    def _accesses(self) -> list[tuple[int, int, Access]]:
        """Accesses that the next unit makes: first address, length, kind."""
        pc = self.pc + 4 if self._op(self.pc).kind == "branch" else self.pc
        op = self._op(pc)
        if op.kind == "load":
            return [(self._address(op), 4, Access.READ)]
        if op.kind == "store":
            return [(self._address(op), 4, Access.WRITE)]
        return []

    def watched_access(self, watches: Sequence[Watch]) -> WatchHit | None:
        """The watched access that the next unit makes."""
        for address, length, kind in self._accesses():
            for watch in watches:
                first = max(address, watch.address)
                wanted = {Access.ACCESS: {Access.READ, Access.WRITE}, Access.CHANGE: {Access.WRITE}}
                if first < min(address + length, watch.address + watch.length) and kind in wanted.get(
                    watch.access, {watch.access}
                ):
                    return WatchHit(watch, first, kind)
        return None

    def run(self, request: RunRequest) -> RunStop:
        self.runs += 1
        self.last_breakpoint_hit = None
        self.watched_blocks = WatchedBlocks()
        begin = self.icount
        block, block_pc, length = self.icount, self.pc, 0
        late: WatchHit | None = None
        first = True
        while True:
            if self.off:
                return RunStop(StopKind.SHUTDOWN, self.icount, self.pc, exit_code=3)
            if self.idle:
                self._take_inputs()
                if self.idle:
                    kind = StopKind.LIMIT if request.until == self.icount else StopKind.IDLE
                    return RunStop(kind, self.icount, self.pc)
            if length == 0 or length >= BLOCK_LIMIT:
                if late is not None:
                    return RunStop(StopKind.WATCHPOINT, self.icount, self.pc, late, rerun_from=block)
                block, block_pc, length = self.icount, self.pc, 0
            if request.until is not None and self.icount + self._unit() > request.until:
                if late is not None:
                    return RunStop(StopKind.WATCHPOINT, self.icount, self.pc, late, rerun_from=block)
                return RunStop(StopKind.LIMIT, self.icount, self.pc)
            if self.stops_here(request.breakpoints, request.conditions) and not (first and request.passes):
                if late is not None:
                    return RunStop(StopKind.WATCHPOINT, self.icount, self.pc, late, rerun_from=block)
                if not request.last_hit:
                    return RunStop(StopKind.BREAKPOINT, self.icount, self.pc)
                self.last_breakpoint_hit = ScanHit(self.icount, self.pc)
            hit = self.watched_access(request.watches) if request.watches else None
            if hit is not None:
                if request.last_hit:
                    self._note_block(self.icount if request.exact else block)
                elif request.exact:
                    return RunStop(StopKind.WATCHPOINT, self.icount, self.pc, hit)
                elif late is None:
                    late = hit
            first = False
            window = self._run_unit_noting() if request.exact else self._run_unit()
            length += 1
            if window:
                if late is not None:
                    return RunStop(StopKind.WATCHPOINT, self.icount, self.pc, late, rerun_from=block)
                if self.ambiguous and not request.exact and block_pc % self.ambiguous == 4:
                    return RunStop(StopKind.AMBIGUOUS, block, block_pc, rerun_from=block)
                length = 0
                if request.slice is not None and self.icount - begin >= request.slice and not self.off:
                    return RunStop(StopKind.PAUSED, self.icount, self.pc)

    def _note_block(self, start: int) -> None:
        """A block that began at ``start`` makes a watched access with the next unit."""
        blocks = [*self.watched_blocks.blocks, Block(start, self.icount + self._unit())]
        self.watched_blocks = WatchedBlocks(
            blocks[-MOST_BLOCKS:], self.watched_blocks.complete and len(blocks) <= MOST_BLOCKS
        )

    def stops_here(self, breakpoints: frozenset[int], conditions: Conditions) -> bool:
        """A condition is one byte here: the sum of the registers is a multiple of it."""
        codes = conditions.get(self.pc)
        return self.pc in breakpoints and (codes is None or any(sum(self.regs) % code[0] == 0 for code in codes))

    def step(self) -> RunStop:
        if self.off:
            return RunStop(StopKind.SHUTDOWN, self.icount, self.pc, exit_code=3)
        if self.idle:
            self._take_inputs()
            if self.idle:
                return RunStop(StopKind.IDLE, self.icount, self.pc)
        start, pc = self.icount, self.pc
        self._run_unit()
        if self.ambiguous and pc % self.ambiguous == 4:
            return RunStop(StopKind.AMBIGUOUS, start, pc, rerun_from=start)
        return RunStop(StopKind.LIMIT, self.icount, self.pc)

    def serial_room(self, port: int) -> int:
        return 16

    def kick(self) -> None: ...

    def set_output(self, sink: OutputSink) -> None:
        self._sink = sink

    def apply(self, event: InputEvent) -> None:
        if event.kind is InputKind.POKE_MEMORY:
            end, here = event.value + len(event.data), self.icount
            self._note(
                Writer.DEBUGGER,
                here,
                here,
                self.pc,
                event.value + (DATA << 12),
                self.memory[event.value : end],
                event.data,
            )
            self.memory[event.value : end] = event.data
            self._changed({event.value // PAGE_SIZE, (event.value + len(event.data) - 1) // PAGE_SIZE})
        else:
            self.regs[event.port] = event.value

    # --- state -------------------------------------------------------------------------------
    def save_state(self) -> MachineState:
        cpu = struct.pack("<QI4I??", self.icount, self.pc, *self.regs, self.idle, self.off)
        return MachineState(self.icount, cpu, struct.pack("<Q", self.ticks))

    def load_state(self, state: MachineState) -> None:
        self.icount, self.pc, *regs, self.idle, self.off = struct.unpack("<QI4I??", state.cpu)
        self.regs = list(regs)
        (self.ticks,) = struct.unpack("<Q", state.devices)
        if self._noted is not None:
            self._noted[1][:] = [write for write in self._noted[1] if write.after <= self.icount]

    def take_touched(self) -> Touched:
        touched = Touched(sorted(self._written), sorted(self._wv), sorted(self._rv), sorted(self._xv))
        self._clear_touched()
        return touched

    def nonzero_pages(self) -> Sequence[int]:
        return [page for page in range(PAGES) if any(self.read_page(page))]

    def read_page(self, page: int) -> bytes:
        return bytes(self.memory[page * PAGE_SIZE : (page + 1) * PAGE_SIZE])

    def read_pages(self, pages: Sequence[int]) -> bytes:
        return b"".join(self.read_page(page) for page in pages)

    def write_pages(self, pages: Sequence[int], data: bytes) -> None:
        for at, page in enumerate(pages):
            self.memory[page * PAGE_SIZE : (page + 1) * PAGE_SIZE] = data[at * PAGE_SIZE : (at + 1) * PAGE_SIZE]
            self._stale.add(page)

    def copy_pages(self, pages: Numbers, out: PageRows, rows: Numbers) -> None:
        for page, row in zip(pages.tolist(), rows.tolist(), strict=True):
            out[row] = np.frombuffer(self.read_page(page), np.uint8)

    def put_pages(self, pages: Numbers, source: PageRows, rows: Numbers) -> None:
        for page, row in zip(pages.tolist(), rows.tolist(), strict=True):
            self.write_pages([page], source[row].tobytes())

    def digest(self) -> bytes:
        for page in self._stale:
            self._digest.put(page, self.read_page(page))
        self._stale.clear()
        return self._digest.of(self.save_state())

    # --- debugger's view ---------------------------------------------------------------------
    exception_return = None  # it has no exceptions
    by_interrupt = False

    def exception_entries(self, address: int) -> Conditions:
        return {}

    def evaluate(self, code: bytes) -> int | None:
        return None

    @property
    def wide_floats(self) -> bool:
        """It has none."""
        return False

    def registers(self, wide_floats: bool = False) -> Sequence[RegisterInfo]:
        return []

    def read_register(self, number: int) -> int:
        return self.regs[number]

    def read_memory(self, address: int, length: int) -> bytes:
        offset = address - (DATA << 12)
        return bytes(self.memory[offset : offset + length])

    def translate(self, address: int) -> int | None:
        offset = address - (DATA << 12)
        return offset if 0 <= offset < len(self.memory) else None

    def holds(self, extents: Sequence[Extent], event: InputEvent) -> bool:
        return any(
            extent.address < event.value + len(event.data) and event.value < extent.address + extent.length
            for extent in extents
        )

    def resolved(self, watch: Watch) -> Watch:
        return watch

    def note_writes(self, watch: Watch | None) -> None:
        self._noted = None if watch is None else (watch, [])

    def take_writes(self) -> list[Write]:
        if self._noted is None:
            return []
        taken, self._noted = self._noted[1], (self._noted[0], [])
        return taken

    def _note(self, writer: Writer, before: int, after: int, pc: int, address: int, old: bytes, new: bytes) -> None:
        if self._noted is None:
            return
        watch, writes = self._noted
        first = max(address, watch.address)
        end = min(address + len(new), watch.address + watch.length)
        if first < end:
            low, high = first - address, end - address
            through = first if writer is Writer.STORE else None
            writes.append(Write(writer, before, after, pc, first, through, old[low:high], new[low:high]))

    def storage(self, address: int, length: int) -> list[Extent]:
        offset = address - (DATA << 12)
        length = min(length, len(self.memory) - offset)
        return [Extent(Space.MEMORY, offset, length, address)] if offset >= 0 and length > 0 else []

    def memory_areas(self) -> Sequence[MemoryArea]:
        return []
