"""Calls of the host that a guest makes with ``sdbbp 1``: exit, console, arguments.

Source: MIPS' "Unified Hosting Interface Reference Manual" (MD01069), as far as QEMU 7.2 has it. The operation is in t9,
its arguments are in a0 to a3, its results go to v0 and v1.

There are no files but the console, which is open three times: 0 to be read, 1 and 2 to be written to (each can do
both). It is a serial port of the machine's, so that what is read is in the journal and what is printed passes where
serial output does. A read takes what has come, and waits for the first byte: the CPU runs nothing until then, as on
QEMU.
"""

from __future__ import annotations

import struct
from typing import Protocol

from rdbg.emu.device import SerialDevice, State
from rdbg.emu.devices.fields import BYTE, WORD, Number, load_fields, save_fields
from rdbg.emu.spec import Semihosting

#: The console's number among the serial ports; boards have those below.
CONSOLE = 256
#: What a0 holds at reset in place of a number of arguments: they are to be asked for.
CALLS_INSTEAD_OF_ARGUMENTS = 0xFFFF_FFFF

_EXIT, _OPEN, _CLOSE, _READ, _WRITE, _SEEK, _UNLINK, _STATUS = range(1, 9)
_ARGUMENT_COUNT, _ARGUMENT_LENGTH, _ARGUMENT, _LOG, _ASSERT = 9, 10, 11, 13, 14
_LINK = 22

#: Error numbers of the interface.
_EBADF, _EACCES, _EFAULT, _EINVAL, _ESPIPE = 9, 13, 14, 22, 29
_FAILED = 0xFFFF_FFFF

_V0, _V1, _A0, _A1, _A2, _T9 = 2, 3, 4, 5, 6, 25
_STANDARD = {b"/dev/stdin": 0, b"/dev/stdout": 1, b"/dev/stderr": 2}
_ALL_OPEN = 0b111
#: A terminal that anybody may read and write (st_mode), and its device number (st_rdev), as QEMU says.
_MODE, _DEVICE = 0o020666, 5
_STATUS_BYTES = 104

#: One call writes no more, so that the outside world is looked at in between; a program writes the rest, as with any
#: short write.
_MOST_WRITTEN = 1 << 20
#: Names and messages are no longer.
_MOST_TEXT = 64 << 10
_PIECE = 256
#: What a shell says of a program that has aborted (128 + SIGABRT), as QEMU does after a failed assertion.
_ABORTED = 134


class Guest(Protocol):
    """The machine as calls see it."""

    big_endian: bool

    def read_gpr(self, number: int) -> int:
        """A general register."""

    def write_gpr(self, number: int, value: int) -> None:
        """Set a general register."""

    def read_memory(self, address: int, length: int) -> bytes:
        """Bytes at a virtual address, as many as are mapped."""

    def store(self, address: int, data: bytes) -> bool:
        """Put bytes at a virtual address; False, and nothing is written: not all of it is memory."""

    def output(self, data: bytes) -> None:
        """Send bytes out of the console."""

    def request_shutdown(self, exit_code: int) -> None:
        """End the run."""

    def log(self, message: str) -> None:
        """A line about something that the guest did."""

    @property
    def calling(self) -> bool:
        """Whether the CPU waits for the answer to a call."""

    def wait_for_host(self) -> None:
        """Let the CPU wait until `answered`."""

    def answered(self) -> None:
        """Let the CPU go on."""


