"""A block of registers of a ``bare`` machine that hold values: what a firmware looks at, polls and acknowledges."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from typing import Literal

from rdbg.emu.boards.register_toml import EffectSpec, RegisterBlockSpec, RegisterSpec
from rdbg.emu.device import FOREVER, Device, State, System
from rdbg.emu.devices.fields import load_ints
from rdbg.errors import RdbgError


class StubRegisters(Device):
    """The registers of one block. An access sees the bytes of each register that it reaches; between them loads give 0
    and stores vanish.

    Args:
        spec: what the board file says.
        system: virtual time, and the way out.
        irq: driven while an interrupt bit is set and enabled.
        big_endian: byte order in which a register's bytes stand at their addresses.
    """

    def __init__(self, spec: RegisterBlockSpec, system: System, irq: Callable[[bool], None], big_endian: bool) -> None:
        super().__init__(spec.name)
        self._spec = spec
        self._system = system
        self._irq = irq
        self._order: Literal["big", "little"] = "big" if big_endian else "little"
        self._by_offset = sorted(range(len(spec.registers)), key=lambda number: spec.registers[number].offset)
        self._offsets = [spec.registers[number].offset for number in self._by_offset]
        self._timers = {
            (number, index): system.work_timer(
                f"{spec.name}.{number}.{index}",
                self._later(effect),
                f"what a store to {register.name} of {spec.name} does to {spec.registers[effect.register].name}",
            )
            for number, register in enumerate(spec.registers)
            for index, effect in enumerate(register.effects)
            if effect.after_ns
        }
        self.values: list[int] = []
        self.loads: list[int] = []  #: how many values of each register's sequence have been given, up to its last
        self._set_reset_state()

    def _set_reset_state(self) -> None:
        self.values = [register.reset for register in self._spec.registers]
        self.loads = [0] * len(self._spec.registers)

    def reset(self) -> None:
        """Every register has its reset value, and sequences begin."""
        self._set_reset_state()
        for timer in self._timers.values():
            timer.disarm()
        self._update()

    def read(self, offset: int, size: int) -> int:
        """A guest load."""
        data = bytearray(size)
        changed = False
        for number, low, high in self._reached(offset, size):
            register = self._spec.registers[number]
            value = self._shown(number)
            data[low - offset : high - offset] = self._bytes(register, value, low, high)
            if register.sequence and self.loads[number] < _length(register):
                self.loads[number] += 1
            cleared = register.read_to_clear & self._lanes(register, low, high)
            if self.values[number] & cleared:
                self.values[number] &= ~cleared
                changed = True
        if changed:
            self._update()
        return int.from_bytes(data, self._order)

    def write(self, offset: int, size: int, value: int) -> None:
        """A guest store: the bytes of a register that it does not reach stay."""
        data = value.to_bytes(size, self._order)
        for number, low, high in self._reached(offset, size):
            register = self._spec.registers[number]
            stored = bytearray(register.width)
            stored[low - register.offset : high - register.offset] = data[low - offset : high - offset]
            self._store(number, int.from_bytes(stored, self._order), self._lanes(register, low, high))
        self._update()

    def _store(self, number: int, stored: int, lanes: int) -> None:
        register = self._spec.registers[number]
        written = register.writable & lanes
        value = self.values[number] & ~written | stored & written
        self.values[number] = value & ~(stored & register.write_one_to_clear) | stored & register.write_one_to_set
        if register.restarts:
            self.loads[number] = 0
        for index, effect in enumerate(register.effects):
            if effect.when is not None and not stored & effect.when:
                continue
            if effect.after_ns:
                self._timers[number, index].arm(self._system.now_ns + effect.after_ns)
            else:
                self._apply(effect)
        if register.machine_reset & stored:
            self._system.request_reset()
        if register.exit_codes is None:
            self._system.request_shutdown(stored)
        else:
            for value, code in register.exit_codes:
                if value == stored:
                    self._system.request_shutdown(code)

    def stable_until(self, offset: int, size: int) -> int:
        """A load that neither clears anything nor goes on in a sequence can be repeated."""
        for number, low, high in self._reached(offset, size):
            register = self._spec.registers[number]
            if register.sequence and self.loads[number] < _length(register):
                return 0
            if self.values[number] & register.read_to_clear & self._lanes(register, low, high):
                return 0
        return FOREVER

    def _later(self, effect: EffectSpec) -> Callable[[], None]:
        def happen() -> None:
            self._apply(effect)
            self._update()

        return happen

    def _apply(self, effect: EffectSpec) -> None:
        self.values[effect.register] = self.values[effect.register] & ~effect.clear_bits | effect.set_bits

    def _update(self) -> None:
        """Drive the interrupt line."""
        self._irq(
            any(
                value & register.interrupt & (-1 if register.enable is None else self.values[register.enable])
                for register, value in zip(self._spec.registers, self.values, strict=True)
            )
        )

    def _shown(self, number: int) -> int:
        """What a load of a register gives now."""
        register, value = self._spec.registers[number], self.values[number]
        if not register.sequence:
            return value
        left, step = self.loads[number], 0
        while left >= register.sequence[step][1]:  # `loads` stays below the last value's turn
            left -= register.sequence[step][1]
            step += 1
        return value & ~register.sequence_bits | register.sequence[step][0] & register.sequence_bits

    def _reached(self, offset: int, size: int) -> list[tuple[int, int, int]]:
        """The registers that an access reaches: number, and the first and the end of the offsets that it shares."""
        found = []
        at = max(0, bisect_right(self._offsets, offset) - 1)
        while at < len(self._offsets) and self._offsets[at] < offset + size:
            number = self._by_offset[at]
            register = self._spec.registers[number]
            low, high = max(offset, register.offset), min(offset + size, register.end)
            if low < high:
                found.append((number, low, high))
            at += 1
        return found

    def _bytes(self, register: RegisterSpec, value: int, low: int, high: int) -> bytes:
        return value.to_bytes(register.width, self._order)[low - register.offset : high - register.offset]

    def _lanes(self, register: RegisterSpec, low: int, high: int) -> int:
        """The bits of a register that stand at some of its offsets."""
        lanes = bytearray(register.width)
        lanes[low - register.offset : high - register.offset] = b"\xff" * (high - low)
        return int.from_bytes(lanes, self._order)

    def save(self) -> State:
        """Values, and how far the sequences are."""
        return {"values": list(self.values), "loads": list(self.loads)}

    def load(self, state: State) -> None:
        """Take back what ``save`` gave."""
        count = len(self._spec.registers)
        values, loads = load_ints(self, "values", state, count), load_ints(self, "loads", state, count)
        for register, value, given in zip(self._spec.registers, values, loads, strict=True):
            if value >> (8 * register.width) or given > _length(register):
                raise RdbgError(f"saved state of device {self.name!r} is damaged: register {register.name!r}")
        self.values, self.loads = values, loads


def _length(register: RegisterSpec) -> int:
    """How many loads a sequence has before its last value, which stays."""
    return sum(times for _, times in register.sequence[:-1])
