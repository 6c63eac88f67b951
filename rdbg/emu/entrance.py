"""How what comes from outside enters a machine."""

from __future__ import annotations

from collections.abc import Mapping

from rdbg.emu import core as cpu
from rdbg.emu.device import Device, NetworkDevice, SerialDevice
from rdbg.emu.devices.gpio import Gpio
from rdbg.emu.disk import Disk
from rdbg.emu.endpoint import Endpoint
from rdbg.emu.inputs import InputEvent, InputKind
from rdbg.emu.power import MachinePower
from rdbg.emu.system import MachineSystem


class Entrance:
    """Lets inputs in.

    Args:
        core: the CPU, whose interrupts may be held back.
        endpoints: what is behind each.
        system: what devices see of the machine: numbers packets.
        power: resets it, and switches it off.
        shift: an instruction takes 2 to the power of it nanoseconds of virtual time.
    """

    def __init__(
        self,
        core: cpu.Core,
        endpoints: Mapping[Endpoint, Device | Disk],
        system: MachineSystem,
        power: MachinePower,
        shift: int,
    ) -> None:
        self._core = core
        # Found once: an abstract class takes a call of Python to say what belongs to it, and packets come by thousands.
        self._rooms = {
            endpoint: device.receive_room
            for endpoint, device in endpoints.items()
            if isinstance(device, SerialDevice | NetworkDevice)
        }
        self._cards = {
            endpoint.port: device for endpoint, device in endpoints.items() if isinstance(device, NetworkDevice)
        }
        self._endpoints = endpoints
        self._system = system
        self._power = power
        self._shift = shift

    def room(self, endpoint: Endpoint) -> int:
        """How much an endpoint can take now without loss, in bytes or packets; 0 for one that is not there."""
        receive_room = self._rooms.get(endpoint)
        return 0 if receive_room is None else self._system.measured(receive_room)

    def enter(self, event: InputEvent) -> None:
        """Let an input in, here."""
        if event.kind is InputKind.PACKET:
            self._enter_packet(event)
            return
        endpoint = event.endpoint
        if endpoint is not None:
            _enter_endpoint(event, self._endpoints.get(endpoint))
        elif event.kind is InputKind.RESET:
            self._power.request_reset(by_user=True)
        elif event.kind is InputKind.SHUTDOWN:
            self._power.request_shutdown(event.value)
        elif event.kind is InputKind.HOLD:
            self._core.hold_interrupts(event.value)
        elif event.kind is InputKind.DELAY:
            self._system.delay(event.port, event.value << self._shift)

    def _enter_packet(self, event: InputEvent) -> None:
        """Let a packet come to its card; it is lost if there is none of that number."""
        self._system.packet_number += 1
        card = self._cards.get(event.port)
        if card is not None:
            self._system.packet_enters(event.port, event.data)
            card.receive_packet(event.data)


def _enter_endpoint(event: InputEvent, device: Device | Disk | None) -> None:
    """Let an input enter by its endpoint.

    Args:
        event: it.
        device: what is behind the endpoint; None: nothing is, and the input is lost.
    """
    if isinstance(device, SerialDevice):
        if event.kind is InputKind.SERIAL_BREAK:
            device.receive_break()
        else:
            device.receive(event.data)
    elif isinstance(device, NetworkDevice):
        device.set_link(bool(event.value))
    elif isinstance(device, Gpio):
        device.set_pin(event.value >> 1, bool(event.value & 1))
