"""The image of a drive in a live run: what the guest reads of it is kept, what it writes goes there in its order."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable

from rdbg.emu.disk import SECTOR_SIZE, DiskError
from rdbg.emu.disk_write import DiskWrite
from rdbg.emu.memory_map import PAGE_SIZE
from rdbg.errors import RdbgError
from rdbg.images.cache_mode import CacheMode
from rdbg.images.disk_image import DiskImage
from rdbg.images.formats import probe_format
from rdbg.quick_dataclass import dataclass
from rdbg.store.first_contents import FirstContents, LostPage
from rdbg.store.page_bits import PageBits

#: What the guest has written may wait so many bytes, and seconds, unless it flushes.
_MOST_BYTES = 8 << 20
_MOST_SECONDS = 0.5


@dataclass(frozen=True)
class ImageUse:
    """How a run uses an image.

    Args:
        writes: what the guest writes goes to the image.
        cache: see there.
        probed: the format was not named, and taken for raw.
    """

    writes: bool
    cache: CacheMode = CacheMode.WRITEBACK
    probed: bool = False


class RunImage:
    """A `DiskSource` over an image, and the way of what is written.

    Args:
        name: of the drive.
        number: of the disk in the machine.
        image: closed with it.
        use: see there.
        contents: where first contents are kept.
        tell: takes a line for the user when something goes wrong.
        clock: host seconds.
    """

    def __init__(
        self,
        name: str,
        number: int,
        image: DiskImage,
        use: ImageUse,
        contents: FirstContents,
        tell: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self.image = image
        self.contents = contents
        self.keeps_reads = False  #: what is read is kept, too: the run is recorded
        self._looked = PageBits()  # pages that were read while that was not so
        self._number = number
        self._use = use
        self._tell = tell
        self._clock = clock
        self._waiting: list[DiskWrite] = []
        self._waiting_bytes = 0
        self._since = 0.0
        self._failed = False
        self._changed = False

    def read(self, page: int, count: int = 1) -> bytes:
        """The first contents of pages; see DiskSource."""
        try:
            if self.contents.knows_any(self._number, page, count):
                if count > 1:
                    return self._one_by_one(page, count)
                found = self.contents.find(self._number, page)
                if found is not None:
                    return found
            content = self.image.read(page * PAGE_SIZE, count * PAGE_SIZE)
        except LostPage as error:
            raise DiskError(str(error)) from error
        except RdbgError as error:
            if count > 1:
                return self._one_by_one(page, count)
            self._lost(page, error)
            raise DiskError(str(error)) from error
        if self.keeps_reads:
            self.contents.keep(self._number, page, content)
        else:
            self._looked.add(page, count)
        return content

    def _one_by_one(self, page: int, count: int) -> bytes:
        return b"".join(map(self.read, range(page, page + count)))

    def keep_what_was_read(self, contents: FirstContents) -> None:
        """Have the first contents of all that was read and not kept kept there: the run is to be recorded after all.
        What the image holds there now is what it held then, since what was written there is kept.

        Raises:
            RdbgError: the image cannot be read any more, or another program has changed it.
        """
        self._look_for_others()
        if self._changed:
            raise RdbgError(
                f"{self.image.path}: another program has changed the image, so what the guest read of {self.name} is "
                "not known any more; a recording from power-on lacks that"
            )
        for page in self._looked:
            if not self.contents.known(self._number, page):
                contents.keep(self._number, page, self.image.read(page * PAGE_SIZE, PAGE_SIZE))

    def take(self, write: DiskWrite) -> None:
        """The guest has written, or flushes."""
        if not self._use.writes or self._failed:
            return
        if not self._waiting:
            self._since = self._clock()
        if not write.is_flush:
            self._waiting.append(write)
            self._waiting_bytes += len(write.data)
        if write.is_flush or self._use.cache.flushes_always:
            self.write_out(flush=True)
        elif self._waiting_bytes >= _MOST_BYTES:
            self.write_out()

    def look(self) -> None:
        """To be asked now and then: what has waited long enough goes to the image, and what others do to it is told."""
        if self._waiting and self._clock() - self._since >= _MOST_SECONDS:
            self.write_out()
        self._look_for_others()

    def write_out(self, flush: bool = False) -> None:
        """Let the image have what the guest has written. Where that fails the user is told, and the image stays as it
        is: as that of a drive which lost its power.

        Args:
            flush: the host's disk is to have it.
        """
        if self._failed:
            return
        self._look_for_others()  # afterwards the file has changed in any case
        writes, self._waiting, self._waiting_bytes = self._waiting, [], 0
        try:
            self._keep_before(writes)
            for write in writes:
                self._refuse_disguise(write)
                self.image.write(write.sector * SECTOR_SIZE, write.data)
            if flush and self._use.cache.waits_at_flush:
                self.image.flush()
            elif writes:
                self.image.write_out()
        except RdbgError as error:
            self._failed = True
            self._tell(f"{error}; from now on nothing that the guest writes to {self.name} reaches the image")
        self.image.files[0].note_own_change()

    def close(self) -> None:
        """Let the image have what waits, and let go of it."""
        if self._use.writes:
            self.write_out(flush=True)
        try:
            self.image.close()
        except RdbgError as error:
            self._tell(str(error))

    def _look_for_others(self) -> None:
        if self._changed:
            return
        for file in self.image.files:
            change = file.strange_change()
            if change is not None:
                self._changed = True
                self._tell(change)

    def _keep_before(self, writes: list[DiskWrite]) -> None:
        """Keep what is about to be overwritten. It must last before that happens."""
        for write in writes:
            first, end = write.sector * SECTOR_SIZE, write.sector * SECTOR_SIZE + len(write.data)
            for page in range(first // PAGE_SIZE, -(-end // PAGE_SIZE)):
                if not self.contents.known(self._number, page):
                    try:
                        content: bytes | None = self.image.read(page * PAGE_SIZE, PAGE_SIZE)
                    except RdbgError as error:
                        self._lost(page, error)
                    else:
                        self.contents.keep(self._number, page, content)
        if writes:
            # What cannot be stored stays in memory; that the recording broke off is told by who records.
            with contextlib.suppress(RdbgError):
                self.contents.write_out(durable=self.keeps_reads and self._use.cache.waits_at_flush)

    def _lost(self, page: int, error: RdbgError) -> None:
        self.contents.keep(self._number, page, None)
        self._tell(f"{error}; the guest gets a read error of {self.name}")

    def _refuse_disguise(self, write: DiskWrite) -> None:
        """A raw image whose format was guessed must not become one of another format, by which a guest would choose
        what is read of the host the next time."""
        if self._use.probed and write.sector == 0:
            format = probe_format(write.data)
            if format != "raw":
                raise RdbgError(
                    f"{self.image.path}: the guest wants this image, taken for raw, to begin as one of format "
                    f"{format}; add format=raw if it may"
                )
