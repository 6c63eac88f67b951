"""A scripted peer of a guest's network card: it answers ARP and ping for one address."""

from __future__ import annotations

import struct

PEER_MAC = bytes.fromhex("525400aa0002")
ETHERTYPE_IP, ETHERTYPE_ARP = b"\x08\x00", b"\x08\x06"
ICMP, ECHO_REQUEST = 1, 8


def checksum(data: bytes) -> int:
    """The Internet's (RFC 1071)."""
    data += bytes(len(data) % 2)
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def answer(frame: bytes, address: bytes) -> bytes | None:
    """What the peer sends back for a packet, or None.

    Args:
        frame: from the guest, Ethernet without FCS.
        address: the peer's, 4 bytes.
    """
    source, kind, rest = frame[6:12], frame[12:14], frame[14:]
    head = source + PEER_MAC + kind
    if kind == ETHERTYPE_ARP and rest[6:8] == b"\0\1" and rest[24:28] == address:
        return (head + rest[:6] + b"\0\2" + PEER_MAC + address + rest[8:18]).ljust(60, b"\0")
    if kind == ETHERTYPE_IP and rest[9] == ICMP and rest[16:20] == address and rest[20] == ECHO_REQUEST:
        echo = b"\0\0\0\0" + rest[24:]
        echo = echo[:2] + checksum(echo).to_bytes(2, "big") + echo[4:]
        header = rest[:10] + b"\0\0" + address + rest[12:16]
        return head + header[:10] + checksum(header).to_bytes(2, "big") + header[12:] + echo
    return None


def _datagram(addresses: bytes, ports: bytes, data: bytes) -> bytes:
    """A UDP packet in an IP packet, source first in both pairs."""
    datagram = ports + (8 + len(data)).to_bytes(2, "big") + b"\0\0" + data
    header = b"\x45\0" + (20 + len(datagram)).to_bytes(2, "big") + b"\0\1\0\0\x40\x11\0\0" + addresses
    return header[:10] + checksum(header).to_bytes(2, "big") + header[12:] + datagram


def lease(frame: bytes, server: bytes, given: bytes) -> bytes | None:
    """What a DHCP server (RFC 2131) answers to a packet, or None: an address, whoever asks.

    Args:
        frame: from the guest, Ethernet without FCS.
        server: the server's address, 4 bytes.
        given: the one that it gives.
    """
    if frame[12:14] != ETHERTYPE_IP or frame[34:38] != b"\0\x44\0\x43":
        return None
    request = frame[42:]
    options = request[240:]
    kind = options[options.index(b"\x35\1") + 2]
    head = b"\2" + request[1:12] + bytes(4) + given + server + bytes(4) + request[28:44] + bytes(192) + request[236:240]
    said = bytes((53, 1, 2 if kind == 1 else 5)) + b"\x36\4" + server + b"\x33\4\0\0\x10\0" + b"\1\4\xff\xff\xff\0\xff"
    packet = _datagram(server + b"\xff" * 4, b"\0\x43\0\x44", head + said)
    return b"\xff" * 6 + PEER_MAC + ETHERTYPE_IP + packet


class TftpServer:
    """Gives one file and takes any, each of one block (RFC 1350).

    Args:
        content: of the file that it gives, below 512 bytes.
    """

    PORT, UDP = 69, 17

    def __init__(self, content: bytes) -> None:
        self._content = content
        self.taken: list[bytes] = []

    def answer(self, frame: bytes, address: bytes) -> bytes | None:
        """What it sends back for a packet, or None; see `answer`."""
        packet = frame[14:]
        if frame[12:14] != ETHERTYPE_IP or packet[9] != self.UDP or packet[16:20] != address:
            return None
        size = int.from_bytes(packet[2:4], "big")
        source, target = packet[20:22], packet[22:24]
        assert target == self.PORT.to_bytes(2, "big")
        pseudo = packet[12:20] + bytes((0, self.UDP)) + packet[24:26]
        assert packet[26:28] == b"\0\0" or checksum(pseudo + packet[20:size]) == 0, "the UDP checksum is wrong"
        reply = self._serve(packet[28:size])
        if reply is None:
            return None
        return frame[6:12] + PEER_MAC + ETHERTYPE_IP + _datagram(address + packet[12:16], target + source, reply)

    def _serve(self, request: bytes) -> bytes | None:
        kind = request[1]
        if kind == 1:  # a file is read: its only block
            return b"\0\3\0\1" + self._content
        if kind == 2:  # a file is written: go on
            return b"\0\4\0\0"
        if kind == 3:
            self.taken.append(request[4:])
            return b"\0\4" + request[2:4]
        return None
