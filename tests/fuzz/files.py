"""``make fuzz-files``: files that somebody crafted, by the hundred thousand of each kind. Each is used as the command
line would: it works, or it is refused with one line. Workers are forked, so that a crash is one file's, known by its
number; a file that takes too long ends its worker, in compiled code as in Python's.
"""

from __future__ import annotations

import argparse
import faulthandler
import gc
import io
import logging
import mmap
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from rdbg.elf.elf_file import read_elf
from rdbg.emu import machine as machines
from rdbg.emu.boards.bare_toml import parse_bare
from rdbg.emu.machine import Machine
from rdbg.emu.machine_api import Access, Watch
from rdbg.emu.spec import Image, MachineSpec
from rdbg.errors import RdbgError
from rdbg.history.history import History
from rdbg.images.open_image import open_image
from rdbg.navigation.past import QuestionInterrupted
from rdbg.navigation.snapshots import load_initial
from rdbg.navigation.stops import StopConditions
from rdbg.recording.dump import write_dump
from rdbg.recording.overview import write_info
from rdbg.recording.pack import unpack
from rdbg.recording.recording import OpenRecording
from rdbg.session.images import guest_big_endian
from rdbg.store.first_contents import FirstContents, LostPage
from rdbg.store.index_codec import unpack_index
from rdbg.store.snapshot_store import SnapshotStore
from rdbg.symbols.table import SymbolTable
from rdbg.targets.mips32_target import MIPS32_TARGET
from rdbg.timeline import Timeline
from tests.fuzz import crafted, crafted_boards, crafted_images, crafted_pack, crafted_store
from tests.fuzz.guarded import GuardedMemory
from tests.isolated import MEMORY, in_memory, isolated
from tests.machine_use import use

#: Seconds of the CPU that a file may take, and of the clock, which other programs make longer: a file that waits.
PATIENCE = 10
STILL = 120
#: Files that a worker is given.
_BATCH = 500
#: Files after which it is told how far it has come.
_TOLD = 10_000
#: Looks at the outside world after which a replay is interrupted: a journal may say that its run is endless.
_LOOKS = 40
_LENGTH = 2_000
_LONGEST_LINE = 2_000
#: Parts of the files that go all the way, into a machine that runs.
_RUNS = 0.3


@dataclass(frozen=True)
class Outcome:
    """What came of some files.

    Args:
        refused: how many were refused.
        longest: seconds of the CPU that the slowest took.
        slowest: its number.
        most: bytes of memory that a worker had, at most.
        largest: number of the file that was in use then.
    """

    refused: int = 0
    longest: float = 0.0
    slowest: int = 0
    most: int = 0
    largest: int = 0

    def with_file(self, number: int, refused: bool, seconds: float, memory: int) -> Outcome:
        """The outcome with one more file in it."""
        return self.joined(Outcome(int(refused), seconds, number, memory, number))

    def joined(self, other: Outcome) -> Outcome:
        """The outcome of both."""
        longest, slowest = max((self.longest, self.slowest), (other.longest, other.slowest))
        most, largest = max((self.most, self.largest), (other.most, other.largest))
        return Outcome(self.refused + other.refused, longest, slowest, most, largest)


