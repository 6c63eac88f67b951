"""``rdbg board``: what has to do with boards of one's own."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from rdbg.cli.command_page import CommandOption, CommandPage
from rdbg.cli.qemu_options import parse_line
from rdbg.cli.running import one_file
from rdbg.cli.standard_streams import writing
from rdbg.emu.boards.python_toml import is_python
from rdbg.errors import RdbgError, UsageError
from rdbg.host.messages import say
from rdbg.host.regular_file import read_regular
from rdbg.host.shell_progress import shell_progress
from rdbg.recording.recording import OpenRecording

_DRAFT = (
    CommandOption(("o",), "FILE", "the board file to write (default: standard output)"),
    CommandOption(("from",), "BOARD", "a board file that says what is known already: the draft adds to it"),
    CommandOption(("at",), "ADDRESS", "virtual address of a raw firmware, where it begins (default 0xbfc00000)"),
    CommandOption(("ram",), "MIB", "RAM from physical address 0 on (default 128)"),
    CommandOption(("instructions",), "N", "how many to run (default 20000000)"),
)


#: The key of a board file that names a peripheral's file, relative to the board file's folder.
_PYTHON = re.compile(r"""(?m)((?:^|[{,])\s*python\s*=\s*["'])([^/"'][^"'\n]*)(:\w+["'])""")


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
        operands=("draft|sources", "FILE"),
        options=_DRAFT,
        notes="draft FIRMWARE runs a firmware (ELF, or raw) where every address answers, and describes\n"
        "what it touched as a board file. sources RECORDING prints the peripherals in\n"
        "Python that a recording carries.",
        machine=("EL", "EB", "cpu"),
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


def _draft(words: Sequence[str]) -> int:
    from rdbg.host.interrupts import NotedInterrupts
    from rdbg.session.board_draft import DraftOptions, draft_board, require_text
    from rdbg.session.images import read_image
    from rdbg.session.options import ImageFile

    own = {each.spellings[0].lstrip("-"): each.value for each in _DRAFT}
    line = parse_line(words, own=own, operands=True, allowed=("EL", "EB", "cpu"))
    path = one_file("board draft", line.operands)
    output = line.last("o")
    if output is not None:
        _check_free(Path(output), line.last("from"))
    options = DraftOptions(
        path,
        read_regular(path, "the firmware"),
        address=_number(line.last("at", "0xbfc00000"), "--at", 0, 0xFFFF_FFFF),
        big_endian=line.options.big_endian,
        ram_bytes=_number(line.last("ram", "128"), "--ram", 1, 512) << 20,
        instructions=_number(line.last("instructions", "20000000"), "--instructions", 1, 1 << 40),
        cpu=line.options.cpu,
        board=None if line.last("from") is None else read_image(ImageFile("board", line.last("from") or "")),
    )
    with shell_progress() as progress, NotedInterrupts() as interrupted:
        draft = draft_board(options, interrupted, progress)
    text = draft.text
    if output is not None and line.last("from") is not None:
        text = _with_sources_from(text, Path(line.last("from") or "").parent, Path(output).parent)
    require_text(output or "draft.toml", text)
    if output is None:
        with writing() as out:
            print(text, end="", file=out)
    else:
        _write(Path(output), text)
    say(
        f"{draft.registers} registers in {draft.devices} devices; the firmware ran {draft.icount:,} instructions, "
        f"to pc {draft.pc:#010x}"
    )
    return 0


def _with_sources_from(text: str, old: Path, new: Path) -> str:
    """A board file that goes to another folder, with the same peripherals in Python: their files stay where they are.

    Args:
        text: the board file.
        old: the folder that it was in.
        new: the folder that it goes to.
    """
    here, there = os.path.realpath(old), os.path.realpath(new)
    if here == there:
        return text
    return _PYTHON.sub(lambda key: f"{key[1]}{os.path.relpath(os.path.join(here, key[2]), there)}{key[3]}", text)


def _check_free(output: Path, known: str | None) -> None:
    """The board that the draft goes on from may be replaced, since the draft has all of it, and no other file of the
    user's."""
    if output.is_file() and not (known is not None and os.path.exists(known) and output.samefile(known)):
        raise UsageError(f"-o {output}: there is a file already; name another (--from {output} goes on from a board)")


def _write(output: Path, text: str) -> None:
    try:
        if output.exists() and not output.is_file():
            output.write_text(text)
            return
        draft = output.with_name(f"{output.name}.{os.getpid()}")
        try:
            with draft.open("x") as file:
                file.write(text)
            draft.replace(output)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise RdbgError(f"{output}: cannot write it: {error.strerror}") from error


def _number(text: str | None, option: str, low: int, high: int) -> int:
    text = text or ""
    try:
        value = int(text.replace("_", ""), 0)
    except ValueError:
        value = low - 1
    if not low <= value <= high:
        raise UsageError(f"{option} {text}: must be a number from {low:#x} to {high:#x}")
    return value


_COMMANDS: dict[str, Callable[[Sequence[str]], int]] = {"draft": _draft, "sources": _sources}
