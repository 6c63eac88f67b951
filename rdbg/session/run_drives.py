"""The drives of a live run: their images are opened, described for the machine, written to, and closed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from rdbg.emu.disk import SECTOR_SIZE, DiskSource, NoContents
from rdbg.emu.disk_write import decode_disk_write
from rdbg.emu.spec import Drive
from rdbg.errors import RdbgError
from rdbg.session.drive_options import DriveOptions
from rdbg.session.options import RunOptions

if TYPE_CHECKING:
    from rdbg.images.disk_image import DiskImage
    from rdbg.images.run_image import RunImage
    from rdbg.store.first_contents import FirstContents


def used_drives(options: RunOptions) -> list[DriveOptions]:
    """The drives that are plugged in somewhere."""
    return [drive for drive in options.drives if drive.bus != "none" or drive.name in options.claimed_drives]


class RunDrives:
    """Open images. Close them on every path.

    Args:
        options: of each drive.
        say: takes a line for the user that is no failure.

    Raises:
        RdbgError: an image cannot be used.
    """

    def __init__(self, options: Sequence[DriveOptions], say: Callable[[str], None]) -> None:
        self.failures: list[str] = []  #: what went wrong meanwhile, a line each
        self._contents: FirstContents | None = None  #: where what the guest looks at is kept; None: nothing can be
        self._images: list[RunImage | None] = []
        self.images: dict[str, str] = {}  #: file and format, by the drive's name
        described: list[Drive] = []
        try:
            for number, option in enumerate(options):
                image = None if option.file is None else self._open(number, option, say)
                self._images.append(image)
                size = 0 if image is None else image.image.size
                read_only = option.read_only or option.media == "cdrom"
                described.append(
                    Drive(option.name, option.bus, option.index, option.media, size, read_only, option.serial)
                )
        except BaseException:
            self.close()
            raise
        self.described = tuple(described)  #: what the machine is told of them

    @property
    def sources(self) -> list[DiskSource]:
        """What the machine reads."""
        pairs = zip(self.described, self._images, strict=True)
        return [NoContents(drive.name) if image is None else image for drive, image in pairs]

    def copy_past(self, contents: FirstContents) -> None:
        """Keep there, too, what was kept so far.

        Raises:
            RdbgError: it cannot be kept there.
        """
        if self._contents is not None:
            self._contents.copy_to(contents)

    def keep_past(self, contents: FirstContents) -> None:
        """Keep there, too, what the guest has looked at so far.

        Raises:
            RdbgError: an image cannot be read any more, or another program has changed it, or it cannot be kept there.
        """
        self.copy_past(contents)
        for image in self._images:
            if image is not None:
                image.keep_what_was_read(contents)
        contents.write_out()

    def go_on_in(self, contents: FirstContents) -> None:
        """From now on all that the guest looks at is kept there, where what was looked at before is already: the run is
        recorded. It is closed with this."""
        old, self._contents = self._contents, contents
        for image in self._images:
            if image is not None:
                image.contents = contents
                image.keeps_reads = True
        if old is not None:
            old.close()

    def keep_no_reads(self) -> None:
        """The machine is built, and the run is not recorded: what it reads need not be kept."""
        for image in self._images:
            if image is not None:
                image.keeps_reads = False

    def take(self, number: int, data: bytes) -> None:
        """What leaves a disk of the machine at the live end of the run."""
        image = self._images[number]
        if image is not None:
            image.take(decode_disk_write(data))

    def look(self) -> None:
        """To be asked now and then."""
        for image in self._images:
            if image is not None:
                image.look()

    def close(self) -> None:
        """Let the images have what waits, and let go of them. May be called twice."""
        for image in self._images:
            if image is not None:
                image.close()
        self._images = []
        if self._contents is not None:
            self._contents.close()

    def _open(self, number: int, option: DriveOptions, say: Callable[[str], None]) -> RunImage:
        """Open an image. What reads images is imported here: a run without any does not load it."""
        from rdbg.images.folder_disk import PREFIX, parse_folder
        from rdbg.images.open_image import open_image
        from rdbg.images.run_image import ImageUse, RunImage
        from rdbg.store.first_contents import FirstContents

        assert option.file is not None
        if self._contents is None:
            self._contents = FirstContents.in_passing()
        writes = not (option.snapshot or option.read_only or option.media == "cdrom")
        opened = open_image(option.file, option.format, writes)
        try:
            self._check(option, opened.image)
        except RdbgError:
            opened.image.close()
            raise
        self.images[option.name] = f"{option.file} ({opened.format})"
        probed = opened.probed and opened.format == "raw" and writes
        if probed:
            say(f"{option.file}: no format was named, and this was taken for a raw image; format=raw says so")
        if option.file.startswith(PREFIX) and parse_folder(option.file).writable:
            say(f"{option.file}: what the guest writes there stays in the run; the folder is not changed")
        use = ImageUse(writes, option.cache, probed)
        image = RunImage(option.name, number, opened.image, use, self._contents, self.failures.append)
        image.keeps_reads = True  # also before the run begins: a drive's geometry comes from its first sector
        return image

    def _check(self, option: DriveOptions, image: DiskImage) -> None:
        if image.size < SECTOR_SIZE:
            raise RdbgError(f"{option.file}: the disk image is empty; make one with qemu-img create")
