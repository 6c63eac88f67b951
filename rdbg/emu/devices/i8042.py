"""8042 keyboard controller between the bus and a PS/2 keyboard and mouse."""

from __future__ import annotations

from collections.abc import Callable

from rdbg.emu.device import State, System
from rdbg.emu.devices.byte_device import ByteDevice
from rdbg.emu.devices.fields import BYTE, Number, all_of, load_fields, save_fields
from rdbg.emu.devices.ps2 import Ps2Keyboard, Ps2Mouse

DATA, COMMAND_STATUS = 0, 4  #: offsets from port 0x60

STATUS_OUTPUT_FULL, STATUS_SELF_TEST, STATUS_COMMAND, STATUS_UNLOCKED, STATUS_MOUSE_DATA = 0x01, 0x04, 0x08, 0x10, 0x20
MODE_KEYBOARD_IRQ, MODE_MOUSE_IRQ, MODE_DISABLE_KEYBOARD, MODE_DISABLE_MOUSE = 0x01, 0x02, 0x10, 0x20
OUTPUT_PORT_RESET_VALUE = 0xCF
OUTPUT_PORT_FULL, OUTPUT_PORT_MOUSE_FULL = 0x10, 0x20

READ_MODE, WRITE_MODE, MOUSE_OFF, MOUSE_ON, TEST_MOUSE, SELF_TEST, TEST_KEYBOARD = (
    0x20, 0x60, 0xA7, 0xA8, 0xA9, 0xAA, 0xAB,
)  # fmt: skip
KEYBOARD_OFF, KEYBOARD_ON, READ_INPUT_PORT, READ_OUTPUT_PORT, WRITE_OUTPUT_PORT = 0xAD, 0xAE, 0xC0, 0xD0, 0xD1
WRITE_KEYBOARD_BUFFER, WRITE_MOUSE_BUFFER, WRITE_MOUSE = 0xD2, 0xD3, 0xD4
PULSE = 0xF0  #: command & 0xf0; bit 0 clear pulses the reset line
TAKES_DATA = (WRITE_MODE, WRITE_OUTPUT_PORT, WRITE_KEYBOARD_BUFFER, WRITE_MOUSE_BUFFER, WRITE_MOUSE)

SELF_TEST_PASSED, PORT_TEST_PASSED, INPUT_PORT_VALUE = 0x55, 0x00, 0x80

NOBODY, CONTROLLER, CONTROLLER_AS_MOUSE, KEYBOARD, MOUSE = range(5)  #: whose byte stands in the output buffer


