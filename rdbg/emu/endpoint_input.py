"""How what comes from outside reaches the device behind an endpoint."""

from __future__ import annotations

from rdbg.emu.device import Device, NetworkDevice, SerialDevice
from rdbg.emu.devices.gpio import Gpio
from rdbg.emu.disk import Disk
from rdbg.emu.inputs import InputEvent, InputKind


def enter_endpoint(event: InputEvent, device: Device | Disk | None) -> None:
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
        if event.kind is InputKind.LINK:
            device.set_link(bool(event.value))
        else:
            device.receive_packet(event.data)
    elif isinstance(device, Gpio):
        device.set_pin(event.value >> 1, bool(event.value & 1))