class Progress:
    """A number that a forked worker shares with its parent."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, 8)

    @property
    def value(self) -> int:
        """The number."""
        return int.from_bytes(self._memory[:8], "little")

    @value.setter
    def value(self, number: int) -> None:
        self._memory[:8] = number.to_bytes(8, "little")


class Kinds:
    """How a file of each kind is made and used.

    Args:
        folder: of this process alone.
        whole: what recordings and packs are made from.
    """

    def __init__(self, folder: Path, whole: crafted.Recording) -> None:
        self._folder = folder
        self._whole = whole
        self._good = crafted.executable()
        self._machine: Machine | None = None
        self.use: dict[str, Callable[[random.Random], None]] = {
            "journals": self.journal,
            "stores": self.store,
            "packs": self.pack,
            "executables": self.executable,
            "boards": self.board,
            "images": self.image,
        }

    def journal(self, dice: random.Random) -> None:
        """Dumped, described, and now and then replayed."""
        path = self._folder / "j"
        path.write_bytes(crafted.journal(dice, self._whole))
        path.with_name("j.snapshots").write_bytes(self._whole.store)
        for write in (write_dump, write_info):
            try:
                write(str(path), io.StringIO())
            except RdbgError as error:
                check_line(error)
        if dice.random() < _RUNS:
            self._replay(dice, path)

    def store(self, dice: random.Random) -> None:
        """All that is in it is loaded into a machine; or the recording is replayed from it."""
        path = self._folder / "j"
        path.write_bytes(self._whole.journal)
        crafted_store.store(dice, self._whole, path.with_name("j.snapshots"))
        if dice.random() < _RUNS:
            self._replay(dice, path)
            return
        if dice.random() < _RUNS:
            self._look_at_disks(path.with_name("j.snapshots"))
            return
        store = SnapshotStore.open(str(path.with_name("j.snapshots")))
        try:
            self._load(store)
        finally:
            store.close()

    def _look_at_disks(self, path: Path) -> None:
        contents = FirstContents.open(str(path))
        try:
            contents.kept()
            for page in (*range(40), 1 << 20, (1 << 32) - 1):
                with suppress(LostPage):
                    contents.find(page % 2, page)
            contents.check()
        finally:
            contents.close()

    def _load(self, store: SnapshotStore) -> None:
        if self._machine is None:
            self._machine = Machine(crafted.small_spec())
        with suppress(RdbgError):
            unpack_index(store.notes.index() or b"")
            store.notes.bookmarks()
        for info in store.list():
            try:
                load_initial(self._machine, store, info.name)
            except RdbgError as error:
                check_line(error)
            try:
                # Without a look at its digest: whoever forges a state can forge that, too.
                self._machine.load_state(store.load(info).state)
                use(self._machine, _LENGTH)
            except RdbgError as error:
                check_line(error)

    def _replay(self, dice: random.Random, path: Path) -> None:
        opened = OpenRecording(str(path))
        timeline: Timeline | None = None
        looks = 0

        def enough() -> bool:
            nonlocal looks
            looks += 1
            return looks > _LOOKS

        try:
            spec = opened.spec(to_run=False)  # whose peripheral is our own
            history = History.replay(opened.reader)
            timeline = Timeline(
                Machine(spec, history), history, store=opened.store, initial_snapshot=opened.header.initial_snapshot
            )
            self._look_beside(dice, timeline, enough)
            if dice.random() < 0.5:
                timeline.run(StopConditions(), enough)
            else:
                timeline.goto(max(timeline.start, timeline.end - dice.choice((0, 10, 5_000))), enough)
                timeline.reverse_step(enough)
        finally:
            with suppress(RdbgError):
                if timeline is not None:
                    timeline.close()
            opened.close()

    def _look_beside(self, dice: random.Random, timeline: Timeline, enough: Callable[[], bool]) -> None:
        """What the store has beside snapshots: what earlier sessions have found out, and branches that they kept."""
        for _ in range(2):
            try:
                match dice.randrange(4):
                    case 0:
                        _ = timeline.past.known_outputs.count
                        timeline.past.outputs(enough)
                    case 1:
                        timeline.past.known_events()
                        timeline.past.keep_events()
                    case 2:
                        summary = dice.choice(timeline.branches())
                        timeline.switch(summary.name, enough)
                        timeline.run(StopConditions(), enough)
                    case _:
                        watch = Watch(dice.choice((0x80001000, 0x80001100)), 4, Access.WRITE)
                        timeline.goto(timeline.end, enough)
                        timeline.reverse_run(StopConditions(watches=(watch,)), enough)
            except QuestionInterrupted:
                return
            except RdbgError as error:
                check_line(error)

    def pack(self, dice: random.Random) -> None:
        """Unpacked; nothing is left when it is refused."""
        path, out = self._folder / "p", self._folder / "out"
        path.write_bytes(crafted_pack.pack(dice, self._whole, self._folder))
        before = sorted(os.listdir(self._folder))
        try:
            unpack(str(path), str(out))
        except RdbgError:
            assert sorted(os.listdir(self._folder)) == before
            raise
        finally:
            for made in self._folder.glob("out*"):
                made.unlink()

    def executable(self, dice: random.Random) -> None:
        """Given to a machine, and asked for its symbols."""
        data = crafted.elf(dice, self._good)
        board = dice.choice(("malta", "bare"))
        role = "kernel" if board == "bare" else dice.choice(("kernel", "bios"))
        image = Image(role, "k.elf", data)
        images = (image, Image("board", "b.toml", crafted.BOARD), crafted.source()) if board == "bare" else (image,)
        elf = read_elf(data)
        SymbolTable(elf).near("m")
        if elf is not None:
            MIPS32_TARGET.layout_of(elf)
            MIPS32_TARGET.name_of(elf)
        guest_big_endian((image,))
        machine = Machine(MachineSpec(board, "24Kf", False, 16 << 20, 3, images))
        use(machine, _LENGTH)

    def board(self, dice: random.Random) -> None:
        """Built, with the executable in it."""
        text = Image("board", "b.toml", crafted_boards.board(dice))
        spec = parse_bare(text)
        images = (Image("kernel", "k.elf", self._good), text, crafted.source())
        machine = Machine(MachineSpec("bare", "24Kf", spec.big_endian, 1 << 20, 3, images))
        use(machine, _LENGTH)

    def image(self, dice: random.Random) -> None:
        """Opened, read and written."""
        path, behind = self._folder / "image", self._folder / "behind"
        behind.write_bytes(crafted_images.image(dice, dice.choice((b"", b"image", b"behind"))))
        path.write_bytes(crafted_images.image(dice, dice.choice((b"", b"image", b"behind"))))
        opened = open_image(str(path), dice.choice((None, "qcow2")), dice.random() < 0.5).image
        try:
            for _ in range(20):
                at = dice.randrange(max(1, min(opened.size, 1 << 22)))
                opened.read(at, dice.choice((1, 512, 4096, 100_000)))
                begin, length = at // 512 * 512, dice.choice((512, 4096))
                if opened.files[0].writable and begin + length <= opened.size:  # a drive has no sectors behind its end
                    opened.write(begin, bytes(length))
                if dice.random() < 0.2:
                    opened.flush()
        finally:
            opened.close()


def check_line(error: RdbgError) -> None:
    """One line, for people."""
    line = str(error)
    assert line and "\n" not in line and len(line) <= _LONGEST_LINE, line[: 2 * _LONGEST_LINE]


def hold(kind: str, first: int, count: int, whole: crafted.Recording, progress: Progress) -> Outcome:
    """Use files in this process, which ends when one takes longer than PATIENCE, or STILL.

    Args:
        kind: of `Kinds`.
        first: number of the first one.
        count: of them.
        whole: see `Kinds`.
        progress: is told which file is in use.

    Raises:
        AssertionError: one did harm.
    """
    outcome = Outcome()
    logging.getLogger("rdbg").setLevel(logging.CRITICAL)
    machines.guest_memory = GuardedMemory  # type: ignore[assignment]  # in this process, which is a worker's
    faulthandler.enable()
    for ending in (signal.SIGPROF, signal.SIGALRM):  # in compiled code, too
        faulthandler.register(ending, chain=True)
    with tempfile.TemporaryDirectory() as folder:
        kinds = Kinds(Path(folder), whole)
        allowed = in_memory() + MEMORY
        gc.freeze()  # what is loaded stays: only what a file makes is looked through below
        for number in range(first, first + count):
            progress.value = number
            _forget_peak()
            began = time.process_time()
            signal.setitimer(signal.ITIMER_PROF, PATIENCE)
            signal.alarm(STILL)
            refused = False
            try:
                kinds.use[kind](random.Random(f"{kind} {number}"))
            except RdbgError as error:
                refused = True
                check_line(error)
            finally:
                signal.alarm(0)
                signal.setitimer(signal.ITIMER_PROF, 0)
            taken = time.process_time() - began
            memory = _peak()
            assert memory <= allowed, f"took {memory >> 20} MiB, {allowed >> 20} MiB are allowed"
            outcome = outcome.with_file(number, refused, taken, memory)
            gc.collect()  # machines are in cycles, and each has a gigabyte of address space
    return outcome


def _forget_peak() -> None:
    """Let `_peak` begin anew: proc_pid_clear_refs(5)."""
    with open("/proc/self/clear_refs", "w") as references:
        references.write("5")


def _peak() -> int:
    """Bytes of this process that were in memory at the worst moment since `_forget_peak`."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) << 10 for line in status if line.startswith("VmHWM:"))


