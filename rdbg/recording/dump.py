"""A journal in words, a line a record."""

from __future__ import annotations

import os
from contextlib import closing
from typing import TextIO

from rdbg.emu.cpu_model import CPU_MODELS
from rdbg.emu.inputs import InputKind
from rdbg.emu.machine import Machine
from rdbg.errors import RdbgError
from rdbg.host.printable import printable
from rdbg.journal.reader import JournalReader
from rdbg.recording.recording import OpenRecording
from rdbg.recording.words import date_text, kind_name, machine_text, record_text


def write_dump(path: str, out: TextIO) -> bool:
    """Write a journal in words, reading a chunk at a time.

    Lines that start with ``#`` are about the file; the others have the record's number, icount, virtual time, kind and
    what it says. Damaged parts are named at the end.

    Args:
        path: the journal.
        out: where to.

    Returns:
        Whether the journal is whole.

    Raises:
        RdbgError: it cannot be read, or is no journal.
    """
    reader = JournalReader(path)
    try:
        header = reader.header
        out.write(f"# {printable(path)}: recorded {date_text(header.created)} by rdbg {header.rdbg_version}\n")
        out.write(f"# {printable(machine_text(header.machine))}\n")
        out.write("# record          icount  kind            what\n")
        model = CPU_MODELS.get(header.machine.cpu)
        architecture = None if model is None else model.architecture
        number = 0
        works: tuple[str, ...] | None = None  # they are asked for if a record is about one
        for record in reader.records():
            if works is None and record.kind == InputKind.DELAY:
                works = _works(path)
            said = record_text(record, architecture, works or ())
            out.write(f"{number:8} {record.icount:15}  {kind_name(record.kind):14}  {said}\n")
            number += 1
        if reader.damage is not None:
            out.write(f"# {printable(reader.damage.line(os.fspath(path)))}\n")
        elif reader.end is None:
            out.write(f"# no end marker: the recorder was killed, or still runs; whole up to icount {reader.covered}\n")
        return reader.damage is None
    finally:
        reader.close()


def _works(path: str) -> tuple[str, ...]:
    """What the timers of the recorded machine end (`MachineSystem.works`); none if it cannot be built here."""
    try:
        with closing(OpenRecording(path)) as recording:
            return Machine(recording.spec()).works
    except RdbgError:
        return ()
