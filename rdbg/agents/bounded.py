"""Answers that are short, and say so where they were cut."""

from __future__ import annotations

from collections.abc import Iterable

#: Bytes of an answer, at most.
MOST_BYTES = 2048
#: Lines that are looked for, at most: no answer has room for more, whatever is asked for.
MOST_LINES = MOST_BYTES // 16
#: Room for what says that it was cut.
_NOTE = 160
_LONGEST_LINE = 400


def bounded(lines: Iterable[str], cure: str) -> str:
    """Lines as one answer of at most MOST_BYTES.

    Args:
        lines: what there is to say; no more of them are asked for than fit.
        cure: how to see the rest, in a phrase.
    """
    taken: list[str] = []
    size = 0
    for line in lines:
        short = clipped(line, _LONGEST_LINE)
        length = len(short.encode()) + 1
        if size + length > MOST_BYTES - _NOTE:
            return "\n".join([*taken, f"[cut: only the first {len(taken)} lines are shown; {cure}]"])
        taken.append(short)
        size += length
    return "\n".join(taken)


def clipped(text: str, most: int = MOST_BYTES) -> str:
    """A text of at most so many bytes, which says where it was cut."""
    data = text.encode("utf-8", "replace")
    if len(data) <= most:
        return data.decode()
    note = f" [cut: {len(data)} bytes]"
    return data[: most - len(note)].decode("utf-8", "ignore") + note
