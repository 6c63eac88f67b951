"""What a recording is: machine, length, inputs, snapshots, and whether it is whole."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from typing import TextIO

from rdbg.emu.memory_map import PAGE_SIZE
from rdbg.emu.spec import Drive
from rdbg.errors import RdbgError
from rdbg.host.printable import printable
from rdbg.journal.header import ImageReference
from rdbg.journal.reader import JournalReader
from rdbg.journal.records import INPUT_KINDS, KIND_DIGEST
from rdbg.recording.recording import OpenRecording
from rdbg.recording.traffic import Traffic
from rdbg.recording.words import date_text, end_text, kind_name, machine_text, seconds_text
from rdbg.store.first_contents import FirstContents, Kept
from rdbg.store.kept_branch import unpack_branch
from rdbg.store.snapshot import SnapshotInfo
from rdbg.store.snapshot_store import SnapshotStore


def write_info(path: str, out: TextIO) -> bool:
    """Write what a recording is, after reading all of it.

    Args:
        path: the journal.
        out: where to.

    Returns:
        Whether journal and snapshot store are whole.

    Raises:
        RdbgError: the journal cannot be read, or is none.
    """
    problems: list[str] = []
    store: SnapshotStore | None = None
    try:
        recording = OpenRecording(path)
        reader, store = recording.reader, recording.store
    except RdbgError as error:
        reader = JournalReader(path)  # raises the same if it is the journal's fault
        problems.append(str(error))
    if reader.damage is not None:
        problems.append(reader.damage.line(path))
    try:
        for label, text in _lines(path, reader, store, problems):
            out.write(f"{label:11} {printable(text)}\n")
    finally:
        reader.close()
        if store is not None:
            store.close()
    for problem in problems:
        out.write(f"{'problem':11} {printable(problem)}\n")
    if not problems:
        out.write(f"{'integrity':11} journal and snapshots are whole\n")
    return not problems


def _lines(
    path: str, reader: JournalReader, store: SnapshotStore | None, problems: list[str]
) -> Iterator[tuple[str, str]]:
    header = reader.header
    machine = header.machine
    size = f"journal {_size(reader.size)}"
    if store is not None:
        size += f", snapshot store {_size(os.path.getsize(store.path))}"
    yield "recording", f"{path} ({size})"
    yield "recorded", f"{date_text(header.created)} by rdbg {header.rdbg_version}"
    yield "command", " ".join(header.command_line) or "-"
    yield "machine", machine_text(machine)
    if machine.append:
        yield "append", machine.append
    for image in header.images:
        yield "image", _image(image, store, problems)
    yield from _drives(machine.drives, store, problems)
    if header.initial_snapshot:
        yield "starts from", f"snapshot {header.initial_snapshot}, icount {header.start:,}"
    length = reader.covered - header.start
    end = reader.end
    yield "length", f"{length:,} instructions, {seconds_text(length << machine.shift)} of virtual time without idling"
    if end is not None:
        at = f", at {seconds_text(end.virtual_ns)} of virtual time" if end.virtual_ns else ""
        yield "end", end_text(end) + at
    else:
        yield "end", f"none: the recorder was killed, or still runs; usable up to icount {reader.covered:,}"
    traffic = Traffic()
    counts: Counter[int] = Counter()
    for record in reader.records():
        counts[record.kind] += 1
        traffic.add(record)
    inputs = {kind: count for kind, count in sorted(counts.items()) if kind in INPUT_KINDS}
    by_kind = ", ".join(f"{kind_name(kind)} {count:,}" for kind, count in inputs.items())
    yield "inputs", f"{sum(inputs.values()):,}" + (f" ({by_kind})" if by_kind else "")
    yield "digests", f"{counts[KIND_DIGEST]:,}"
    for endpoint, line in traffic.lines():
        yield "endpoint", f"{endpoint}: {line}"
    if store is not None:
        yield from _snapshots(store, problems)


def _drives(drives: Sequence[Drive], store: SnapshotStore | None, problems: list[str]) -> Iterator[tuple[str, str]]:
    """What the recording has of each disk."""
    kept: Mapping[int, Kept] = {}
    if store is not None and any(drive.size_bytes for drive in drives):
        try:
            with closing(FirstContents.open(store.path)) as contents:
                kept = contents.kept()
                contents.check()
        except RdbgError as error:
            problems.append(str(error))
    for number, drive in enumerate(drives):
        text = f"{drive.name}, {drive.media}, "
        if not drive.size_bytes:
            yield "drive", text + "empty"
            continue
        found = kept.get(number)
        looked = "nothing of it was read"
        if found is not None:
            looked = f"{_size(found.pages * PAGE_SIZE)} of it kept in {_size(found.stored)}"
            if found.lost:
                looked += f", {found.lost} pages could not be read"
        yield "drive", text + f"{_size(drive.size_bytes)}, {looked}"


def _snapshots(store: SnapshotStore, problems: list[str]) -> Iterator[tuple[str, str]]:
    try:
        with store.steady():  # another session may give some up meanwhile
            yield from _steady_snapshots(store, problems)
    except RdbgError as error:
        problems.append(str(error))


def _steady_snapshots(store: SnapshotStore, problems: list[str]) -> Iterator[tuple[str, str]]:
    try:
        snapshots = store.list()
    except RdbgError as error:
        problems.append(str(error))
        return
    periodic = [info for info in snapshots if info.periodic]
    yield "snapshots", f"{len(snapshots)}"
    for info in snapshots:
        if not info.periodic:
            yield "", _snapshot(info)
    if periodic:
        first, last = periodic[0].icount, periodic[-1].icount
        where = f"{first:,}" if first == last else f"{first:,} to {last:,}"
        yield "", f"{len(periodic)} periodic, icount {where}: for going back quickly"
    bookmarks = sorted(_bookmarks(store, problems).items(), key=lambda item: (item[1], item[0]))
    if bookmarks:
        yield "bookmarks", f"{len(bookmarks)}"
    for name, icount in bookmarks:
        yield "", f"{name:20} icount {icount:>15,}"
    yield from _branches(store, problems)
    whole: set[int] = set()
    for info in snapshots:
        try:
            store.load(info).check_rows(whole)
            _ = info.output  # an entry of the list may be damaged, too
        except RdbgError as error:
            problems.append(str(error))


def _branches(store: SnapshotStore, problems: list[str]) -> Iterator[tuple[str, str]]:
    """The branches that are kept beside the run."""
    try:
        kept = store.notes.branches()
    except RdbgError as error:
        problems.append(str(error))
        return
    if kept:
        yield "branches", f"{len(kept)}"
    for name, data in kept.items():
        try:
            branch = unpack_branch(name, data)
        except RdbgError as error:
            problems.append(str(error))
            continue
        inputs = sum(record.kind in INPUT_KINDS for record in branch.records)
        yield (
            "",
            f"{name:20} icount {branch.fork:>15,} to {branch.end:,}, {inputs:,} inputs of its own, {_size(len(data))}",
        )


def _bookmarks(store: SnapshotStore, problems: list[str]) -> dict[str, int]:
    try:
        return store.notes.bookmarks()
    except RdbgError as error:
        problems.append(str(error))
        return {}


def _snapshot(info: SnapshotInfo) -> str:
    when = seconds_text(info.virtual_ns)
    return f"{info.name:20} icount {info.icount:>15,}  {when:>20}  {_size(info.size):>10}  {date_text(info.created)}"


def _image(image: ImageReference, store: SnapshotStore | None, problems: list[str]) -> str:
    kept = "not in the snapshot store"
    if store is not None:
        try:
            if store.image(image.digest, image.length) is not None:
                kept = "kept in the snapshot store"
        except RdbgError as error:
            problems.append(str(error))
            kept = "damaged in the snapshot store"
    kind = image.role.partition(" ")[0]  # which peripheral's source it is, and the like, the path says
    return f"{kind} {image.path}, {image.length:,} bytes, digest {image.digest.hex()[:32]}, {kept}"


def _size(size: int) -> str:
    if size < 10_000:
        return f"{size} bytes"
    return f"{size / 1024:.1f} KiB" if size < 10_000 << 10 else f"{size / 1024 / 1024:.1f} MiB"
