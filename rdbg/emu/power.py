"""A machine's power-on, its resets and its power-off."""

from __future__ import annotations

from collections.abc import Callable

from rdbg.emu import core as cpu
from rdbg.emu.board import Board
from rdbg.emu.bus import Bus
from rdbg.emu.machine_api import Writer
from rdbg.emu.memory_writes import NAMES, MemoryWrites
from rdbg.emu.virtual_timers import VirtualTimers

RESET_STATUS = 0x00400004  # BEV and ERL (MIPS32 PRA vol. III, table 9.24)
_FILLED_AT_ONCE = 1 << 20


class MachinePower:
    """Switches a machine on and off.

    Args:
        core: its CPU.
        board: what is reset, and what memory holds at first.
        bus: where the memory stands.
        writes: how images are written to it.
        timers: of the devices.
        reboots: whether a guest that asks for a reset gets one; False: it ends the run.
    """

    def __init__(
        self,
        core: cpu.Core,
        board: Board,
        bus: Bus,
        writes: MemoryWrites,
        timers: VirtualTimers,
        reboots: bool,
    ) -> None:
        self._core = core
        self._board = board
        self._bus = bus
        self._writes = writes
        self._timers = timers
        self._reboots = reboots
        self._watcher: Callable[[int, bool], None] | None = None
        self.reset_wanted = False  #: the machine is to be reset before the next instruction
        self.shutdown_code: int | None = None  #: the machine is off, or goes off before the next instruction
        self._reset_by_user = False  # the reset that is wanted
        self.resetting = False  #: devices are being reset: what they write to memory is the reset's doing
        self.ended_by_reset = False  #: a guest that does not reboot has asked for a reset, which ended it

    def watch_resets(self, watcher: Callable[[int, bool], None]) -> None:
        """Have somebody told of every reset, each time that the machine passes it: its icount, and whether the guest
        asked for it."""
        self._watcher = watcher

    def request_reset(self, by_user: bool = False) -> None:
        """Reset before the next instruction, or end the run there."""
        if not by_user and not self._reboots:
            self.ended_by_reset = True
            self.request_shutdown(0)
            return
        self._reset_by_user |= by_user
        self.reset_wanted = True
        self._core.ask_for_events()

    def request_shutdown(self, exit_code: int) -> None:
        """Power off before the next instruction. Of several codes the first counts."""
        if self.shutdown_code is None:
            self.shutdown_code = exit_code
        self._core.request_stop()

    def stop_if_off(self) -> None:
        """After a state was taken back: the machine may be off there."""
        if self.shutdown_code is not None:
            self._core.request_stop()

    def switch_on(self) -> None:
        """Fill the memory with what it holds at first, and reset."""
        for backing in self._board.memory_map.backings:
            first, filled = self._bus.first_byte(backing.name), len(backing.initial)
            self._load(first, backing.initial)
            while backing.fill and filled < backing.size:
                filler = bytes((backing.fill,)) * min(_FILLED_AT_ONCE, backing.size - filled)
                self._load(first + filled, filler)
                filled += len(filler)
        self.reset()
        self._core.end_reset()

    def reset(self) -> None:
        """Reset the whole machine."""
        self.reset_wanted = False
        by_guest, self._reset_by_user = not self._reset_by_user, False
        if self._watcher is not None and self._core.icount:
            self._watcher(self._core.icount, by_guest)
        if self._core.icount:
            # Images in RAM are put back, as QEMU does; what flash holds stays.
            for backing in self._board.memory_map.backings:
                if backing.writable and backing.initial:
                    self._load(self._bus.first_byte(backing.name), backing.initial)
        for timer in self._timers.by_name.values():
            timer.disarm()
        state = self._board.reset_state
        self._core.reset(state.pc, RESET_STATUS if state.status is None else state.status)
        self.resetting = True
        try:
            for device in self._board.devices:
                device.reset()
        finally:
            self.resetting = False
        for number, value in state.registers.items():
            self._core.registers.write_gpr(number, value)

    def _load(self, first: int, data: bytes) -> None:
        self._writes.write(first, data, Writer.RESET, NAMES[Writer.RESET])
