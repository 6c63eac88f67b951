"""Whether a journal can be used as the history of a run, and how far."""

from __future__ import annotations

from rdbg.errors import RdbgError
from rdbg.journal.reader import JournalReader
from rdbg.journal.records import DIGEST_KINDS, INPUT_KINDS, KIND_END

_KNOWN_KINDS = INPUT_KINDS | DIGEST_KINDS | {KIND_END}


def check_kinds(reader: JournalReader) -> None:
    """Refuse a journal with kinds of records that this rdbg does not know.

    Raises:
        RdbgError: it has.
    """
    for chunk in reader.chunks:
        unknown = [kind for kind in range(32) if chunk.kinds >> kind & 1 and kind not in _KNOWN_KINDS]
        if unknown:
            raise RdbgError(
                f"{reader.path}: record of unknown kind {unknown[0]} in the chunk at offset {chunk.offset}, "
                f"icount {chunk.first}; replay with rdbg {reader.header.rdbg_version}, which recorded it"
            )


def notice_of(reader: JournalReader) -> str | None:
    """A line for the user about a journal that is torn or damaged; None: it is whole."""
    if reader.damage is not None:
        return reader.damage.line(reader.path)
    if reader.end is not None:
        return None
    return (
        f"{reader.path}: the recording has no end marker (its recorder was killed, or its disk was full); "
        f"it is used up to icount {reader.covered}"
    )
