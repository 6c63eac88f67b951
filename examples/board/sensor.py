"""A thermometer that writes its samples to memory by itself: see docs/boards.md."""

from rdbg.peripheral import ALWAYS, Countdown, NoAnswer, Peripheral, Ranged, Word

RING, COUNT, PERIOD, DONE = 0x0, 0x4, 0x8, 0xC


class Sensor(Peripheral):
    """RING: where samples go, 16 words. COUNT: how many have been taken. PERIOD: microseconds from one to the next; a
    store starts it, 0 stops it. DONE: bit 0, a sample has come; a store of 1 clears it and the interrupt."""

    size = 0x10

    ring = Word()
    count = Word()
    period = Word()
    done = Word()
    temperature = Ranged(-40_000, 125_000, reset=20_000)  # thousandths of a degree
    sample = Countdown()

    def read(self, offset: int, size: int) -> int:
        if offset == RING:
            return self.ring
        if offset == COUNT:
            return self.count
        if offset == PERIOD:
            return self.period
        if offset == DONE:
            return self.done
        raise NoAnswer

    def write(self, offset: int, size: int, value: int) -> None:
        if offset == RING:
            self.ring = value
        elif offset == PERIOD:
            self.period = value
            self.sample.stop()
            if value:
                self.sample.start(value * 1000)
        elif offset == DONE:
            self.done &= ~value
            self.irq(bool(self.done))

    def unchanged_until(self, offset: int, size: int) -> int:
        return ALWAYS

    def on_sample(self) -> None:
        """Called when the countdown `sample` expires."""
        noise = self.random(8) - 128
        limit = int(self.parameters["limit"])
        self.temperature = min(self.temperature + int(self.parameters["drift"]) + noise, limit)
        address = self.ring + 4 * (self.count % 16)
        order = "big" if self.big_endian else "little"
        self.dma_write(address, self.temperature.to_bytes(4, order, signed=True), f"sample {self.count}")
        self.count = self.count + 1 & 0xFFFF_FFFF
        self.done |= 1
        self.irq(True)
        self.sample.start(self.period * 1000)
