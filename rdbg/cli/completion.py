"""``rdbg completion``, and what its scripts ask while somebody types.

The scripts hold no option: each time they ask this program, which takes a tenth of a second, and what it says follows
from the tables of ``--help``. A library that makes scripts of an argparse parser (shtab) cannot do it: QEMU's options
are no argparse parser's, and paths stand within values (``-drive file=disk.img,if=ide``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from rdbg.cli.command_page import Subcommand
from rdbg.cli.completion_words import completions
from rdbg.cli.option_values import hint
from rdbg.errors import UsageError

#: Shell -> its script's file, named as that shell's folders of completions have it.
SCRIPTS = {"bash": "rdbg", "zsh": "_rdbg", "fish": "rdbg.fish"}
_FOLDER = Path(__file__).parent / "shells"


def shell_script(words: Sequence[str]) -> str:
    """A shell's script.

    Args:
        words: behind ``rdbg completion``.

    Raises:
        UsageError: it is for no shell.
    """
    if len(words) != 1:
        raise UsageError(f"completion: name a shell: {', '.join(SCRIPTS)}")
    (shell,) = words
    if shell not in SCRIPTS:
        raise UsageError(
            f"completion: there is no script for {shell!r}{hint(shell, SCRIPTS)}; there are {', '.join(SCRIPTS)}"
        )
    return (_FOLDER / SCRIPTS[shell]).read_text()


def complete_for_shell(words: Sequence[str], commands: Mapping[str, Subcommand]) -> str:
    """What a script asks for: a line for paths, if any may come, then one for each word, with its help behind a tab.

    Args:
        words: those of the line behind ``rdbg``, up to the cursor.
        commands: by name.
    """
    found = completions(words or [""], commands)
    lines = [f"{found.paths.value}\t{found.prefix}"] if found.paths is not None else ["words\t"]
    lines += [f"{each.text}\t{each.help}" for each in found.words]
    return "".join(f"{line}\n" for line in lines)