def whole_recording() -> crafted.Recording:
    """What recordings are made from."""
    folder = Path(tempfile.mkdtemp())
    try:
        return crafted.record(folder)
    finally:
        shutil.rmtree(folder)


def run(kind: str, first: int, count: int, whole: crafted.Recording) -> tuple[Outcome, list[str]]:
    """Use files in forked workers.

    Returns:
        What came of them, and what was wrong with those that did harm.
    """
    outcome = Outcome()
    wrong = []
    at, end = first, first + count
    progress = Progress()
    while at < end:
        size = min(_BATCH, end - at)
        try:
            more = isolated(lambda at=at, size=size: hold(kind, at, size, whole, progress), STILL)  # type: ignore[misc]
            outcome, at = outcome.joined(more), at + size
        except AssertionError as error:
            wrong.append(f"{kind}, number {progress.value}:\n{error}")
            at = progress.value + 1
    return outcome, wrong


def main() -> None:
    """Run until so many files of each kind were used; exit code 1: some did harm."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=100_000, help="of each kind")
    parser.add_argument("--first", type=int, default=0, help="number of the first")
    parser.add_argument("--kinds", nargs="*", help="these alone")
    options = parser.parse_args()
    whole = whole_recording()
    harm = 0
    for kind in options.kinds or ("journals", "stores", "packs", "executables", "boards", "images"):
        began = time.monotonic()
        outcome, harmful, end = Outcome(), 0, options.first + options.files
        for first in range(options.first, end, _TOLD):
            more, wrong = run(kind, first, min(_TOLD, end - first), whole)
            outcome, harmful = outcome.joined(more), harmful + len(wrong)
            for each in wrong:
                print(each, flush=True)
            print(
                f"{kind} {options.first} to {min(first + _TOLD, end) - 1}: {outcome.refused} refused, {harmful} did "
                f"harm; the longest took {outcome.longest:.1f} s (number {outcome.slowest}), the most memory was "
                f"{outcome.most >> 20} MiB (number {outcome.largest}); {time.monotonic() - began:.0f} s in all",
                flush=True,
            )
        harm += harmful
    sys.exit(1 if harm else 0)


if __name__ == "__main__":
    main()
