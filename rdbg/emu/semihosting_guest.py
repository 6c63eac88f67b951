"""The machine as semihosting sees it, and a board that has semihosting."""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

from rdbg.emu.board import Board
from rdbg.emu.core import Core
from rdbg.emu.device import System
from rdbg.emu.endpoint import serial_port
from rdbg.emu.memory_writes import MemoryWrites
from rdbg.emu.semihosting import CALLS_INSTEAD_OF_ARGUMENTS, CONSOLE, HostCalls

_A0 = 4


class Caller(Protocol):
    """What is used of a machine."""

    big_endian: bool
    core: Core
    writes: MemoryWrites

    def read_memory(self, address: int, length: int) -> bytes:
        """Bytes at a virtual address, as many as are mapped."""


class SemihostingGuest:
    """A machine that calls the host.

    Args:
        machine: it.
        system: what its devices see of it.
    """

    def __init__(self, machine: Caller, system: System) -> None:
        self._machine = machine
        self._system = system
        self.big_endian = machine.big_endian

    def read_gpr(self, number: int) -> int:
        """A general register."""
        return self._machine.core.registers.read_gpr(number)

    def write_gpr(self, number: int, value: int) -> None:
        """Set a general register."""
        self._machine.core.registers.write_gpr(number, value)

    def read_memory(self, address: int, length: int) -> bytes:
        """Bytes at a virtual address, as many as are mapped."""
        return self._machine.read_memory(address, length)

    def store(self, address: int, data: bytes) -> bool:
        """Put bytes at a virtual address; False, and nothing is written: not all of it is memory."""
        return self._machine.writes.answer(address, data)

    def output(self, data: bytes) -> None:
        """Send bytes out of the console."""
        self._system.output(serial_port(CONSOLE), data)

    def request_shutdown(self, exit_code: int) -> None:
        """End the run."""
        self._system.request_shutdown(exit_code)

    def log(self, message: str) -> None:
        """A line about something that the guest did."""
        self._system.log(message)

    @property
    def calling(self) -> bool:
        """Whether the CPU waits for the answer to a call."""
        return self._machine.core.calling

    def wait_for_host(self) -> None:
        """Let the CPU wait until `answered`."""
        self._machine.core.wait_for_host()

    def answered(self) -> None:
        """Let the CPU go on."""
        self._machine.core.answered()


def with_host_calls(board: Board, calls: HostCalls) -> Board:
    """The same board with semihosting: its console is a serial port, and after a reset a0 says that there are arguments
    to be asked for."""
    reset = replace(board.reset_state, registers={**board.reset_state.registers, _A0: CALLS_INSTEAD_OF_ARGUMENTS})
    return replace(
        board,
        devices=(*board.devices, calls),
        endpoints={**board.endpoints, serial_port(CONSOLE): calls},
        reset_state=reset,
    )
