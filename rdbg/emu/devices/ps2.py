"""PS/2 keyboard and mouse that nobody touches: they answer commands and send nothing by themselves."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable

from rdbg.emu.device import Device, State
from rdbg.emu.devices.fields import BYTE, FLAG, Bytes, Fields, all_of, load_bytes, load_fields, save_fields

ACKNOWLEDGE, RESEND, SELF_TEST_PASSED, ECHO = 0xFA, 0xFE, 0xAA, 0xEE
QUEUE_BYTES = 16  #: what such a device holds back until the host reads

SET_LIGHTS, SET_SCAN_CODES, KEYBOARD_ID, SET_RATE = 0xED, 0xF0, 0xF2, 0xF3
ENABLE, DISABLE, DEFAULTS, RESET = 0xF4, 0xF5, 0xF6, 0xFF
ALL_KEY_TYPES = range(0xF7, 0xFB)

SCALE_1_TO_1, SCALE_2_TO_1, SET_RESOLUTION, GET_STATUS, STREAM, POLL = 0xE6, 0xE7, 0xE8, 0xE9, 0xEA, 0xEB
END_WRAP, WRAP, REMOTE, MOUSE_ID = 0xEC, 0xEE, 0xF0, 0xF2
STATUS_REMOTE, STATUS_ENABLED, STATUS_SCALE = 0x40, 0x20, 0x10
DEFAULT_RATE, DEFAULT_RESOLUTION = 100, 2
PLAIN_MOUSE, WHEEL_MOUSE, FIVE_BUTTON_MOUSE = 0, 3, 4
#: Sample rates that a driver sets one after another to find out, or to choose, what kind of mouse it is.
KNOCKS = {bytes((200, 100, 80)): WHEEL_MOUSE, bytes((200, 200, 80)): FIVE_BUTTON_MOUSE}
NO_MOVEMENT = 0x08  #: first byte of a packet: always set bit


class Ps2Device(Device):
    """The host's side of a PS/2 line: a command byte in, replies in a queue.

    Args:
        name: unique in the machine.
        changed: called when a reply was queued; whoever holds the line looks at ``waiting``.
    """

    _FIELDS: Fields = {"expects": BYTE}

    def __init__(self, name: str, changed: Callable[[], None]) -> None:
        super().__init__(name)
        self._changed = changed
        self.expects = 0  #: command whose parameter comes next
        self._queue = bytearray()

    @property
    def waiting(self) -> bool:
        """Whether a reply waits to be read."""
        return bool(self._queue)

    def take(self) -> int:
        """The next byte of the queue, which must not be empty."""
        return self._queue.pop(0)

    def send(self, value: int) -> None:
        """A byte from the host."""
        command, self.expects = self.expects, 0
        if command:
            self._parameter(command, value)
        else:
            self._command(value)
        self._changed()

    def _reply(self, *values: int) -> None:
        if len(self._queue) + len(values) <= QUEUE_BYTES:
            self._queue += bytes(values)

    def _expect(self, command: int) -> None:
        self.expects = command
        self._reply(ACKNOWLEDGE)

    @abstractmethod
    def _command(self, value: int) -> None:
        """A command byte."""

    @abstractmethod
    def _parameter(self, command: int, value: int) -> None:
        """The byte after a command that takes one."""

    def reset(self) -> None:
        """Nothing queued; settings as at power-on."""
        self.expects = 0
        self._queue.clear()

    def read(self, offset: int, size: int) -> int:
        """Not on the bus."""
        return 0

    def write(self, offset: int, size: int, value: int) -> None:
        """Not on the bus."""

    def save(self) -> State:
        """Settings and queue."""
        return save_fields(self, self._FIELDS) | {"queue": bytes(self._queue)}

    def load(self, state: State) -> None:
        """Take back what ``save`` gave."""
        load_fields(self, self._FIELDS, state)
        self._queue = bytearray(load_bytes(self, "queue", state, Bytes(0, QUEUE_BYTES)))


class Ps2Keyboard(Ps2Device):
    """An MF2 keyboard."""

    _FIELDS = all_of(BYTE, "expects", "scan_codes")

    def __init__(self, name: str, changed: Callable[[], None]) -> None:
        super().__init__(name, changed)
        self.scan_codes = 2

    def reset(self) -> None:
        """Scan code set 2."""
        super().reset()
        self.scan_codes = 2

    def _command(self, value: int) -> None:
        if value == KEYBOARD_ID:
            self._queue.clear()
            self._reply(ACKNOWLEDGE, 0xAB, 0x83)
        elif value == ECHO:
            self._reply(ECHO)
        elif value in (SET_LIGHTS, SET_SCAN_CODES, SET_RATE):
            self._expect(value)
        elif value in (DISABLE, DEFAULTS):
            self.reset()
            self._reply(ACKNOWLEDGE)
        elif value == RESET:
            self.reset()
            self._reply(ACKNOWLEDGE, SELF_TEST_PASSED)
        elif value in (0, ENABLE) or value in ALL_KEY_TYPES:
            self._reply(ACKNOWLEDGE)
        else:
            self._reply(RESEND)

    def _parameter(self, command: int, value: int) -> None:
        if command != SET_SCAN_CODES:
            self._reply(ACKNOWLEDGE)
        elif value == 0:
            self._reply(ACKNOWLEDGE, self.scan_codes)
        elif value <= 3:
            self.scan_codes = value
            self._reply(ACKNOWLEDGE)
        else:
            self._reply(RESEND)


class Ps2Mouse(Ps2Device):
    """A mouse with a wheel, for drivers that ask for one."""

    _FIELDS = all_of(BYTE, "expects", "status", "rate", "resolution", "kind") | {"rates": Bytes(0, 3), "wrap": FLAG}

    def __init__(self, name: str, changed: Callable[[], None]) -> None:
        super().__init__(name, changed)
        self._set_defaults()

    def _set_defaults(self) -> None:
        self.status = self.rate = self.resolution = 0  # at power-on; the reset command sets the usual ones
        self.kind = PLAIN_MOUSE
        self.rates = b""  #: the last three sample rates set
        self.wrap = False

    def reset(self) -> None:
        """A plain mouse that does not report."""
        super().reset()
        self._set_defaults()

    def _command(self, value: int) -> None:
        if self.wrap and value not in (END_WRAP, RESET):
            self._reply(value)
        elif value in (SET_RATE, SET_RESOLUTION):
            self._expect(value)
        elif value == RESET:
            self.reset()
            self._setting(DEFAULTS)
            self._reply(ACKNOWLEDGE, SELF_TEST_PASSED, PLAIN_MOUSE)
        elif value == MOUSE_ID:
            self._reply(ACKNOWLEDGE, self.kind)
        elif value == GET_STATUS:
            self._reply(ACKNOWLEDGE, self.status, self.resolution, self.rate)
        elif value == POLL:
            self._reply(ACKNOWLEDGE, NO_MOVEMENT, 0, 0, *([0] if self.kind != PLAIN_MOUSE else []))
        elif self._setting(value):
            self._reply(ACKNOWLEDGE)
        else:
            self._reply(RESEND)

    def _setting(self, value: int) -> bool:
        """A command that changes a setting; False: no such command."""
        if value in (SCALE_1_TO_1, SCALE_2_TO_1):
            self.status = self.status & ~STATUS_SCALE | (STATUS_SCALE if value == SCALE_2_TO_1 else 0)
        elif value in (STREAM, REMOTE):
            self.status = self.status & ~STATUS_REMOTE | (STATUS_REMOTE if value == REMOTE else 0)
        elif value in (ENABLE, DISABLE):
            self.status = self.status & ~STATUS_ENABLED | (STATUS_ENABLED if value == ENABLE else 0)
        elif value in (WRAP, END_WRAP):
            self.wrap = value == WRAP
        elif value == DEFAULTS:
            self.status, self.rate, self.resolution = 0, DEFAULT_RATE, DEFAULT_RESOLUTION
        else:
            return False
        return True

    def _parameter(self, command: int, value: int) -> None:
        if command == SET_RESOLUTION:
            self.resolution = value
        else:
            self.rate = value
            self.rates = (self.rates + bytes((value,)))[-3:]
            self.kind = KNOCKS.get(self.rates, self.kind)
        self._reply(ACKNOWLEDGE)
