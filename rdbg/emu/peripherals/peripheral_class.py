"""What a user's peripheral is made from: `Peripheral`."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Protocol

from rdbg.emu.device import FOREVER
from rdbg.emu.peripherals.declared_fields import Countdown, Declaring, Field


class NoAnswer(Exception):
    """Raised by a peripheral's ``read`` or ``write``: nothing answers there, and the CPU takes a bus error. Raised by
    ``dma_read`` and ``dma_write``: nothing answers at one of the addresses."""

    place = ""  #: file and line, for messages


class PeripheralSurroundings(Protocol):
    """The machine around a peripheral."""

    parameters: Mapping[str, int | str | bool]
    big_endian: bool

    @property
    def now_ns(self) -> int:
        """Virtual time."""

    def interrupt(self, level: bool, line: int) -> None:
        """Drive an interrupt line."""

    def send(self, data: bytes) -> None:
        """Bytes leave by the serial port."""

    def room_grown(self) -> None:
        """More can be received."""

    def dma_read(self, address: int, size: int) -> bytes:
        """Bytes of guest-physical memory."""

    def dma_write(self, address: int, data: bytes, detail: str) -> None:
        """Write guest-physical memory."""

    def random(self, bits: int) -> int:
        """The next number of the sequence."""

    def request_reset(self) -> None:
        """Reset the machine."""

    def end_run(self, exit_code: int) -> None:
        """Power it off."""

    def log(self, text: str) -> None:
        """A line in the log."""


class Peripheral(Declaring):
    """A device of a `bare` board, written by its user: registers, and what is behind them.

    A class derived from this declares what it remembers as fields (`Word`, `Byte`, `Half`, `Double`, `Ranged`,
    `Switch`, `ByteBuffer`, `Numbers`) and timers (`Countdown`); an attribute that is not declared cannot be set. It
    defines ``read`` and ``write``, and of the other methods those that it needs. It has no ``__init__``: `reset` is
    called at power-on and at each reset, after the fields have taken their reset values.
    """

    #: Bytes of registers that it has, unless the board file says ``size``.
    size: ClassVar[int] = 0x1000

    _machine: PeripheralSurroundings
    _fields: ClassVar[tuple[Field[Any], ...]] = ()
    _countdowns: ClassVar[tuple[Countdown, ...]] = ()

    def __init_subclass__(cls) -> None:
        fields = {field.name: field for field in cls._fields}
        countdowns = {countdown.name: countdown for countdown in cls._countdowns}
        for name, value in vars(cls).items():
            if isinstance(value, Field):
                fields[name] = value
            elif isinstance(value, Countdown):
                countdowns[name] = value
                if not callable(getattr(cls, f"on_{name}", None)):
                    raise TypeError(f"countdown {name!r} of {cls.__name__} calls on_{name}, which is not defined")
            elif name in ("__init__", "__new__", "__setattr__", "__getattribute__", "__init_subclass__", "__slots__"):
                raise TypeError(f"{cls.__name__} must not define {name}: declare fields, and use reset")
            elif isinstance(value, list | dict | set | bytearray):
                raise TypeError(
                    f"{name!r} of {cls.__name__} is a {type(value).__name__} that checkpoints would not hold: declare "
                    "a field (ByteBuffer, Numbers), or use a tuple"
                )
        cls._fields, cls._countdowns = tuple(fields.values()), tuple(countdowns.values())

    def __setattr__(self, name: str, value: object) -> None:
        if not hasattr(type(self), name) or not hasattr(getattr(type(self), name), "__set__"):
            raise AttributeError(
                f"{type(self).__name__} has no field {name!r}: declare it in the class ({name} = Word(), ...), so that "
                "checkpoints hold it"
            )
        object.__setattr__(self, name, value)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"  # an address would differ from run to run

    # --- what it defines -------------------------------------------------------------------------

    @abstractmethod
    def read(self, offset: int, size: int) -> int:
        """A guest load.

        Args:
            offset: bytes from the first register.
            size: 1, 2, 4 or 8 bytes.

        Returns:
            the value, of ``size`` bytes.

        Raises:
            NoAnswer: the CPU takes a bus error.
        """
        raise NoAnswer

    @abstractmethod
    def write(self, offset: int, size: int, value: int) -> None:
        """A guest store.

        Args:
            offset: bytes from the first register.
            size: 1, 2, 4 or 8 bytes.
            value: the value stored.

        Raises:
            NoAnswer: the CPU takes a bus error.
        """
        raise NoAnswer

    def reset(self) -> None:
        """Power-on, or a reset: fields have their reset values, countdowns are stopped, interrupt lines are low."""

    def unchanged_until(self, offset: int, size: int) -> int:
        """Virtual time in nanoseconds before which a load made here again has no side effect and gives the same value,
        unless a store to any device, a timer or an input changes something; 0: none, `ALWAYS`: no end. A loop that
        polls such a register costs nothing."""
        return 0

    def receive(self, data: bytes) -> None:
        """Bytes come in by the serial port, no more than `receive_room` gave."""

    def receive_room(self) -> int:
        """How many bytes it can take now; they wait outside while it is 0. Changes nothing."""
        return 0

    def receive_break(self) -> None:
        """A break comes in by the serial port."""

    def interrupt_input(self, line: int, level: bool) -> None:
        """Another part of the board that names this one as its ``irq`` (``irq = "NAME.3"``) has changed a line."""

    # --- what it calls ---------------------------------------------------------------------------

    @property
    def now_ns(self) -> int:
        """Virtual time in nanoseconds."""
        return self._machine.now_ns

    @property
    def parameters(self) -> Mapping[str, int | str | bool]:
        """What the board file says below ``[device.parameters]``."""
        return self._machine.parameters

    @property
    def big_endian(self) -> bool:
        """The byte order of its registers."""
        return self._machine.big_endian

    def irq(self, level: bool, line: int = 0) -> None:
        """Drive an interrupt line, one of those of the board file's ``irq``; nothing where that has none."""
        self._machine.interrupt(bool(level), line)

    def send(self, data: bytes) -> None:
        """Send bytes out of the serial port; nothing without ``port`` in the board file."""
        self._machine.send(bytes(data))

    def room_grown(self) -> None:
        """Say that `receive_room` has grown: what waits outside comes soon."""
        self._machine.room_grown()

    def dma_read(self, address: int, size: int) -> bytes:
        """Bytes from a guest-physical address on.

        Raises:
            NoAnswer: nothing answers at one of them.
        """
        return self._machine.dma_read(address, size)

    def dma_write(self, address: int, data: bytes, detail: str = "") -> None:
        """Write bytes to a guest-physical address on. Watchpoints and questions about writers see it.

        Args:
            address: of the first byte.
            data: the bytes.
            detail: what it is, in a word or two, for `monitor lastwrite` and others.

        Raises:
            NoAnswer: nothing answers at one of the addresses; what comes before it is written.
        """
        self._machine.dma_write(address, bytes(data), detail)

    def random(self, bits: int) -> int:
        """A number of 1 to 64 random bits. It is the same in each run: it follows from the board file's ``seed`` and
        how many came before."""
        return self._machine.random(bits)

    def request_reset(self) -> None:
        """Reset the whole machine before the next instruction."""
        self._machine.request_reset()

    def end_run(self, exit_code: int) -> None:
        """Power the machine off before the next instruction."""
        self._machine.end_run(exit_code)

    def log(self, text: str) -> None:
        """A line in the log (`-d guest`)."""
        self._machine.log(str(text))


#: For `Peripheral.unchanged_until`: as long as nothing else happens.
ALWAYS = FOREVER
