"""Packet fields: what is right is read, and everything else is a PacketError."""

from __future__ import annotations

from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rdbg.emu.mips32 import MIPS32
from rdbg.rsp import fields
from rdbg.rsp.fields import PointSpec, Range, ResumeAction, TransferRequest
from rdbg.rsp.packet_error import PacketError

PARSERS = (
    fields.number,
    partial(fields.address, architecture=MIPS32),
    fields.hex_bytes,
    partial(fields.memory_range, architecture=MIPS32),
    partial(fields.memory_write, architecture=MIPS32),
    fields.register_assignment,
    partial(fields.point, architecture=MIPS32),
    fields.agent_expressions,
    fields.transfer,
    fields.thread,
    partial(fields.resume_actions, architecture=MIPS32),
)


@given(
    st.sampled_from(PARSERS),
    st.binary(max_size=40) | st.text("0123456789abcdef,;:=-XrcsZp.", max_size=40).map(str.encode),
)
def test_a_parser_reads_or_refuses(parser: object, text: bytes) -> None:
    try:
        parser(text)  # type: ignore[operator]
    except PacketError as error:
        assert "\n" not in str(error)


def test_numbers_have_no_sign_and_no_prefix() -> None:
    assert fields.number(b"1F") == 31
    for text in (b"", b"-1", b"+1", b"0x1", b" 1", b"1_0", b"1" * 17):
        with pytest.raises(PacketError):
            fields.number(text)


def test_addresses_may_be_sign_extended() -> None:
    assert fields.address(b"ffffffff80001000", MIPS32) == fields.address(b"80001000", MIPS32) == 0x80001000
    for text in (b"100000000", b"ffffffff00001000"):
        with pytest.raises(PacketError):
            fields.address(text, MIPS32)


def test_memory() -> None:
    assert fields.memory_range(b"80001000,4", MIPS32) == Range(0x80001000, 4)
    assert fields.memory_write(b"80001000,4::,;", MIPS32) == (Range(0x80001000, 4), b":,;")


def test_points_with_conditions() -> None:
    assert fields.point(b"0,80001000,4", MIPS32) == PointSpec(0, 0x80001000, 4)
    assert fields.point(b"0,1000,4;X2,2627X1,27", MIPS32) == PointSpec(0, 0x1000, 4, (b"\x26\x27", b"\x27"))
    with pytest.raises(PacketError):
        fields.point(b"0,1000,4;X5,2627", MIPS32)


def test_transfers() -> None:
    assert fields.transfer(b"features:read:target.xml:0,1000") == TransferRequest("features", "target.xml", 0, 0x1000)
    with pytest.raises(PacketError):
        fields.transfer(b"features:write:target.xml:0,1000")


def test_resume_actions() -> None:
    assert fields.resume_actions(b";s:1;c", MIPS32) == [ResumeAction("s", 1), ResumeAction("c")]
    assert fields.resume_actions(b";C05:p1.-1", MIPS32) == [ResumeAction("c", -1)]
    assert fields.resume_actions(b";r1000,1010:1", MIPS32) == [ResumeAction("r", 1, 0x1000, 0x1010)]
