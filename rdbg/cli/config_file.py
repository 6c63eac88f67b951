"""QEMU's files of options, ``-readconfig FILE``: sections of ``key = "value"`` lines."""

from __future__ import annotations

import codecs
import os
import re
from collections.abc import Iterator

from rdbg.cli.option_values import as_words, hint
from rdbg.errors import UsageError
from rdbg.host.regular_file import read_regular
from rdbg.quick_dataclass import dataclass

_MOST_BYTES = 1 << 20
# No option can have a null byte.
_SECTION = re.compile(r'\[\s*([^\s"\]\0]+)(?:\s+"([^"\0]*)")?\s*\]\s*(?:#.*)?')
_PAIR = re.compile(r'([^\s="\0]+)\s*=\s*"([^"\0]*)"\s*(?:#.*)?')
#: What each section is on the command line: the option, and the key that may go without its name there.
_SECTIONS: dict[str, tuple[str, str]] = {
    "accel": ("accel", "accel"),
    "action": ("action", ""),
    "boot-opts": ("boot", ""),
    "chardev": ("chardev", "backend"),
    "device": ("device", "driver"),
    "drive": ("drive", ""),
    "fsdev": ("fsdev", ""),
    "global": ("global", ""),
    "icount": ("icount", ""),
    "machine": ("M", "type"),
    "memory": ("m", "size"),
    "mon": ("mon", ""),
    "msg": ("msg", ""),
    "name": ("name", ""),
    "net": ("net", "type"),
    "netdev": ("netdev", "type"),
    "nic": ("nic", "type"),
    "object": ("object", "qom-type"),
    "overcommit": ("overcommit", ""),
    "plugin": ("plugin", ""),
    "rtc": ("rtc", ""),
    "sandbox": ("sandbox", ""),
    "semihosting-config": ("semihosting-config", ""),
    "smp-opts": ("smp", "cpus"),
    "trace": ("trace", ""),
    "virtfs": ("virtfs", ""),
}
#: Options that say something without a key, too.
_MAKES_SOMETHING = ("chardev", "device", "drive", "mon", "net", "netdev", "nic", "object", "semihosting-config")
#: QEMU's sections of what no machine here has.
_NOT_HERE = ("acpi", "add-fd", "fw_cfg", "numa", "option-rom", "spice", "tpmdev", "vnc")


@dataclass(frozen=True)
class ConfigSection:
    """A section, as the option that it is.

    Args:
        line: its number in the file.
        option: without dashes.
        value: of that option.
    """

    line: int
    option: str
    value: str


def read_config(path: str) -> Iterator[ConfigSection]:
    """The sections of a file, in order.

    Args:
        path: the file.

    Raises:
        RdbgError: it cannot be read.
        UsageError: a line is neither a section nor a value, or there is no such section.
    """
    # As words of a command line: names of files may be no UTF-8. Editors elsewhere put a mark before what is.
    text = os.fsdecode(read_regular(path, "the file of options", _MOST_BYTES).removeprefix(codecs.BOM_UTF8))
    head, line, name, pairs = "", 0, "", list[tuple[str, str]]()
    for number, written in enumerate(text.split("\n"), 1):
        said = written.strip()
        if not said or said.startswith("#"):
            continue
        place = f"-readconfig {path}:{number}"
        if (section := _SECTION.fullmatch(said)) is not None:
            yield from _option(head, line, name, pairs)
            head, line, name, pairs = section[1], number, section[2] or "", []
            _check_section(head, place)
        elif (pair := _PAIR.fullmatch(said)) is None:
            raise UsageError(f'{place}: {said[:80]!r} is no section and no value; write [GROUP "ID"], or KEY = "VALUE"')
        elif not head:
            raise UsageError(f'{place}: {pair[1]} stands in no section; write one before it, such as [drive "ID"]')
        elif head in _NOT_HERE:
            raise UsageError(f"{place}: [{head}]: there is no such thing in the machine; drop the section")
        else:
            pairs.append((pair[1], pair[2]))
    yield from _option(head, line, name, pairs)


def _check_section(head: str, place: str) -> None:
    if head not in _SECTIONS and head not in _NOT_HERE:
        raise UsageError(
            f"{place}: there is no section [{head}]{hint(head, _SECTIONS)}; there are {', '.join(_SECTIONS)}"
        )


def _option(head: str, line: int, name: str, pairs: list[tuple[str, str]]) -> Iterator[ConfigSection]:
    """A section's option; an empty one is none where the option would want a value."""
    if head in _NOT_HERE or not (pairs or name or head in _MAKES_SOMETHING):
        return
    option, first = _SECTIONS[head]
    named = [("id", name)] if name else []
    leading = [text for key, text in pairs if key == first][:1]
    # Where a value may stand without its key, that is how all options know it.
    bare = [text.replace(",", ",,") for text in leading if "=" not in text]
    rest = [pair for pair in pairs if not bare or pair != (first, leading[0])]
    yield ConfigSection(line, option, ",".join([*bare, *([as_words([*rest, *named])] if rest or named else [])]))
