"""From the end of a recorded download back to the packet that brought a byte: each question in a new session."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from benchmarks.gdb_session import Task, Timing, time_tasks
from benchmarks.guests import Guest
from benchmarks.rows import Row, timing_row
from benchmarks.servers import Served
from rdbg.emu.machine import Machine
from rdbg.emu.memory_map import PAGE_SIZE
from rdbg.history.history import History
from rdbg.recording.recording import OpenRecording
from rdbg.timeline import Timeline
from tests.linux.console import RDBG
from tests.processes import free_port

#: Seconds that going back may take in a cold process.
TARGET = 1.0
#: So many of the last packets are looked for in memory: its buffers are used again and again.
_LOOKED_FOR = 400
#: A packet is found in memory by so many bytes from its headers on: what the guest copied out of it has none.
_BEGINNING = 232
#: Byte of a packet that is watched.
_WATCHED = 200
_KSEG0 = 0x8000_0000
_ANSWER_TIMEOUT, _BUDGET = 120.0, 60.0


def rows(journal: Path, kernel: Path, repeats: int) -> list[Row]:
    """Rows of going back from the end of a recorded download to a packet by watching a byte of it, and by its number.

    Args:
        journal: of a run with one network card that downloaded what cannot be compressed, into the lowest 256 MB.
        kernel: its ELF file.
        repeats: sessions for each row.
    """
    address, number = _kept_byte(journal)
    watch = Task(
        "from the end of the download to the packet of a byte, by reverse-continue to a watch on it",
        "reverse-continue",
        prepare=(f"watch *(unsigned char *){address:#x}",),
        expect=f"packet {number}",
    )
    goto = Task("from the end of the download to that packet, by monitor goto packet", f"monitor goto packet {number}")
    guest = Guest("download", 0, kernel, {}, "")
    made = []
    for task in (watch, goto):
        timing = Timing()
        for _ in range(repeats):
            one = time_tasks(lambda _: _serve(journal), guest, [task], 1, _BUDGET, _ANSWER_TIMEOUT)[task.name]
            timing.seconds += one.seconds
            timing.cpu += one.cpu
            timing.trouble = timing.trouble or one.trouble
        made.append(timing_row(task.name, timing, None, TARGET, f"a new session each; packet {number}"))
    return made


def _serve(journal: Path) -> Served:
    port = free_port()
    return Served([*RDBG, "replay", str(journal), "-serial", "null", "-S", "-gdb", f"tcp:127.0.0.1:{port}"], port)


def _kept_byte(journal: Path) -> tuple[int, int]:
    """(virtual address, packet number) of a byte of the download that memory still holds at the end of the run: of the
    latest such packet."""
    recording = OpenRecording(str(journal))
    try:
        machine = Machine(recording.spec())
        timeline = Timeline(machine, History.replay(recording.reader), store=recording.store)
        timeline.goto(timeline.end)
        memory = b"".join(_pages(machine))
        packets = timeline.history.known.packets
        for number in range(packets, max(0, packets - _LOOKED_FOR), -1):
            packet = timeline.history.known.packet(number)
            if packet is not None and len(packet.data) > _BEGINNING:
                found = memory.find(packet.data[:_BEGINNING])
                if found >= 0:
                    return _KSEG0 + found + _WATCHED, number
    finally:
        recording.close()
    raise RuntimeError("memory holds none of the packets that were looked for: download more, or look for more of them")


def _pages(machine: Machine) -> Iterator[bytes]:
    """The guest's RAM from physical address 0 on, as it can be read by its unmapped virtual addresses."""
    size = min(machine.spec.ram_bytes, 256 << 20)
    for page in range(0, size, PAGE_SIZE):
        yield machine.read_memory(_KSEG0 + page, PAGE_SIZE)
