"""Snapshots: named states, in memory and, where the run is recorded, in the recording's store."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from rdbg.checkpoints.checkpoint import Checkpoint
from rdbg.checkpoints.keeper import CheckpointKeeper
from rdbg.checkpoints.page_store import PageStore
from rdbg.emu.machine_api import MachineApi
from rdbg.emu.memory_map import PAGE_SIZE
from rdbg.emu.state_digest import StateDigest
from rdbg.errors import RdbgError
from rdbg.history.history import History
from rdbg.navigation.replayer import Replayer
from rdbg.navigation.stored import StoredStates
from rdbg.quick_dataclass import dataclass
from rdbg.store.snapshot import SnapshotInfo, check_name
from rdbg.store.snapshot_store import SnapshotGone, SnapshotStore

#: Pages that are handed on at a time: 1 MB.
_BATCH = 256


@dataclass(frozen=True)
class Snapshot:
    """A named state.

    Args:
        name: given by the user.
        position: icount.
        now_ns: virtual time in nanoseconds.
        entered: how many of the inputs that stand at this icount had entered.
        bytes: size of its state and pages, before any sharing.
        state: the state, if it is in memory.
        stored: where it is in the store, if it is there.
    """

    name: str
    position: int
    now_ns: int
    entered: int
    bytes: int = 0
    state: Checkpoint | None = None
    stored: SnapshotInfo | None = None


class Snapshots:
    """The snapshots of a run.

    Args:
        keeper: of the machine; pages are shared with its checkpoints.
        stored: what the recording's store holds. Without a store, snapshots live as long as the session.
    """

    def __init__(self, keeper: CheckpointKeeper, stored: StoredStates) -> None:
        self._keeper = keeper
        self._stored = stored
        self._in_memory: dict[str, Snapshot] = {}

    @property
    def store(self) -> SnapshotStore | None:
        """The recording's store."""
        return self._stored.store

    def save(
        self, name: str, captured: Checkpoint, machine: MachineApi, initial: bool = False, in_memory: bool = False
    ) -> None:
        """Keep a state that was captured where the machine stands; it belongs to this object from now on.

        Args:
            name: replaces one of the same name.
            captured: the state.
            machine: for its virtual time and digest.
            initial: the recording starts from it.
            in_memory: not in the store: the recording does not come as far as this.

        Raises:
            UsageError: the name cannot be used.
            RdbgError: the store cannot be written.
        """
        pages = self._keeper.store
        try:
            if not name:
                raise RdbgError("a snapshot needs a name")
            check_name(name)
            stored = None
            if self.store is not None and not in_memory:
                stored = self._write(name, captured, machine, initial)
        except BaseException:
            pages.release(captured.table)
            raise
        self._forget(name)
        size = captured.bytes_beside_pages + PAGE_SIZE * int(np.count_nonzero(pages.versions(captured.table)))
        size = size if stored is None else stored.size
        self._in_memory[name] = Snapshot(
            name, captured.position, machine.virtual_ns, captured.entered, size, captured, stored
        )

    def list(self) -> list[Snapshot]:
        """All, by position. What another session on the recording has deleted or replaced is forgotten here, too."""
        infos = self.store.named() if self.store is not None else []
        there = {info.id for info in infos}
        for snapshot in [*self._in_memory.values()]:
            if snapshot.stored is not None and snapshot.stored.id not in there:
                self._forget(snapshot.name)
        found = dict(self._in_memory)
        for info in infos:
            if info.name and info.name not in found:
                found[info.name] = Snapshot(
                    info.name, info.icount, info.virtual_ns, info.entered, info.size, None, info
                )
        return sorted(found.values(), key=lambda snapshot: (snapshot.position, snapshot.name))

    def restore(self, snapshot: Snapshot, replayer: Replayer) -> None:
        """Put the machine into a snapshot's state.

        Raises:
            RdbgError: it is damaged.
        """
        if snapshot.state is None:
            assert snapshot.stored is not None
            self._in_memory[snapshot.name] = replace(
                snapshot, state=replayer.states.restore_stored(snapshot.stored, self._stored)
            )
        elif snapshot.state is not None:
            replayer.states.restore(snapshot.state)

    def copy_to(self, store: SnapshotStore) -> None:
        """Put all that are in memory into a store, too.

        Raises:
            RdbgError: it cannot be written.
        """
        for snapshot in self._in_memory.values():
            if snapshot.state is not None:
                write_state(store, self._keeper.store, snapshot.name, snapshot.state, snapshot.now_ns)

    def adopt(self, store: SnapshotStore | None) -> None:
        """Those in memory are in this store, too, which is the recording's from now on; None: in none."""
        for name, snapshot in self._in_memory.items():
            self._in_memory[name] = replace(snapshot, stored=None if store is None else store.find(name))

    def delete(self, snapshot: Snapshot) -> None:
        """Forget one of these.

        Raises:
            RdbgError: the recording starts from it, or the store cannot be written.
        """
        if snapshot.stored is not None and self.store is not None and self.store.find(snapshot.name) is not None:
            self.store.delete(snapshot.name)
        self._forget(snapshot.name)

    def _forget(self, name: str) -> None:
        gone = self._in_memory.pop(name, None)
        if gone is not None and gone.state is not None:
            self._keeper.store.release(gone.state.table)

    def _write(self, name: str, captured: Checkpoint, machine: MachineApi, initial: bool) -> SnapshotInfo:
        assert self.store is not None
        # Pages that a stored snapshot has already need not be read, hashed and looked up again.
        # Another session on the recording may have deleted some of them.
        there = {info.id for info in self.store.list()}
        known = (each for each in reversed(self._in_memory.values()) if each.stored and each.state)
        base = next((each for each in known if each.stored is not None and each.stored.id in there), None)
        try:
            return self._write_beside(base, name, captured, machine, initial)
        except SnapshotGone:  # in this very moment
            return self._write_beside(None, name, captured, machine, initial)

    def _write_beside(
        self, base: Snapshot | None, name: str, captured: Checkpoint, machine: MachineApi, initial: bool
    ) -> SnapshotInfo:
        assert self.store is not None
        pages = self._keeper.store
        empty = pages.zero_table() if base is None or base.state is None else base.state.table
        return self.store.save(
            name,
            captured.state,
            pages.contents(captured.table, pages.changed(empty, captured.table)),
            virtual_ns=machine.virtual_ns,
            entered=captured.entered,
            output=captured.output,
            digest=machine.digest(),
            base=None if base is None else base.stored,
            initial=initial,
        )


