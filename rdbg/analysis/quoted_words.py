"""Words of what users write: double quotes hold blanks together."""

from __future__ import annotations

import re

from rdbg.errors import UsageError

_WORD = re.compile(r'(?:[^\s"]|"[^"]*"?)+')


def quoted_words(line: str) -> list[str]:
    """The words of a line.

    Raises:
        UsageError: a quote is not closed.
    """
    found: list[str] = []
    for match in _WORD.finditer(line):
        if match[0].count('"') % 2:
            raise UsageError(f"a quote is not closed in: {line[match.start() :]}")
        found.append(match[0].replace('"', ""))
    return found
