"""The disks of a replay: what the recorded run looked at, and nothing else."""

from __future__ import annotations

from collections.abc import Callable

from rdbg.emu.disk import DiskError
from rdbg.store.first_contents import FirstContents, LostPage


class RecordedDisk:
    """A `DiskSource` over a recording.

    Args:
        name: of the drive.
        number: of the disk in the machine.
        contents: of the recording; None: it has none.
        tell: takes a line for the user, once, when something is asked for that the recording has not.
    """

    def __init__(self, name: str, number: int, contents: FirstContents | None, tell: Callable[[str], None]) -> None:
        self._name = name
        self._number = number
        self._contents = contents
        self._tell = tell
        self._told = False

    def read(self, page: int, count: int = 1) -> bytes:
        """The first contents of pages; see DiskSource."""
        return b"".join(map(self._read, range(page, page + count)))

    def _read(self, page: int) -> bytes:
        try:
            found = None if self._contents is None else self._contents.find(self._number, page)
        except LostPage as error:
            raise DiskError(str(error)) from error
        if found is not None:
            return found
        line = (
            f"disk {self._name}: the recorded run never read bytes {page << 12} to {(page + 1 << 12) - 1}, so the "
            "recording has them not"
        )
        if not self._told:
            self._told = True
            self._tell(f"{line}; the guest gets a read error there")
        raise DiskError(line)
