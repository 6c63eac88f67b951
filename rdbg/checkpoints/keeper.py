"""Taking and restoring checkpoints of one machine, and keeping them within a memory bound."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from rdbg.checkpoints.checkpoint import Checkpoint, CheckpointList
from rdbg.checkpoints.interval_index import Interval, IntervalIndex
from rdbg.checkpoints.page_store import Indices, PageStore, PageTable, distinct
from rdbg.checkpoints.touched_pages import TouchedPages
from rdbg.emu.machine_api import MachineApi, MachineState
from rdbg.emu.memory_map import PAGE_SIZE
from rdbg.emu.output_mark import OutputMark
from rdbg.errors import RdbgError
from rdbg.quick_dataclass import dataclass

#: With the first one and the index, less than 256 MB.
DEFAULT_MEMORY = 224 << 20

#: More would make lookups and thinning felt, and buy nothing: spacing is milliseconds long before.
MAX_CHECKPOINTS = 4000

#: How many places are remembered where the user has been, at least so many instructions apart.
_VISITED = 8
_SAME_PLACE = 1_000_000


#: After all positions: no interval of the index begins there.
_NOWHERE = 1 << 64

_NO_PAGES: Indices = np.zeros(0, np.uint32)


@dataclass(frozen=True)
class Detached:
    """Checkpoints and knowledge of a stretch of a run that is not the one at hand."""

    checkpoints: tuple[Checkpoint, ...]
    intervals: tuple[Interval, ...]
    reserve: int  #: bytes that they may hold


class CheckpointKeeper:
    """The checkpoints of one machine, its page versions, and the index of the intervals between them.

    It follows which page versions the machine's memory holds: a restore writes only the pages that differ, a checkpoint
    copies only those written since.

    Args:
        machine: at the start of its run.
        memory_limit: bytes for checkpoints beyond the first, which holds all of the memory, and beyond what disks were
            written.
        max_checkpoints: bound on their number.
    """

    def __init__(
        self, machine: MachineApi, memory_limit: int = DEFAULT_MEMORY, max_checkpoints: int = MAX_CHECKPOINTS
    ) -> None:
        self.machine = machine
        self.memory_limit = memory_limit
        self.max_checkpoints = max(max_checkpoints, 2)
        self.store = PageStore(machine.page_count)
        self.checkpoints = CheckpointList()
        self.index = IntervalIndex(longest_step=machine.architecture.longest_step)
        machine.take_touched()
        pages = machine.nonzero_pages()
        zero = self.store.zero_table()
        self._current = self.store.derive(zero, pages, machine.copy_pages)
        self._base_bytes = self.store.bytes_used
        self._tracked_from = machine.icount
        self._written = _NO_PAGES  # pages whose new contents have no version yet
        self._disk_pages = 0  # how many pages have ever held what disks were written
        self._visited: list[int] = []
        self._detached_bytes = 0  # that detached checkpoints may hold, by which the limit is higher

    @property
    def bytes_used(self) -> int:
        """Bytes that the checkpoints hold, index not counted."""
        return self.store.bytes_used + self.checkpoints.bytes_beside_pages

    def sync(self, cut: bool = False) -> PageTable:
        """Give the pages written since the last time their versions, and the index its due.

        Returns:
            the table of the machine's memory as it is now; the caller retains it to keep it.
        """
        self._account(cut)
        if len(self._written):
            old = self._current
            self._current = self.store.derive(old, self._written, self.machine.copy_pages)
            self.store.release(old)
            self._written = _NO_PAGES
        return self._current

    def look(self, spacing: int) -> None:
        """Let an interval of the index end here if the latest is that long: what was touched is known more finely than
        checkpoints are made.

        Args:
            spacing: instructions.
        """
        if self.machine.icount - self._tracked_from >= spacing:
            self._account(cut=True)

    def visit(self, position: int) -> None:
        """The user goes to this place: checkpoints near it are worth keeping."""
        others = [place for place in self._visited if abs(place - position) >= _SAME_PLACE]
        self._visited = [*others, position][-_VISITED:]

    def capture(self, entered: int, output: OutputMark) -> Checkpoint:
        """The state where the machine stands; it belongs to the caller, who releases its table in the end.

        Args:
            entered: see Checkpoint.
            output: see Checkpoint.
        """
        table = self.store.retain(self.sync(cut=True))
        return Checkpoint(self.machine.save_state(), table, entered, output)

    def take(self, entered: int, output: OutputMark, end: int) -> None:
        """Make a checkpoint where the machine stands. It may be gone at once, if memory is short.

        Args:
            entered: see Checkpoint.
            output: see Checkpoint.
            end: latest position known, for thinning.
        """
        if self._is_first(self.machine.icount):
            return
        self.adopt(self.capture(entered, output), end)

    def adopt(self, checkpoint: Checkpoint, end: int) -> None:
        """Keep a state of this run as a checkpoint. Its table belongs to the keeper from now on.

        Args:
            checkpoint: the state. It may be gone at once, if memory is short.
            end: latest position known, for thinning.
        """
        if self._is_first(checkpoint.position):
            self.store.release(checkpoint.table)
            return
        replaced = self.checkpoints.put(checkpoint)
        if replaced is not None:
            self.store.release(replaced.table)
        self._thin(end)

    def _is_first(self, position: int) -> bool:
        """Whether the first checkpoint is there. It stays what it is: a state that every branch of the run shares."""
        first = next(iter(self.checkpoints), None)
        return first is not None and first.position == position

    def restore(self, state: MachineState, table: PageTable) -> None:
        """Put the machine into a state; only pages that differ are written.

        Raises:
            RdbgError: no machine of this kind can be in that state. No page has changed, all the rest may have:
                restore another one.
        """
        self._account(cut=False)
        try:
            self.machine.load_state(state)
        except RdbgError:
            self._tracked_from = _NOWHERE
            raise
        changed = self.store.changed(self._current, table)
        stale = distinct(np.concatenate([changed, self._written]))
        self._written = _NO_PAGES
        if len(stale):
            self.store.write_to(self.machine.put_pages, table, stale)
        self.store.retain(table)
        self.store.release(self._current)
        self._current = table
        self.machine.take_touched()
        self._tracked_from = self.machine.icount

    def ran_past(self, place: int) -> None:
        """The machine has run past ``place`` and stands nowhere in this run; it will be put back. What it has touched
        up to there counts; what comes behind it has not done, or something else.

        Args:
            place: icount.
        """
        self._account(cut=False, end=place)
        self._tracked_from = _NOWHERE

    def drop(self, checkpoint: Checkpoint) -> None:
        """Give a checkpoint up."""
        self.checkpoints.remove(checkpoint)
        self.store.release(checkpoint.table)

    def detach(self, position: int, entered: int) -> Detached:
        """Take out the checkpoints and the index past a moment: the run goes another way from there.

        Args:
            position: the moment's icount.
            entered: how many of the inputs there had entered.

        Returns:
            what was taken out, for `attach` or `release`. It counts as memory in use, on top of the limit.
        """
        later = [
            checkpoint
            for checkpoint in self.checkpoints.after(position - 1)
            if checkpoint.position > position or checkpoint.entered > entered
        ]
        before = self.bytes_used
        for checkpoint in later:
            self.checkpoints.remove(checkpoint)
        reserve = min(before - self._base_bytes, self.memory_limit) if later else 0
        self._detached_bytes += reserve
        return Detached(tuple(later), tuple(self.index.forget_after(position)), reserve)

    def attach(self, detached: Detached) -> None:
        """Put back what `detach` took out."""
        self._detached_bytes -= detached.reserve
        for checkpoint in detached.checkpoints:
            replaced = self.checkpoints.put(checkpoint)
            if replaced is not None:
                self.store.release(replaced.table)
        self.index.attach(detached.intervals)

    def release(self, detached: Detached) -> None:
        """Give up what `detach` took out."""
        self._detached_bytes -= detached.reserve
        for checkpoint in detached.checkpoints:
            self.store.release(checkpoint.table)

    def costs(self) -> Iterator[int]:
        """Bytes that each checkpoint shares with no earlier one."""
        before = self.store.zero_table()
        for checkpoint in self.checkpoints:
            yield checkpoint.bytes_beside_pages + PAGE_SIZE * len(self.store.changed(before, checkpoint.table))
            before = checkpoint.table

    def _account(self, cut: bool, end: int | None = None) -> None:
        """Ask what was touched since the last time; tell the index, up to ``end`` or here; remember the pages
        written."""
        touched = self.machine.take_touched()
        here = self.machine.icount if end is None else end
        if not self.index.knows(self._tracked_from, here, cut):
            self.index.record(self._tracked_from, here, TouchedPages.of(touched), cut)
        if len(touched.written_late) or len(touched.read_virtual_late):
            self.index.record_late(self._tracked_from, touched)
        self._tracked_from = here
        if len(touched.written):
            written = np.asarray(touched.written, np.uint32)
            self._disk_pages = max(self._disk_pages, int(written[-1]) + 1 - self.machine.first_disk_page)
            self._written = distinct(np.concatenate([self._written, written])) if len(self._written) else written

    def _thin(self, end: int) -> None:
        places = [self.machine.icount, *self._visited]
        while (full := self._over_limit()) or len(self.checkpoints) > self.max_checkpoints:
            victim = self.checkpoints.least_useful(places, end, self._held_alone if full else None)
            if victim is None:
                return
            self.drop(victim)

    def _held_alone(self, checkpoint: Checkpoint) -> int:
        return checkpoint.bytes_beside_pages + self.store.held_alone(checkpoint.table)

    def _over_limit(self) -> bool:
        # One content of each page of a disk is there whatever checkpoints there are: without it no state is.
        held = self._base_bytes + self._disk_pages * PAGE_SIZE
        return self.bytes_used - held > self.memory_limit + self._detached_bytes
