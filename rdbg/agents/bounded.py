"""Answers that are short, and say so where they were cut."""

from __future__ import annotations

from collections.abc import Iterable

#: Bytes of an answer, at most.
MOST_BYTES = 2048
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
        short = _line(line)
        length = len(short.encode()) + 1
        if size + length > MOST_BYTES - _NOTE:
            return "\n".join([*taken, f"[cut: only the first {len(taken)} lines are shown; {cure}]"])
        taken.append(short)
        size += length
    return "\n".join(taken)


def _line(text: str) -> str:
    data = text.encode("utf-8", "replace")
    if len(data) <= _LONGEST_LINE:
        return data.decode()
    return data[:_LONGEST_LINE].decode("utf-8", "ignore") + f" [cut: {len(data)} bytes]"
