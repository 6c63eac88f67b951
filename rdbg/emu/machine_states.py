"""The state of a machine but for its pages: saved, and taken back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from rdbg.emu import core as cpu
from rdbg.emu.board import Board
from rdbg.emu.core_host import CoreHost
from rdbg.emu.device import State
from rdbg.emu.device_state import DeviceParts, copied, pack_devices, unpack_devices
from rdbg.emu.machine_api import MachineState
from rdbg.emu.system import MachineSystem
from rdbg.errors import RdbgError

#: States of devices that are kept unpacked, some tens of KB each.
_MOST_UNPACKED = 16


class MachineStates:
    """Saves and loads what a machine has beside its pages.

    Args:
        core: its CPU.
        host: of the core.
        board: has the devices.
        system: what they see of the machine.
    """

    def __init__(self, core: cpu.Core, host: CoreHost, board: Board, system: MachineSystem) -> None:
        self._core = core
        self._host = host
        self._devices = board.devices
        self._system = system
        self._unpacked: dict[MachineState, tuple[DeviceParts, list[State]]] = {}

    def save(self) -> MachineState:
        """The state now."""
        icount, registers = self._core.save()
        return MachineState(icount, registers, self._pack(self._device_states()))

    def load(self, state: MachineState) -> None:
        """Take a state back.

        Raises:
            RdbgError: it was saved by another version or from another board.
        """
        present = self._device_states()
        unpacked = self._unpacked.get(state)
        if unpacked is None:
            if state.devices == self._pack(present):
                # Between two steps back nearly always: to unpack and check took twice as long as to look.
                idle_events = self._host.saved_idle_events()
                self._load_cpu(state)
                self._host.restore(self._host.woken_by, idle_events)
                self._system.power.stop_if_off()
                return
            unpacked = self._unpack(state)
        self._load_cpu(state)
        try:
            self._load_devices(*unpacked, present)
        except RdbgError as error:
            raise RdbgError(f"the snapshot at icount {state.icount} cannot be loaded: {error}") from error

    @contextmanager
    def undone(self) -> Iterator[None]:
        """What devices do meanwhile has no effect on anything, and on them it is undone: a debugger looks at them."""
        before, lines = self._pack(self._device_states()), self._core.lines
        self._system.looking = True
        try:
            yield
        finally:
            self._system.looking = False
            self._core.set_lines(lines)
            parts = unpack_devices(MachineState(self._core.icount, b"", before))
            self._load_devices(parts, parts.states_of(self._devices), self._device_states())

    def _device_states(self) -> dict[str, tuple[int, State]]:
        return {device.name: (device.version, device.save()) for device in self._devices}

    def _pack(self, devices: Mapping[str, tuple[int, State]]) -> bytes:
        return pack_devices(
            DeviceParts(
                devices,
                {timer.name: timer.deadline_ns for timer in self._system.timers.by_name.values()},
                self._system.power.reset_wanted,
                self._system.power.shutdown_code,
                tuple(self._host.woken_by),
                self._host.saved_idle_events(),
                self._system.packet_number,
                self._system.power.ended_by_reset,
            )
        )

    def _unpack(self, state: MachineState) -> tuple[DeviceParts, list[State]]:
        """The parts of a state, and the states of the board's devices. The latest ones are kept: a search goes back to
        the same few states, and to unpack and check one takes longer than to load it.
        """
        parts = unpack_devices(state)
        try:
            parts.require_timers(self._system.timers.by_name)
            states = parts.states_of(self._devices)
        except RdbgError as error:
            raise RdbgError(f"the snapshot at icount {state.icount} cannot be loaded: {error}") from error
        while len(self._unpacked) >= _MOST_UNPACKED:
            del self._unpacked[next(iter(self._unpacked))]
        self._unpacked[state] = parts, states
        return parts, states

    def _load_cpu(self, state: MachineState) -> None:
        self._core.load(state.icount, state.cpu)
        noted = self._system.writes.noted
        if noted is not None:
            noted.forget_after(state.icount)

    def _load_devices(
        self, parts: DeviceParts, states: Sequence[State], present: Mapping[str, tuple[int, State]]
    ) -> None:
        """Take back what `_pack` gave, unpacked. The CPU's interrupt lines stay as they are.

        Args:
            parts: all of it.
            states: of the board's devices, in their order. They stay as they are: what a device has is a copy.
            present: what the devices would save now, by name.
        """
        system, lines = self._system, self._core.lines
        layout = system.bus.layout()
        self._host.restore(list(parts.waking), parts.idle_events)
        system.power.reset_wanted = parts.reset_wanted
        system.loading = True
        try:
            for device, saved in zip(self._devices, states, strict=True):
                # Most are as they were: to look costs a fifth of checking each field again. No `load` touches another
                # device, so that those which are as they should be stay so.
                if present[device.name][1] != saved:
                    device.load(copied(saved))
        finally:
            system.loading = False
        for timer in system.timers.by_name.values():
            timer.restore(parts.deadlines_ns[timer.name])
        self._core.set_lines(lines)
        system.power.shutdown_code = parts.shutdown_code
        system.packet_number = parts.packets
        system.power.ended_by_reset = parts.ended_by_reset
        system.power.stop_if_off()
        if system.bus.layout() != layout:
            system.mapping_changed()
