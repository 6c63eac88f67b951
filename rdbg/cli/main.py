"""The command line: finding the command, and the way errors end."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from rdbg import __version__
from rdbg.cli.command_help import command_help
from rdbg.cli.command_page import COMPLETION
from rdbg.cli.commands import COMMANDS, COMPLETE
from rdbg.cli.option_values import HelpWanted, hint
from rdbg.cli.standard_streams import forget_output, hold_standard_streams, writing
from rdbg.errors import RdbgError, UsageError
from rdbg.host.messages import say

_OVERVIEW = "rdbg: a reverse debugger backend for GDB, for whole MIPS machines"


def _overview() -> str:
    width = max(map(len, COMMANDS)) + 2
    lines = [_OVERVIEW, "", "usage: rdbg COMMAND ...", ""]
    lines += [f"  {name:<{width}}{command.summary}" for name, command in COMMANDS.items()]
    lines += ["", "rdbg COMMAND --help says more; rdbg --version says which rdbg this is."]
    return "\n".join(lines)


def _versions() -> str:
    """The versions that a report of a fault should name: of rdbg, of what runs it, and of its files."""
    import platform
    from importlib.metadata import version

    from rdbg.journal.file_header import VERSION as JOURNAL_VERSION
    from rdbg.store.database import VERSION as STORE_VERSION

    return (
        f"rdbg {__version__}\n"
        f"unicorn {version('unicorn')}, Python {platform.python_version()}, {platform.system()} {platform.machine()}\n"
        f"formats: journal {JOURNAL_VERSION}, snapshots {STORE_VERSION}"
    )


def _instead(name: str) -> str:
    """What to write for a word that is no command."""
    if name.startswith("-"):
        return "; for QEMU's options write rdbg run ..."
    from rdbg.cli.query_command import QUERY_PAGE

    if name in (each.name for each in QUERY_PAGE.arguments):
        return f"; ask a recording: rdbg query RECORDING {name} ..."
    return f"{hint(name, COMMANDS)}; see rdbg --help"


def _dispatch(words: Sequence[str]) -> int:
    if not words:
        print(_overview(), file=sys.stderr)
        return 2
    name, rest = words[0], words[1:]
    if name in ("-h", "--help", "help"):
        with writing() as out:
            print(_overview(), file=out)
        return 0
    if name == "--version":
        with writing() as out:
            print(_versions(), file=out)
        return 0
    command = COMPLETE if name == COMPLETION else COMMANDS.get(name)
    if command is None:
        raise UsageError(f"{name}: no such command{_instead(name)}")
    if command is not COMPLETE and any(word in ("-h", "--help", "-help") for word in rest):
        with writing() as out:
            print(command_help(name, command), file=out)
        return 0
    return command.run(rest)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line and give the exit code: the guest's, or 0; 1 for a failed run, 2 for wrong usage."""
    try:
        hold_standard_streams()
        try:
            return _dispatch(sys.argv[1:] if arguments is None else arguments)
        except HelpWanted as wanted:
            with writing() as out:
                out.write(str(wanted))
            return 0
    except RdbgError as error:
        say(str(error))
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Whoever read our output has gone; keep the interpreter from complaining about it at exit.
        forget_output()
        return 1
    except MemoryError:
        say("the host has no more memory for it; close something, or raise the limit (ulimit -v)")
    except OSError as error:
        # What a file of the user's is about is said where it is opened; this is the host's own trouble.
        say(f"{f'{error.filename}: ' if error.filename else ''}{error.strerror or error}")
    except ImportError as error:
        say(f"cannot load all of rdbg: {error}; raise the limit on memory (ulimit -v), or install it again")
    return 1
