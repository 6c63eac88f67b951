"""``rdbg dump``: a recording's journal in words, or its packets as a capture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rdbg.cli.command_page import CommandOption, CommandPage
from rdbg.cli.qemu_options import parse_line
from rdbg.cli.running import one_file
from rdbg.cli.standard_streams import writing
from rdbg.host.shell_progress import shell_progress

DUMP_PAGE = CommandPage(
    operands=("RECORDING",),
    options=(
        CommandOption(
            ("pcap",),
            "CAPTURE",
            "write all network packets instead, in pcapng's format, with the guest's time, and the icount in each "
            "packet's comment: monitor goto ICOUNT goes there. The recording is replayed for that.",
        ),
    ),
    notes="One line for each record.",
)


def dump(words: Sequence[str]) -> int:
    """Run the words after ``rdbg dump``; gives the exit code.

    Raises:
        RdbgError: it cannot be read or replayed, or the capture cannot be written.
    """
    from rdbg.recording.dump import write_dump

    line = parse_line(words, own=DUMP_PAGE.values(), operands=True, allowed=())
    recording = one_file("dump", line.operands)
    capture = line.last("pcap")
    if capture is not None:
        return _capture(recording, Path(capture), words)
    with writing() as out:
        return 0 if write_dump(recording, out) else 1


def _capture(recording: str, path: Path, words: Sequence[str]) -> int:
    from rdbg.session.capture import write_capture  # the emulator loads only when something is to run

    with shell_progress() as progress:
        incoming, outgoing = write_capture(recording, path, ("rdbg", "dump", *words), progress)
    with writing() as out:
        print(f"{incoming} packets that came in and {outgoing} that went out in {path}", file=out)
    return 0
