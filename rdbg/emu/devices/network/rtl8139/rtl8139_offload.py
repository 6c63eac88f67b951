"""What the RTL8139C+ does to frames that it sends from descriptors (its data sheet, section 9.2): IP, TCP and UDP
checksums, and large sends that it cuts into TCP segments."""

from __future__ import annotations

from collections.abc import Iterator

from rdbg.emu.devices.network.ethernet import HEADER_SIZE, internet_checksum

# The first word of a descriptor.
LARGE_SEND, IP_CHECKSUM, UDP_CHECKSUM, TCP_CHECKSUM = 0x0800_0000, 0x0004_0000, 0x0002_0000, 0x0001_0000
SEGMENT_SHIFT, SEGMENT_MASK = 16, 0x7FF
IPV4_TYPE, IP_HEADER, TCP_HEADER = 0x0800, 20, 20
TCP, UDP = 6, 17
_SUM_PLACE = {TCP: 16, UDP: 6}
PUSH_AND_FIN = 0x09


def offloaded(data: bytes, flags: int) -> Iterator[bytes]:
    """The frames that are sent for one that the guest put together.

    Args:
        data: the frame, without FCS.
        flags: the first word of its last descriptor.
    """
    frame = bytearray(data)
    found = _ip_sizes(frame) if flags & (LARGE_SEND | IP_CHECKSUM | UDP_CHECKSUM | TCP_CHECKSUM) else None
    if found is None:
        yield data
        return
    header, size = found
    protocol = frame[HEADER_SIZE + 9]
    if flags & LARGE_SEND:
        segment = flags >> SEGMENT_SHIFT & SEGMENT_MASK
        offset = _tcp_header_size(frame, header, size) if protocol == TCP and segment else None
        if offset is None:
            yield data
        else:
            yield from _segments(frame, header, offset, size - offset, segment)
        return
    if flags & IP_CHECKSUM:
        _put_ip_checksum(frame, header)
    if (flags & TCP_CHECKSUM and protocol == TCP) or (flags & UDP_CHECKSUM and protocol == UDP):
        _put_checksum(frame, header, size, protocol)
    yield bytes(frame)


def _ip_sizes(frame: bytearray) -> tuple[int, int] | None:
    """Bytes of the IPv4 header, and after it; None: that is no IPv4 packet."""
    room = len(frame) - HEADER_SIZE
    if room < IP_HEADER or int.from_bytes(frame[12:14], "big") != IPV4_TYPE or frame[HEADER_SIZE] >> 4 != 4:
        return None
    header = 4 * (frame[HEADER_SIZE] & 0xF)
    total = int.from_bytes(frame[HEADER_SIZE + 2 : HEADER_SIZE + 4], "big")
    return (header, total - header) if IP_HEADER <= header <= room and header <= total <= room else None


def _tcp_header_size(frame: bytearray, header: int, size: int) -> int | None:
    """Bytes of the TCP header; None: it does not fit."""
    if size < TCP_HEADER:
        return None
    offset = 4 * (frame[HEADER_SIZE + header + 12] >> 4)
    return offset if TCP_HEADER <= offset <= size else None


def _put_ip_checksum(frame: bytearray, header: int) -> None:
    frame[HEADER_SIZE + 10 : HEADER_SIZE + 12] = bytes(2)
    total = internet_checksum(bytes(frame[HEADER_SIZE : HEADER_SIZE + header]))
    frame[HEADER_SIZE + 10 : HEADER_SIZE + 12] = total.to_bytes(2, "big")


def _put_checksum(frame: bytearray, header: int, size: int, protocol: int) -> None:
    """The checksum of TCP or UDP, with the pseudo header (RFC 793, 3.1)."""
    start = HEADER_SIZE + header
    place = start + _SUM_PLACE[protocol]
    if place + 2 > len(frame):
        return
    frame[place : place + 2] = bytes(2)
    pseudo = bytes(frame[HEADER_SIZE + 12 : HEADER_SIZE + 20]) + bytes((0, protocol)) + size.to_bytes(2, "big")
    frame[place : place + 2] = internet_checksum(pseudo + bytes(frame[start : start + size])).to_bytes(2, "big")


def _segments(frame: bytearray, header: int, offset: int, size: int, segment: int) -> Iterator[bytes]:
    """TCP segments of at most ``segment`` bytes of data. PSH and FIN are taken away from the first of several, and stay
    away, as in QEMU's card."""
    tcp = HEADER_SIZE + header
    data = bytes(frame[tcp + offset : tcp + offset + size])
    identification = int.from_bytes(frame[HEADER_SIZE + 4 : HEADER_SIZE + 6], "big")
    sequence = int.from_bytes(frame[tcp + 4 : tcp + 8], "big")
    head = frame[: tcp + offset]
    for number, start in enumerate(range(0, size, segment)):
        piece = data[start : start + segment]
        if start + segment < size:
            head[tcp + 13] &= ~PUSH_AND_FIN
        head[tcp + 4 : tcp + 8] = (sequence + start & 0xFFFF_FFFF).to_bytes(4, "big")
        out = head + piece
        _put_checksum(out, header, offset + len(piece), TCP)
        out[HEADER_SIZE + 2 : HEADER_SIZE + 4] = (header + offset + len(piece)).to_bytes(2, "big")
        out[HEADER_SIZE + 4 : HEADER_SIZE + 6] = (identification + number & 0xFFFF).to_bytes(2, "big")
        _put_ip_checksum(out, header)
        yield bytes(out)
