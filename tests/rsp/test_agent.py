"""Agent expressions, against the meaning that the GDB manual gives each operation."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rdbg.rsp.agent_code import AgentError
from tests.rsp.agent_oracle import AgentContext, AgentExpression

MEMORY = bytes(range(16))


def _memory(address: int, size: int) -> int | None:
    return int.from_bytes(MEMORY[address : address + size], "big") if address + size <= len(MEMORY) else None


CONTEXT = AgentContext(read_register=lambda number: number * 3, read_memory=_memory)


def evaluate(code: str) -> int:
    return AgentExpression(bytes.fromhex(code)).evaluate(CONTEXT)


@pytest.mark.parametrize(
    ("code", "value"),
    [
        ("22 05 27", 5),
        ("23 0102 27", 0x102),
        ("24 01020304 27", 0x1020304),
        ("25 0102030405060708 27", 0x102030405060708),
        ("22 05 22 03 02 27", 8),
        ("22 05 22 03 03 27", 2),
        ("22 03 22 05 03 27", (1 << 64) - 2),
        ("22 05 22 03 04 27", 15),
        ("22 07 22 02 05 27", 3),
        ("22 f9 16 08 22 02 05 27", (1 << 64) - 3),  # -7 / 2 goes towards zero
        ("22 f9 16 08 22 02 07 27", (1 << 64) - 1),
        ("22 07 22 02 06 27", 3),
        ("22 07 22 02 08 27", 1),
        ("22 01 22 04 09 27", 16),
        ("22 80 16 08 22 04 0a 27", (1 << 64) - 8),
        ("22 80 22 04 0b 27", 8),
        ("22 00 0e 27", 1),
        ("22 06 22 03 0f 27", 2),
        ("22 06 22 03 10 27", 7),
        ("22 06 22 03 11 27", 5),
        ("22 00 12 27", (1 << 64) - 1),
        ("22 06 22 06 13 27", 1),
        ("22 ff 16 08 22 01 14 27", 1),  # -1 < 1 signed
        ("22 ff 16 08 22 01 15 27", 0),
        ("22 ff 16 08 2a 04 27", 15),
        ("22 02 17 27", 2),
        ("22 02 18 27", 0x203),
        ("22 02 19 27", 0x2030405),
        ("22 02 1a 27", 0x203040506070809),
        ("26 0005 27", 15),
        ("22 01 28 02 27", 2),
        ("22 01 22 02 29 27", 1),
        ("22 01 22 05 2b 03 27", 4),
        ("22 09 22 01 22 02 32 02 27", 9),
        ("22 01 22 02 22 03 33 27", 2),  # a b c -> c a b
        ("22 01 20 0008 22 00 27 22 07 27", 7),  # jumps over the first end
        ("22 00 20 0008 22 00 27 22 07 27", 0),
    ],
)
def test_operations(code: str, value: int) -> None:
    assert evaluate(code) == value


@pytest.mark.parametrize(
    "code", ["", "22", "27", "02 27", "ff", "0c", "21 0001 27", "21 0000", "22 01 22 00 05 27", "22 40 17 27", "28 27"]
)
def test_what_cannot_be_evaluated(code: str) -> None:
    with pytest.raises(AgentError):
        evaluate(code)


def test_a_loop_ends() -> None:
    with pytest.raises(AgentError, match="operations"):
        evaluate("21 0000")


@given(st.binary(max_size=30))
def test_any_code_gives_a_value_or_is_refused(code: bytes) -> None:
    try:
        assert 0 <= AgentExpression(code).evaluate(CONTEXT) < 1 << 64
    except AgentError:
        pass
