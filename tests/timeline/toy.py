"""A tiny deterministic computer that keeps the contract of MachineApi: the model that navigation is tested on.

It has branches with delay slots, interrupt windows, inputs, an idle state, power-off, output, a fast mode that
notices watched accesses late, and blocks that it runs past and calls ambiguous. `tests.timeline.toy64` is the same of
another architecture.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rdbg.emu.architecture import Architecture, ElfIdentity, RegisterInfo, RegisterKind
from rdbg.emu.counts import BLOCK_COUNT, CountRequest, CountsTaken
from rdbg.emu.endpoint import Endpoint, serial_port
from rdbg.emu.expression import Expression
from rdbg.emu.inputs import InputEvent, InputKind, InputSource, NoInputs
from rdbg.emu.instruction_effects import Effects
from rdbg.emu.machine_api import (
    TRACE_ROW,
    Access,
    Block,
    Conditions,
    DeviceLoad,
    Extent,
    InstructionRows,
    MachineState,
    MemoryArea,
    Numbers,
    OutputSink,
    PageRows,
    Report,
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
from rdbg.emu.probes import ACCESS, NO_EXCEPTION, NOTE, SHARED_SPACE, AccessNotes, ProbeCount, ProbeNotes, Probes
from rdbg.emu.state_digest import StateDigest
from rdbg.emu.way_ahead import SystemRegisters, Way, nothing_known
from rdbg.errors import RdbgError
from rdbg.rsp.agent_code import AgentError
from tests.rsp.agent_oracle import AgentContext, AgentExpression

PAGES = 150
BLOCK_LIMIT = 20
MOST_TRACED = 50  #: blocks that a run notes before it pauses
MOST_BLOCKS = 10  # with watched accesses that a scan notes


@dataclass(frozen=True)
class Op:
    """One instruction: ``kind`` is add, load, store, branch, out, wait or off."""

    kind: str
    a: int = 0
    b: int = 0


TOY = Architecture(
    name="toy",
    bfd_name="toy",
    elf=ElfIdentity(machine=0, bits=32),
    address_bits=32,
    instruction_alignment=4,
    instruction_lengths=(4,),
    longest_step=2,
    longest_block=BLOCK_LIMIT + 1,
    pc="pc",
    stack_pointer="r3",
    expedited=("pc",),
    registers=(
        *(RegisterInfo(n, f"r{n}", 32, "cpu", n) for n in range(4)),
        RegisterInfo(4, "pc", 32, "cpu", 4, RegisterKind.CODE),
    ),
)


class Toy:
    """The machine. ``program`` lies at virtual address 0, four bytes an instruction; it wraps around.

    Args:
        program: at least 3 instructions, no two branches in a row, none last.
        ambiguous: every block whose start's number, four times, is 4 by this is ambiguous (0: none).
        seed: fills some memory.
    """

    architecture = TOY
    data = 0x40000  #: virtual address of the memory
    big_endian = False
    page_count = first_disk_page = PAGES

    def __init__(self, program: Sequence[Op], ambiguous: int = 0, seed: int = 0) -> None:
        self.program = list(program)
        self.places = self.lay_out(program)  #: address of each instruction
        self._index = {place: index for index, place in enumerate(self.places)}
        self._slots = self.architecture.longest_step == 2
        self._register_mask = (1 << min(self.architecture.registers[0].bits, 60)) - 1  # room for sums
        self.ambiguous = ambiguous
        self.inputs: InputSource = NoInputs()
        self.memory = bytearray(PAGES * PAGE_SIZE)
        self.memory[5 * PAGE_SIZE] = seed & 0xFF
        self.icount = 0
        self.pc = self.places[0]
        self.regs = [0] * 4
        self.idle = False
        self.off = False
        self.ticks = 0
        self.last_breakpoint_hit: ScanHit | None = None
        self.watched_blocks = WatchedBlocks()
        self._noted: tuple[Watch, list[Write]] | None = None
        self._probes: Probes | None = None
        self._probed: list[tuple[int, int]] = []  # icount, address
        self._accessed: list[tuple[int, int, int, bool]] = []  # icount, pc, address, whether it is a write
        self.runs = 0
        self.instructions_run = 0
        self._trace: list[tuple[int, ...]] | None = None
        self._counting: CountRequest | None = None
        self._counts: Counter[int] = Counter()
        self._sink: OutputSink | None = None
        self._digest = StateDigest()
        self._stale = set(range(PAGES))
        self._clear_touched()

    @staticmethod
    def lay_out(program: Sequence[Op]) -> list[int]:
        """The address of each instruction."""
        return [4 * index for index in range(len(program))]

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
        return self.program[self._index[pc]]

    def _behind(self, pc: int, instructions: int = 1) -> int:
        """Where the instruction so many after the one at ``pc`` is; behind the last one the first one follows."""
        return self.places[(self._index[pc] + instructions) % len(self.places)]

    def _executed(self, pc: int) -> None:
        self._xv.add(pc >> 12)

    def _address(self, op: Op) -> int:
        return self.data + (self.regs[op.a % 4] * 4 + op.b) % (PAGES * PAGE_SIZE - 4)

    def _execute(self, pc: int) -> None:
        op = self._op(pc)
        self._executed(pc)
        r = self.regs
        if op.kind == "add":
            r[op.a % 4] = (r[op.a % 4] * 5 + op.b) & self._register_mask
        elif op.kind in ("load", "store"):
            at = self._address(op)
            offset = at - self.data
            pages = {offset // PAGE_SIZE, (offset + 3) // PAGE_SIZE}
            virtual = {(self.data >> 12) + page for page in pages}
            if op.kind == "load":
                r[(op.a + 1) % 4] ^= struct.unpack_from("<I", self.memory, offset)[0]
                self._rv |= virtual
            else:
                struct.pack_into("<I", self.memory, offset, r[(op.a + 1) % 4] & 0xFFFFFFFF)
                self._wv |= virtual
                self._changed(pages)
        elif op.kind == "out":
            self._out(struct.pack("<I", r[op.a % 4] & 0xFFFFFFFF)[: 1 + op.b % 4])
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
            self._sink(self.icount, serial_port(0), data)

    def _unit(self) -> int:
        return 2 if self._slots and self._op(self.pc).kind == "branch" else 1

    def _run_unit(self) -> bool:
        """Run an instruction, or a branch with its slot. True: a window was met (and its inputs have entered)."""
        here, op = self.pc, self._op(self.pc)
        taken = False
        if op.kind == "branch":
            taken = (self.regs[op.a % 4] >> 3) % 3 != 0
            self._executed(here)
            if self._slots:
                self._execute(self._behind(here))
        else:
            self._execute(here)
        length = self._unit()
        self.pc = self.places[op.b] if taken else self._behind(here, length)
        self.icount += length
        self.instructions_run += length
        taken = taken or self.pc == self.places[0] and self._index[here] + length == len(self.places)
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
                at = address - self.data
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
        op = self._op(self._behind(self.pc, self._unit() - 1))
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
                wanted = (kind, Access.ACCESS)
                if first < min(address + length, watch.address + watch.length) and watch.access in wanted:
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
        traced = len(self._trace or ())
        while True:
            if request.trace and len(self._trace or ()) - traced >= MOST_TRACED:
                return RunStop(StopKind.PAUSED, self.icount, self.pc)
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
            if request.trace:
                self._note_row(request.trace_register)
            if request.count is not None:
                self._count(request.count)
            if request.probes is not None:
                self._look(request.probes)
            window = self._run_unit_noting() if request.exact else self._run_unit()
            length += 1
            if window:
                if late is not None:
                    return RunStop(StopKind.WATCHPOINT, self.icount, self.pc, late, rerun_from=block)
                if not request.exact and self._is_ambiguous(block_pc):
                    if request.probes is not None:
                        self._probed = [note for note in self._probed if note[0] <= block]
                        self._accessed = [note for note in self._accessed if note[0] < block]
                    return RunStop(StopKind.AMBIGUOUS, block, block_pc, rerun_from=block)
                length = 0
                if request.slice is not None and self.icount - begin >= request.slice and not self.off:
                    return RunStop(StopKind.PAUSED, self.icount, self.pc)

    def _look(self, probes: Probes) -> None:
        if self._probes != probes:
            self._probes, self._probed, self._accessed = probes, [], []
        for place in (self.pc, *([self._behind(self.pc)] if self._unit() == 2 else [])):
            if place in probes.places and (self.icount, place) not in self._probed[-2:]:
                self._probed.append((self.icount, place))
        for address, _, kind in self._accesses():
            if self.watched_access(probes.accesses) is not None:
                self._accessed.append((self.icount, self.pc, address, kind is Access.WRITE))

    def take_probe_notes(self, ended: bool) -> ProbeNotes:
        rows = np.zeros(len(self._probed), [(name, "<u8" if name == "pc" else NOTE[name]) for name in NOTE.names or ()])
        for row, (icount, pc) in zip(rows, self._probed, strict=True):
            row["icount"], row["pc"], row["space"], row["exception"] = icount, pc, SHARED_SPACE, NO_EXCEPTION
        self._probed = []
        return ProbeNotes(rows, None, np.empty(0, np.uint64))

    def take_probe_count(self) -> ProbeCount:
        first, behind = (self._probes and self._probes.counts) or (0, 0)
        times = sum(first <= icount < behind for icount, _ in self._probed)
        self._probed = []
        return ProbeCount(times, np.empty(0, np.uint64))

    def take_accesses(self) -> AccessNotes:
        wide = [(name, "<u8" if name in ("pc", "address") else ACCESS[name]) for name in ACCESS.names or ()]
        rows = np.zeros(len(self._accessed), wide)
        for number, (row, made) in enumerate(zip(rows, self._accessed, strict=True)):
            row["number"], row["space"], row["size"] = number, SHARED_SPACE, 4
            row["icount"], row["pc"], row["address"], row["is_write"] = made
        self._accessed = []
        return AccessNotes(rows, (), np.empty(0, np.uint64))

    def _is_ambiguous(self, block_pc: int) -> bool:
        return bool(self.ambiguous) and 4 * self._index[block_pc] % self.ambiguous == 4

    def _note_block(self, start: int) -> None:
        """A block that began at ``start`` makes a watched access with the next unit."""
        blocks = [*self.watched_blocks.blocks, Block(start, self.icount + self._unit())]
        self.watched_blocks = WatchedBlocks(
            blocks[-MOST_BLOCKS:], self.watched_blocks.complete and len(blocks) <= MOST_BLOCKS
        )

    runs_slot = True

    def effects(self, code: bytes) -> Effects:
        return Effects("toy")

    def _note_row(self, register: int | None) -> None:
        if self._trace is None:
            self._trace = []
        value = 0 if register is None else self.read_register(register)
        self._trace.append((self.icount, self.pc, value, 0, 0, 0))

    def _count(self, counting: CountRequest) -> None:
        if self._counting is not counting:
            self._counting, self._counts = counting, Counter()
        for at in range(self._unit()):
            if counting.first <= self.icount + at < counting.last:
                self._counts[self.pc if at == 0 else self._behind(self.pc)] += 1

    def take_counts(self, last: bool) -> CountsTaken | None:
        rows = [(0, pc, 1, 0, times) for pc, times in self._counts.items()]
        self._counts = Counter()
        nothing = CountsTaken.nothing()
        return CountsTaken(np.array(rows, BLOCK_COUNT), nothing.nodes, nothing.events) if last else None

    def take_instructions(self, last: bool = False) -> InstructionRows:
        raise NotImplementedError  # its registers and accesses are no MIPS32's

    def take_trace(self) -> NDArray[np.void]:
        rows, self._trace = self._trace or [], None
        return np.array([*rows, (self.icount, self.pc, 0, 0, 0, 0)], TRACE_ROW)

    def stops_here(self, breakpoints: frozenset[int], conditions: Conditions) -> bool:
        codes = conditions.get(self.pc)
        values = [1] if codes is None else map(self.evaluate, codes)
        return self.pc in breakpoints and any(value is None or value for value in values)

    @property
    def step_is_apart(self) -> bool:
        return True

    def take_change(self) -> WatchHit | None:
        return None  # nothing but its instructions writes to its memory

    def step(self, watches: tuple[Watch, ...] = ()) -> RunStop:
        if self.off:
            return RunStop(StopKind.SHUTDOWN, self.icount, self.pc, exit_code=3)
        if self.idle:
            self._take_inputs()
            if self.idle:
                return RunStop(StopKind.IDLE, self.icount, self.pc)
        start, pc = self.icount, self.pc
        self._run_unit()
        if self._is_ambiguous(pc):
            return RunStop(StopKind.AMBIGUOUS, start, pc, rerun_from=start)
        return RunStop(StopKind.LIMIT, self.icount, self.pc)

    @property
    def works(self) -> Sequence[str]:
        return ()

    @property
    def endpoints(self) -> Sequence[Endpoint]:
        return (serial_port(0),)

    def input_room(self, endpoint: Endpoint) -> int:
        return 16

    def set_output(self, sink: OutputSink) -> None:
        self._sink = sink

    def apply(self, event: InputEvent, probes: Probes | None = None) -> None:
        if event.kind is InputKind.POKE_MEMORY:
            end, here = event.value + len(event.data), self.icount
            self._note(
                Writer.DEBUGGER,
                here,
                here,
                self.pc,
                event.value + self.data,
                self.memory[event.value : end],
                event.data,
            )
            self.memory[event.value : end] = event.data
            self._changed({event.value // PAGE_SIZE, (event.value + len(event.data) - 1) // PAGE_SIZE})
        else:
            self._poke_register(event.port, event.value)

    # --- state -------------------------------------------------------------------------------
    def save_state(self) -> MachineState:
        cpu = struct.pack("<QQ4Q??", self.icount, self.pc, *self.regs, self.idle, self.off)
        return MachineState(self.icount, cpu, struct.pack("<Q", self.ticks))

    def load_state(self, state: MachineState) -> None:
        self.icount, self.pc, *regs, self.idle, self.off = struct.unpack("<QQ4Q??", state.cpu)
        self.regs = list(regs)
        (self.ticks,) = struct.unpack("<Q", state.devices)
        if self._noted is not None:
            self._noted[1][:] = [write for write in self._noted[1] if write.after <= self.icount]

    def take_touched(self) -> Touched:
        touched = Touched(sorted(self._written), sorted(self._wv), sorted(self._rv), *self._executed_since())
        self._clear_touched()
        return touched

    def _executed_since(self) -> tuple[list[int], NDArray[np.uint64] | None]:
        """Virtual pages, and blocks if they are known."""
        return sorted(self._xv), None

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

    def expect_pages(self, pages: Sequence[int]) -> None:
        pass

    def digest(self) -> bytes:
        return self.page_digests().of(self.save_state())

    def page_digests(self) -> StateDigest:
        for page in self._stale:
            self._digest.put(page, self.read_page(page))
        self._stale.clear()
        return self._digest.copy()

    def know_page_digests(self, digests: StateDigest) -> None:
        self._stale.clear()
        self._digest = digests

    # --- debugger's view ---------------------------------------------------------------------
    exception_return = handler_return = handled = None  # it has no exceptions
    branch_target = None  # none leads to itself
    by_interrupt = False

    def exception_entries(self, address: int) -> Conditions:
        return {}

    def look_ahead(self, pc: int, most: int, system: SystemRegisters = nothing_known, guess: bool = False) -> Way:
        return Way()

    def evaluate(self, expression: Expression) -> int | None:
        def memory(address: int, size: int) -> int | None:
            data = self.read_memory(address, size)
            return int.from_bytes(data, "little") if len(data) == size else None

        try:
            context = AgentContext(self._known_register, memory, self.architecture.address_bits)
            return AgentExpression(expression).evaluate(context)
        except AgentError:
            return None

    def _known_register(self, number: int) -> int:
        if self.architecture.register(number) is None:
            raise AgentError(f"there is no register {number}")
        return self.read_register(number)

    layout = ""  # it has but one

    def read_register(self, number: int) -> int:
        info = self.architecture.register(number)
        assert info is not None
        row = self.architecture.registers.index(info)  # the general ones, then PC
        return self.pc if row == len(self.regs) else self.regs[row]

    def _poke_register(self, journal_id: int, value: int) -> None:
        info = self.architecture.register_of_journal(journal_id)
        if info is None or value >> info.bits or (info.name == self.architecture.pc and value not in self._index):
            raise RdbgError(f"there is no register {journal_id} that {value:#x} could be written to")
        row = self.architecture.registers.index(info)
        if row == len(self.regs):
            self.pc = value
        else:
            self.regs[row] = value

    def read_memory(self, address: int, length: int) -> bytes:
        offset = address - self.data
        return bytes(self.memory[offset : offset + length]) if offset >= 0 else b""

    def translate(self, address: int) -> int | None:
        offset = address - self.data
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

    def device_load(self, address: int, size: int) -> DeviceLoad | None:
        return None

    def loaded_from(self, address: int) -> str:
        return ""

    def storage(self, address: int, length: int) -> list[Extent]:
        offset = address - self.data
        length = min(length, len(self.memory) - offset)
        return [Extent(Space.MEMORY, offset, length, address)] if offset >= 0 and length > 0 else []

    def memory_areas(self) -> Sequence[MemoryArea]:
        return [MemoryArea("ram", self.data, len(self.memory))]

    @property
    def pins(self) -> Mapping[str, tuple[Endpoint, int]]:
        return {}

    def reports(self) -> Mapping[str, Report]:
        return {}
