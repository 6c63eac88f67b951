"""Where a machine asks for what comes from outside."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import NamedTuple, Protocol

from rdbg.emu.endpoint import Endpoint, EndpointKind, network_port


class InputKind(IntEnum):
    """What came from outside. The numbers stand in journals: never reuse one."""

    SERIAL = 1  #: bytes received by serial port ``port``: ``data``
    WAKE = 2  #: the CPU idled until virtual time ``value`` in nanoseconds, when the events after this one came
    RESET = 3  #: the user resets the machine
    SHUTDOWN = 4  #: the user powers the machine off
    POKE_MEMORY = 5  #: the debugger writes ``data`` at guest-physical address ``value``
    POKE_REGISTER = 6  #: the debugger writes the register of journal id ``port`` = ``value``
    SERIAL_BREAK = 7  #: a break condition on the line of serial port ``port``
    HOLD = 8  #: no interrupt is taken before the guest's time has gone on by ``value`` instructions
    PACKET = 9  #: an Ethernet frame without FCS, ``data``, received by network card ``port``
    LINK = 10  #: the link of network card ``port`` goes up (``value`` 1) or down (0)
    CONSOLE = 11  #: bytes received by console ``port`` of virtio: ``data``
    ENTROPY = 12  #: random bytes that random number generator ``port`` has asked for: ``data``
    PIN = 13  #: a pin of GPIO ``port`` is driven from outside: ``value`` is twice its number, plus its level
    DELAY = 14  #: the work of device timer ``port`` of the machine takes as long as ``value`` instructions more


#: Of the inputs that come in by an endpoint: its kind.
ENDPOINT_KINDS = {
    InputKind.SERIAL: EndpointKind.SERIAL,
    InputKind.SERIAL_BREAK: EndpointKind.SERIAL,
    InputKind.PACKET: EndpointKind.NETWORK,
    InputKind.LINK: EndpointKind.NETWORK,
    InputKind.CONSOLE: EndpointKind.CONSOLE,
    InputKind.ENTROPY: EndpointKind.ENTROPY,
    InputKind.PIN: EndpointKind.GPIO,
}

_STREAMS = (InputKind.SERIAL, InputKind.CONSOLE, InputKind.ENTROPY)


class InputEvent(NamedTuple):  # three are made for each packet: a frozen dataclass takes four times as long
    """One nondeterministic input at its place in the run.

    Args:
        icount: the position at which it enters.
        kind: what it is.
        port: of the endpoint, or journal id of a register.
        value: see the kind.
        data: see the kind.
    """

    icount: int
    kind: InputKind
    port: int = 0
    value: int = 0
    data: bytes = b""

    @property
    def endpoint(self) -> Endpoint | None:
        """Where it comes in; None: not by an endpoint."""
        kind = ENDPOINT_KINDS.get(self.kind)
        if kind is EndpointKind.NETWORK:
            return network_port(self.port)
        return None if kind is None else Endpoint(kind, self.port)

    @property
    def needs_room(self) -> int:
        """How much room its endpoint must have, or else some of it is lost: bytes, or packets."""
        if self.kind is InputKind.PACKET:
            return 1
        return len(self.data) if self.kind in _STREAMS else 0


class InputSource(Protocol):
    """Live, recording and replaying runs differ only in this.

    The debugger's writes (POKE_*) are not asked for here: they are applied by whoever navigates.
    """

    @property
    def asks_interrupts(self) -> bool:
        """Whether `hold_interrupt` and `delay_work` are to be called."""

    def next_icount(self) -> int | None:
        """Position of the next input that is known to enter, right there; or None."""

    def waiting_from(self, until: int | None = None) -> int | None:
        """With something waiting outside: the first position at which it may enter. It enters there or at a later one,
        as the host has it. None: nothing waits.

        Args:
            until: what may enter behind that position only does not count, and nobody is asked for it.
        """

    def take(self, icount: int, idled_until: int | None = None) -> list[InputEvent]:
        """Inputs that enter at ``icount``, in order; called when one of the two above is not beyond it.

        A live source stamps them with ``icount`` here, and a recording one writes them down.

        Args:
            icount: where.
            idled_until: the CPU waits, and what comes from outside now enters at this virtual time in nanoseconds,
                which a WAKE must say; None: it runs, or its wait begins here.
        """

    def take_first(self, icount: int) -> Sequence[InputEvent]:
        """Those that enter before anything else at ``icount``, where a wait of the CPU begins: each HOLD and DELAY that
        is next and has no WAKE."""

    def hold_interrupt(self, icount: int, idled_until: int | None) -> Sequence[InputEvent]:
        """Before the CPU takes an interrupt at ``icount``, in a run that goes on: inputs that enter there first, such
        as a HOLD. It is asked once for each interrupt: one that was held back is taken when that is over.

        Args:
            icount: where.
            idled_until: the interrupt would end a wait that has lasted up to this virtual time in nanoseconds, which a
                WAKE must say; None: the CPU runs, or its wait begins here.
        """

    def delay_work(self, icount: int, timer: int, idled_until: int | None) -> Sequence[InputEvent]:
        """Before a piece of a device's work is done at ``icount``, in a run that goes on: inputs that enter there
        first, such as a DELAY.

        Args:
            icount: where.
            timer: number of the device's timer.
            idled_until: the CPU waits, and has up to this virtual time in nanoseconds, which a WAKE must say; None: it
                runs, or its wait begins here.
        """


class NoInputs:
    """An input source that nothing ever comes from."""

    asks_interrupts = False

    def next_icount(self) -> int | None:
        """Nothing is known to come."""
        return None

    def waiting_from(self, until: int | None = None) -> int | None:
        """Nothing waits."""
        return None

    def take(self, icount: int, idled_until: int | None = None) -> list[InputEvent]:
        """Nothing."""
        return []

    def take_first(self, icount: int) -> Sequence[InputEvent]:
        """Nothing."""
        return ()

    def hold_interrupt(self, icount: int, idled_until: int | None) -> Sequence[InputEvent]:
        """Nothing."""
        return ()

    def delay_work(self, icount: int, timer: int, idled_until: int | None) -> Sequence[InputEvent]:
        """Nothing."""
        return ()
