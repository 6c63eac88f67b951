"""``rdbg board``: what has to do with boards of one's own."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rdbg.cli.command_page import CommandPage
from rdbg.cli.running import one_file
from rdbg.cli.standard_streams import writing
from rdbg.emu.boards.python_toml import is_python
from rdbg.errors import UsageError
from rdbg.recording.recording import OpenRecording


def board(words: Sequence[str]) -> int:
    """The command line.

    Args:
        words: behind ``board``.

    Returns:
        the exit code.

    Raises:
        RdbgError: what it is to work on is wrong.
    """
    doing = _COMMANDS.get(words[0]) if words else None
    if doing is None:
        raise UsageError(f"board: say one of {', '.join(_COMMANDS)}; see rdbg board --help")
    return doing(words[1:])


def board_page() -> CommandPage:
    """What ``rdbg board --help`` says."""
    return CommandPage(
        operands=("sources", "RECORDING"),
        notes="sources prints the peripherals in Python that a recording carries.",
    )


def _sources(words: Sequence[str]) -> int:
    recording = OpenRecording(one_file("board sources", words))
    try:
        images = [image for image in recording.spec(to_run=False).images if is_python(image.role)]
    finally:
        recording.close()
    with writing() as out:
        for image in images:
            print(f"# {image.path}\n{image.data.decode(errors='backslashreplace')}", file=out)
        if not images:
            print(f"{recording.path} has no peripherals in Python", file=out)
    return 0


_COMMANDS: dict[str, Callable[[Sequence[str]], int]] = {"sources": _sources}
