"""Writing a journal: append-only, chunk by chunk."""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
import time
import zlib
from collections import deque
from collections.abc import Callable

from rdbg.emu.inputs import InputKind
from rdbg.errors import RdbgError
from rdbg.journal.chunks import CHUNK_HEADER_SIZE, Chunk, build_chunk, build_record, parse_chunk_header
from rdbg.journal.file_header import MAGIC, build_header
from rdbg.journal.header import JournalHeader
from rdbg.journal.records import EndOfRun, Record, record_of_end

#: A chunk is flushed when it holds this many records, or bytes, or is this old in host time. A replay parses a chunk at
#: a time (about 5 ms), and a chunk's header is 56 bytes (a tenth of a byte a record).
CHUNK_RECORDS = 512
CHUNK_BYTES = 128 << 10
CHUNK_SECONDS = 0.5

#: A flush without records writes an empty chunk ('no input up to here') when the run went on by so many instructions
#: before CHUNK_SECONDS are over: that bounds what a torn recording lacks, and 1e9 instructions without input cost 2 KB.
COVER_INSTRUCTIONS = 1 << 25


#: Bytes that are compared at a time.
_BLOCK = 1 << 20


class JournalWriter:
    """A journal being recorded.

    The file grows under the name ``PATH.new`` and takes its own name only in `publish`, so that the earlier recording
    of that name stands until the new one can be replayed.

    Args:
        path: the journal's name.
        header: its header.
        clock: host seconds, for the age of a chunk.

    Raises:
        RdbgError: the name is taken by something that is no journal or by a running recording, or cannot be written.
    """

    def __init__(self, path: str, header: JournalHeader, clock: Callable[[], float] = time.monotonic) -> None:
        self.path = path
        self.header = header
        self._target = os.path.realpath(path)
        self._draft = self._target + ".new"
        self._clock = clock
        self._pending: list[bytes] = []
        self._pending_bytes = 0
        self._first = 0
        self._kinds = 0
        self._packets = 0
        self._since = 0.0  # when the pending chunk began
        self._flushed = clock()
        self._ordinal = 0
        self._last = header.start  # icount of the latest record
        self._covered = header.start  # no input up to here is missing, once the pending chunk is flushed
        self._covered_on_disk = header.start
        self._published = False
        #: What must be on disk before the journal tells of it; called with whether a power cut counts, too.
        self.companion: Callable[[bool], None] | None = None
        self.written: deque[Chunk] = deque()  #: chunks with records that are in the file, for who takes them out
        refuse_journal_target(path)
        self._fd = self._open_draft()
        self._offset = 0
        self._sum = 0  # CRC-32 of all that was written
        self._changed_ns = 0  # when the file changed last, as far as we know
        try:
            self._write(build_header(header))
            os.fsync(self._fd)
        except (RdbgError, OSError) as error:
            self.discard()
            raise _failure(self.path, "cannot write", error) from error

    @property
    def closed(self) -> bool:
        """Whether nothing more can be written."""
        return self._fd < 0

    @property
    def size(self) -> int:
        """Bytes written so far."""
        return self._offset

    @property
    def covered_on_disk(self) -> int:
        """Icount up to which a reader of the file misses no input."""
        return self._covered_on_disk

    def reading(self) -> int:
        """A descriptor of the file for reading what was written; it belongs to the caller.

        Raises:
            RdbgError: the file is not there any more.
        """
        try:
            # Opened anew: a duplicate would share the lock, and keep it when the recording is over.
            descriptor = os.open(self._target if self._published else self._draft, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise _failure(self.path, "cannot read the new journal", error) from error
        if not os.path.samestat(os.fstat(descriptor), os.fstat(self._fd)):
            os.close(descriptor)
            raise self._spoilt("another one has its name")
        return descriptor

    def publish(self) -> None:
        """Give the journal its own name: from now on it is the recording, and an earlier one of that name is gone.

        Raises:
            RdbgError: the file cannot be renamed.
        """
        if self._published:
            return
        refuse_journal_target(self.path)
        try:
            os.replace(self._draft, self._target)
        except OSError as error:
            raise _failure(self.path, "cannot put the new journal in place", error) from error
        self._published = True
        with contextlib.suppress(OSError):  # it is in place: a disk that fails is told of when the journal is written
            sync_directory(self._target)

    def discard(self) -> None:
        """Give up: close without an end marker, and remove the file if it was not published."""
        if self._fd < 0:
            return
        if not self._published:
            try:
                os.unlink(self._draft)
            except OSError:
                pass  # what cannot be removed is overwritten by the next recording
        os.close(self._fd)
        self._fd = -1

    def append(self, record: Record) -> None:
        """Add a record; it reaches the disk with its chunk.

        Args:
            record: its icount is not before the latest one's.

        Raises:
            RdbgError: its chunk could not be written (the disk is full).
        """
        if self._fd < 0:
            raise ValueError("the journal is closed")
        if record.icount < self._last:
            raise ValueError(f"record at icount {record.icount} after one at {self._last}")
        if not self._pending:
            self._first = self._last = record.icount
            self._since = self._clock()
        built = build_record(record, self._last)
        self._pending.append(built)
        self._pending_bytes += len(built)
        self._kinds |= 1 << record.kind
        self._packets += record.kind == InputKind.PACKET
        self._last = record.icount
        self._covered = max(self._covered, record.icount)
        if len(self._pending) >= CHUNK_RECORDS or self._pending_bytes >= CHUNK_BYTES:
            self._flush_chunk()
        else:
            self.flush_if_old()

    def advance(self, position: int) -> None:
        """Say that the run has come to ``position``; what is old, or far enough on, goes to disk.

        Args:
            position: icount; every input before it was appended.

        Raises:
            RdbgError: the disk is full.
        """
        self._covered = max(self._covered, position)
        if not self._pending and self._covered - self._covered_on_disk >= COVER_INSTRUCTIONS:
            self._flush_chunk()
        else:
            self.flush_if_old()

    def flush_if_old(self) -> None:
        """Write what has waited for CHUNK_SECONDS; to be asked now and then also while nothing is appended.

        Raises:
            RdbgError: the disk is full.
        """
        if self._clock() - (self._since if self._pending else self._flushed) >= CHUNK_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Write what is pending, and how far the run has come, so that kill -9 cannot lose it.

        Raises:
            RdbgError: the disk is full.
        """
        if self._pending or self._covered > self._covered_on_disk:
            self._flush_chunk()

    def sync(self, position: int) -> None:
        """Write all up to ``position`` and wait until the disk has it, so that a power cut cannot lose it.

        Raises:
            RdbgError: the disk is full, or fails.
        """
        self._covered = max(self._covered, position)
        self.flush()
        self.check()
        if self.companion is not None:
            self.companion(True)
        try:
            os.fsync(self._fd)
        except OSError as error:
            raise _failure(self.path, f"recording failed at icount {self._covered}", error) from error

    def close(self, end: EndOfRun) -> None:
        """Write the end marker and let the disk have it all.

        Raises:
            RdbgError: the disk is full, or the file is not what was written.
        """
        self.append(record_of_end(end))
        self.sync(end.icount)
        self._compare()  # dates have grains, and can be set
        os.close(self._fd)
        self._fd = -1

    def check(self) -> None:
        """Look whether another program has written to the file; to be asked now and then.

        Raises:
            RdbgError: one has.
        """
        status = os.fstat(self._fd)
        if status.st_size != self._offset:
            raise self._spoilt(f"it has {status.st_size} bytes instead of {self._offset}")
        if status.st_mtime_ns != self._changed_ns:
            self._compare()
            self._changed_ns = status.st_mtime_ns

    def _compare(self) -> None:
        """Whether the file is what was written."""
        found, at = 0, 0
        while data := os.pread(self._fd, _BLOCK, at):
            found, at = zlib.crc32(data, found), at + len(data)
        if (found, at) != (self._sum, self._offset):
            raise self._spoilt("its bytes are not what rdbg wrote")

    def _spoilt(self, how: str) -> RdbgError:
        return RdbgError(
            f"{self.path}: recording failed at icount {self._covered}: another program has written to the file "
            f"({how}); keep others away from it, and record again"
        )

    def _flush_chunk(self) -> None:
        if self.companion is not None:
            self.companion(False)
        first = self._first if self._pending else self._covered
        data = build_chunk(self._ordinal, first, self._covered, self._kinds, self._packets, self._pending)
        chunk = parse_chunk_header(self._offset, data[:CHUNK_HEADER_SIZE])
        self._write(data)
        if self._pending and chunk is not None:
            self.written.append(chunk)
        self._ordinal += len(self._pending)
        self._covered_on_disk = self._covered
        self._flushed = self._clock()
        self._pending.clear()
        self._pending_bytes = 0
        self._kinds = self._packets = 0

    def _write(self, data: bytes) -> None:
        """All of ``data`` or nothing, so that the file ends in a whole chunk also when the disk is full."""
        failed = f"recording failed at icount {self._covered}"
        kept = f"the recording is kept up to icount {self._covered_on_disk}"
        written = 0
        try:
            if self._offset:
                self.check()
            while written < len(data):
                written += os.pwrite(self._fd, data[written:], self._offset + written)
        except OSError as error:
            os.ftruncate(self._fd, self._offset)
            if not self._published:
                raise _failure(self.path, "cannot begin to record", error, "free some space") from error
            raise _failure(self.path, failed, error, kept) from error
        self._offset += len(data)
        self._sum = zlib.crc32(data, self._sum)
        self._changed_ns = os.fstat(self._fd).st_mtime_ns

    def _open_draft(self) -> int:
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
        try:
            descriptor = os.open(self._draft, flags, 0o666)
        except OSError as error:
            raise _failure(self._draft, "cannot create", error, "choose another name") from error
        # A draft that another process holds is a recording about to start; one that nobody holds was left by a killed
        # one.
        if not lock(descriptor):
            os.close(descriptor)
            raise RdbgError(f"{self.path}: another rdbg is starting to record under this name; choose another name")
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or os.pread(descriptor, len(MAGIC), 0) not in (
            b"",
            MAGIC,
        ):
            os.close(descriptor)
            raise RdbgError(
                f"{self._draft}: a recording begins under this name, and the file is no rdbg journal; move it away, "
                "or choose another name"
            )
        os.ftruncate(descriptor, 0)
        return descriptor


def refuse_journal_target(path: str) -> None:
    """Check that a recording may take this name.

    Raises:
        RdbgError: a file that is no journal stands there, or a recording that is in use.
    """
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return
    except OSError as error:
        raise _failure(path, "cannot record there", error) from error
    if not stat.S_ISREG(status.st_mode):
        raise RdbgError(f"{path}: cannot record there: this is not a regular file; choose another name")
    if status.st_size == 0:
        return
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        raise _failure(path, "cannot record there", error) from error
    try:
        if os.pread(descriptor, len(MAGIC), 0) != MAGIC:
            raise RdbgError(f"{path}: will not overwrite a file that is not an rdbg journal; choose another name")
        if not lock(descriptor):
            raise RdbgError(f"{path}: another rdbg is using this recording; end it or choose another name")
    finally:
        os.close(descriptor)


def lock(descriptor: int) -> bool:
    """Take the lock that a running recording holds on its file; False if another process has it or replays it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True  # a file system without locks
    return True


def sync_directory(path: str) -> None:
    """Let the disk have the name of a file just renamed."""
    descriptor = os.open(os.path.dirname(path) or ".", os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _failure(path: str, what: str, error: Exception, kept: str = "") -> RdbgError:
    if isinstance(error, RdbgError):
        return error
    reason = (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
    tail = f"; {kept}" if kept else ""
    return RdbgError(f"{path}: {what}: {reason}{tail}")