class I8042(ByteDevice):
    """Data at offset 0 (port 0x60), command and status at offset 4 (port 0x64).

    Args:
        name: unique in the machine.
        system: reset.
        keyboard_irq: driven while keyboard or controller data wait and the interrupt is on.
        mouse_irq: the same for mouse data.
    """

    _FIELDS = all_of(BYTE, "status", "mode", "output_port", "expects", "last_data") | {
        "source": Number(NOBODY, MOUSE),
        "reply": Number(0, 0xFF, optional=True),
        "mouse_reply": Number(0, 0xFF, optional=True),
    }

    def __init__(
        self, name: str, system: System, keyboard_irq: Callable[[bool], None], mouse_irq: Callable[[bool], None]
    ) -> None:
        super().__init__(name)
        self._system = system
        self._keyboard_irq = keyboard_irq
        self._mouse_irq = mouse_irq
        self.keyboard = Ps2Keyboard(f"{name}.keyboard", self._update)
        self.mouse = Ps2Mouse(f"{name}.mouse", self._update)
        self._set_reset_state()

    def _set_reset_state(self) -> None:
        self.status = STATUS_COMMAND | STATUS_UNLOCKED
        self.mode = MODE_KEYBOARD_IRQ | MODE_MOUSE_IRQ
        self.output_port = OUTPUT_PORT_RESET_VALUE
        self.expects = 0  #: command whose data byte comes next
        self.last_data = 0
        self.source = NOBODY
        self.reply: int | None = None  #: the controller's own answer; a second one overwrites the first
        self.mouse_reply: int | None = None

    def reset(self) -> None:
        """Interrupts on, nothing queued."""
        self._set_reset_state()
        self._keyboard_irq(False)
        self._mouse_irq(False)

    def read_byte(self, offset: int) -> int:
        """Data or status."""
        if offset == COMMAND_STATUS:
            return self.status
        source, self.source = self.source, NOBODY
        if source == KEYBOARD and self.keyboard.waiting:
            self.last_data = self.keyboard.take()
        elif source == MOUSE and self.mouse.waiting:
            self.last_data = self.mouse.take()
        elif source == CONTROLLER and self.reply is not None:
            self.last_data, self.reply = self.reply, None
        elif source == CONTROLLER_AS_MOUSE and self.mouse_reply is not None:
            self.last_data, self.mouse_reply = self.mouse_reply, None
        if source != NOBODY:
            self._keyboard_irq(False)
            self._mouse_irq(False)
        self._update()
        return self.last_data

    def write_byte(self, offset: int, value: int) -> None:
        """Data or command."""
        if offset == COMMAND_STATUS:
            self._command(value)
            return
        command, self.expects = self.expects, 0
        if command == 0:
            self.mode &= ~MODE_DISABLE_KEYBOARD  # talking to the keyboard turns its line on again
            self.keyboard.send(value)
        elif command == WRITE_MOUSE:
            self.mode &= ~MODE_DISABLE_MOUSE
            self.mouse.send(value)
        elif command == WRITE_MODE:
            self.mode = value
            self._update()
        elif command == WRITE_KEYBOARD_BUFFER:
            self._put(value)
        elif command == WRITE_MOUSE_BUFFER:
            self.mouse_reply = value
            self._update()
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
        elif value in TAKES_DATA:
            self.expects = value
        elif value == MOUSE_OFF:
            self.mode |= MODE_DISABLE_MOUSE
        elif value == MOUSE_ON:
            self.mode &= ~MODE_DISABLE_MOUSE
            self._update()
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
        self.reply = value
        self._update()

    def _choose(self) -> int:
        """Whose byte comes next."""
        if self.reply is not None:
            return CONTROLLER
        if self.mouse_reply is not None:
            return CONTROLLER_AS_MOUSE
        if self.keyboard.waiting and not self.mode & MODE_DISABLE_KEYBOARD:
            return KEYBOARD
        if self.mouse.waiting and not self.mode & MODE_DISABLE_MOUSE:
            return MOUSE
        return NOBODY

    def _update(self) -> None:
        """Fill the output buffer if it is empty; status, output port and interrupts follow it."""
        if self.source == NOBODY:
            self.source = self._choose()
        full = self.source != NOBODY
        of_mouse = self.source in (CONTROLLER_AS_MOUSE, MOUSE)
        self.status &= ~(STATUS_OUTPUT_FULL | STATUS_MOUSE_DATA)
        self.output_port &= ~(OUTPUT_PORT_FULL | OUTPUT_PORT_MOUSE_FULL)
        if full:
            self.status |= STATUS_OUTPUT_FULL | (STATUS_MOUSE_DATA if of_mouse else 0)
            self.output_port |= OUTPUT_PORT_MOUSE_FULL if of_mouse else OUTPUT_PORT_FULL
        keyboard_on = self.mode & (MODE_KEYBOARD_IRQ | MODE_DISABLE_KEYBOARD) == MODE_KEYBOARD_IRQ
        self._keyboard_irq(full and not of_mouse and keyboard_on)
        self._mouse_irq(of_mouse and bool(self.mode & MODE_MOUSE_IRQ))

    def save(self) -> State:
        """All registers; the keyboard and the mouse save theirs."""
        return save_fields(self, self._FIELDS)

    def load(self, state: State) -> None:
        """Take back what ``save`` gave."""
        load_fields(self, self._FIELDS, state)
