"""What printf makes of values, against C's own (by way of Python's, which follows it)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rdbg.rsp.agent_code import AgentError, decode
from rdbg.rsp.agent_printf import decode_printf
from rdbg.rsp.printf import MOST_CHARACTERS, formatted


def nothing(address: int) -> bytes | None:
    return None


def signed(value: int, bits: int) -> int:
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


FLAGS = st.sampled_from([b"", b"-", b"0", b"+", b" ", b"#", b"-+", b"0+", b"#0"])
SIZES = st.sampled_from([b"", b"3", b"12"])


@given(flags=FLAGS, width=SIZES, precision=st.sampled_from([b"", b".0", b".4", b".9"]), kind=st.sampled_from(b"duxXo"),
       value=st.integers(0, (1 << 64) - 1))  # fmt: skip
def test_numbers_read_as_elsewhere(flags: bytes, width: bytes, precision: bytes, kind: int, value: int) -> None:
    letter = bytes((kind,))
    if letter == b"o" and b"#" in flags:
        flags = b""  # Python writes 0o7
    if letter in b"uxXo" and (b"+" in flags or b" " in flags):
        flags = b""  # for signed numbers only
    if precision and b"0" in flags:
        flags = b""  # C ignores 0 beside a precision, Python does not
    word = signed(value, 32) if letter == b"d" else value & 0xFFFF_FFFF
    if not word and (precision == b".0" or b"#" in flags):
        return  # C has no digits then, and no 0x
    directive = b"%" + flags + width + precision
    expected = (directive + (b"d" if letter in b"du" else letter)) % word
    assert formatted(directive + letter, [value], nothing, 32) == expected.decode()


@given(template=st.binary(max_size=40), values=st.lists(st.integers(0, (1 << 64) - 1), max_size=4))
def test_any_template_gives_text(template: bytes, values: list[int]) -> None:
    assert len(formatted(template, values, nothing, 32)) <= 20 * (MOST_CHARACTERS + 40)


def test_strings_characters_and_pointers() -> None:
    memory = {0x8000_1000: b"tank", 0x8000_2000: b""}

    def show(template: bytes, *values: int) -> str:
        return formatted(template, values, memory.get, 32)

    assert show(b"[%s] [%-6s] [%6s] [%.2s] [%s]", *[0x8000_1000] * 4, 0x8000_2000) == "[tank] [tank  ] [  tank] [ta] []"
    assert show(b"%s", 0xFFFF_FFFF_8000_1000) == "tank"
    assert show(b"%s", 16) == "<cannot read 0x10>"
    assert show(b"%c%3c %p %lld %hd %hhu", 65, 66, 0x8000_1000, (1 << 64) - 5, 0x1FFFF, 0x1FF) == (
        "A  B 0x80001000 -5 -1 255"
    )
    assert show(b"%d %d", 7) == "7 0" and show(b"100%% %.9999999d", 1).startswith("100% 0000")
    assert "no floating point" in show(b"%f", 1)


def test_a_command_is_taken_apart() -> None:
    # const8 9, const8 7 (the first argument), const8 0, const8 0, printf with two arguments
    code = bytes.fromhex("2209 2207 2200 2200 34 02 0008") + rb"%d %x\n" + b"\0" + b"\x27"
    command = decode_printf(code[:11] + b"\x08" + code[12:])
    assert command.template == b"%d %x\n" and len(command.arguments) == 2
    assert command.arguments[0] == decode(bytes.fromhex("2209 2207 2200 2200 3202 27"))
    assert command.values(lambda argument: argument[-2].operand) == [2, 3]
    assert command.values(lambda argument: None) is None


@pytest.mark.parametrize("code", ["", "27", "34", "3401", "340100", "34000005", "3400000541", "2234", "ff", "34ff0000"])
def test_damaged_commands_are_refused(code: str) -> None:
    with pytest.raises(AgentError):
        decode_printf(bytes.fromhex(code))
