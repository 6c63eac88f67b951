"""Generators of what a client sends: every packet in its right form, damaged forms of it, and broken framing.

A packet is drawn whole, from the form that its manual entry gives (`SHAPES`), and then, now and then, damaged at some
place: so most of it is right, and the damage gets past the first check.
"""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import strategies as st

from rdbg.monitor.info_commands import INFO_TOPICS
from rdbg.monitor.interpreter import commands
from rdbg.rsp.framing import encode
from rdbg.stub.features import FEATURES

Bytes = st.SearchStrategy[bytes]

#: Beginnings of all packets that there are.
NAMES = sorted({name for feature in FEATURES for name in (*feature.packets, *feature.words)})

_NUMBERS = (0, 1, 2, 4, 37, 38, 72, 255, 0x1000, 0xFFFF, 1 << 31, (1 << 32) - 1, 1 << 32, 1 << 63, (1 << 64) - 1)
#: Code, data, stack, both unmapped segments, TLB-mapped, devices, flash, the ends of the address space, sign-extended.
_ADDRESSES = (
    0x80100020, 0x80100024, 0x801000FC, 0x80100100, 0x80110124, 0x80200000, 0x80FFFFFC, 0xA0100020, 0x0, 0x1000,
    0x7FFFFFFF, 0xC0000000, 0xB80003F8, 0xBBE00000, 0xBE000000, 0xBE020001, 0xBFC00000, 0xFFFFFFFC, 0xFFFFFFFF,
    0xFFFFFFFF80100020, 0xFFFFFFFFFFFFFFFF, 1 << 32, 1 << 64,
)  # fmt: skip
_LENGTHS = (0, 1, 2, 3, 4, 5, 8, 16, 0xFFF, 0x1000, 0x10001, 0x20000, 0x20001, 1 << 24, 1 << 31, 1 << 32, 1 << 64)
#: Bytecode: true, false, $pc, a word of memory, a jump onto itself, an empty stack, the end missing, unknown.
_CODE = ("220127", "220027", "26002527", "2380100020192327", "21000027", "0227", "2201", "ff27", "", "16" * 30)
_PLACES = ("start", "end", "0", "1", "500", "99999999999", "+3", "-3", "50%", "101%", "-0%", "boot", "main", "0x", "١")

number = st.one_of(st.sampled_from(_NUMBERS), st.integers(0, 1 << 20), st.integers(0, 1 << 66)).map(b"%x".__mod__)
address = st.one_of(st.sampled_from(_ADDRESSES), st.integers(0x80100000, 0x80100200)).map(b"%x".__mod__)
length = st.sampled_from(_LENGTHS).map(b"%x".__mod__)
raw = st.binary(max_size=24)
hexadecimal = raw.map(lambda data: data.hex().encode())
thread = st.sampled_from((b"0", b"1", b"-1", b"2", b"p1.1", b"p1.-1", b"p-1.-1", b"p0.0", b"p1", b"-2", b""))


def form(*parts: Bytes | bytes) -> Bytes:
    """These one after another."""
    return st.tuples(*(st.just(part) if isinstance(part, bytes) else part for part in parts)).map(b"".join)


def some(part: Bytes, most: int = 3) -> Bytes:
    """None, one or several of these."""
    return st.lists(part, max_size=most).map(b"".join)


def _commands(line: str) -> bytes:
    return line.encode("utf-8", "surrogatepass").hex().encode()


