"""What a guest prints, without what it says to a terminal.

Source: ECMA-48, section 5.3 (escape and control functions) and 8.3.43 (DEVICE STATUS REPORT, which a terminal answers).
"""

from __future__ import annotations

import codecs
import re

#: Escape sequences, control characters but for tabs, line ends and backspaces, and the CR of a line end.
_DROPPED = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # control sequences: cursor, colours, queries
    r"|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)"  # control strings: titles
    r"|\x1b[ -/]*[0-OQ-WYZ\\`-~]"  # two characters and more
    r"|\r(?=\n)|[\x00-\x07\x0b\x0c\x0e-\x1f\x7f-\x9f]"
)
#: The beginning of one, or of a line end, at the end of what has come.
_UNFINISHED = re.compile(r"(?:\r|\x1b(?:\[[0-?]*[ -/]*|[\]PX^_][^\x07\x1b]*\x1b?|[ -/]*))\Z")
#: A sequence that has not ended after so many characters is none.
_LONGEST = 256


class PlainText:
    """Takes bytes as they come, in pieces of any size, and gives text that is safe on somebody else's terminal."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._waiting = ""

    def feed(self, data: bytes) -> str:
        """The text in ``data``, and in what waited for its end."""
        text = self._waiting + self._decoder.decode(data)
        unfinished = _UNFINISHED.search(text)
        self._waiting = unfinished[0] if unfinished is not None and len(unfinished[0]) <= _LONGEST else ""
        return _DROPPED.sub("", text[: len(text) - len(self._waiting)])
