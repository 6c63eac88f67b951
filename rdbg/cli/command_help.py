"""What ``rdbg COMMAND --help`` says."""

from __future__ import annotations

from rdbg.cli.command_page import CommandPage, Subcommand, argument_entries, filled, option_entries
from rdbg.cli.qemu_options import help_text


def command_help(name: str, command: Subcommand) -> str:
    """Everything that a command takes.

    Args:
        name: of the command.
        command: it.
    """
    usage = f"usage: rdbg {name} {command.usage}".rstrip()
    return "\n\n".join((usage, command.summary, *_parts(command.page())))


def _parts(page: CommandPage) -> list[str]:
    own = "\n".join([*argument_entries(page.arguments), *option_entries(page.options)])
    machine = help_text(page.machine) if page.machine is None or page.machine else ""
    return [part for part in (own, filled(page.notes), machine, filled(page.ending)) if part]
