"""Requests are cut out of a stream of bytes however these come."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from rdbg.qmp.request_stream import MOST_BYTES, RequestStream, Unreadable

_WHOLE = st.integers(-(1 << 63), (1 << 64) - 1)
_VALUES = st.recursive(
    st.none() | st.booleans() | _WHOLE | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abc\"'\\{}", max_size=4), inner, max_size=4),
    max_leaves=12,
)


def _fed(pieces: list[bytes]) -> list[Any]:
    stream = RequestStream()
    return [value for piece in pieces for value in stream.feed(piece)]


@given(st.lists(_VALUES, min_size=1, max_size=4), st.booleans(), st.integers(1, 7))
def test_values_come_out_however_they_are_cut(values: list[Any], plain: bool, length: int) -> None:
    data = b" ".join(json.dumps(value, ensure_ascii=plain).encode() for value in values) + b"\n"
    assert _fed([data[at : at + length] for at in range(0, len(data), length)]) == values


@given(st.binary(max_size=60), _VALUES)
def test_after_any_rubbish_the_reset_byte_begins_anew(rubbish: bytes, value: Any) -> None:
    data = json.dumps([value]).encode()
    assert _fed([rubbish, b"\xff", data])[-1] == [value]


def test_what_is_too_long_or_too_deep_is_refused_and_forgotten() -> None:
    found = _fed([b'"' + b"x" * MOST_BYTES, b'"\xff', b"[1]"])
    assert found[0] == Unreadable("JSON token size limit exceeded") and found[-1] == [1]
    assert _fed([b"[" * 300])[0] == Unreadable("JSON nesting depth limit exceeded")
    for number in (b"9" * 5000, b"-" + b"9" * 400, b"1e999", b"1" * 400 + b".5"):
        assert _fed([b"[" + number + b"]"]) == [Unreadable("JSON parse error, a number is out of range")]
    assert _fed([b"[18446744073709551615, 18446744073709551616]"]) == [[(1 << 64) - 1, float(1 << 64)]]
    assert _fed([b"[NaN]"]) == [Unreadable("JSON parse error, invalid keyword 'NaN'")]
