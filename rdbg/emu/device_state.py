"""The state of all devices as bytes, taken apart. It may come from a file that anybody made: its shape is checked here,
each device's values by the device (`fields`)."""

from __future__ import annotations

from dataclasses import dataclass

import msgpack

from rdbg.emu.device import FOREVER, State
from rdbg.emu.inputs import InputEvent, InputKind
from rdbg.emu.machine_api import MachineState
from rdbg.emu.semihosting import CONSOLE
from rdbg.errors import RdbgError

#: What wakes the CPU at one moment; a slice of pasted input is some hundred bytes long.
_MOST_WAKING = 1 << 16
_MOST_PORT = CONSOLE
_LIMIT = 1 << 64


@dataclass(frozen=True)
class DeviceParts:
    """What a machine keeps beside its CPU and memory.

    Args:
        devices: the state of each, in the board's order.
        deadlines_ns: of each timer, in the order in which they were made; None: disarmed.
        reset_wanted: the machine is to be reset before the next instruction.
        shutdown_code: exit code of a power-off before the next instruction, or None.
        waking: the inputs that ended the CPU's wait and have not entered yet.
        idle_events: how many events have come since the CPU began to wait, and have not woken it.
    """

    devices: tuple[State, ...]
    deadlines_ns: tuple[int | None, ...]
    reset_wanted: bool
    shutdown_code: int | None
    waking: tuple[InputEvent, ...]
    idle_events: int = 0


def unpack_devices(state: MachineState) -> DeviceParts:
    """The parts of ``state.devices``.

    Raises:
        RdbgError: the bytes are not what a machine saves.
    """
    try:
        devices, deadlines, reset_wanted, shutdown_code, waking, *rest = msgpack.unpackb(state.devices)
        whole = (
            all(isinstance(device, dict) for device in devices)
            and all(deadline is None or _is_number(deadline, FOREVER) for deadline in deadlines)
            and isinstance(reset_wanted, bool)
            and (shutdown_code is None or _is_number(shutdown_code, _LIMIT))
            and len(waking) <= _MOST_WAKING
            and len(rest) <= 1
            and all(_is_number(count, _LIMIT) for count in rest)
        )
        if whole:
            events = tuple(_input(state.icount, *event) for event in waking)
            return DeviceParts(tuple(devices), tuple(deadlines), reset_wanted, shutdown_code, events, *rest)
    except (ValueError, TypeError, msgpack.UnpackException):
        pass
    raise RdbgError(f"the device state of the snapshot at icount {state.icount} is damaged; delete it")


def _is_number(value: object, limit: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < limit


def _input(icount: int, kind: int, port: int, value: int, data: bytes) -> InputEvent:
    if not _is_number(port, _MOST_PORT + 1) or not _is_number(value, _LIMIT) or not isinstance(data, bytes):
        raise ValueError
    return InputEvent(icount, InputKind(kind), port, value, data)
