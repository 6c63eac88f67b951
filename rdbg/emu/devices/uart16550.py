"""16550A UART (National Semiconductor PC16550D data sheet), with the choices that QEMU's model makes.

Transmission takes no time, so the transmitter is always empty when the guest looks; the transmitter-empty interrupt is
still raised after each byte, and when the guest enables it. Reception has the FIFO, its trigger levels and the
character time-out of four character times.
"""

from __future__ import annotations

from collections.abc import Callable

from rdbg.emu.device import FOREVER, SerialDevice, State, System
from rdbg.emu.devices.fields import BYTE, FLAG, HALF, Bytes, Number, all_of, load_bytes, load_fields, save_fields
from rdbg.emu.endpoint import serial_port

# Registers. 0 and 1 are the divisor latch while LCR.DLAB is set; 2 is IIR when read, FCR when written.
RBR_THR, IER, IIR_FCR, LCR, MCR, LSR, MSR, SCR = range(8)

IER_RDA, IER_THRE, IER_LINE, IER_MODEM = 0x01, 0x02, 0x04, 0x08
IIR_NONE, IIR_MODEM, IIR_THRE, IIR_RDA, IIR_LINE, IIR_TIMEOUT = 0x01, 0x00, 0x02, 0x04, 0x06, 0x0C
IIR_FIFOS = 0xC0
FCR_ENABLE, FCR_CLEAR_RX, FCR_CLEAR_TX = 0x01, 0x02, 0x04
FCR_STICKY = 0xC9
LCR_STOP2, LCR_PARITY, LCR_DLAB = 0x04, 0x08, 0x80
MCR_DTR, MCR_RTS, MCR_OUT1, MCR_OUT2, MCR_LOOP = 0x01, 0x02, 0x04, 0x08, 0x10
LSR_DR, LSR_OE, LSR_BI, LSR_THRE, LSR_TEMT = 0x01, 0x02, 0x10, 0x20, 0x40
LSR_INTERRUPTS = 0x1E
MSR_DELTAS, MSR_CTS, MSR_DSR, MSR_DCD = 0x0F, 0x10, 0x20, 0x80

FIFO_SIZE = 16
TRIGGER_LEVELS = (1, 4, 8, 14)
SECOND_NS = 1_000_000_000


