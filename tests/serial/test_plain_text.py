"""A guest's output without what it says to a terminal."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rdbg.serial.plain_text import PlainText

pieces = st.sampled_from(
    [b"\x1b[", b"6n", b"\x1b", b"]0;", b"\x07", b"\\", b"\r", b"\n", b"abc", b"\xc3", b"\xa9", b"\x9b", b"(B", b"\x1bP"]
)


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        (b"/ # \x1b[6n", "/ # "),
        (b"\x1b[1;31mred\x1b[0m\r\n", "red\n"),
        (b"\x1b]0;title\x07a\x1b]2;title\x1b\\b\x1bPq#0\x1b\\c", "abc"),
        (b"10%\r20%\r\n", "10%\r20%\n"),
        (b"lx\b s\a\x00\x0e\x7f", "lx\b s"),
        (b"\xc3\xa9t\xc3\xa9 \xff", "été \ufffd"),
        (b"\x1b(B\x1b=\x1bM\x1b7x", "x"),
        (b"\xc2\x9b6n", "6n"),
    ],
)
def test_a_line(sent: bytes, shown: str) -> None:
    assert PlainText().feed(sent) == shown


def test_a_sequence_that_does_not_end_hides_no_more_than_itself() -> None:
    text = PlainText()
    assert text.feed(b"\x1b]" + b"a" * 1000) == "]" + "a" * 1000
    assert text.feed(b"b\n") == "b\n"


@given(st.lists(pieces, max_size=20))
def test_it_does_not_matter_how_the_output_is_cut(sent: list[bytes]) -> None:
    whole, cut = PlainText(), PlainText()
    together = whole.feed(b"".join(sent) + b"\n.")
    assert "".join(map(cut.feed, [*sent, b"\n."])) == together
    assert not any(character in together for character in "\x1b\x07\x9b")
