"""The state of all devices as bytes. It may come from a file that anybody made: its shape is checked here, each
device's values by the device (`fields`)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgpack

from rdbg.emu.device import FOREVER, Device, State
from rdbg.emu.inputs import InputEvent, InputKind
from rdbg.emu.machine_api import MachineState
from rdbg.emu.semihosting import CONSOLE
from rdbg.errors import RdbgError
from rdbg.quick_dataclass import dataclass

#: What wakes the CPU at one moment; a slice of pasted input is some hundred bytes long.
_MOST_WAKING = 1 << 16
_MOST_PORT = CONSOLE
_LIMIT = 1 << 64
_MOST_VERSION = 1 << 32

#: Of what stands around the devices' own states.
VERSION = 2


@dataclass(frozen=True)
class DeviceParts:
    """What a machine keeps beside its CPU and memory.

    Args:
        devices: by a device's name: the version of its state, and that state.
        deadlines_ns: by a timer's name; None: disarmed.
        reset_wanted: the machine is to be reset before the next instruction.
        shutdown_code: exit code of a power-off before the next instruction, or None.
        waking: the inputs that ended the CPU's wait and have not entered yet.
        idle_events: how many events have come since the CPU began to wait, and have not woken it.
        packets: how many have entered since power-on.
        ended_by_reset: what powers off is a reset that a guest with ``-no-reboot`` has asked for.
    """

    devices: Mapping[str, tuple[int, State]]
    deadlines_ns: Mapping[str, int | None]
    reset_wanted: bool = False
    shutdown_code: int | None = None
    waking: tuple[InputEvent, ...] = ()
    idle_events: int = 0
    packets: int = 0
    ended_by_reset: bool = False

    def states_of(self, devices: Sequence[Device]) -> list[State]:
        """The state of each of a machine's devices, as its present version has it.

        Raises:
            RdbgError: one is missing or of a version that the device does not take, or there is one too many.
        """
        _match("device", self.devices, (device.name for device in devices))
        return [
            state if version == device.version else device.upgrade(version, state)
            for device in devices
            for version, state in (self.devices[device.name],)
        ]

    def require_timers(self, names: Iterable[str]) -> None:
        """Check that there is a deadline for each of a machine's timers, and for no other.

        Raises:
            RdbgError: there is not.
        """
        _match("timer", self.deadlines_ns, names)


def _match(kind: str, saved: Mapping[str, object], names: Iterable[str]) -> None:
    wanted = list(names)
    if list(saved) == wanted:
        return
    for name in wanted:
        if name not in saved:
            raise RdbgError(f"it has no state of {kind} {name!r}: it is of another machine or another version of rdbg")
    if len(saved) > len(wanted):
        name = next(iter(set(saved) - set(wanted)))
        raise RdbgError(
            f"it has a state of {kind} {name[:80]!r}, which this machine has not: it is of another machine or another "
            "version of rdbg"
        )


def pack_devices(parts: DeviceParts) -> bytes:
    """The bytes that `unpack_devices` takes: of the same parts always the same."""
    rare = {"ended_by_reset": True} if parts.ended_by_reset else {}
    packed: bytes = msgpack.packb(
        {
            "version": VERSION,
            "devices": parts.devices,
            "timers": parts.deadlines_ns,
            "reset_wanted": parts.reset_wanted,
            "shutdown_code": parts.shutdown_code,
            "waking": [(event.kind.value, event.port, event.value, event.data) for event in parts.waking],
            "idle_events": parts.idle_events,
            "packets": parts.packets,
            **rare,
        }
    )
    return packed


def copied(state: State) -> State:
    """A device's state that shares nothing with it which could change."""
    copy: State = msgpack.unpackb(msgpack.packb(state))
    return copy


def unpack_devices(state: MachineState) -> DeviceParts:
    """The parts of ``state.devices``.

    Raises:
        RdbgError: the bytes are not what a machine saves.
    """
    try:
        whole = msgpack.unpackb(state.devices)
        version = whole.pop("version")
        if _is_number(version, _MOST_VERSION) and version != VERSION:
            raise RdbgError(
                f"the device state of the snapshot at icount {state.icount} has version {version}, and this rdbg reads "
                f"version {VERSION}: record again"
            )
        return _parts(state.icount, **whole)
    except (ValueError, TypeError, KeyError, AttributeError, msgpack.UnpackException) as error:
        raise RdbgError(f"the device state of the snapshot at icount {state.icount} is damaged; delete it") from error


def _parts(
    icount: int, devices: object, timers: object, reset_wanted: object, shutdown_code: object, waking: object,
    idle_events: object, packets: object, ended_by_reset: object = False,
) -> DeviceParts:  # fmt: skip
    if not isinstance(devices, dict) or not isinstance(timers, dict) or not isinstance(waking, list):
        raise ValueError
    for name, saved in devices.items():
        if not isinstance(name, str) or not _is_saved_device(saved):
            raise ValueError
    for name, deadline in timers.items():
        if not isinstance(name, str) or not (deadline is None or _is_number(deadline, FOREVER)):
            raise ValueError
    if not (
        len(waking) <= _MOST_WAKING
        and isinstance(reset_wanted, bool)
        and isinstance(ended_by_reset, bool)
        and isinstance(idle_events, int)
        and _is_number(idle_events, _LIMIT)
        and isinstance(packets, int)
        and _is_number(packets, _LIMIT)
    ):
        raise ValueError
    if shutdown_code is not None and not (isinstance(shutdown_code, int) and _is_number(shutdown_code, _LIMIT)):
        raise ValueError
    events = tuple(_input(icount, *event) for event in waking)
    return DeviceParts(devices, timers, reset_wanted, shutdown_code, events, idle_events, packets, ended_by_reset)


def _is_saved_device(saved: object) -> bool:
    return (
        type(saved) is list
        and len(saved) == 2
        and type(saved[0]) is int
        and 0 <= saved[0] < _MOST_VERSION
        and type(saved[1]) is dict
    )


def _is_number(value: object, limit: int) -> bool:
    return type(value) is int and 0 <= value < limit


def _input(icount: int, kind: int, port: int, value: int, data: bytes) -> InputEvent:
    if not _is_number(port, _MOST_PORT + 1) or not _is_number(value, _LIMIT) or not isinstance(data, bytes):
        raise ValueError
    return InputEvent(icount, InputKind(kind), port, value, data)