def write_state(
    store: SnapshotStore, pages: PageStore, name: str, state: Checkpoint, now_ns: int, initial: bool = False
) -> None:
    """Put a state that is in memory into a store; the machine need not stand there.

    Args:
        store: where to.
        pages: has the state's pages.
        name: of the snapshot.
        state: it.
        now_ns: its virtual time in nanoseconds.
        initial: the recording starts from it.

    Raises:
        RdbgError: it cannot be written.
    """
    contents = list(pages.contents(state.table, pages.changed(pages.zero_table(), state.table)))
    digest = StateDigest()
    for page, data in contents:
        digest.put(page, data)
    store.save(
        name,
        state.state,
        contents,
        virtual_ns=now_ns,
        entered=state.entered,
        output=state.output,
        digest=digest.of(state.state),
        initial=initial,
    )


def load_initial(machine: MachineApi, store: SnapshotStore, name: str) -> None:
    """Put a machine into the state that its recording starts from.

    Raises:
        RdbgError: there is no such snapshot, or it is damaged.
    """
    try:
        loaded = store.load(name)
        beyond = loaded.page_numbers[loaded.page_numbers >= machine.page_count]
        if len(beyond):
            raise RdbgError(f"snapshot '{name}' has page {beyond[0]}, and the machine has {machine.page_count}")
        nonzero = [int(page) for page in machine.nonzero_pages()]
        numbers = sorted({*nonzero, *(int(page) for page in loaded.page_numbers)})
        for at in range(0, len(numbers), _BATCH):
            batch = numbers[at : at + _BATCH]
            machine.write_pages(batch, b"".join(content for _, content in loaded.pages(batch)))
        machine.load_state(loaded.state)
        loaded.info.check(machine.digest())
    except RdbgError as error:
        raise RdbgError(f"Could not load snapshot for icount replay: {error}") from error


def stand_at_start(machine: MachineApi, history: History, store: SnapshotStore | None, initial: str) -> None:
    """Put a machine, as it was built, where a recording starts.

    Args:
        machine: just built.
        history: the recording's inputs.
        store: its snapshots, if it has any.
        initial: name of the one that it starts from; empty: it starts from power-on.

    Raises:
        RdbgError: the snapshot cannot be loaded, or is of another moment than the recording says.
    """
    if initial and store is not None:
        load_initial(machine, store, initial)
    if machine.icount < history.start:
        raise RdbgError(
            f"the recording says that it starts at icount {history.start}, and what it starts from is at icount "
            f"{machine.icount}: it is damaged; take a good copy"
        )
