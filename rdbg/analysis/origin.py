"""``origin``: where a value came from, followed back through registers and memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import field, replace

from rdbg.analysis.last_set import LastSet, Setting
from rdbg.analysis.replayed_run import ReplayedRun
from rdbg.emu.dma_name import ReceivedPacket, Sectors
from rdbg.emu.instruction_effects import Doing, Effects, MemoryAccess, Part
from rdbg.emu.machine_api import Space, Write, Writer
from rdbg.quick_dataclass import dataclass
from rdbg.timeline import LastWrite, Order, after_all_at


@dataclass(frozen=True)
class SoughtBytes:
    """Bytes whose origin is asked for, as they are at a position.

    Args:
        position: what is done from here on does not count.
        register: the debugger's number; None: memory.
        lanes: which bytes of the register, 0 the least significant.
        address: virtual, of memory.
        length: bytes of memory.
        bound: writes from this one on do not count; None: all before ``position``.
    """

    position: int
    register: int | None = None
    lanes: tuple[int, ...] = (0, 1, 2, 3)
    address: int = 0
    length: int = 0
    bound: Order | None = None


@dataclass(frozen=True)
class OriginStep:
    """A step back.

    Args:
        branch: which of several ways it is on, as the numbers of the ways taken at each fork.
        icount: the position before the instruction, or at which something else wrote.
        pc: of the instruction; None: none did it.
        name: of the instruction, or who wrote.
        what: in words.
        value: that it moved or made; None: unknown.
        operands: registers that a computation was made of, with their values.
        ends: whether the chain ends here.
    """

    branch: tuple[int, ...]
    icount: int
    pc: int | None
    name: str
    what: str
    value: int | None
    operands: tuple[tuple[str, int], ...] = ()
    ends: bool = False


@dataclass
class _Way:
    target: SoughtBytes
    branch: tuple[int, ...] = field(default=())


class OriginSearch:
    """Follows bytes back. The machine is moved.

    Args:
        run: the run; its context puts the machine back.
    """

    def __init__(self, run: ReplayedRun) -> None:
        self._run = run
        self._machine = run.machine
        self._last_set = LastSet(run)

    def steps(self, target: SoughtBytes) -> Iterator[OriginStep]:
        """The steps back, one way after another where bytes come from different places.

        Raises:
            QuestionInterrupted: the user asked to stop.
        """
        ways = [_Way(target)]
        while ways:
            way = ways.pop()
            step, targets = self._register(way) if way.target.register is not None else self._memory(way)
            yield step
            for number in range(len(targets), 0, -1):
                branch = (*way.branch, number) if len(targets) > 1 else way.branch
                ways.append(_Way(targets[number - 1], branch))

    # --- registers ---------------------------------------------------------------------------
    def _register(self, way: _Way) -> tuple[OriginStep, list[SoughtBytes]]:
        target = way.target
        assert target.register is not None
        name = self._name(target.register)
        setting = next(self._last_set.before(target.register, target.position), None)
        if setting is None:
            return OriginStep(way.branch, self._run.start, None, name, f"${name} as the run began", None, ends=True), []
        held = self._value_at(target)
        if None not in (setting.value, held) and setting.value != held:
            # No instruction has: an exception, a reset, or a call of the host.
            return OriginStep(way.branch, target.position, None, "the hardware", f"the hardware set ${name}", held,
                              ends=True), []  # fmt: skip
        step = OriginStep(way.branch, setting.icount, setting.pc, setting.by, "", setting.value)
        if setting.effects is None:
            return replace(step, pc=None, what=f"{setting.by} set ${name}", ends=True), []
        effects = setting.effects
        step = replace(step, name=effects.name)
        self._run.go(setting.stand)
        if effects.doing is Doing.LOAD and effects.access is not None:
            return self._load(step, setting, effects.access, target)
        if effects.doing in (Doing.COPY, Doing.SYSTEM) and effects.source is not None:
            source = self._name(effects.source)
            step = replace(step, what=f"${name} = ${source}")
            if effects.source == 0:
                return replace(step, what=f"${name} = 0, a constant", ends=True), []
            return step, [self._source(setting, effects.source, target.lanes)]
        words = {Doing.CONSTANT: "a constant in the code", Doing.LINK: "the address to return to",
                 Doing.SYSTEM: "what the hardware says"}  # fmt: skip
        what = words.get(effects.doing, "computed")
        return replace(step, what=f"${name}: {what}", operands=self._operands(setting, effects), ends=True), []

    def _value_at(self, target: SoughtBytes) -> int | None:
        """What the register holds that is asked for; None: nothing can stand there."""
        assert target.register is not None
        self._run.go(target.position)
        return self._machine.read_register(target.register) if self._run.position == target.position else None

    def _operands(self, setting: Setting, effects: Effects) -> tuple[tuple[str, int], ...]:
        if effects.doing is not Doing.COMPUTE:
            return ()
        return tuple((self._name(n), self._value(setting, n)) for n in effects.reads)

    def _source(self, setting: Setting, register: int, lanes: tuple[int, ...]) -> SoughtBytes:
        # In a slot, what its branch has set is set one position before.
        return SoughtBytes(setting.icount, register, lanes)

    def _value(self, setting: Setting, register: int) -> int:
        if register in setting.linked:
            return setting.pc + 4
        return self._machine.read_register(register)

    def _address(self, setting: Setting, access: MemoryAccess) -> int:
        address = self._value(setting, access.base) + access.offset
        if access.index is not None:
            address += self._value(setting, access.index)
        return self._machine.architecture.wrapped(address)

    def _load(
        self, step: OriginStep, setting: Setting, access: MemoryAccess, target: SoughtBytes
    ) -> tuple[OriginStep, list[SoughtBytes]]:
        assert target.register is not None
        name, shown = self._name(target.register), self._machine.architecture.shown
        address = self._address(setting, access)
        step = replace(step, what=f"${name} loaded from {shown(address)}")
        storage = self._machine.storage(address, 1)
        if storage and storage[0].space is Space.DEVICE:
            return replace(step, what=f"${name} read from {self._device(address, access.size)}", ends=True), []
        moved = self._moved(access, address)
        if access.size == 8 and target.register != access.register:
            moved = {lane - 4: at for lane, at in moved.items() if lane >= 4}
        places = {moved[lane] for lane in target.lanes if lane in moved}
        above = [lane for lane in target.lanes if lane not in moved]
        targets = []
        if above and access.part is not Part.WHOLE:
            targets.append(SoughtBytes(setting.icount, target.register, tuple(above)))
        elif above and access.signed:
            places.add(moved[access.size - 1])
        for first, length in _runs(places):
            targets.append(SoughtBytes(setting.stand, None, (), first, length))
        if not targets:
            return replace(step, what=f"{step.what}: zeros above what was loaded", ends=True), []
        return step, targets

    def _moved(self, access: MemoryAccess, address: int) -> dict[int, int]:
        """Of each byte of the register (0 the least significant) that an access moves: its address."""
        return access.moved(address, self._machine.big_endian)

    # --- memory ------------------------------------------------------------------------------
    def _memory(self, way: _Way) -> tuple[OriginStep, list[SoughtBytes]]:
        target = way.target
        self._run.go(target.position)
        shown = self._machine.architecture.shown(target.address)
        bound = target.bound or after_all_at(target.position)
        found = self._run.last_write(target.address, target.length, bound)
        if found is None:
            self._run.go(target.position)
            value = self._number(self._machine.read_memory(target.address, target.length))
            image = self._machine.loaded_from(target.address)
            words = f"as the run began, from {image}" if image else "as the run began"
            return OriginStep(way.branch, self._run.start, None, "memory", f"{shown}: {words}", value, ends=True), []
        write = found.write
        rest = [
            replace(target, address=first, length=length, bound=found.order)
            for first, length in _runs(_bytes(target) - set(range(write.address, write.address + len(write.new))))
        ]
        value = self._number(write.new)
        if write.writer is not Writer.STORE:
            icount = write.after if write.before == write.after else write.before
            what = f"{write.by} wrote {shown}{self._bytes_of(write)}"
            return OriginStep(way.branch, icount, None, write.by, what, value, ends=not rest), rest
        return self._store(way, write, found, rest)

    def _device(self, address: int, size: int) -> str:
        """A device that is read, in words, and what came in by it that this takes."""
        shown, load = self._machine.architecture.shown(address), self._machine.device_load(address, size)
        if load is None:
            return f"the device at {shown}"
        words = f"{load.device} at {shown}"
        if load.endpoint is None:
            return words
        byte = self._run.taken(load)
        if byte is None:
            return f"{words}: a byte received by {load.endpoint}, which one cannot be told"
        if byte.number is None:
            return f"{words}: a break on {load.endpoint}, input {byte.input}"
        return f"{words}: byte {byte.number} typed at {load.endpoint}, in input {byte.input}"

    def _bytes_of(self, write: Write) -> str:
        """Which bytes of a packet or sector a device has written, in words; empty where that cannot be told."""
        if isinstance(write.detail, Sectors):
            return f": from byte {write.detail.begun} of {write.detail}"
        if not isinstance(write.detail, ReceivedPacket):
            return ""
        data = self._run.packet(write.detail.number)
        # A card may put other things beside it: only where the whole packet stands is it certain which bytes these are.
        self._run.go(write.after)
        at = data.find(write.new)
        while at >= 0:
            if self._machine.read_memory(write.address - at, len(data)) == data:
                last = f" to {at + len(write.new) - 1}" if len(write.new) > 1 else ""
                return f": byte{'s' if last else ''} {at}{last} of {write.detail}"
            at = data.find(write.new, at + 1)
        return ""

    def _store(
        self, way: _Way, write: Write, found: LastWrite, rest: list[SoughtBytes]
    ) -> tuple[OriginStep, list[SoughtBytes]]:
        self._run.go(write.before)
        pc, linked = write.pc, ()
        effects = self._machine.effects(self._machine.read_memory(pc, 4))
        if effects.branch:
            pc, linked = pc + 4, effects.sets  # type: ignore[assignment]
            effects = self._machine.effects(self._machine.read_memory(pc, 4))
        shown = self._machine.architecture.shown(write.address)
        icount = write.before + (pc - write.pc) // 4
        step = OriginStep(way.branch, icount, pc, effects.name, f"stored to {shown}", self._number(write.new))
        access = effects.access
        if access is None or not access.store:
            return replace(step, what=f"wrote {shown}", ends=not rest), rest
        setting = Setting(icount, write.before, pc, effects, linked=linked)
        through = self._address(setting, access)
        # The same bytes by the address that was asked for.
        shift = write.address - (write.through if write.through is not None else write.address)
        moved = {at + shift: lane for lane, at in self._moved(access, through).items()}
        targets = []
        for half in (0, 4):
            lanes = tuple(
                sorted(moved[at] - half for at in range(write.address, write.address + len(write.new))
                       if at in moved and half <= moved[at] < half + 4)
            )  # fmt: skip
            if lanes:
                register = access.register + half // 4
                step = replace(step, what=f"${self._name(register)} stored to {shown}")
                if register:
                    targets.append(SoughtBytes(icount, register, lanes))
        if not targets and not rest:
            return replace(step, what=f"0, a constant, stored to {shown}", ends=True), []
        return step, [*targets, *rest]

    def _name(self, number: int) -> str:
        for info in self._machine.architecture.registers:
            if info.number == number:
                return info.aliases[0] if info.aliases else info.name
        return str(number)

    def _number(self, data: bytes) -> int:
        return int.from_bytes(data, "big" if self._machine.big_endian else "little")


def _bytes(target: SoughtBytes) -> set[int]:
    return set(range(target.address, target.address + target.length))


def _runs(places: set[int]) -> list[tuple[int, int]]:
    """Bytes as (first, length), in order."""
    found: list[tuple[int, int]] = []
    for at in sorted(places):
        if found and sum(found[-1]) == at:
            found[-1] = (found[-1][0], found[-1][1] + 1)
        else:
            found.append((at, 1))
    return found
