"""virtio-console (Virtio 1.1, 5.3): QEMU's ``virtio-serial-pci`` with its ports, ``virtconsole`` and
``virtserialport``."""

from __future__ import annotations

from struct import Struct

from rdbg.emu.device import Device, SerialDevice, State, System
from rdbg.emu.devices.fields import FLAG, load_field
from rdbg.emu.devices.virtio.buffers import gather, joined, part, scatter, total
from rdbg.emu.devices.virtio.queue import Virtqueue
from rdbg.emu.devices.virtio.virtio_device import Status, VirtioDevice, VirtioKind
from rdbg.emu.endpoint import Endpoint
from rdbg.errors import UsageError

CONSOLE = 3
PORTS_MOST = 31
QUEUE_SIZE, CONTROL_QUEUE_SIZE = 128, 32
CONTROL_IN, CONTROL_OUT = 2, 3

# Features (5.3.3).
MULTIPORT, EMERGENCY_WRITE = 1 << 1, 1 << 2
EMERGENCY_OFFSET = 8  #: in the configuration space
CONFIG_SIZE = 12
_CONFIG = {False: Struct("<HHII"), True: Struct(">HHII")}

# Events on the control queues (5.3.6.2).
DEVICE_READY, PORT_ADD, PORT_REMOVE, PORT_READY, CONSOLE_PORT, RESIZE, PORT_OPEN, PORT_NAME = range(8)
_MESSAGE = {False: Struct("<IHH"), True: Struct(">IHH")}

ROOM_MOST = 4096
PIECE = 1 << 16  #: bytes that leave at a time


def console_kind(ports: int) -> VirtioKind:
    """What a console device with room for ``ports`` ports is."""
    more = (QUEUE_SIZE, QUEUE_SIZE) * (ports - 1)
    return VirtioKind(
        CONSOLE,
        class_code=0x07_8000,
        legacy_device=0x1003,
        queues=(QUEUE_SIZE, QUEUE_SIZE, CONTROL_QUEUE_SIZE, CONTROL_QUEUE_SIZE, *more),
        config_size=CONFIG_SIZE,
        features=EMERGENCY_WRITE | (MULTIPORT if ports > 1 else 0),
    )


class ConsolePort(SerialDevice):
    """A ``virtconsole`` or ``virtserialport``: what the outside sees of a port. It has no registers.

    Args:
        name: unique in the machine.
        number: of the port in its device.
        endpoint: its console endpoint.
        device: the device that it belongs to.
        label: name that the driver is told; empty: none.
        is_console: the driver makes a terminal of it; else it has bytes alone.
    """

    def __init__(
        self,
        name: str,
        number: int,
        endpoint: Endpoint,
        device: VirtioConsole,
        label: str = "",
        is_console: bool = True,
    ) -> None:
        super().__init__(name)
        self.number = number
        self.endpoint = endpoint
        self.label = label
        self.is_console = is_console
        self.is_open = False  #: the guest has opened it
        self._device = device

    @property
    def input_index(self) -> int:
        """Number of the queue to the guest."""
        return 2 * self.number + (2 if self.number else 0)

    def receive(self, data: bytes) -> None:
        """Bytes arrive from outside."""
        self._device.receive(self, data)

    def receive_break(self) -> None:
        """A console has no break condition."""

    def receive_room(self) -> int:
        """How many bytes there are buffers for."""
        return self._device.receive_room(self)

    def read(self, offset: int, size: int) -> int:
        """There are no registers."""
        return 0

    def write(self, offset: int, size: int, value: int) -> None:
        """There are no registers."""

    def reset(self) -> None:
        """The guest has not opened it."""
        self.is_open = False

    def save(self) -> State:
        """Whether the guest has opened it."""
        return {"is_open": self.is_open}

    def load(self, state: State) -> None:
        """Take back what ``save`` gave."""
        self.is_open = load_field(self.name, "is_open", FLAG, state) is True


