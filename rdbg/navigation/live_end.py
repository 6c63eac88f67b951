"""The present of a live run, where alone a debugger can change the machine: what it writes there is an input."""

from __future__ import annotations

from rdbg.emu.inputs import InputEvent, InputKind
from rdbg.emu.machine_api import Space
from rdbg.emu.memory_map import PAGE_SIZE
from rdbg.errors import RdbgError
from rdbg.navigation.forward import Forward
from rdbg.navigation.replayer import Replayer


class LiveEnd:
    """Writes at the live end.

    Args:
        replayer: the machine on its history.
        forward: knows whether it stands in the present.
    """

    def __init__(self, replayer: Replayer, forward: Forward) -> None:
        self._replayer = replayer
        self._machine = replayer.machine
        self._forward = forward

    def require(self, what: str) -> None:
        """Check that the machine can be changed here.

        Args:
            what: is to be changed, for the message.

        Raises:
            RdbgError: it is in the past, or the recording is finished.
        """
        history, position = self._replayer.history, self._machine.icount
        if not history.live:
            raise RdbgError(
                f"cannot change {what} at icount {position}: this recording is finished and stays what happened; "
                "'monitor branch NAME' goes on from here another way"
            )
        if not self._forward.at_live_end:
            raise RdbgError(
                f"cannot change {what} at icount {position}: it is in the past, and the live end is at icount "
                f"{max(history.end, position)}; 'monitor branch NAME' goes on from here another way"
            )

    def write_memory(self, address: int, data: bytes) -> None:
        """Write at a virtual address: all of it or nothing.

        Raises:
            RdbgError: in the past, or not all of it is memory.
        """
        self.require("memory")
        self._require_memory(address, len(data))
        pieces: list[tuple[int, bytes]] = []
        at = 0
        while at < len(data):
            virtual = self._machine.architecture.wrapped(address + at)
            size = min(len(data) - at, PAGE_SIZE - virtual % PAGE_SIZE)
            physical = self._machine.translate(virtual)
            assert physical is not None
            pieces.append((physical, data[at : at + size]))
            at += size
        for physical, piece in pieces:
            self._enter(InputEvent(self._machine.icount, InputKind.POKE_MEMORY, value=physical, data=piece))

    def write_register(self, number: int, value: int) -> None:
        """Write a register (the debugger's number).

        Raises:
            RdbgError: in the past, or there is no such register.
        """
        self.require("registers")
        info = self._machine.architecture.register(number)
        if info is None:
            raise RdbgError(f"there is no register {number}")
        self._enter(InputEvent(self._machine.icount, InputKind.POKE_REGISTER, port=info.journal_id, value=value))

    def _require_memory(self, address: int, length: int) -> None:
        reached = 0
        architecture = self._machine.architecture
        for extent in self._machine.storage(address, length):
            if extent.space is not Space.MEMORY:
                raise RdbgError(
                    f"cannot write at address {architecture.shown(extent.virtual)}: no memory is there, and to "
                    "anything else only the guest can write"
                )
            reached += extent.length
        if reached < length:
            at = architecture.shown(architecture.wrapped(address + reached))
            raise RdbgError(f"cannot write at address {at}: it is not mapped")

    def _enter(self, event: InputEvent) -> None:
        self._machine.apply(event)
        self._replayer.history.append(event)
