"""A run from beginning to end: machine, history, timeline, GDB server, and the loop that drives them."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from rdbg.elf.elf_file import ElfFile, read_elf
from rdbg.emu.endpoint import Endpoint, EndpointKind
from rdbg.emu.machine import Machine
from rdbg.emu.spec import MachineSpec
from rdbg.errors import RdbgError
from rdbg.gdbstub import GdbOptions, GdbServer
from rdbg.history.live_queue import LiveQueue
from rdbg.host.messages import say
from rdbg.monitor.command import MonitorContext
from rdbg.monitor.desk import MonitorDesk
from rdbg.monitor.plugs import Plugs
from rdbg.monitor.run_control import RunControl
from rdbg.monitor.travel_commands import travel
from rdbg.netdev.network_plan import NetworkPlan
from rdbg.qmp.qmp_desk import GUEST_RESET, GUEST_SHUTDOWN, QUIT, SIGNAL, QmpDesk
from rdbg.serial.serial_spec import SerialKind
from rdbg.session.endings import WholeReplay, run_ended
from rdbg.session.first_passage import PassedPacket, first_passage
from rdbg.session.host_ends import open_networks, open_serial_ports, serial_specs
from rdbg.session.images import elf_image, image_folder, machine_spec
from rdbg.session.onlooker import MakeCopies, Onlooker, RunOnView
from rdbg.session.options import RecordMode, RunOptions
from rdbg.session.outside_world import OutsideWorld
from rdbg.session.pid_file import PidFile
from rdbg.session.run_drives import RunDrives, used_drives
from rdbg.session.run_recording import RunRecording
from rdbg.session.surroundings import Looks, Surroundings
from rdbg.session.troubles import Troubles
from rdbg.session.turns import RunTurns
from rdbg.stub.guest_console import GuestConsole
from rdbg.symbols.kaslr import moves_itself
from rdbg.symbols.table import SymbolTable
from rdbg.timeline import StopConditions, StopReason, Timeline

if TYPE_CHECKING:
    from rdbg.analysis.question import MakePool

#: How long to wait for GDB or a terminal when the guest does not run, in seconds.
_IDLE_SECONDS = 0.05


class Session:
    """A run that is set up and can be driven. Close it on every path.

    Args:
        options: what to run.
        around: see there.

    Raises:
        RdbgError: anything that cannot be opened, read, built or listened on.
    """

    def __init__(self, options: RunOptions, around: Surroundings | None = None) -> None:
        self._around = around or Surroundings()
        self._options = options
        self._outside: OutsideWorld | None = None
        self._troubles = Troubles()
        self._control = RunControl()
        self._pid_file: PidFile | None = None
        self._drives: RunDrives | None = None
        self._recording: RunRecording | None = None
        self._leaving = False
        self._qmp = QmpDesk(lambda: self._leaving)
        self._guest_exit: int | None = None
        self._whole: WholeReplay | None = None
        self._signal: int | None = None  # that ended it before
        self.server: GdbServer | None = None
        self._onlooker: Onlooker | None = None
        try:
            self._set_up()
        except BaseException:
            self._release()
            raise

    @property
    def failed(self) -> bool:
        """Whether anything went wrong that was said while the run went on; final after `close`."""
        return bool(self._troubles.told) or self.timeline.agreement.diverged

    @property
    def exit_code(self) -> int:
        """For the shell, after `close`: 1 if anything went wrong; 128 and the signal's number if that ended a replay
        before its end; what the guest gave if the run has ended where the guest ended it, of which a process can give
        the lowest 8 bits; else 0."""
        if self.failed:
            return 1
        if self._signal is not None:
            return 128 + self._signal
        return (self._guest_exit or 0) & 0xFF

    def run(self) -> None:
        """Drive the run to its end. What goes wrong beside it (the disk is full, so that a recording breaks off) lets
        it go on; see `failed`.

        Raises:
            RdbgError: the replay diverged.
        """
        outside, server, timeline = self._outside, self.server, self.timeline
        assert outside is not None
        told = False
        if self._kept.replayed is not None and server is None:
            self._whole = WholeReplay(timeline, self._kept.replayed.path)
        while not self._look_outside() and not (server is not None and server.quit_wanted):
            self._turns.take()
            if self._leaving:
                break
            standing = not outside.ready or self._control.stopped
            if not standing and self._control.runs:
                self._turns.wake()
                # With nobody to look at it, a replay is there to be run: all of it, and compared with its digests.
                stop = timeline.run(StopConditions(), self._interrupted, leap=server is not None)
                self._control.stopped |= stop.reason is StopReason.REPLAY_BREAK
                standing = stop.reason in (StopReason.HISTORY_END, StopReason.SHUTDOWN)
                stays = server is not None or (timeline.exit_code is not None and not self._options.shutdown)
                if timeline.exit_code is None:
                    stays = stays or self._qmp.in_use  # as in QEMU: a program is at the wheel
                if standing and timeline.exit_code is not None:
                    self._qmp.ended(GUEST_RESET if self._machine.power.ended_by_reset else GUEST_SHUTDOWN)
                if standing and not stays:
                    while outside.congested and not self._look_outside():
                        outside.wait(_IDLE_SECONDS)  # the end of what the guest printed, for a slow reader
                    if self._whole is not None:
                        self._whole.reach_end()
                    break
                if standing and not told and self._around.terminal:
                    told = True
                    self._tell_end()
                self._control.stopped |= standing
            if server is not None:
                idle = standing or not server.wants_run
                if idle:
                    timeline.stand()
                server.poll(_IDLE_SECONDS if idle else 0.0, self._onlooker)
                if idle:
                    self._turns.stand(server)
            elif standing:
                outside.wait(_IDLE_SECONDS)

    @property
    def _kept(self) -> RunRecording:
        assert self._recording is not None
        return self._recording

    def goto(self, place: str) -> str:
        """Go to a place as users name them, before anything else happens. Ctrl-C ends it.

        Returns:
            a line, if the place lies beyond an end of the history, and that end was taken instead; else nothing.

        Raises:
            RdbgError: there is no such place.
        """
        assert self._outside is not None
        with self._outside.interruptible():
            stop = travel(MonitorContext(self.timeline, self._look_outside, lambda: None), place)
        ends = {StopReason.HISTORY_START: "begins", StopReason.HISTORY_END: "ends"}
        if stop.reason not in ends:
            return ""
        return f"{place} is beyond the run: this is where it {ends[stop.reason]}, icount {stop.position}"

    @property
    def spec(self) -> MachineSpec:
        """The machine."""
        return self._spec

    @property
    def symbols(self) -> SymbolTable:
        """Names in the guest's image, or in the file that was given for it."""
        return self._symbols

    def reopen(self) -> None:
        """Open anew what cannot be shared: this is a copy of the process that opened it."""
        self._kept.reopen()
        if self._onlooker is not None:
            self._onlooker.in_copy()

    def watch_packets(self, told: Callable[[PassedPacket], None]) -> None:
        """Have somebody see every packet that comes in or leaves, when the run passes it for the first time."""
        system, output = self._machine.system, self.timeline.output
        system.watch_packets(
            first_passage(told, lambda: system.packet_number, lambda card: output.sent.sent(card).outputs)
        )

    def interruptible(self) -> AbstractContextManager[None]:
        """For what reads the guest at length where it stands: signals end it at once."""
        assert self._outside is not None
        return self._outside.interruptible()

    @property
    def console_is_shown(self) -> bool:
        """Whether a serial port leads to the terminal, or to GDB that has it."""
        return any(spec.kind is SerialKind.STDIO for spec in serial_specs(self._options))

    def close(self) -> None:
        """End the run: close its journal, give the terminal back. May be called twice."""
        signal = self._outside.signal if self._outside is not None else None
        self._turns.wake()
        if signal is not None or (self.server is not None and self.server.quit_wanted):
            self._qmp.ended(QUIT if signal is None else SIGNAL)
        self._note_troubles()
        if self._outside is not None:
            self._guest_exit = self.timeline.exit_code
        shortfall = None if self._whole is None else self._whole.shortfall()
        self._whole = None
        try:
            if self._kept.there:
                self.timeline.close()
        finally:
            if self._drives is not None:
                self._drives.close()
                self._note_troubles()
            recording, self._kept.new = self._kept.new, None
            self._release()
        if signal is not None:
            say(f"terminating on signal {signal}")
        if shortfall is not None:
            self._signal = signal
            say(shortfall)
        if recording is not None:
            recording.store.close()
            self._note_troubles(ending=True)
            if not self._troubles.told:
                try:
                    recording.check_store()
                except RdbgError as error:
                    self._troubles.note(str(error))
            if not self._troubles.told:
                say(f"recorded {self.timeline.end} instructions to {recording.path}")

    # --- setting up ----------------------------------------------------------------------------
    def _set_up(self) -> None:
        options = self._options
        replays = options.icount.mode is RecordMode.REPLAY
        if not replays:
            self._drives = RunDrives(used_drives(options), say)
        recording = self._recording = RunRecording(options, self._around.command_line, self._drives)
        if self._drives is None:
            spec = recording.open(str(options.icount.journal))
            sources = recording.disks(spec)
        else:
            spec = machine_spec(options, self._drives.described)
            sources = self._drives.sources
        self._spec = spec
        if options.pid_file is not None:
            self._pid_file = PidFile(options.pid_file)
        machine = self._machine = Machine(spec, disk_sources=sources)
        queue = LiveQueue(machine.input_room)
        for endpoint in machine.board.endpoints:
            if endpoint.kind is EndpointKind.ENTROPY:
                queue.feed(endpoint, os.urandom)
        console = None if self._around.terminal else GuestConsole()
        ports = open_serial_ports(options, spec.semihosting is not None, console, self._qmp)
        outside = self._outside = OutsideWorld(
            ports, queue, lambda: self.timeline.live, self._around.ended, self._around.log
        )
        if not replays and options.network_plan.netdevs + options.network_plan.segments:
            outside.plug_in(open_networks(options, machine, queue, lambda: self.timeline.live))
        self._control.request = queue.put
        self._control.record = self._record
        self._control.plugs = Plugs(
            spec.plugged,
            spec.drives,
            NetworkPlan() if replays else options.network_plan,
            {} if self._drives is None else self._drives.images,
        )
        self._control.stopped = options.stopped and bool(
            options.gdb is not None or outside.consoles or self._qmp.in_use
        )
        if self._around.signals:
            outside.catch_signals(interrupt_ends=self._around.terminal)
        history = recording.history(spec, queue)
        self.timeline = Timeline(
            machine,
            history,
            store=recording.store,
            initial_snapshot=recording.initial_snapshot,
            checkpoint_memory=options.checkpoint_bytes,
            snapshot_budget=options.snapshot_bytes,
            sleep=spec.sleep,
            wait=outside.wait,
            congested=lambda: outside.congested,
        )
        self.timeline.output.lead_to(self._send)
        make_pool: MakePool | None = None
        make_copies: MakeCopies | None = None
        looks: Looks | None = None
        # What a live run has of its disks, its copies would share the places of.
        if self._around.helpers is not None and not (spec.drives and not replays):
            helpers = self._around.helpers(self.timeline, self.reopen)
            self.timeline.copies.call(helpers)
            make_pool, make_copies = helpers.pool, helpers.copies
            looks = helpers.idle_looks() if options.idle_work else None
        elf = self._around.symbols or elf_image(spec)
        program = read_elf(elf) if elf is not None else None
        symbols = self._symbols = SymbolTable(program, machine.read_memory)
        monitors = MonitorContext(
            self.timeline, self._look_outside, self._leave, symbols, self._control, make_pool=make_pool
        )
        self._qmp.serve(monitors, lambda: recording.path, options.name)
        if self._qmp.in_use:
            machine.power.watch_resets(self._tell_reset)
        if options.gdb is not None:
            self.server = GdbServer(
                self.timeline,
                GdbOptions(
                    host=options.gdb.host,
                    port=options.gdb.port,
                    listen_any=options.listen_any,
                    stopped=options.stopped,
                    executable=elf,
                    brings_program=not spec.images,
                    control=self._control,
                    stop_wanted=self._stop_wanted,
                    troubles=self._troubles.told,
                    console=console,
                    make_pool=make_pool,
                    asked=lambda: self._turns.wake(),
                ),
            )
            self.server.listen()
            self._tell_of_moving(program)
        if self._around.onlooker is not None:
            address = self.server.address if self.server is not None else None
            self._onlooker = self._around.onlooker(RunOnView(monitors, make_copies, address, image_folder(self._spec)))
        desk = MonitorDesk(outside.consoles, monitors, lambda: self._leaving)
        self._turns = RunTurns(desk, self._qmp, self._onlooker, looks)
        recording.publish(self.timeline)

    def _record(self, path: str, force: bool) -> None:
        """Make this live run a recording after all; see `RunRecording.begin_late`."""
        self._kept.begin_late(self.timeline, self._spec, path, force)

    def _send(self, icount: int, endpoint: Endpoint, data: bytes) -> None:
        """What the guest sends, where it is to leave: an OutputSink."""
        assert self._outside is not None
        if endpoint.kind is not EndpointKind.DISK:
            self._outside.send(icount, endpoint, data)
        elif self._drives is not None:
            self._drives.take(endpoint.port, data)

    # --- running -------------------------------------------------------------------------------
    def _look_outside(self) -> bool:
        """Look at the outside world; whether the run should end."""
        assert self._outside is not None
        if self._drives is not None:
            self._drives.look()
        self._note_troubles()
        return self._outside.look()

    def _note_troubles(self, ending: bool = False) -> None:
        """Say what has gone wrong, at once and once."""
        failure = self.timeline.recording_failure
        found = [failure if ending else f"{failure}; the run goes on, unrecorded"] if failure is not None else []
        found += self._outside.failures if self._outside is not None else []
        found += self._drives.failures if self._drives is not None else []
        self._troubles.note(*found)

    def _interrupted(self) -> bool:
        """Asked while the guest runs by itself."""
        return self._look_outside() or (self.server is not None and self.server.knocking()) or self._turns.wanted()

    def _stop_wanted(self) -> bool:
        """Asked while GDB moves the guest."""
        ends = self._look_outside()
        return self._turns.obey_while_gdb_moves() or ends

    def _tell_reset(self, icount: int, by_guest: bool) -> None:
        if self.timeline.output.is_shown:
            self._qmp.reset(self.timeline.history, icount, by_guest)

    def _leave(self) -> None:
        self._leaving = True
        self._qmp.ended(QUIT)

    def _tell_end(self) -> None:
        say(run_ended(self.timeline.exit_code, self.server.address if self.server is not None else None))

    def _tell_of_moving(self, elf: ElfFile | None) -> None:
        if self.timeline.live and elf is not None and moves_itself(elf) and "nokaslr" not in self._spec.append.split():
            say(
                "the kernel moves itself when it boots (KASLR): GDB has its addresses if it connects after that; "
                "nokaslr in -append keeps it in its place"
            )

    def _release(self) -> None:
        if self._onlooker is not None:
            self._onlooker.close()
            self._onlooker = None
        if self._drives is not None:
            self._drives.close()
            self._drives = None
        if self._pid_file is not None:
            self._pid_file.close()
            self._pid_file = None
        if self._outside is not None:
            self._outside.close()
            self._outside = None
        if self.server is not None:
            self.server.close()
            self.server = None
        if self._recording is not None:
            self._recording.release()