_words = st.one_of(
    st.sampled_from(_PLACES),
    st.sampled_from(("80100020", "0x80110124", "-1", "4", "0", "1e9", "9" * 20, "''", '""', "a b", "%s%n")),
    st.sampled_from(sorted(INFO_TOPICS)),
    st.sampled_from(sorted(commands())),
    st.text(max_size=8),
)
monitor_lines = st.one_of(
    st.tuples(st.sampled_from(sorted(commands())), st.lists(_words, max_size=3)).map(
        lambda line: " ".join((line[0], *line[1]))
    ),
    st.text(max_size=30),
)
_condition = st.sampled_from(_CODE).map(lambda code: b"X%x,%b" % (len(code) // 2, code.encode()))
_FORMATS = (b"hit\n", b"%d %x\n", b"%s", b"%n", b"%99999999d", b"%.99999999s", b"%*d", b"%", b"%c%lld%p%f", b"\xff")


def _printf(text: bytes) -> bytes:
    """Bytecode that prints: 5, channel, function; then printf with one argument, the string's length and the string."""
    code = bytes.fromhex("220522002200") + b"\x34\x01" + (len(text) + 1).to_bytes(2, "big") + text + b"\0\x27"
    return b"X%x,%b" % (len(code), code.hex().encode())


_command = form(b"cmds:", st.sampled_from((b"0", b"1", b"")), b",", some(st.sampled_from(_FORMATS).map(_printf)))
_action = st.one_of(
    st.sampled_from((b";c", b";s", b";t", b";C05", b";S0b", b";c:1", b";s:1", b";c:p1.-1", b";s:2", b";q", b";")),
    form(b";r", address, b",", address, b":", thread),
)
_annex = st.sampled_from((b"target.xml", b"", b"../../../etc/passwd", b"a:b", b"target.xml\0"))
_object = st.sampled_from((b"features", b"memory-map", b"threads", b"exec-file", b"auxv", b"spu", b""))
_file_name = st.sampled_from((b"/rdbg-guest.elf", b"/etc/passwd", b"rdbg-guest.elf", b"/proc/self/mem", b"")).map(
    lambda name: name.hex().encode()
)
_descriptor = st.sampled_from((b"1", b"0", b"2", b"-1", b"ffffffff", b""))
_range = form(address, b",", length)
_point = form(st.sampled_from((b"0", b"1", b"2", b"3", b"4", b"5", b"ff")), b",", address, b",", length)
_written = st.one_of(
    raw.map(lambda data: (b"%x" % len(data), data)),
    st.tuples(length, raw),
)

#: What follows each packet's beginning. A packet without an entry is followed by pieces of all kinds.
SHAPES: dict[bytes, Bytes] = {
    b"qSupported": st.sampled_from((b":swbreak+;hwbreak+;error-message+", b"", b":", b":xmlRegisters=i386")),
    b"D": st.sampled_from((b"", b";1", b";p1", b";")),
    b"qSymbol:": st.sampled_from((b":", b"80100020:61", b"")),
    b"qAttached": st.sampled_from((b"", b":1", b":ffffffffff")),
    b"vKill;": number,
    b"H": form(st.sampled_from((b"g", b"c", b"", b"m")), thread),
    b"T": thread,
    b"G": st.one_of(hexadecimal, st.integers(0, 800).map(lambda size: b"00" * size)),
    b"p": number,
    b"P": form(number, b"=", st.one_of(hexadecimal, st.sampled_from((b"78563412", b"00000000", b"0" * 16)))),
    b"m": _range,
    b"x": _range,
    b"M": _written.map(lambda part: b"80200000,%b:%b" % (part[0], part[1].hex().encode()))
    | form(_range, b":", hexadecimal),
    b"X": _written.map(lambda part: b"80200000,%b:%b" % part) | form(_range, b":", raw),
    b"qSearch:memory:": form(address, b";", length, b";", raw),
    b"qCRC:": _range,
    b"vFlashErase:": _range,
    b"vFlashWrite:": form(address, b":", raw),
    b"Z": form(_point, some(form(b";", _condition)), st.just(b"") | form(b";", _command)),
    b"z": _point,
    b"c": st.just(b"") | address,
    b"C": form(number, st.just(b"") | form(b";", address)),
    b"s": st.just(b"") | address,
    b"S": form(number, st.just(b"") | form(b";", address)),
    b"vCont": some(_action),
    b"qXfer:": form(_object, st.sampled_from((b":read:", b":write:", b":")), _annex, b":", number, b",", number),
    b"vFile:setfs:": number,
    b"vFile:open:": form(_file_name, b",", number, b",", number),
    b"vFile:pread:": form(_descriptor, b",", length, b",", length),
    b"vFile:fstat:": _descriptor,
    b"vFile:close:": _descriptor,
    b"R": number,
    b"vRun;": some(form(st.sampled_from(_PLACES).map(_commands), b";")),
    b"qRcmd,": st.one_of(monitor_lines.map(_commands), hexadecimal),
}
_any_pieces = some(st.one_of(number, raw, st.sampled_from((b",", b";", b":", b"=", b"-", b"read:", b"X4"))), 6)


def _of_name(name: bytes) -> Bytes:
    shape = SHAPES.get(name)
    return form(name, _any_pieces if shape is None else shape)


#: Packets that change what later ones do are sent more often.
_OFTEN = [b"Z"] * 6 + [b"z", b"M", b"X", b"P", b"G", b"vCont", b"c", b"R", b"vRun;"] * 2 + [b"qRcmd,"] * 6
_right = st.one_of(
    st.sampled_from(NAMES + _OFTEN).flatmap({name: _of_name(name) for name in (*NAMES, *_OFTEN)}.__getitem__),
    form(b"Z", _point),
    st.sampled_from((b"bc", b"bs", b"c", b"vCont;c", b"g", b"?")),
)


def _damaged(how: tuple[bytes, int, int, int, bytes]) -> bytes:
    """A packet with one place changed."""
    packet, kind, at, size, noise = how
    if not packet:
        return noise
    at %= len(packet)
    cut = packet[at : at + size]
    changes: tuple[Callable[[], bytes], ...] = (
        lambda: packet[:at] + noise + packet[at:],
        lambda: packet[:at] + packet[at + size :],
        lambda: packet[:at] + cut + cut * (1 + size) + packet[at + size :],
        lambda: packet[:at] + bytes((packet[at] ^ (1 << size % 8),)) + packet[at + 1 :],
        lambda: packet[:at] + b"-" + packet[at:],
        lambda: packet[:at] + b"f" * (4 + 9 * size) + packet[at:],
        lambda: packet[:at],
    )
    return changes[kind % len(changes)]()


packet = st.one_of(
    _right,
    _right,
    st.tuples(_right, st.integers(0, 6), st.integers(0, 60), st.integers(1, 9), st.binary(max_size=4)).map(_damaged),
    st.tuples(st.binary(max_size=3), _any_pieces).map(b"".join),
)


def _badly_framed(how: tuple[bytes, int]) -> bytes:
    data, kind = how
    whole = encode(data)
    return (
        whole[:-2] + b"00",  # the sum is wrong, nearly always
        whole[:-1],
        whole[:-3],
        whole[: 1 + len(whole) // 2],
        whole + b"-",  # the client did not get the reply
        whole + b"-+-",
        b"$" + whole,
        whole + b"\x03",
        b"\x03" * 40 + whole,
        b"$" + data + b"*~*~*~#00",
        whole.replace(b"#", b"#zz"),
    )[kind]


#: What is written to the socket at one time.
message = st.one_of(
    packet.map(encode),
    packet.map(encode),
    packet.map(encode),
    packet.map(encode),
    st.tuples(packet, st.integers(0, 10)).map(_badly_framed),
    st.sampled_from((b"\x03", b"+", b"-", b"$", b"#00", b"$m0,4#00", b"\x03" * 50, b"$}#7d", b"$*#2a")),
    st.binary(max_size=20),
)

#: All that a client says, and whether it waits for the answers.
session = st.tuples(st.lists(message, min_size=1, max_size=16), st.booleans())
