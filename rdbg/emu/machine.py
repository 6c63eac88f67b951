"""A whole MIPS machine: board, CPU core, time, and the interface that upper rooms see."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from rdbg.emu import core as cpu
from rdbg.emu.ahead import look_ahead
from rdbg.emu.board import Board
from rdbg.emu.boards import build_board
from rdbg.emu.bus import Bus, BusError, Claim
from rdbg.emu.cpu_model import cpu_model
from rdbg.emu.device import NetworkDevice, SerialDevice, State
from rdbg.emu.device_state import DeviceParts, pack_devices, unpack_devices
from rdbg.emu.disk import Disk, DiskSource, make_disks
from rdbg.emu.disk_overlay import DiskOverlay
from rdbg.emu.dma import DirectMemoryAccess
from rdbg.emu.endpoint import Endpoint, EndpointKind
from rdbg.emu.endpoint_input import enter_endpoint
from rdbg.emu.exception_return import by_interrupt, entries, return_address
from rdbg.emu.expression import Expression
from rdbg.emu.host_memory import large_memory, require_address_space
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
    PacketWatcher,
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
from rdbg.emu.machine_pages import MachinePages
from rdbg.emu.memory_areas import memory_areas
from rdbg.emu.memory_map import PAGE_SIZE
from rdbg.emu.memory_writes import NAMES, MemoryWrites
from rdbg.emu.noted_writes import SPACES, VIRTUAL, NotedWrites
from rdbg.emu.registers import layout, register_table
from rdbg.emu.semihosting import HostCalls
from rdbg.emu.semihosting_guest import SemihostingGuest, with_host_calls
from rdbg.emu.spec import MachineSpec
from rdbg.emu.state_digest import StateDigest
from rdbg.emu.system import MachineSystem
from rdbg.emu.tlb_report import tlb_report
from rdbg.emu.way_ahead import SystemRegisters, Way, nothing_known
from rdbg.errors import RdbgError

RESET_STATUS = 0x00400004  # BEV and ERL (MIPS32 PRA vol. III, table 9.24)
# As in cpu_constants.pxd.
WATCH_KINDS = {Access.READ: 1, Access.WRITE: 6, Access.ACCESS: 7}
READS, STORES, WRITES = 1, 2, 6
#: Address space that Unicorn takes for translated code and for itself.
TRANSLATED_CODE = (1 << 30) + (64 << 20)
_FILLED_AT_ONCE = 1 << 20

#: A CPU that waits, and that so many timers in a row have not woken, sleeps until an input comes: no more time passes
#: for it. (Half a minute of a timer that expires a thousand times a second, nine hours of a clock's seconds.)
_MOST_IDLE_EVENTS = 1 << 15
#: Status: an interrupt ends a wait only if it would be taken: unmasked, with IE set and neither EXL nor ERL.
_STATUS_IM, _STATUS_IE, _STATUS_HELD_OFF = 0xFF00, 0x1, 0x7
#: More than any timer expires at one position.
MOST_EXPIRIES = 1_000_000


@dataclass
class _ExactHits:
    """What a run in single steps has noted."""

    def __init__(self) -> None:
        self.breakpoint: ScanHit | None = None
        self.blocks: list[Block] = []


class Machine:
    """A whole computer at one position; implements `MachineApi`.

    Args:
        spec: what it is. The same spec and the same inputs give the same run, on any host.
        inputs: where it asks for what comes from outside.
        disk_sources: what its drives hold at first, in the order of the description; None: nothing can be read.

    Raises:
        RdbgError: an image does not fit the board.
    """

    def __init__(
        self,
        spec: MachineSpec,
        inputs: InputSource | None = None,
        disk_sources: Sequence[DiskSource] | None = None,
    ) -> None:
        self.spec = spec
        self._model = cpu_model(spec.cpu)
        self.architecture = self._model.architecture
        self.big_endian = spec.big_endian
        self.inputs: InputSource = inputs or NoInputs()
        self._output: OutputSink | None = None
        self._packets: PacketWatcher | None = None
        self._system = MachineSystem(self)
        overlay = DiskOverlay()
        self.disks: dict[str, Disk] = make_disks(spec.drives, overlay, disk_sources, self.output)
        self.board: Board = build_board(spec, self._system, self.disks)
        self._host_calls: HostCalls | None = None
        if spec.semihosting is not None:
            self._host_calls = HostCalls(SemihostingGuest(self, self._system), spec.semihosting)
            self.board = with_host_calls(self.board, self._host_calls)
        self._require_names()
        self.bus = Bus(self.board.memory_map, spec.big_endian, self._system)
        self.dma = DirectMemoryAccess(self.bus, spec.big_endian, self._read_bytes, self._write_by_dma)
        memory_bytes = self.bus.page_count * PAGE_SIZE
        if memory_bytes > cpu.MEMORY_MAX:
            raise RdbgError(
                f"machine {self.board.name} has {memory_bytes >> 20} MiB of memory in all its parts, "
                f"more than the {cpu.MEMORY_MAX >> 20} MiB that rdbg holds: make them smaller"
            )
        self._memory = large_memory(memory_bytes)
        self._first_byte = {b.name: self.bus.first_page(b.name) * PAGE_SIZE for b in self.board.memory_map.backings}
        period_ns = max(1, 2_000_000_000 // self.board.cpu_clock_hz)
        timer_line = self.board.cpu_irq_timer
        require_address_space(TRANSLATED_CODE, "translated code")
        self.core = cpu.Core(self._memory, self._model, spec.big_endian, spec.shift, period_ns, timer_line, self)
        self._writes = MemoryWrites(self.core, self._memory)
        on_disks = overlay if any(disk.sectors for disk in self.disks.values()) else None
        self._pages = MachinePages(self.core, self.bus.page_count, on_disks, self._writes)
        self.page_count = self._pages.count
        self.first_disk_page = self.bus.page_count
        if spec.semihosting is not None:
            self.core.allow_semihosting(spec.semihosting.in_user_mode)
        self._system.powered = True
        self._registers = {register.info.number: register for register in register_table(self.core)}
        self._digest = StateDigest()
        self._loading = False
        self._reset_wanted = False
        self._resetting = False
        self._shutdown_code: int | None = None
        self._wait_idle = False
        self._skip_ns = 0
        self._idle_ns: int | None = None
        self._idle_position = -1  # where the CPU waits
        self._idle_events = 0  # how many events in a row, since it waits or an input came, have not woken it there
        self._woken_by: list[InputEvent] = []
        self._no_more_at = -1  # a position at which nothing that waits outside may enter any more
        self._watches: tuple[Watch, ...] = ()
        self._armed: tuple[frozenset[int], Conditions, tuple[Watch, ...]] | None = (frozenset(), {}, ())
        self._exact_hits: _ExactHits | None = None  # of the last run, if it was one in single steps
        self._load_backings()
        self._reset()
        self.core.end_reset()

    def _require_names(self) -> None:
        """Names key what snapshots say of devices."""
        seen: set[str] = set()
        for device in self.board.devices:
            if device.name in seen:
                raise RdbgError(f"two devices of this board are named {device.name!r}: device names must differ")
            seen.add(device.name)

    # --- what the machine is --------------------------------------------------------------------

    @property
    def icount(self) -> int:
        """The position: instructions retired since power-on."""
        return self.core.icount

    @property
    def pc(self) -> int:
        """Virtual address of the next instruction."""
        return self.core.pc

    @property
    def now_ns(self) -> int:
        """The devices' virtual time in nanoseconds: behind the instruction that accesses one; else of the position."""
        return (self.core.clock_icount << self.spec.shift) + self.core.bias_ns

    @property
    def virtual_ns(self) -> int:
        """Virtual time in nanoseconds at the position."""
        return (self.core.icount << self.spec.shift) + self.core.bias_ns

    def set_output(self, sink: OutputSink) -> None:
        """Where goes what leaves by the endpoints."""
        self._output = sink

    def watch_packets(self, watcher: PacketWatcher) -> None:
        """Have somebody see every packet that a card receives or sends, each time that the machine passes it."""
        self._packets = watcher

    @property
    def endpoints(self) -> Collection[Endpoint]:
        """Where the machine meets the outside world."""
        return self.board.endpoints.keys()

    def input_room(self, endpoint: Endpoint) -> int:
        """How much an endpoint can take now without loss, in bytes or packets; 0 for one that is not there."""
        device = self.board.endpoints.get(endpoint)
        return device.receive_room() if isinstance(device, SerialDevice | NetworkDevice) else 0

    # --- running --------------------------------------------------------------------------------

    def run(self, request: RunRequest) -> RunStop:
        """Run forward; see RunRequest."""
        if self._writes.noted is not None:
            return self._run_noting(request, self._writes.noted)
        self._arm(request.breakpoints, request.conditions, request.watches)
        self._wait_idle = request.wait_idle
        self._skip_ns = request.skip_ns
        self._exact_hits = None
        self.core.ask_to_hold(self.inputs.asks_interrupts)
        if request.exact:
            return self._run_exact(request)
        pause_at = None if request.slice is None else self.core.icount + max(1, request.slice)
        return self._stop(self.core.run(request.until, pause_at, request.last_hit, request.passes))

    def step(self, watches: tuple[Watch, ...] = ()) -> RunStop:
        """Retire one instruction (a branch with its slot), or take one exception.

        Args:
            watches: for `take_change`.
        """
        self._arm(frozenset(), {}, watches)
        self._wait_idle = False
        return self._stop(self.core.step())

    def stops_here(self, breakpoints: frozenset[int], conditions: Conditions) -> bool:
        """Whether one of these breakpoints stops before the next instruction (or is in its delay slot)."""
        self._arm(breakpoints, conditions, self._watches)
        return self.core.stops_here()

    def watched_access(self, watches: tuple[Watch, ...]) -> WatchHit | None:
        """The watched access that the next step makes; None: it makes none, or raises an exception instead."""
        if not watches:
            return None
        breakpoints, conditions, _ = self._armed or (frozenset(), {}, ())
        self._arm(breakpoints, conditions, watches)
        hit = self.core.watched_access()
        return None if hit is None else self._watch_hit(*hit)

    @property
    def exception_return(self) -> int | None:
        """Where the next instruction returns to, if it is a return from an exception."""
        word = self.read_memory(self.pc, 4)
        return return_address(int.from_bytes(word, "big" if self.big_endian else "little"), self.core.read_cp0)

    @property
    def by_interrupt(self) -> bool:
        """Whether the latest exception was an interrupt."""
        return by_interrupt(self.core.read_cp0)

    def exception_entries(self, address: int) -> Conditions:
        """Breakpoints, with conditions, for the entry of the exception whose handler now returns to ``address``."""
        return entries(address, self.read_register(29), self.architecture.number_of("epc"), self.core.read_cp0)

    def look_ahead(self, pc: int, most: int, system: SystemRegisters = nothing_known, guess: bool = False) -> Way:
        """Follow the code from ``pc``; see `MachineApi`."""
        return look_ahead(self, pc, most, system, guess)

    def evaluate(self, expression: Expression) -> int | None:
        """The value of an expression here, 64 bits; None: it cannot be evaluated."""
        value: int | None = self.core.value_of(expression)
        return value

    def _arm(self, breakpoints: frozenset[int], conditions: Conditions, watches: tuple[Watch, ...]) -> None:
        wanted = (breakpoints, conditions, watches)
        if self._armed != wanted:
            self._armed = None  # until all of it is: the same request may come again
            self._watches = watches
            named: list[tuple[Watch, int]] = []
            ranges = []
            for watch in watches:
                kinds = WATCH_KINDS[watch.access]
                by_address = kinds & (READS | STORES if watch.commands else READS) if watch.storage else kinds
                if by_address:
                    named.append((watch, 0))
                    ranges.append((watch.address, _last(watch.address, watch.length), by_address, VIRTUAL))
                for extent in watch.storage:
                    named.append((watch, extent.virtual - extent.address))
                    last = _last(extent.address, extent.length)
                    ranges.append((extent.address, last, kinds & WRITES, SPACES[extent.space]))
            self.core.arm_stops(breakpoints, conditions, ranges)
            self._writes.ranges = named
            self._armed = wanted
        self._writes.take_change()

    def _run_exact(self, request: RunRequest) -> RunStop:
        start = self.core.icount
        hits = self._exact_hits = _ExactHits() if request.last_hit else None
        while True:
            here, pc = self.core.icount, self.core.pc
            if self.core.stops_here() and not (request.passes and here == start):
                if hits is None:
                    return RunStop(StopKind.BREAKPOINT, here, pc)
                if request.until is None or here < request.until:
                    hits.breakpoint = ScanHit(here, pc)
            if request.until is not None and here + self.core.next_length() > request.until:
                return RunStop(StopKind.LIMIT, here, pc)
            hit = self.core.watched_access() if request.watches else None
            if hit is not None and hits is None:
                return RunStop(StopKind.WATCHPOINT, here, pc, self._watch_hit(*hit))
            if request.slice is not None and here - start >= request.slice:
                return RunStop(StopKind.PAUSED, here, self.core.pc)
            stop = self._stop(self.core.step())
            change = self.take_change() if request.watches else None
            if hits is not None and (hit is not None or change is not None or self.core.watched_blocks[0]):
                hits.blocks.append(Block(here, self.core.icount))
            elif hits is None and change is not None:
                return RunStop(StopKind.WATCHPOINT, here, pc, change, rerun_from=here)
            if stop.kind is not StopKind.LIMIT:
                return stop

    def take_change(self) -> WatchHit | None:
        """What something else than a store of the CPU has changed of what was watched in the latest run or step."""
        return self._writes.take_change()

    def note_writes(self, watch: Watch | None) -> None:
        """From now on keep the writes to what a watch is for; None: no more."""
        self._writes.noted = None if watch is None else NotedWrites(watch)

    def take_writes(self) -> list[Write]:
        """The writes kept since the last call, in order."""
        return [] if self._writes.noted is None else self._writes.noted.take()

    def _run_noting(self, request: RunRequest, noted: NotedWrites) -> RunStop:
        """Run while writes are kept: of instructions in an exact run, of others also where the CPU stands."""
        self._wait_idle, self._skip_ns = request.wait_idle, request.skip_ns
        if not request.exact:
            self._arm(frozenset(), {}, ())
            here = self.core.icount
            if request.until is not None and request.until <= here:
                noted.begin(here, self.core.pc)
            pause_at = None if request.slice is None else here + max(1, request.slice)
            try:
                return self._stop(self.core.run(request.until, pause_at, False, False))
            finally:
                noted.moment = None
        self._arm(frozenset(), {}, (noted.watch,))
        while True:
            here = self.core.icount
            if request.until is not None and here + self.core.next_length() > request.until:
                return RunStop(StopKind.LIMIT, here, self.core.pc)
            noted.begin(here, self.core.pc)
            stop = self._stop(self.core.step(True))
            noted.end(self.core.icount, self.core.take_noted())
            if stop.kind is not StopKind.LIMIT:
                return stop

    def _watch_hit(self, index: int, address: int, kind: int) -> WatchHit:
        watch, shift = self._writes.ranges[index]
        return WatchHit(watch, (address + shift) & 0xFFFFFFFF, Access.WRITE if kind & WRITES else Access.READ)

    def _stop(self, why: str) -> RunStop:
        kind = StopKind(why)
        position, pc = self.core.icount, self.core.pc
        if kind is StopKind.AMBIGUOUS:
            block, block_pc = self.core.block
            return RunStop(kind, block, block_pc, rerun_from=block)
        if kind is StopKind.WATCHPOINT:
            hit = self.core.watch_hit
            assert hit is not None
            return RunStop(kind, position, pc, self._watch_hit(*hit[2:]), rerun_from=hit[0])
        if kind is StopKind.SHUTDOWN:
            return RunStop(kind, position, pc, exit_code=self._shutdown_code or 0)
        if kind is StopKind.IDLE:
            return RunStop(kind, position, pc, idle_ns=self._idle_ns, skip_left_ns=self._skip_ns)
        return RunStop(kind, position, pc)

    @property
    def last_breakpoint_hit(self) -> ScanHit | None:
        """The last breakpoint hit of a ``last_hit`` run."""
        if self._exact_hits is not None:
            return self._exact_hits.breakpoint
        hit = self.core.breakpoint_hit
        return None if hit is None else ScanHit(*hit)

    @property
    def watched_blocks(self) -> WatchedBlocks:
        """Where watched accesses were made in a ``last_hit`` run."""
        if self._exact_hits is not None:
            return WatchedBlocks(self._exact_hits.blocks)
        blocks, complete = self.core.watched_blocks
        return WatchedBlocks([Block(*block) for block in blocks], complete)

    # --- what the core asks (rdbg.emu.core.Host) ------------------------------------------------

    def classify(self, page: int) -> tuple[int, int]:
        """What stands at a guest-physical page: (a MAPPING value, backing page)."""
        mapping = self.bus.classify(page * PAGE_SIZE)
        if mapping.backing_page is not None:
            flags = (cpu.MAPPING_READ if mapping.readable else 0) | (cpu.MAPPING_WRITE if mapping.writable else 0)
            return cpu.MAPPING_MEMORY | flags, mapping.backing_page
        # Where nothing answers the bus is asked all the same: it logs the address of each access.
        if mapping.claim is not Claim.WHOLE:
            return cpu.MAPPING_PARTIAL, 0
        return cpu.MAPPING_IO | (cpu.MAPPING_READ if self.bus.ignored_page(page * PAGE_SIZE) else 0), 0

    def io_read(self, address: int, size: int) -> int:
        """A guest load from a device."""
        return self.bus.read(address, size)

    def io_stable(self, address: int, size: int) -> int:
        """The icount from which a guest load from a device, made now, may not be repeated without asking; 0: it may not
        at all."""
        until_ns = self.bus.stable_until(address, size)
        return self._icount_of(until_ns) if until_ns else 0

    def io_idle_store(self, address: int, size: int, value: int) -> bool:
        """Whether a guest store to a device would change nothing."""
        return self.bus.is_idle_store(address, size, value)

    def io_write(self, address: int, size: int, value: int) -> None:
        """A guest store to a device."""
        self.bus.write(address, size, value)

    def events(self, icount: int) -> tuple[int, int]:
        """Everything due at this position; returns what `plan` does."""
        self._writes.between = True
        try:
            self._happen(icount)
            while self._reset_wanted:
                self._reset()
                self._no_more_at = icount
                self._happen(icount)
        finally:
            self._writes.between = False
        return self.plan(icount + 1)

    def _happen(self, icount: int) -> None:
        if not self.core.halted:
            while self._woken_by:  # of a wait that has ended
                self._enter_together()
            self._take_inputs(icount)
        expired = 0
        while (timer := self._system.earliest()) is not None and (timer.deadline_ns or 0) <= self.now_ns:
            timer.disarm()
            timer.function()
            # In a replay inputs enter before what else happens at their position: what a timer has made room for comes
            # behind it.
            self._no_more_at = icount
            expired += 1
            if expired > MOST_EXPIRIES:
                raise RdbgError(
                    f"timer {timer.name!r} expires again and again at icount {icount} and never catches up with the "
                    "virtual time: the snapshot that the run began from is damaged"
                )

    def plan(self, icount: int) -> tuple[int, int]:
        """What is known to come: the icount of the next event, which happens right there; and an icount, at least
        ``icount``, from which something that waits outside may enter anywhere."""
        timer = self._system.earliest()
        event = self._icount_of(timer.deadline_ns) if timer is not None else cpu.NEVER
        known = self.inputs.next_icount()
        if known is not None:
            event = min(event, max(known, icount))
        waiting = self.inputs.waiting_from()
        return (0 if self._reset_wanted else event), (cpu.NEVER if waiting is None else max(waiting, icount))

    def before_interrupt(self, icount: int) -> None:
        """An interrupt is about to be taken: let whoever is asked hold it back."""
        for event in self.inputs.hold_interrupt(icount, self.now_ns if self.core.halted else None):
            self._enter(event)

    def semihosting(self) -> None:
        """The guest calls the host."""
        assert self._host_calls is not None
        self._host_calls.call()

    def _take_inputs(self, icount: int) -> None:
        while self._is_known_by(icount) or (icount != self._no_more_at and self._waits_by(icount)):
            taken = self.inputs.take(icount)
            if not taken:
                return
            for event in taken:
                self._enter(event)

    def _is_known_by(self, icount: int) -> bool:
        """Whether an input is known to enter at ``icount``."""
        at = self.inputs.next_icount()
        return at is not None and at <= icount

    def _waits_by(self, icount: int) -> bool:
        """Whether something waits outside that may enter at ``icount``."""
        at = self.inputs.waiting_from()
        return at is not None and at <= icount

    def _icount_of(self, deadline_ns: int | None) -> int:
        """The first icount whose time is at or after ``deadline_ns``."""
        if deadline_ns is None:
            return cpu.NEVER
        shift = self.spec.shift
        return max(0, deadline_ns - self.core.bias_ns + (1 << shift) - 1) >> shift

    def idle(self, icount: int, cpu_ns: int) -> bool:
        """The CPU waits. Let virtual time pass up to the next event, of the CPU itself at ``cpu_ns``; False: come back
        to the caller of run()."""
        if icount != self._idle_position:
            self._idle_position, self._idle_events = icount, 0
        if not self._woken_by and (self._is_known_by(icount) or self._waits_by(icount)):
            # A replay passes the same timers before it lets enter what came after them.
            after_timers = self.now_ns + 1 if self._idle_events else None
            self._woken_by = list(self.inputs.take(icount, after_timers))
        timer = self._system.earliest()
        deadlines = [d for d in (timer.deadline_ns if timer else None, cpu_ns) if d is not None]
        deadline = min((d for d in deadlines if d < cpu.NEVER), default=None)
        status = self.core.read_cp0(12, 0)
        wakes = not self.core.calling and status & _STATUS_IM and status & _STATUS_HELD_OFF == _STATUS_IE
        if self._idle_events >= _MOST_IDLE_EVENTS or not wakes:
            deadline = None
        now = self.now_ns
        if self._woken_by:
            first = self._woken_by[0]
            wake_ns = first.value if first.kind is InputKind.WAKE else now
            if deadline is None or wake_ns <= deadline:
                self._skip_ns = max(0, self._skip_ns - max(0, wake_ns - now))
                self._pass_time(wake_ns)
                self._writes.between = not self.core.calling  # what the answer to a call changes is the call's doing
                try:
                    self._enter_together()
                finally:
                    self._writes.between = False
                self._idle_events = 0  # what came in may have armed a timer
                return True
        self._idle_ns = None if deadline is None else max(0, deadline - now)
        if deadline is None or self._idle_ns is None:
            return False
        if self._wait_idle and not self._woken_by:
            if self._skip_ns < self._idle_ns:
                return False
            self._skip_ns -= self._idle_ns
        self._idle_events += 1
        self._pass_time(deadline)
        return True

    def _enter_together(self) -> None:
        """Let those that woke the CPU at one moment enter: one wait may have several, each begins with a WAKE."""
        waking = self._woken_by
        count = 1
        while count < len(waking) and waking[count].kind is not InputKind.WAKE:
            count += 1
        self._woken_by = waking[count:]
        for event in waking[:count]:
            self._enter(event)

    def _pass_time(self, until_ns: int) -> None:
        self.core.bias_ns += max(0, until_ns - self.now_ns)
        self.core.ask_for_events()

    def _enter(self, event: InputEvent) -> None:
        endpoint = event.endpoint
        if endpoint is not None:
            if self._packets is not None and event.kind is InputKind.PACKET:
                self._packets(self.core.icount, self.virtual_ns, event.port, event.data, True)
            enter_endpoint(event, self.board.endpoints.get(endpoint))
        elif event.kind is InputKind.RESET:
            self._reset_wanted = True
            self.core.ask_for_events()
        elif event.kind is InputKind.SHUTDOWN:
            self.request_shutdown(event.value)
        elif event.kind is InputKind.HOLD:
            self.core.hold_interrupts(event.value)

    # --- what devices ask (through MachineSystem) -----------------------------------------------

    def ask_for_events(self) -> None:
        """A timer changed: look again before the next instruction."""
        self.core.ask_for_events()

    def set_cpu_irq(self, line: int, level: bool) -> None:
        """Drive a hardware interrupt line."""
        old = self.core.lines
        lines = old | 1 << line if level else old & ~(1 << line)
        if lines != old:
            self.core.set_lines(lines)

    def output(self, endpoint: Endpoint, data: bytes) -> None:
        """Bytes, or a packet, leave by an endpoint."""
        if self._packets is not None and endpoint.kind is EndpointKind.NETWORK:
            self._packets(self.core.device_icount, self.now_ns, endpoint.port, data, False)
        if self._output is not None:
            self._output(self.core.device_icount, endpoint, data)

    def place(self) -> str:
        """Where the guest is, in words: at an instruction, or, while it runs, in a block of them."""
        icount, pc, exact = self.core.place
        return f"icount {icount}, pc {pc:#010x}" if exact else f"in the block at icount {icount}, pc {pc:#010x}"

    def request_reset(self) -> None:
        """Reset before the next instruction, or end the run there."""
        if not self.spec.reboot:
            self.request_shutdown(0)
            return
        self._reset_wanted = True
        self.core.ask_for_events()

    def request_shutdown(self, exit_code: int) -> None:
        """Power off before the next instruction. Of several codes the first counts."""
        if self._shutdown_code is None:
            self._shutdown_code = exit_code
        self.core.request_stop()

    def mapping_changed(self) -> None:
        """The address space shows something else."""
        if self._loading:
            return  # load_state compares the whole layout in the end: most often nothing has moved
        self.bus.mapping_changed()
        self.core.forget_mappings()

    def read_backing(self, name: str, offset: int, size: int) -> bytes:
        """Bytes of a backing."""
        return self._read_bytes(self._first_byte[name] + offset, size)

    def write_backing(self, name: str, offset: int, data: bytes) -> None:
        """Change bytes of a backing."""
        writer = Writer.RESET if self._resetting else Writer.DEVICE
        self._writes.write(self._first_byte[name] + offset, data, writer, NAMES.get(writer, f"device {name}"))

    def _read_bytes(self, first: int, size: int) -> bytes:
        return self._memory[first : first + size]

    def _write_by_dma(self, first: int, data: bytes, by: str) -> None:
        self._writes.write(first, data, Writer.DEVICE, by)

    def store_for_host(self, address: int, data: bytes) -> bool:
        """Put the answer to a call of the host at a virtual address; False, and nothing is written: not all of it is
        memory that can be written to."""
        pieces: list[tuple[int, bytes, int]] = []
        at = 0
        while at < len(data):
            here = (address + at) & 0xFFFFFFFF
            size = min(len(data) - at, PAGE_SIZE - here % PAGE_SIZE)
            physical = self.translate(here)
            mapping = None if physical is None else self.bus.classify(physical)
            if mapping is None or mapping.backing_page is None or not mapping.writable:
                return False
            pieces.append((mapping.backing_page * PAGE_SIZE + here % PAGE_SIZE, data[at : at + size], here))
            at += size
        for first, piece, through in pieces:
            self._writes.write(first, piece, Writer.HOST, NAMES[Writer.HOST], through)
        return True

    def _load_backings(self) -> None:
        for backing in self.board.memory_map.backings:
            first, filled = self._first_byte[backing.name], len(backing.initial)
            self._load(first, backing.initial)
            while backing.fill and filled < backing.size:
                filler = bytes((backing.fill,)) * min(_FILLED_AT_ONCE, backing.size - filled)
                self._load(first + filled, filler)
                filled += len(filler)

    def _load(self, first: int, data: bytes) -> None:
        self._writes.write(first, data, Writer.RESET, NAMES[Writer.RESET])

    def _reset(self) -> None:
        self._reset_wanted = False
        if self.core.icount:
            # Images in RAM are put back, as QEMU does; what flash holds stays.
            for backing in self.board.memory_map.backings:
                if backing.writable and backing.initial:
                    self._load(self._first_byte[backing.name], backing.initial)
        for timer in self._system.timers.values():
            timer.disarm()
        state = self.board.reset_state
        self.core.reset(state.pc, RESET_STATUS if state.status is None else state.status)
        self._resetting = True
        try:
            for device in self.board.devices:
                device.reset()
        finally:
            self._resetting = False
        for number, value in state.registers.items():
            self.core.write_gpr(number, value)

    # --- state ----------------------------------------------------------------------------------

    def save_state(self) -> MachineState:
        """All of the machine's state but its pages."""
        icount, registers = self.core.save()
        return MachineState(icount, registers, self._save_devices())

    def _save_devices(self) -> bytes:
        waits = self.core.halted and self._idle_position == self.icount
        return pack_devices(
            DeviceParts(
                {device.name: (device.version, device.save()) for device in self.board.devices},
                {timer.name: timer.deadline_ns for timer in self._system.timers.values()},
                self._reset_wanted,
                self._shutdown_code,
                tuple(self._woken_by),
                self._idle_events if waits else 0,
            )
        )

    def load_state(self, state: MachineState) -> None:
        """Take a state back.

        Raises:
            RdbgError: it was saved by another version or from another board.
        """
        parts = unpack_devices(state)
        try:
            parts.require_timers(self._system.timers)
            states = parts.states_of(self.board.devices)
        except RdbgError as error:
            raise RdbgError(f"the snapshot at icount {state.icount} cannot be loaded: {error}") from error
        self.core.load(state.icount, state.cpu)
        if self._writes.noted is not None:
            self._writes.noted.forget_after(state.icount)
        try:
            self._load_devices(parts, states)
        except RdbgError as error:
            raise RdbgError(f"the snapshot at icount {state.icount} cannot be loaded: {error}") from error

    def _load_devices(self, parts: DeviceParts, states: Sequence[State]) -> None:
        """Take back what `_save_devices` gave, unpacked. The CPU's interrupt lines stay as they are.

        Args:
            parts: all of it.
            states: of the board's devices, in their order.
        """
        lines = self.core.lines
        layout = self.bus.layout()
        self._woken_by = list(parts.waking)
        self._idle_position, self._idle_events = self.icount, parts.idle_events
        self._loading = True
        try:
            for device, saved in zip(self.board.devices, states, strict=True):
                device.load(saved)
        finally:
            self._loading = False
        for timer in self._system.timers.values():
            timer.restore(parts.deadlines_ns[timer.name])
        self.core.set_lines(lines)
        self._reset_wanted = parts.reset_wanted
        self._shutdown_code = parts.shutdown_code
        if parts.shutdown_code is not None:
            self.core.request_stop()
        if self.bus.layout() != layout:
            self.mapping_changed()

    def apply(self, event: InputEvent) -> None:
        """Apply a debugger's write or a user's RESET at the current position.

        Raises:
            RdbgError: there is nothing to write to at that address.
        """
        if event.kind is InputKind.POKE_REGISTER:
            info = self.architecture.register_of_journal(event.port)
            if info is None:
                raise RdbgError(f"journal id {event.port} is of no register of this machine")
            self.write_register(info.number, event.value)
        elif event.kind is InputKind.POKE_MEMORY:
            self._poke(event.value, event.data)
        else:
            self._enter(event)

    def _poke(self, address: int, data: bytes) -> None:
        while data:
            chunk = min(len(data), PAGE_SIZE - address % PAGE_SIZE)
            page = self.bus.classify(address).backing_page
            if page is None:
                raise RdbgError(f"physical address {address:#010x} is no memory: device registers cannot be written")
            self._writes.write(
                page * PAGE_SIZE + address % PAGE_SIZE, data[:chunk], Writer.DEBUGGER, NAMES[Writer.DEBUGGER]
            )
            address, data = address + chunk, data[chunk:]

    def take_touched(self) -> Touched:
        """Pages touched since the last call."""
        return self._pages.take_touched()

    def nonzero_pages(self) -> Sequence[int]:
        """Pages that hold anything but zeros."""
        return self._pages.nonzero()

    def read_page(self, page: int) -> bytes:
        """The bytes of a page."""
        return self._pages.read([page])

    def read_pages(self, pages: Sequence[int]) -> bytes:
        """The pages' bytes, one after another."""
        return self._pages.read(pages)

    def write_pages(self, pages: Sequence[int], data: bytes) -> None:
        """Put pages back."""
        self._pages.write(pages, data)

    def copy_pages(self, pages: Numbers, out: PageRows, rows: Numbers) -> None:
        """Copy each page to a row of ``out``."""
        self._pages.copy(pages, out, rows)

    def put_pages(self, pages: Numbers, source: PageRows, rows: Numbers) -> None:
        """Put each page back from a row of ``source``."""
        self._pages.put(pages, source, rows)

    def digest(self) -> bytes:
        """16 bytes over all state. Only pages written since the last call are read again."""
        for page in self._pages.take_stale():
            self._digest.put(page, self.read_page(page))
        return self._digest.of(self.save_state())

    # --- debugger's view ------------------------------------------------------------------------

    @property
    def layout(self) -> str:
        """The layout of the floating-point registers now (Status.FR)."""
        return layout(self.core)

    def read_register(self, number: int) -> int:
        """A register by the debugger's number."""
        return self._registers[number].read()

    def write_register(self, number: int, value: int) -> None:
        """Set a register by the debugger's number.

        Raises:
            RdbgError: it is read-only, there is none of that number, or the value is too large for it.
        """
        register = self._registers.get(number)
        if register is None or value >> register.info.bits:
            raise RdbgError(f"there is no register {number} that {value:#x} could be written to")
        if register.write is None:
            raise RdbgError(f"register {register.info.name} cannot be written: the hardware sets it")
        register.write(value)

    def translate(self, address: int) -> int | None:
        """Guest-physical address of a virtual one, privilege ignored; None if unmapped."""
        return self.core.translate(address & 0xFFFFFFFF)

    def storage(self, address: int, length: int) -> list[Extent]:
        """What stands behind a range of virtual addresses now, up to the first that is unmapped."""
        found: list[Extent] = []
        at = address
        while at < address + length:
            here = at & 0xFFFFFFFF
            physical = self.translate(here)
            if physical is None:
                break
            page = self.bus.classify(physical).backing_page
            space = Space.DEVICE if page is None else Space.MEMORY
            first = physical if page is None else page * PAGE_SIZE + physical % PAGE_SIZE
            size = min(address + length - at, PAGE_SIZE - here % PAGE_SIZE)
            last = found[-1] if found else None
            if last is not None and last.space is space and last.address + last.length == first:
                found[-1] = replace(last, length=last.length + size)
            else:
                found.append(Extent(space, first, size, here))
            at += size
        return found

    def holds(self, extents: Sequence[Extent], event: InputEvent) -> bool:
        """Whether a debugger's write to memory reaches any of these bytes."""
        at, left = event.value, len(event.data)
        while left > 0:
            size = min(left, PAGE_SIZE - at % PAGE_SIZE)
            page = self.bus.classify(at).backing_page
            first = -1 if page is None else page * PAGE_SIZE + at % PAGE_SIZE
            for extent in extents:
                reaches = extent.address < first + size and first < extent.address + extent.length
                if extent.space is Space.MEMORY and reaches:
                    return True
            at, left = at + size, left - size
        return False

    def resolved(self, watch: Watch) -> Watch:
        """The watch with its storage, if the same memory stands behind its addresses at all times: those of a segment
        that no TLB translates. Stores to memory that cannot be written to directly are commands to what is there (a
        flash chip)."""
        last = _last(watch.address, watch.length)
        segment = next(
            (each for each in self.architecture.segments if each.has(watch.address) and each.has(last)), None
        )
        if segment is None or not WATCH_KINDS[watch.access] & WRITES:
            return watch
        pages = range(watch.address // PAGE_SIZE, last // PAGE_SIZE + 1)
        physical = segment.physical - segment.start
        shown = [self.bus.classify(page * PAGE_SIZE + physical) for page in pages]
        if any(mapping.backing_page is None for mapping in shown):
            return watch
        commands = not all(mapping.writable for mapping in shown)
        return replace(watch, storage=tuple(self.storage(watch.address, watch.length)), commands=commands)

    def read_memory(self, address: int, length: int) -> bytes:
        """Bytes at a virtual address, as many as are mapped; of devices, what a load would give."""
        out = bytearray()
        while len(out) < length:
            here = (address + len(out)) & 0xFFFFFFFF
            physical = self.translate(here)
            page = None if physical is None else self.bus.classify(physical).backing_page
            chunk = min(length - len(out), PAGE_SIZE - here % PAGE_SIZE)
            if page is None:
                if physical is None:
                    break
                found = bytes(chunk) if self.bus.ignored_page(physical) else self._peek(physical, chunk)
                out += found
                if len(found) < chunk:
                    break
                continue
            first = page * PAGE_SIZE + here % PAGE_SIZE
            out += self._memory[first : first + chunk]
        return bytes(out)

    def _peek(self, address: int, length: int) -> bytes:
        """What loads from devices would give now, up to where nothing answers. The devices do not notice: what reading
        does to them is undone."""
        before, lines = self._save_devices(), self.core.lines
        out = bytearray()
        try:
            while len(out) < length:
                at, left = address + len(out), length - len(out)
                size = next(size for size in (4, 2, 1) if at % size == 0 and size <= left)
                out += self.bus.read(at, size).to_bytes(size, "big" if self.big_endian else "little")
        except BusError:
            pass
        finally:
            self.core.set_lines(lines)
            parts = unpack_devices(MachineState(self.icount, b"", before))
            self._load_devices(parts, parts.states_of(self.board.devices))
        return bytes(out)

    def memory_areas(self) -> Sequence[MemoryArea]:
        """RAM, ROM and flash as kernel-mode code sees them."""
        return memory_areas(self.board.memory_map, self.architecture.segments)

    def reports(self) -> Mapping[str, Report]:
        """The TLB in words."""
        entries = Report(
            "what the TLB translates now", lambda: tlb_report(self.core.tlb(), self.core.read_cp0(10, 0) & 0xFF)
        )
        return {"tlb": entries}


def _last(address: int, length: int) -> int:
    """Last address of a range, which may reach to the end of the address space and not beyond."""
    return min(address + length - 1, 0xFFFFFFFF)