class HostCalls(SerialDevice):
    """What a guest's calls are answered with, and its console.

    Args:
        guest: who calls.
        settings: arguments, and whether anything can be typed at the console.
    """

    _FIELDS = {"opened": BYTE, "wanted": WORD, "buffer": Number(0, 0xFFFF_FFFF, optional=True)}

    def __init__(self, guest: Guest, settings: Semihosting) -> None:
        super().__init__("semihosting")
        self._guest = guest
        self._arguments = [word.encode("utf-8", "surrogateescape") for word in settings.arguments]
        self._has_input = settings.has_input
        self.opened = _ALL_OPEN  #: a bit for each file
        self.buffer: int | None = None  #: where the read that waits wants its bytes
        self.wanted = 0  #: how many at most

    def call(self) -> None:
        """Do what the guest asks for."""
        operation = self._guest.read_gpr(_T9)
        do = {
            _EXIT: self._exit,
            _OPEN: self._open,
            _CLOSE: self._close,
            _READ: self._read,
            _WRITE: self._write,
            _SEEK: self._seek,
            _UNLINK: self._refuse_file,
            _STATUS: self._status,
            _ARGUMENT_COUNT: self._argument_count,
            _ARGUMENT_LENGTH: self._argument_length,
            _ARGUMENT: self._argument,
            _LOG: self._log,
            _ASSERT: self._assert,
            _LINK: self._refuse_file,
        }.get(operation)
        if do is None:
            self._refuse(_EINVAL, f"operation {operation} is not known")
            return
        do()

    # --- operations -----------------------------------------------------------------------------
    def _exit(self) -> None:
        self._guest.request_shutdown(self._argument_of(_A0))

    def _open(self) -> None:
        name = self._text(_A0)
        if name is None:
            return
        number = _STANDARD.get(name)
        if number is None:
            self._refuse(_EACCES, f"no files: {name.decode('utf-8', 'backslashreplace')!r} is not opened")
            return
        self.opened |= 1 << number
        self._guest.write_gpr(_V0, number)

    def _close(self) -> None:
        number = self._open_number()
        if number is not None:
            self.opened &= ~(1 << number)
            self._answer(0)

    def _read(self) -> None:
        number, address, length = self._open_number(), self._argument_of(_A1), self._argument_of(_A2)
        if number is None:
            return
        if length == 0 or not self._has_input:
            self._answer(0)
            return
        self.buffer, self.wanted = address, length
        self._guest.wait_for_host()

    def _write(self) -> None:
        number, address, length = self._open_number(), self._argument_of(_A1), self._argument_of(_A2)
        if number is not None:
            self._print(address, length)

    def _print(self, address: int, length: int) -> None:
        if length == 0:
            self._answer(_FAILED, _EINVAL)  # QEMU's, of a buffer without bytes
            return
        length = min(length, _MOST_WRITTEN)
        data = self._guest.read_memory(address, length)
        if len(data) < length:
            self._refuse_address(address)
            return
        self._guest.output(data)
        self._answer(length)

    def _seek(self) -> None:
        if self._open_number() is not None:
            self._answer(_FAILED, _ESPIPE)

    def _status(self) -> None:
        address = self._argument_of(_A1)
        if self._open_number() is None:
            return
        fields = struct.pack(">hHIHHHh" if self._guest.big_endian else "<hHIHHHh", 0, 0, _MODE, 0, 0, 0, _DEVICE)
        if self._guest.store(address, fields.ljust(_STATUS_BYTES, b"\0")):
            self._answer(0)
        else:
            self._refuse_address(address)

    def _argument_count(self) -> None:
        self._guest.write_gpr(_V0, len(self._arguments))

    def _argument_length(self) -> None:
        number = self._argument_of(_A0)
        known = number < len(self._arguments)
        self._guest.write_gpr(_V0, len(self._arguments[number]) if known else _FAILED)

    def _argument(self) -> None:
        number, address = self._argument_of(_A0), self._argument_of(_A1)
        if number >= len(self._arguments):
            self._guest.write_gpr(_V0, _FAILED)
        elif self._guest.store(address, self._arguments[number] + b"\0"):
            self._guest.write_gpr(_V0, 0)
        else:
            self._refuse_address(address)

    def _log(self) -> None:
        text = self._text(_A0)
        if text is None:
            return
        before, number, after = text.partition(b"%d")
        if not number:
            self._print(self._argument_of(_A0), len(text))
            return
        value = self._argument_of(_A1)
        text = before + str(value - (value >> 31 << 32)).encode() + after
        self._guest.output(text)
        self._guest.write_gpr(_V0, len(text))

    def _assert(self) -> None:
        what, file = self._text(_A0), self._text(_A1)
        line = self._argument_of(_A2)
        line -= line >> 31 << 32
        said = b'UHI assertion "%s": file "%s", line %d\n' % (what or b"<EFAULT>", file or b"<EFAULT>", line)
        self._guest.output(said)
        self._guest.request_shutdown(_ABORTED)

    def _refuse_file(self) -> None:
        name = self._text(_A0)
        if name is not None:
            self._refuse(_EACCES, f"no files: {name.decode('utf-8', 'backslashreplace')!r} stays as it is")

    # --- arguments and answers ------------------------------------------------------------------
    def _argument_of(self, register: int) -> int:
        return self._guest.read_gpr(register)

    def _open_number(self) -> int | None:
        """The file that is meant, or None: there is none of that number, and the guest is told."""
        number = self._argument_of(_A0)
        if number < 3 and self.opened >> number & 1:
            return number
        self._answer(_FAILED, _EBADF)
        return None

    def _text(self, register: int) -> bytes | None:
        """The string that a register points to, or None: it has no end, and the guest is told."""
        address = self._argument_of(register)
        text = b""
        while len(text) < _MOST_TEXT:
            piece = self._guest.read_memory((address + len(text)) & 0xFFFF_FFFF, _PIECE)
            end = piece.find(0)
            if end >= 0:
                return text + piece[:end]
            text += piece
            if len(piece) < _PIECE:
                break
        self._refuse_address(address)
        return None

    def _answer(self, value: int, error: int = 0) -> None:
        self._guest.write_gpr(_V0, value)
        self._guest.write_gpr(_V1, error)

    def _refuse(self, error: int, why: str) -> None:
        self._guest.log(f"semihosting: {why}")
        self._answer(_FAILED, error)

    def _refuse_address(self, address: int) -> None:
        self._refuse(_EFAULT, f"operation {self._guest.read_gpr(_T9)}: no memory for all of it at {address:#010x}")

    # --- the console as a serial port -----------------------------------------------------------
    def receive(self, data: bytes) -> None:
        """Bytes arrive from outside: the read that waits has its answer."""
        address, self.buffer = self.buffer, None
        if address is None or not self._guest.calling:
            return
        self._guest.answered()
        if self._guest.store(address, data[: self.wanted]):
            self._answer(min(len(data), self.wanted))
        else:
            self._refuse_address(address)

    def receive_break(self) -> None:
        """There is no line that it could come on."""

    def receive_room(self) -> int:
        """What the read that waits wants."""
        return self.wanted if self.buffer is not None and self._guest.calling else 0

    # --- as a device ----------------------------------------------------------------------------
    def read(self, offset: int, size: int) -> int:
        """Not on the bus."""
        return 0

    def write(self, offset: int, size: int, value: int) -> None:
        """Not on the bus."""

    def reset(self) -> None:
        """The console is open, nothing is being read."""
        self.opened, self.buffer, self.wanted = _ALL_OPEN, None, 0

    def save(self) -> State:
        """Open files, and the read that waits."""
        return save_fields(self, self._FIELDS)

    def load(self, state: State) -> None:
        """Take back what ``save`` gave."""
        load_fields(self, self._FIELDS, state)