class VirtioConsole(VirtioDevice):
    """The device: up to 31 ports, and the control queues by which driver and device speak of them.

    Args:
        name: unique in the machine.
        system: the machine around it.
        big_endian: byte order of the guest's CPU.
        most_ports: that it has room for (QEMU's ``max_ports``).
    """

    def __init__(self, name: str, system: System, big_endian: bool, most_ports: int = PORTS_MOST) -> None:
        if not 1 <= most_ports <= PORTS_MOST:
            raise UsageError(f"{name} has room for 1 to {PORTS_MOST} ports, not {most_ports}: change max_ports")
        self._most_ports = most_ports
        self._ports: dict[int, ConsolePort] = {}  # by number, in the order in which they were added
        super().__init__(name, system, console_kind(most_ports), big_endian)

    def add_port(
        self, name: str, endpoint: Endpoint, number: int | None = None, label: str = "", is_console: bool = True
    ) -> ConsolePort:
        """Add a port (before the machine runs).

        Args:
            name: of the port, unique in the machine.
            endpoint: its console endpoint.
            number: of the port; None: the first free one.
            label: name that the driver is told.
            is_console: it is a terminal; number 0 is kept for one.

        Raises:
            UsageError: there is no such number, or another port has it, or that name.
        """
        if label and any(port.label == label for port in self._ports.values()):
            raise UsageError(f"{self.name} has a port with the name {label!r} already: give {name} another name=")
        first = 0 if is_console else 1
        free = [candidate for candidate in range(first, self._most_ports) if candidate not in self._ports]
        if number == 0 and not is_console:
            raise UsageError(f"{self.name} keeps its port 0 for a virtconsole: give {name} another nr=, or none")
        if number is None and not free:
            raise UsageError(f"{self.name} has no room for {name}: it has {self._most_ports} ports already")
        chosen = free[0] if number is None else number
        if chosen not in free:
            raise UsageError(f"{self.name} has no free port {chosen} for {name}: give nr= of {free[:1] or 'no'} on")
        port = self._ports[chosen] = ConsolePort(name, chosen, endpoint, self, label, is_console)
        return port

    @property
    def ports(self) -> tuple[Device, ...]:
        """All ports."""
        return tuple(self._ports.values())

    def _port_of(self, queue: Virtqueue) -> ConsolePort | None:
        number = queue.index // 2 if queue.index < CONTROL_IN else queue.index // 2 - 1
        return None if queue.index in (CONTROL_IN, CONTROL_OUT) else self._ports.get(number)

    @property
    def config_size(self) -> int:
        """It ends with the emergency write, if that is offered."""
        return EMERGENCY_OFFSET if self._withheld & EMERGENCY_WRITE else CONFIG_SIZE

    # --- configuration -----------------------------------------------------------------------
    def config(self) -> bytes:
        """The configuration space (5.3.4): the size of no terminal is known."""
        return _CONFIG[self.order.big_endian].pack(0, 0, self._most_ports, 0)

    def config_changed(self, config: bytes) -> None:
        """A character that leaves without any queue, by the first console."""
        first = next((port for port in self._ports.values() if port.is_console), None)
        if first is not None and any(config[EMERGENCY_OFFSET:]):
            self.system.output(first.endpoint, config[EMERGENCY_OFFSET : EMERGENCY_OFFSET + 1])

    def status_changes(self, status: int) -> None:
        """A driver that knows of one port alone has it open as soon as it works."""
        if status & Status.DRIVER_OK:
            if 0 in self._ports and not self.features & MULTIPORT:
                self._ports[0].is_open = True
        else:
            self.device_reset()

    def device_reset(self) -> None:
        """No port is open."""
        for port in self._ports.values():
            port.is_open = False

    # --- queues ------------------------------------------------------------------------------
    def notified(self, queue: Virtqueue) -> None:
        """The guest sends, can receive, or has something to say of its ports."""
        if queue.index == CONTROL_OUT:
            self._take_messages(queue)
        elif queue.index % 2 == 0:
            if queue.index != CONTROL_IN:
                self.system.room_grown()
        elif (port := self._port_of(queue)) is None:
            queue.drop_all()
            queue.notify()
        else:
            while (chain := queue.pop()) is not None:
                for address, size in joined(chain.readable):
                    for at in range(0, size, PIECE):
                        self.system.output(port.endpoint, self.memory.read(address + at, min(size - at, PIECE)))
                queue.push(chain, 0)
            queue.notify()

    def receive(self, port: ConsolePort, data: bytes) -> None:
        """Bytes for a port arrive from outside; what no buffer holds is lost."""
        queue = self.queues[port.input_index]
        if not port.is_open or not queue.is_ready:
            return
        done = 0
        while done < len(data):
            chain = queue.pop()
            if chain is None:
                break
            size = scatter(self.memory, chain.writable, data[done:], f"console {port.endpoint.port}")
            done += size
            queue.push(chain, size)
        queue.notify()

    def receive_room(self, port: ConsolePort) -> int:
        """How many bytes there are buffers for."""
        queue = self.queues[port.input_index]
        ready = queue.is_ready and self.status & Status.DRIVER_OK and not self.is_disabled
        if not ready or (self.features & MULTIPORT and not port.is_open):
            return 0
        return min(queue.count_bytes(ROOM_MOST), ROOM_MOST)

    # --- control -----------------------------------------------------------------------------
    def _take_messages(self, queue: Virtqueue) -> None:
        while (chain := queue.pop()) is not None:
            if total(chain.readable) >= 8:
                message = gather(self.memory, part(chain.readable, 0, 8))
                self._message(*_MESSAGE[self.order.big_endian].unpack(message))
            queue.push(chain, 0)
        queue.notify()

    def _message(self, number: int, event: int, value: int) -> None:
        if event == DEVICE_READY:
            if value:
                for port in self._ports.values():
                    self._send(port, PORT_ADD)
            return
        found = self._ports.get(number)
        if found is None:
            self.system.log(f"{self.name}: the driver speaks of port {number}, which is not there")
        elif event == PORT_READY and value:
            if found.is_console:
                self._send(found, CONSOLE_PORT)
            if found.label:
                self._send(found, PORT_NAME, found.label.encode() + b"\0")
            self._send(found, PORT_OPEN)
        elif event == PORT_OPEN:
            found.is_open = value != 0
            self.system.room_grown()

    def _send(self, port: ConsolePort, event: int, more: bytes = b"") -> None:
        """A message to the driver, if it has a buffer for it."""
        queue = self.queues[CONTROL_IN]
        chain = queue.pop() if queue.is_ready else None
        if chain is None:
            return
        message = _MESSAGE[self.order.big_endian].pack(port.number, event, 1) + more
        scatter(self.memory, chain.writable, message, "control message")
        queue.push(chain, len(message))
        queue.notify()
