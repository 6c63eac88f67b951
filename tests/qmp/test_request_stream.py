"""Requests are cut out of a stream of bytes however these come."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rdbg.qmp.qmp_session import QmpSession
from rdbg.qmp.request_stream import MOST_BYTES, RequestStream, Unreadable

_WHOLE = st.integers(-(1 << 63), (1 << 64) - 1)
_VALUES = st.recursive(
    st.none() | st.booleans() | _WHOLE | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abc\"'\\{}", max_size=4), inner, max_size=4),
    max_leaves=12,
)


_NO_REQUESTS: list[Any] = [{}, [1], {"id": 1}]


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


@pytest.mark.parametrize("nonsense", [b"}", b"%", b"a ", b"[}", b"\x80\xfe", b"{}", b"[1]", b'{"id": 1} '])
def test_of_nonsense_without_end_only_the_beginning_is_looked_at(nonsense: bytes) -> None:
    stream = RequestStream()
    found = [value for _ in range(300) for value in stream.feed(nonsense * 2_500)]
    assert 64 < len(found) < 70 and all(value in _NO_REQUESTS or isinstance(value, Unreadable) for value in found)
    assert list(stream.feed(nonsense + b'{"not": "seen"}\n{"execute": 1} 2 ')) == [{"execute": 1}, 2]


def test_each_line_of_nonsense_is_looked_at() -> None:
    assert len(_fed([b"nonsense\n" * 1000])) == 1000
    assert _fed([b"nonsense\n" * 1000, b"[1]"])[-1] == [1]


@given(st.lists(st.sampled_from([b"}", b"x ", b"\n", b"[1]", b'"', b"\xff"]), max_size=400), st.integers(1, 70))
def test_nonsense_is_the_same_however_it_is_cut(pieces: list[bytes], length: int) -> None:
    data = b"".join([b"}" * 60, *pieces])
    assert _fed([data[at : at + length] for at in range(0, len(data), length)]) == _fed([data])


def test_nonsense_that_comes_at_once_is_not_refused_piece_by_piece() -> None:
    session = QmpSession(lambda data: None)
    session.typed(b"}\n" * 2000 + b'{"execute": "stop"}' + b"{}" * 50 + b'{"id": 1}')
    asked = []
    while (request := session.next_request()) is not None:
        asked.append((request.command, request.wrong is not None, dict(request.answer_with)))
    assert asked == [("", True, {})] * 8 + [("stop", False, {}), ("", True, {}), ("", True, {"id": 1})]
