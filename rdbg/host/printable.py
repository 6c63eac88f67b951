"""Text for people, from a file or a name that somebody else has written."""

from __future__ import annotations


def printable(text: str) -> str:
    """Text from a file, safe on a terminal and in any encoding."""
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)
