"""``g G p P``: registers."""

from __future__ import annotations

from rdbg.rsp import fields, replies
from rdbg.rsp.packet_error import PacketError
from rdbg.stub.client import Client, Feature


def _read_all(client: Client, rest: bytes) -> bytes:
    return client.registers.read_all().hex().encode()


def _write_all(client: Client, rest: bytes) -> bytes:
    """``G HEX``: only what differs is written, since a write is an input of the run; and not what hardware moves."""
    registers = client.registers
    given = registers.split(fields.hex_bytes(rest))
    client.writes.registers(
        [(number, value) for number, value in given if registers.info(number).saved and value != registers.read(number)]
    )
    return replies.OK


def _read(client: Client, rest: bytes) -> bytes:
    number = fields.number(rest)
    if client.registers.is_foreign(number):
        return b"xx" * (client.architecture.address_bits // 8)  # its value is not to be had
    return client.registers.read(number).hex().encode()


def _write(client: Client, rest: bytes) -> bytes:
    number, data = fields.register_assignment(rest)
    if client.registers.is_foreign(number):
        raise PacketError(f"there is no register {number} for a client that has not read the registers' description")
    client.writes.register(number, data)
    return replies.OK


REGISTERS = Feature(packets={b"G": _write_all, b"p": _read, b"P": _write}, words={b"g": _read_all})
