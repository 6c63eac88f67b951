"""Snapshots: named states, in memory and, where the run is recorded, on disk."""

from __future__ import annotations

from dataclasses import dataclass

from rdbg.checkpoints.checkpoint import Checkpoint
from rdbg.checkpoints.keeper import CheckpointKeeper
from rdbg.emu.machine_api import MachineApi
from rdbg.errors import RdbgError
from rdbg.navigation.replayer import Replayer


@dataclass(frozen=True)
class Snapshot:
    """A named state.

    Args:
        name: given by the user.
        position: icount.
        now_ns: virtual time in nanoseconds.
        entered: how many of the inputs that stand at this icount had entered.
        bytes: what it takes beside page contents.
        state: the state, if it is in memory.
    """

    name: str
    position: int
    now_ns: int
    entered: int
    bytes: int = 0
    state: Checkpoint | None = None


class Snapshots:
    """Snapshots in memory only: they live as long as the session."""

    def __init__(self) -> None:
        self._named: dict[str, Snapshot] = {}

    def save(self, name: str, checkpoint: Checkpoint, keeper: CheckpointKeeper, machine: MachineApi) -> None:
        """Keep a state that was captured where the machine stands; it belongs to this object from now on."""
        if not name or not name.isprintable() or name != name.strip():
            keeper.store.release(checkpoint.table)
            raise RdbgError(f"snapshot name {name!r} cannot be used: take printable characters without spaces around")
        if name in self._named:
            self.delete(name, keeper)
        self._named[name] = Snapshot(
            name, checkpoint.position, machine.now_ns, checkpoint.entered, checkpoint.bytes_beside_pages, checkpoint
        )

    def find(self, name: str) -> Snapshot:
        """The snapshot of that name.

        Raises:
            RdbgError: there is none.
        """
        found = self._named.get(name)
        if found is None:
            known = ", ".join(sorted(self._named)) or "none"
            raise RdbgError(f"there is no snapshot '{name}'; there are: {known}")
        return found

    def restore(self, snapshot: Snapshot, replayer: Replayer) -> None:
        """Put the machine into a snapshot's state."""
        if snapshot.state is not None:
            replayer.restore(snapshot.state)

    def delete(self, name: str, keeper: CheckpointKeeper) -> None:
        """Forget one.

        Raises:
            RdbgError: there is none of that name.
        """
        gone = self.find(name)
        if gone.state is not None:
            keeper.store.release(gone.state.table)
        del self._named[name]

    def list(self) -> list[Snapshot]:
        """All, by position."""
        return sorted(self._named.values(), key=lambda snapshot: (snapshot.position, snapshot.name))
