"""What a campaign of runs is to be: everything that its processes have to know."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import field

from rdbg.chaos.conditions import parse_condition
from rdbg.chaos.guest import LoadedGuest
from rdbg.chaos.guest_disks import guest_disks
from rdbg.chaos.policy import Policy, SeededPolicy
from rdbg.chaos.runner import Limits, Runner
from rdbg.chaos.script import Scripted, moved, of_recording, typed
from rdbg.elf.elf_file import read_elf
from rdbg.emu.inputs import InputEvent
from rdbg.emu.machine import Machine
from rdbg.emu.spec import MachineSpec
from rdbg.errors import UsageError
from rdbg.history.history import History
from rdbg.journal.records import INPUT_KINDS, EndReason, event_of
from rdbg.monitor.command import MonitorContext
from rdbg.monitor.travel_commands import travel
from rdbg.navigation.snapshots import load_initial
from rdbg.navigation.stops import never
from rdbg.quick_dataclass import dataclass
from rdbg.recording.recording import OpenRecording
from rdbg.session.drive_options import DriveOptions
from rdbg.session.images import elf_image
from rdbg.symbols.table import SymbolTable
from rdbg.timeline import Timeline


@dataclass(frozen=True)
class StartPlace:
    """A moment of a recording that the runs start from.

    Args:
        recording: the journal's name.
        place: a snapshot's name, or a place as ``monitor goto`` takes it; empty: where the recording itself starts.
    """

    recording: str
    place: str = ""


@dataclass(frozen=True)
class Plan:
    """A campaign.

    Args:
        spec: the machine.
        start: where they start; None: at power-on.
        fail_on: values of ``--fail-on``.
        text: what is typed in each run.
        inputs: what comes in each run at the moments that it had, which are moved.
        limits: see there.
        command_line: how to say all this again, but for the seed.
        symbols: an ELF file with the guest's symbols; None: its own image.
        drives: the images of its drives.
    """

    spec: MachineSpec
    start: StartPlace | None
    fail_on: tuple[str, ...]
    text: bytes = b""
    inputs: tuple[InputEvent, ...] = ()
    limits: Limits = field(default_factory=Limits)
    command_line: tuple[str, ...] = ()
    symbols: bytes | None = None
    drives: tuple[DriveOptions, ...] = ()

    def command_of(self, seed: int) -> tuple[str, ...]:
        """The command line that makes one of the runs again."""
        return ("rdbg", "chaos", "-n", "1", "--seed", str(seed), *self.command_line)

    def runner(self, stopped: Callable[[], bool] = never) -> Runner:
        """Load the guest.

        Args:
            stopped: asked often; True ends a run.

        Raises:
            RdbgError: it cannot be loaded, or a condition is none.
        """
        start = self.start
        disks = guest_disks(self.spec.drives, self.drives, None if start is None else start.recording)
        guest = LoadedGuest(self.spec, None if start is None else lambda machine: load_start(machine, start), disks)
        conditions = [parse_condition(text) for text in self.fail_on]
        symbols = symbol_table(self.symbols or elf_image(self.spec), guest.machine.read_memory)
        return Runner(guest, conditions, self.limits, symbols, stopped)

    def script(self, seed: int, start: int) -> Sequence[Scripted]:
        """What comes from outside in the run of a seed, which starts at the icount ``start``."""
        return moved(typed(self.text, start) or of_recording(self.inputs, start), seed, start)


def policy_of(seed: int, guest: LoadedGuest) -> Policy:
    """What moves the interrupts in the run of a seed."""
    return SeededPolicy(seed, guest.machine, guest.view.system, guest.view.handler)


def load_start(machine: Machine, start: StartPlace) -> None:
    """Put a machine into the state that runs start from.

    Raises:
        RdbgError: there is no such place, or its state is damaged.
    """
    recording = OpenRecording(start.recording)
    try:
        store, initial = recording.store, recording.header.initial_snapshot
        name = start.place or initial
        if store is not None and name and store.find(name) is not None:
            load_initial(machine, store, name)
        elif start.place:
            timeline = Timeline(machine, History.replay(recording.reader), store=store, initial_snapshot=initial)
            travel(MonitorContext(timeline, never, lambda: None), start.place)
            end = recording.reader.end
            if end is not None and end.reason is EndReason.SHUTDOWN and machine.icount >= end.icount:
                raise UsageError(
                    f"{start.recording}: at {start.place} the guest has ended its run (icount {end.icount}): nothing "
                    "would run from there; give an earlier place"
                )
    finally:
        recording.close()


def recorded_events(recording: OpenRecording) -> list[InputEvent]:
    """All inputs of a recording, in order."""
    history = History.replay(recording.reader)
    return [event_of(record) for record in history.known.records() if record.kind in INPUT_KINDS]


def symbol_table(elf: bytes | None, read_memory: Callable[[int, int], bytes] | None = None) -> SymbolTable:
    """The symbols in the bytes of an ELF file; None: there are none."""
    return SymbolTable(None if elf is None else read_elf(elf), read_memory)
