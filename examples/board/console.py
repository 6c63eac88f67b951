"""A serial port of our own: see docs/boards.md."""

from rdbg.peripheral import ALWAYS, ByteBuffer, NoAnswer, Peripheral, Switch

DATA, STATUS, CONTROL = 0x0, 0x4, 0x8


class Console(Peripheral):
    """DATA: a store sends a byte, a load takes the next one that came in. STATUS: bit 0, one waits. CONTROL: bit 0, an
    interrupt is wanted while one waits."""

    size = 0xC

    received = ByteBuffer(16)
    interrupts = Switch()

    def read(self, offset: int, size: int) -> int:
        if offset == DATA:
            byte = self.received.pop(0) if self.received else 0
            self.changed()
            self.room_grown()
            return byte
        if offset == STATUS:
            return int(bool(self.received))
        if offset == CONTROL:
            return int(self.interrupts)
        raise NoAnswer

    def write(self, offset: int, size: int, value: int) -> None:
        if offset == DATA:
            self.send(bytes([value & 0xFF]))
        elif offset == CONTROL:
            self.interrupts = bool(value & 1)
            self.changed()

    def unchanged_until(self, offset: int, size: int) -> int:
        return 0 if offset == DATA else ALWAYS

    def receive(self, data: bytes) -> None:
        self.received += data
        self.changed()

    def receive_room(self) -> int:
        return 16 - len(self.received)

    def changed(self) -> None:
        self.irq(self.interrupts and bool(self.received))