class Uart16550(SerialDevice):
    """One UART.

    Args:
        name: unique in the machine.
        system: time, output.
        port: number of the serial port, for output.
        irq: drives the interrupt request.
        clock_hz: baud rate with a divisor of 1 (input clock / 16).
        register_shift: log2 of the distance in bytes between registers. At 0 wider accesses touch several
            registers; above, an access touches one register and its value is zero-extended.
    """

    _FIELDS = (
        {"divisor": HALF, "character_ns": Number(0, FOREVER), "trigger": Number(0, max(TRIGGER_LEVELS))}
        | all_of(BYTE, "rbr", "ier", "iir", "lcr", "mcr", "lsr", "msr", "scr", "fcr")
        | all_of(FLAG, "thre_pending", "timeout_pending")
    )

    def __init__(
        self,
        name: str,
        system: System,
        port: int,
        irq: Callable[[bool], None],
        clock_hz: int = 115_200,
        register_shift: int = 0,
    ) -> None:
        super().__init__(name)
        self._system = system
        self._endpoint = serial_port(port)
        self._irq = irq
        self._clock_hz = clock_hz
        self._shift = register_shift
        self._timeout = system.timer(f"{name}.timeout", self._on_timeout)
        self._set_power_on_state()

    def _set_power_on_state(self) -> None:
        self.divisor = 12
        self.rbr = 0
        self.ier = 0
        self.iir = IIR_NONE
        self.lcr = 0
        self.mcr = MCR_OUT2
        self.lsr = LSR_TEMT | LSR_THRE
        self.msr = MSR_DCD | MSR_DSR | MSR_CTS
        self.scr = 0
        self.fcr = 0
        self.trigger = 0
        self.thre_pending = False
        self.timeout_pending = False
        self.character_ns = SECOND_NS // 9600 * 10
        self._fifo = bytearray()

    def reset(self) -> None:
        """9600 baud, 8N1, no interrupts, modem lines of a connected terminal."""
        self._set_power_on_state()
        self._timeout.disarm()
        self._irq(False)

    # --- bus ---------------------------------------------------------------------------------
    def read(self, offset: int, size: int) -> int:
        """A guest load."""
        if self._shift or size == 1:
            return self.read_register(offset >> self._shift & 7)
        return sum(self.read_register(offset + index & 7) << (8 * index) for index in range(size))

    def stable_until(self, offset: int, size: int) -> int:
        """The line status while it holds no error, and registers that only stores change."""
        if not self._shift and size != 1:
            return 0
        register = offset >> self._shift & 7
        stable = register == LSR and not self.lsr & (LSR_BI | LSR_OE) or register in (LCR, MCR, SCR)
        return FOREVER if stable else 0

    def write(self, offset: int, size: int, value: int) -> None:
        """A guest store."""
        if self._shift or size == 1:
            self.write_register(offset >> self._shift & 7, value & 0xFF)
            return
        for index in range(size):
            self.write_register(offset + index & 7, value >> (8 * index) & 0xFF)

    def read_register(self, register: int) -> int:
        """Load register 0..7."""
        if register == LSR:  # first: this is what guests poll
            value = self.lsr
            if value & (LSR_BI | LSR_OE):
                self.lsr &= ~(LSR_BI | LSR_OE)
                self._update_irq()
            return value
        if register == RBR_THR:
            return self.divisor & 0xFF if self.lcr & LCR_DLAB else self._read_data()
        if register == IER:
            return self.divisor >> 8 if self.lcr & LCR_DLAB else self.ier
        if register == IIR_FCR:
            value = self.iir
            if value & 0x06 == IIR_THRE:
                self.thre_pending = False
                self._update_irq()
            return value
        if register == LCR:
            return self.lcr
        if register == MCR:
            return self.mcr
        if register == MSR:
            return self._read_modem_status()
        return self.scr

    def write_register(self, register: int, value: int) -> None:
        """Store 0..255 to register 0..7."""
        if register == RBR_THR:
            if self.lcr & LCR_DLAB:
                self.divisor = self.divisor & 0xFF00 | value
                self._update_character_time()
            else:
                self._transmit(value)
        elif register == IER:
            if self.lcr & LCR_DLAB:
                self.divisor = self.divisor & 0x00FF | value << 8
                self._update_character_time()
            else:
                self._write_ier(value & 0x0F)
        elif register == IIR_FCR:
            self._write_fcr(value)
        elif register == LCR:
            self.lcr = value
            self._update_character_time()
        elif register == MCR:
            self.mcr = value & 0x1F
        elif register == SCR:
            self.scr = value

    def _read_data(self) -> int:
        if self.fcr & FCR_ENABLE:
            value = self._fifo.pop(0) if self._fifo else 0
            if self._fifo:
                self._timeout.arm(self._system.now_ns + 4 * self.character_ns)
            else:
                self.lsr &= ~(LSR_DR | LSR_BI)
            self.timeout_pending = False
        else:
            value = self.rbr
            self.lsr &= ~(LSR_DR | LSR_BI)
        self._system.room_grown()
        self._update_irq()
        return value

    def _read_modem_status(self) -> int:
        if self.mcr & MCR_LOOP:
            # The outputs feed the inputs: OUT2, OUT1 to DCD, RI; RTS to CTS; DTR to DSR.
            return (self.mcr & (MCR_OUT1 | MCR_OUT2)) << 4 | (self.mcr & MCR_RTS) << 3 | (self.mcr & MCR_DTR) << 5
        value = self.msr
        if value & MSR_DELTAS:
            self.msr &= ~MSR_DELTAS
            self._update_irq()
        return value

    def _write_ier(self, value: int) -> None:
        changed = (self.ier ^ value) & 0x0F
        self.ier = value
        # Enabling the transmitter interrupt while the transmitter is empty requests it at once (8250 family; Linux's
        # driver relies on it). A write that changes nothing does not request it again.
        if changed & IER_THRE:
            self.thre_pending = bool(value & IER_THRE and self.lsr & LSR_THRE)
        if changed:
            self._update_irq()

    def _write_fcr(self, value: int) -> None:
        if value == self.fcr:
            return
        if (value ^ self.fcr) & FCR_ENABLE:
            value |= FCR_CLEAR_RX | FCR_CLEAR_TX
        if value & FCR_CLEAR_RX:
            self.lsr &= ~(LSR_DR | LSR_BI)
            self._timeout.disarm()
            self.timeout_pending = False
            self._fifo.clear()
            self._system.room_grown()
        if value & FCR_CLEAR_TX:
            self.lsr |= LSR_THRE
            self.thre_pending = True
        self.fcr = value & FCR_STICKY
        if self.fcr & FCR_ENABLE:
            self.iir |= IIR_FIFOS
            self.trigger = TRIGGER_LEVELS[value >> 6]
        else:
            self.iir &= ~IIR_FIFOS
        self._update_irq()

    def _transmit(self, value: int) -> None:
        self.thre_pending = False
        self.lsr &= ~(LSR_THRE | LSR_TEMT)
        self._update_irq()
        if self.mcr & MCR_LOOP:
            self._take(bytes((value,)))
        else:
            self._system.output(self._endpoint, bytes((value,)))
        self.lsr |= LSR_THRE | LSR_TEMT
        self.thre_pending = True
        self._update_irq()

    # --- reception ---------------------------------------------------------------------------
    def receive(self, data: bytes) -> None:
        """Bytes arrive on the line. What does not fit is lost, with the overrun bit set."""
        if not self.mcr & MCR_LOOP:
            self._take(data)

    def receive_break(self) -> None:
        """A break condition arrives on the line."""
        self.rbr = 0
        if self.fcr & FCR_ENABLE:
            self._put(0)
        self.lsr |= LSR_BI | LSR_DR
        self._update_irq()

    def received(self, offset: int, size: int) -> bytes:
        """What waits, if a load there reads the data register."""
        register = offset >> self._shift & 7
        if register != RBR_THR or self.lcr & LCR_DLAB or self.mcr & MCR_LOOP or not self.lsr & LSR_DR:
            return b""
        return bytes(self._fifo) if self.fcr & FCR_ENABLE else bytes((self.rbr,))

    def receive_room(self) -> int:
        """Up to the trigger level at once, then byte by byte, so that the guest's choice of level has its effect."""
        if self.mcr & MCR_LOOP:
            return 0
        if not self.fcr & FCR_ENABLE:
            return 0 if self.lsr & LSR_DR else 1
        if len(self._fifo) >= FIFO_SIZE:
            return 0
        return max(self.trigger - len(self._fifo), 1)

    def _take(self, data: bytes) -> None:
        if self.fcr & FCR_ENABLE:
            for value in data:
                self._put(value)
            self.lsr |= LSR_DR
            self._timeout.arm(self._system.now_ns + 4 * self.character_ns)
        else:
            for value in data:
                if self.lsr & LSR_DR:
                    self.lsr |= LSR_OE
                self.rbr = value
                self.lsr |= LSR_DR
        self._update_irq()

    def _put(self, value: int) -> None:
        if len(self._fifo) < FIFO_SIZE:
            self._fifo.append(value)
        else:
            self.lsr |= LSR_OE

    def _on_timeout(self) -> None:
        if self._fifo:
            self.timeout_pending = True
            self._update_irq()

    # --- interrupts and time -----------------------------------------------------------------
    def _update_irq(self) -> None:
        cause = IIR_NONE
        if self.ier & IER_LINE and self.lsr & LSR_INTERRUPTS:
            cause = IIR_LINE
        elif self.ier & IER_RDA and self.timeout_pending:
            cause = IIR_TIMEOUT
        elif (
            self.ier & IER_RDA and self.lsr & LSR_DR and (not self.fcr & FCR_ENABLE or len(self._fifo) >= self.trigger)
        ):
            cause = IIR_RDA
        elif self.ier & IER_THRE and self.thre_pending:
            cause = IIR_THRE
        elif self.ier & IER_MODEM and self.msr & MSR_DELTAS:
            cause = IIR_MODEM
        self.iir = cause | self.iir & 0xF0
        self._irq(cause != IIR_NONE)

    def _update_character_time(self) -> None:
        # A divisor that gives no baud rate leaves the character time as it was.
        if not 0 < self.divisor <= self._clock_hz:
            return
        bits = 1 + (self.lcr & 3) + 5 + (2 if self.lcr & LCR_STOP2 else 1) + (1 if self.lcr & LCR_PARITY else 0)
        self.character_ns = SECOND_NS * self.divisor // self._clock_hz * bits

    # --- state -------------------------------------------------------------------------------
    def save(self) -> State:
        """All registers and the receive FIFO."""
        return save_fields(self, self._FIELDS) | {"fifo": bytes(self._fifo)}

    def load(self, state: State) -> None:
        """Take back what ``save`` gave."""
        load_fields(self, self._FIELDS, state)
        self._fifo = bytearray(load_bytes(self, "fifo", state, Bytes(0, FIFO_SIZE)))
