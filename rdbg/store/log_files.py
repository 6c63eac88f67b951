"""What stands beside a store's file in the place of SQLite's logs, before SQLite looks at it.

SQLite opens whatever is there, and believes it: through a link it would write to somebody else's file, at a pipe it
would wait for ever, and a rollback journal that names a *super-journal* (the list of the journals of a change to
several files) has it delete the file of that name. rdbg never changes several files at once.
"""

from __future__ import annotations

import os
import stat

from rdbg.errors import RdbgError

#: The write-ahead log, its index, and the rollback journal that a copy has until it is opened.
SUFFIXES = ("-wal", "-shm", "-journal")
#: What a rollback journal begins with, and what the name of a super-journal at its end is followed by
#: (https://www.sqlite.org/fileformat2.html, section 3).
_MAGIC = bytes.fromhex("d9d505f920a163d7")


def refuse_odd_logs(path: str) -> None:
    """Check that SQLite can be let at the logs of a store.

    Args:
        path: of the store.

    Raises:
        RdbgError: one of them is no file, cannot be looked at, or names a file to delete.
    """
    real = os.path.realpath(path)  # where SQLite looks
    for log in (real + suffix for suffix in SUFFIXES):
        try:
            mode = os.lstat(log).st_mode
        except FileNotFoundError:
            continue
        except OSError as error:
            raise RdbgError(f"{log}: cannot look at what is beside the snapshot store: {error.strerror}") from error
        if not stat.S_ISREG(mode):
            raise RdbgError(f"{log}: a snapshot store's log is a file, and this is none; move it away")
    if _names_another_file(real + "-journal"):
        raise RdbgError(
            f"{real}-journal: this log of the snapshot store names another file to be deleted, which rdbg's own never "
            "do; do not trust where it came from, or move it away"
        )


def _names_another_file(journal: str) -> bool:
    try:
        with open(journal, "rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - len(_MAGIC)))
            return size > len(_MAGIC) and file.read() == _MAGIC
    except FileNotFoundError:
        return False
    except OSError as error:
        raise RdbgError(f"{journal}: cannot read the log of the snapshot store: {error.strerror}") from error
