"""A user's peripheral as a device of the machine."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from rdbg.emu.bus import BusError
from rdbg.emu.device import DeviceFailure, SerialDevice, State, System, Timer
from rdbg.emu.devices.fields import DOUBLE, load_field
from rdbg.emu.endpoint import Endpoint
from rdbg.emu.peripherals.declared_fields import RunningCountdown, load_declared
from rdbg.emu.peripherals.guarded_source import LoadedSource
from rdbg.emu.peripherals.peripheral_class import NoAnswer, Peripheral
from rdbg.errors import RdbgError

_RANDOM = ".random"
#: Bytes of registers that a peripheral may have.
LARGEST_PERIPHERAL = 256 << 20
_MASK = (1 << 64) - 1
#: Longest time that a countdown runs: 100 years.
_MOST_NS = 3_155_760_000 * 1_000_000_000


class _Countdown(RunningCountdown):
    def __init__(self, system: System, timer: Timer, act: Callable[[], None]) -> None:
        self._system = system
        self._act = act
        self.timer = timer

    def __repr__(self) -> str:
        return f"<Countdown, deadline {self.deadline_ns}>"  # an address would differ from run to run

    @property
    def deadline_ns(self) -> int | None:
        return self.timer.deadline_ns

    def start(self, delay_ns: int) -> None:
        if not isinstance(delay_ns, int) or not 1 <= delay_ns <= _MOST_NS:
            raise ValueError(f"a countdown runs 1 to {_MOST_NS} nanoseconds, not {delay_ns}")
        self._act()
        self.timer.arm(self._system.now_ns + delay_ns)

    def stop(self) -> None:
        self._act()
        self.timer.disarm()


class _Surroundings:
    """The machine, as one peripheral sees it."""

    def __init__(self, device: PythonDevice, parameters: Mapping[str, int | str | bool], big_endian: bool) -> None:
        self._device = device
        self.parameters = MappingProxyType(dict(parameters))  # it cannot remember anything there
        self.big_endian = big_endian

    @property
    def now_ns(self) -> int:
        return self._device.system.now_ns

    def interrupt(self, level: bool, line: int) -> None:
        self._device.act()
        lines = self._device.lines
        if lines:
            if not isinstance(line, int) or not 0 <= line < len(lines):
                raise ValueError(f"irq has lines 0 to {len(lines) - 1} in the board file, not {line}")
            lines[line](level)

    def send(self, data: bytes) -> None:
        self._device.act()
        if self._device.endpoint is not None and data:
            self._device.system.output(self._device.endpoint, data)

    def room_grown(self) -> None:
        self._device.act()
        self._device.system.room_grown()

    def dma_read(self, address: int, size: int) -> bytes:
        self._device.act()
        try:
            return self._device.system.dma_read(address, size)
        except BusError as error:
            raise NoAnswer(str(error)) from None

    def dma_write(self, address: int, data: bytes, detail: str) -> None:
        self._device.act()
        try:
            self._device.system.dma_write(address, data, self._device, detail=detail)
        except BusError as error:
            raise NoAnswer(str(error)) from None

    def random(self, bits: int) -> int:
        if not isinstance(bits, int) or not 1 <= bits <= 64:
            raise ValueError(f"random gives 1 to 64 bits, not {bits}")
        return self._device.next_random() >> (64 - bits)

    def request_reset(self) -> None:
        self._device.act()
        self._device.system.request_reset()

    def end_run(self, exit_code: int) -> None:
        self._device.act()
        self._device.system.request_shutdown(exit_code & 0xFFFF_FFFF)

    def log(self, text: str) -> None:
        self._device.system.log(f"{self._device.name}: {text}")


class PythonDevice(SerialDevice):
    """One device, with a copy of its source's names of its own.

    Args:
        name: unique in the machine.
        system: the machine.
        source: what it is made from.
        class_name: of the peripheral in it.
        base: guest-physical address of its first register.
        lines: interrupt lines that it drives.
        endpoint: its serial port, or None.
        parameters: what the board file says to it.
        seed: of its random numbers.
        big_endian: byte order of its registers.

    Raises:
        RdbgError: there is no such peripheral in it.
    """

    def __init__(
        self,
        name: str,
        system: System,
        source: LoadedSource,
        class_name: str,
        base: int,
        lines: Sequence[Callable[[bool], None]],
        endpoint: Endpoint | None,
        parameters: Mapping[str, int | str | bool],
        seed: int,
        big_endian: bool,
    ) -> None:
        super().__init__(name)
        self.system = system
        self.lines = lines
        self.endpoint = endpoint
        self._source = source
        source.failure = self._failure
        self._base = base
        self._seed = seed
        self._random = seed
        self._looking = ""  # what is asked now that changes nothing
        kind = source.peripheral(class_name)
        self.peripheral = source.guarded(f"making device {name!r}", kind)
        held = vars(self.peripheral)
        held["_machine"] = _Surroundings(self, parameters, big_endian)
        self._fields = kind._fields
        self._countdowns = []
        for countdown in kind._countdowns:
            timer = system.timer(f"{name}.{countdown.name}", self._expiry(countdown.name))
            held[countdown.name] = made = _Countdown(system, timer, self.act)
            self._countdowns.append(made)
        self._size = kind.size
        if not isinstance(self._size, int) or not 0 < self._size <= LARGEST_PERIPHERAL:
            raise RdbgError(
                f"{source.path}: size of {class_name} must be 1 to {LARGEST_PERIPHERAL:#x} bytes, not {self._size!r}"
            )
        self.may_refuse = source.refuses
        self._may_be_unchanged = kind.unchanged_until is not Peripheral.unchanged_until
        self._reset_fields()

    @property
    def size(self) -> int:
        """Bytes of registers, as the class says."""
        return self._size

    def act(self) -> None:
        """The peripheral is about to do something to the rest of the machine.

        Raises:
            RuntimeError: it may only look now.
        """
        if self._looking:
            raise RuntimeError(f"{self._looking} is asked at any time, and may only look")

    def next_random(self) -> int:
        """The next 64 random bits: SplitMix64 (Steele, Lea and Flood, 2014)."""
        self._random = self._random + 0x9E37_79B9_7F4A_7C15 & _MASK
        mixed = (self._random ^ self._random >> 30) * 0xBF58_476D_1CE4_E5B9 & _MASK
        mixed = (mixed ^ mixed >> 27) * 0x94D0_49BB_1331_11EB & _MASK
        return mixed ^ mixed >> 31

    def _reset_fields(self) -> None:
        held = vars(self.peripheral)
        for field in self._fields:
            held[field.name] = field.at_reset()

    def _call(self, doing: str, call: Callable[[], Any]) -> Any:
        return self._source.guarded(f"device {self.name!r}, {doing}", call)

    def _asked(self, method: str, call: Callable[[], Any]) -> Any:
        """What may be asked at any time, as often as rdbg likes: it changes nothing."""
        before = self.save()
        self._looking = method
        try:
            found = self._call(method, call)
        finally:
            self._looking = ""
        after = self.save()
        if after == before:
            return found
        changed = next(name for name in before if after[name] != before[name])
        self.load(before)
        what = "takes a random number" if changed == _RANDOM else f"changes {changed}"
        raise self._failure(
            f"{self._source.path}: {method} {what} (device {self.name!r}): it is asked at any time, and may only look"
        )

    def _unanswered(self, doing: str, error: NoAnswer) -> RdbgError:
        """What is not caught where nobody waits for an answer."""
        return self._failure(f"{error.place}: NoAnswer: {error} (device {self.name!r}, {doing}): catch it there")

    def _refusal(self, doing: str, error: NoAnswer, refusal: BusError) -> Exception:
        return refusal if self.may_refuse else self._unanswered(doing, error)

    def _failure(self, message: str) -> RdbgError:
        return DeviceFailure(message, self.system.last_position)

    def _told(self, doing: str, call: Callable[[], Any]) -> None:
        try:
            self._call(doing, call)
        except NoAnswer as error:
            raise self._unanswered(doing, error) from None

    def _expiry(self, name: str) -> Callable[[], None]:
        return lambda: self._told(f"on_{name}", getattr(self.peripheral, f"on_{name}"))

    def read(self, offset: int, size: int) -> int:
        """A guest load."""
        doing = f"load of {size} bytes at offset {offset:#x}"
        try:
            value = self._call(doing, lambda: self.peripheral.read(offset, size))
        except NoAnswer as error:
            raise self._refusal(doing, error, BusError(self._base + offset, size, False)) from None
        if not isinstance(value, int) or not 0 <= value < 1 << (8 * size):
            shown = f"{value:#x}" if isinstance(value, int) else type(value).__name__
            raise self._failure(
                f"{self._source.path}: read gave {shown} for {size} bytes (device {self.name!r}, {doing}): give a "
                f"number from 0 to {(1 << (8 * size)) - 1:#x}"
            )
        return int(value)

    def write(self, offset: int, size: int, value: int) -> None:
        """A guest store."""
        doing = f"store of {value:#x}, {size} bytes, at offset {offset:#x}"
        try:
            self._call(doing, lambda: self.peripheral.write(offset, size, value))
        except NoAnswer as error:
            raise self._refusal(doing, error, BusError(self._base + offset, size, True)) from None

    def stable_until(self, offset: int, size: int) -> int:
        """As the peripheral says."""
        if not self._may_be_unchanged:
            return 0
        try:
            until = self._asked("unchanged_until", lambda: self.peripheral.unchanged_until(offset, size))
        except NoAnswer:
            return 0
        return int(until) if isinstance(until, int) and until > 0 else 0

    def reset(self) -> None:
        """Fields take their reset values, timers stop, lines go low; then the peripheral is told."""
        self._random = self._seed
        self._reset_fields()
        for countdown in self._countdowns:
            countdown.stop()
        for line in self.lines:
            line(False)
        self._told("reset", self.peripheral.reset)

    def receive(self, data: bytes) -> None:
        """Bytes arrive."""
        self._told("receive", lambda: self.peripheral.receive(data))

    def receive_break(self) -> None:
        """A break arrives."""
        self._told("receive_break", self.peripheral.receive_break)

    def receive_room(self) -> int:
        """How many bytes the peripheral can take."""
        if self.endpoint is None:
            return 0
        room = self._asked("receive_room", self.peripheral.receive_room)
        return max(0, int(room)) if isinstance(room, int) else 0

    def ask(self, method: str, *values: int) -> object:
        """What a bus controller asks a chip."""
        try:
            return self._call(method, lambda: getattr(self.peripheral, method)(*values))
        except NoAnswer as error:
            raise self._unanswered(method, error) from None

    def ask_byte(self, method: str, *values: int) -> int:
        """The same, where a byte is the answer."""
        answer = self.ask(method, *values)
        if not isinstance(answer, int) or not 0 <= answer <= 0xFF:
            shown = f"{answer:#x}" if isinstance(answer, int) else type(answer).__name__
            raise self._failure(f"{self._source.path}: {method} gave {shown} (device {self.name!r}): give a byte")
        return answer

    def interrupt_input(self, line: int, level: bool) -> None:
        """Another device's interrupt line has changed."""
        self._told("interrupt_input", lambda: self.peripheral.interrupt_input(line, level))

    def save(self) -> State:
        """All declared fields, and how far the random numbers are."""
        held = vars(self.peripheral)
        return {_RANDOM: self._random, **{field.name: field.saved(held[field.name]) for field in self._fields}}

    def load(self, state: State) -> None:
        """Take back what ``save`` gave."""
        random = load_field(self.name, _RANDOM, DOUBLE, state)
        loaded = {field.name: load_declared(self.name, field, state) for field in self._fields}
        assert isinstance(random, int)
        self._random = random
        vars(self.peripheral).update(loaded)
