"""What the disks of a campaign's guest hold. No image is written: each run has what it writes to itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from rdbg.emu.disk import DiskSource
from rdbg.emu.spec import Drive
from rdbg.host.messages import say
from rdbg.images.recorded_disk import RecordedDisk
from rdbg.quick_dataclass import dataclass
from rdbg.recording.recording import OpenRecording
from rdbg.session.drive_options import DriveOptions
from rdbg.session.run_drives import RunDrives
from rdbg.store.first_contents import FirstContents


@dataclass(frozen=True)
class GuestDisks:
    """Disks of a guest.

    Args:
        sources: what the machine reads, in the order of its drives.
        contents: all that was read of them; None: there are no disks.
    """

    sources: Sequence[DiskSource]
    contents: FirstContents | None = None


def unwritten(options: Sequence[DriveOptions]) -> RunDrives:
    """The images of a campaign.

    Raises:
        RdbgError: one cannot be used.
    """
    return RunDrives([replace(option, snapshot=True) for option in options], say)


def guest_disks(drives: Sequence[Drive], options: Sequence[DriveOptions], recording: str | None) -> GuestDisks:
    """Open the disks of a guest.

    Args:
        drives: of its machine.
        options: of the images.
        recording: the recording that its runs start in, and whose disks they have; None: at power-on.

    Raises:
        RdbgError: an image or the recording cannot be used.
    """
    if not any(drive.size_bytes for drive in drives):
        return GuestDisks([RecordedDisk(drive.name, number, None, say) for number, drive in enumerate(drives)])
    if recording is None:
        images, contents = unwritten(options), FirstContents.in_passing()
        images.copy_past(contents)
        images.go_on_in(contents)
        return GuestDisks(images.sources, contents)
    opened = OpenRecording(recording)
    try:
        kept = None if opened.store is None else FirstContents.open(opened.store.path)
    finally:
        opened.close()
    return GuestDisks([RecordedDisk(drive.name, number, kept, say) for number, drive in enumerate(drives)], kept)
