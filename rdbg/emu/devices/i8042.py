"""8042 keyboard controller with no keyboard or mouse plugged in: enough for probes, self test and the reset pulse."""

from __future__ import annotations

from collections.abc import Callable

from rdbg.emu.device import State, System
from rdbg.emu.devices.byte_device import ByteDevice
from rdbg.emu.devices.fields import load_bytes, load_fields, save_fields

DATA, COMMAND_STATUS = 0, 4  #: offsets from port 0x60

STATUS_OUTPUT_FULL, STATUS_SELF_TEST, STATUS_COMMAND, STATUS_UNLOCKED = 0x01, 0x04, 0x08, 0x10
MODE_KEYBOARD_IRQ, MODE_MOUSE_IRQ, MODE_DISABLE_KEYBOARD, MODE_DISABLE_MOUSE = 0x01, 0x02, 0x10, 0x20
OUTPUT_PORT_RESET_VALUE = 0xCF
OUTPUT_PORT_FULL = 0x10

READ_MODE, WRITE_MODE, MOUSE_OFF, MOUSE_ON, TEST_MOUSE, SELF_TEST, TEST_KEYBOARD = (
    0x20, 0x60, 0xA7, 0xA8, 0xA9, 0xAA, 0xAB,
)  # fmt: skip
KEYBOARD_OFF, KEYBOARD_ON, READ_INPUT_PORT, READ_OUTPUT_PORT, WRITE_OUTPUT_PORT = 0xAD, 0xAE, 0xC0, 0xD0, 0xD1
WRITE_KEYBOARD_BUFFER, WRITE_MOUSE_BUFFER, WRITE_MOUSE = 0xD2, 0xD3, 0xD4
PULSE = 0xF0  #: command & 0xf0; bit 0 clear pulses the reset line

SELF_TEST_PASSED, PORT_TEST_PASSED, INPUT_PORT_VALUE = 0x55, 0x00, 0x80


class I8042(ByteDevice):
    """Data at offset 0 (port 0x60), command and status at offset 4 (port 0x64).

    Args:
        name: unique in the machine.
        system: reset.
        keyboard_irq: driven while keyboard data wait and the interrupt is on.
        mouse_irq: never driven: no mouse.
    """

    _FIELDS = ("status", "mode", "output_port", "expects", "last_data")

    def __init__(
        self, name: str, system: System, keyboard_irq: Callable[[bool], None], mouse_irq: Callable[[bool], None]
    ) -> None:
        super().__init__(name)
        self._system = system
        self._keyboard_irq = keyboard_irq
        self._mouse_irq = mouse_irq
        self._set_reset_state()

    def _set_reset_state(self) -> None:
        self.status = STATUS_COMMAND | STATUS_UNLOCKED
        self.mode = MODE_KEYBOARD_IRQ | MODE_MOUSE_IRQ
        self.output_port = OUTPUT_PORT_RESET_VALUE
        self.expects = 0  #: command whose data byte comes next
        self.last_data = 0
        self._queue = bytearray()

    def reset(self) -> None:
        """Interrupts on, nothing queued."""
        self._set_reset_state()
        self._keyboard_irq(False)
        self._mouse_irq(False)

    def read_byte(self, offset: int) -> int:
        """Data or status."""
        if offset == COMMAND_STATUS:
            return self.status
        if self._queue:
            self.last_data = self._queue.pop(0)
            self._update()
        return self.last_data

    def write_byte(self, offset: int, value: int) -> None:
        """Data or command."""
        if offset == COMMAND_STATUS:
            self._command(value)
            return
        command, self.expects = self.expects, 0
        if command == WRITE_MODE:
            self.mode = value
            self._update()
        elif command in (WRITE_KEYBOARD_BUFFER, WRITE_MOUSE_BUFFER):
            self._put(value)
        elif command == WRITE_OUTPUT_PORT:
            self.output_port = value
            if not value & 1:
                self._system.request_reset()

    def _command(self, value: int) -> None:
        if value & PULSE == PULSE:
            if not value & 1:
                self._system.request_reset()
        elif value == READ_MODE:
            self._put(self.mode)
        elif value in (WRITE_MODE, WRITE_OUTPUT_PORT, WRITE_KEYBOARD_BUFFER, WRITE_MOUSE_BUFFER, WRITE_MOUSE):
            self.expects = value
        elif value == MOUSE_OFF:
            self.mode |= MODE_DISABLE_MOUSE
        elif value == MOUSE_ON:
            self.mode &= ~MODE_DISABLE_MOUSE
        elif value == SELF_TEST:
            self.status |= STATUS_SELF_TEST
            self._put(SELF_TEST_PASSED)
        elif value in (TEST_MOUSE, TEST_KEYBOARD):
            self._put(PORT_TEST_PASSED)
        elif value == KEYBOARD_OFF:
            self.mode |= MODE_DISABLE_KEYBOARD
            self._update()
        elif value == KEYBOARD_ON:
            self.mode &= ~MODE_DISABLE_KEYBOARD
            self._update()
        elif value == READ_INPUT_PORT:
            self._put(INPUT_PORT_VALUE)
        elif value == READ_OUTPUT_PORT:
            self._put(self.output_port)

    def _put(self, value: int) -> None:
        # The chip has one byte of output buffer; a second reply overwrites the first.
        self._queue[:] = bytes((value,))
        self._update()

    def _update(self) -> None:
        full = bool(self._queue)
        self.status = self.status & ~STATUS_OUTPUT_FULL | (STATUS_OUTPUT_FULL if full else 0)
        self.output_port = self.output_port & ~OUTPUT_PORT_FULL | (OUTPUT_PORT_FULL if full else 0)
        self._keyboard_irq(full and self.mode & (MODE_KEYBOARD_IRQ | MODE_DISABLE_KEYBOARD) == MODE_KEYBOARD_IRQ)

    def save(self) -> State:
        """All registers."""
        return save_fields(self, self._FIELDS) | {"queue": bytes(self._queue)}

    def load(self, state: State) -> None:
        """Take back what ``save`` gave."""
        load_fields(self, self._FIELDS, state)
        self._queue = bytearray(load_bytes(self, "queue", state))
