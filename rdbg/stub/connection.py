"""One client's socket: packets in, packets out, acknowledgements. Never blocks."""

from __future__ import annotations

import logging
import socket
from collections import deque

from rdbg.net.listener import send_at_once
from rdbg.rsp import framing
from rdbg.rsp.framing import Acknowledge, Damaged, Decoder, Interrupt, Noise, Packet

#: Largest packet that may be sent to us, in bytes; advertised as PacketSize. Reading memory costs one round trip per
#: packet, so it is large.
PACKET_SIZE = 0x20000
#: A client that lets this many bytes of replies pile up is not reading, and is dropped.
_MOST_UNSENT = 16 * 1024 * 1024
#: Requests that wait for their answers, and their bytes, at most: no more is read then. GDB has one under way, and a
#: Ctrl-C.
_MOST_WAITING = 4096
_MOST_WAITING_BYTES = 4 << 20
_SHOWN = 400
_FIRST_SHOWN = 40
#: Seconds of silence after which the host asks whether the client's computer is still there, seconds between the
#: questions, and how many go unanswered before the connection counts as lost.
_ASK_AFTER, _ASK_EVERY, _ASK_TIMES = 10, 5, 4

_log = logging.getLogger("rdbg.rsp")
_connections = logging.getLogger("rdbg.gdbstub")


class Connection:
    """Packets over a socket.

    Args:
        client: a connected stream socket, taken over.
        name: the client's address, for messages.
    """

    def __init__(self, client: socket.socket, name: str) -> None:
        client.setblocking(False)
        if client.family in (socket.AF_INET, socket.AF_INET6):
            send_at_once(client)
            _notice_silence(client)
        self.name = name
        self.closed = False
        self.acknowledging = True
        self._socket = client
        # Twice the size: a packet of that size may have every byte escaped.
        self._decoder = Decoder(2 * PACKET_SIZE + 64)
        self._waiting: deque[Packet | Interrupt] = deque()
        self._waiting_bytes = 0
        self._speaks = False  # a whole packet has come: a debugger is there
        self._unsent = bytearray()
        self._last_sent = b""

    def fileno(self) -> int:
        """The socket's descriptor, for select."""
        return self._socket.fileno()

    @property
    def unsent(self) -> int:
        """Bytes that wait for the client to read."""
        return len(self._unsent)

    def pump(self) -> None:
        """Take what has arrived and send what waits, without blocking."""
        self._flush()
        while not self.closed and not self.overfull:
            try:
                data = self._socket.recv(65536)
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                self._lost(str(error))
                return
            if not data:
                self._lost("end of stream")
                return
            for event in self._decoder.feed(data):
                self._take(event)
                if self.closed:
                    return

    @property
    def overfull(self) -> bool:
        """Whether more requests wait than a debugger ever sends: the rest stays in the socket."""
        return len(self._waiting) >= _MOST_WAITING or self._waiting_bytes >= _MOST_WAITING_BYTES

    def drop(self, why: str) -> None:
        """Close the connection to a client that is no debugger, or a broken one; ``why`` is for the user."""
        _connections.warning("dropped %s: %s", self.name, why)
        self._lost(why)

    def next_event(self) -> Packet | Interrupt | None:
        """The next packet or interrupt that has arrived."""
        if not self._waiting:
            return None
        event = self._waiting.popleft()
        if isinstance(event, Packet):
            self._waiting_bytes -= len(event.data)
        return event

    @property
    def has_request(self) -> bool:
        """Whether a packet has arrived that is no Ctrl-C."""
        return any(isinstance(event, Packet) and event.data != b"vCtrlC" for event in self._waiting)

    def drop_interrupts(self) -> None:
        """Forget those that have arrived before the next packet."""
        while self._waiting and isinstance(self._waiting[0], Interrupt):
            self._waiting.popleft()

    def take_interrupt(self) -> bool:
        """Whether the user has pressed Ctrl-C (0x03, or the packet ``vCtrlC``); forgets it."""
        for event in self._waiting:
            if isinstance(event, Interrupt) or event.data == b"vCtrlC":
                self._waiting.remove(event)
                if isinstance(event, Packet):
                    self._waiting_bytes -= len(event.data)
                    self.send(b"OK")
                return True
        return False

    def send(self, data: bytes) -> None:
        """Send a packet; ``data`` is neither escaped nor compressed yet."""
        _log.debug("-> %s", _shown(data))
        self._last_sent = framing.encode(data)
        self._write(self._last_sent)

    def keep_alive(self) -> None:
        """Send something that no client takes for an answer, so that it does not give up waiting for one.

        A client that waits for the ``$`` of a packet skips all before it, and its clock begins anew. An acknowledgement
        is the one thing that may also come too late: an ``O`` packet that a client no longer waits for (the user has
        pressed Ctrl-C) would be taken for the answer to its next request, and so on for ever.
        """
        self._write(b"+")

    def close(self) -> None:
        """Send what can be sent at once and close."""
        if not self.closed:
            self._flush()
            self.closed = True
            self._socket.close()

    def _take(self, event: framing.Event) -> None:
        if isinstance(event, Acknowledge):
            if not event.good and self.acknowledging and self._last_sent:
                self._write(self._last_sent)
        elif isinstance(event, Noise):
            if not self._speaks:
                # A web page can make its reader's browser send a request here, with packets in its body. What a
                # debugger says first is a packet, or acknowledges one that it does not know.
                self.drop(f"it began with {_shown(event.data[:_FIRST_SHOWN])!r}, which no debugger says")
                return
            _log.info("%s: %d bytes outside a packet", self.name, len(event.data))
        elif isinstance(event, Damaged):
            _log.info("%s: %s", self.name, event.reason)
            if self.acknowledging and event.resend:
                self._write(b"-")
            elif self.acknowledging:
                self._write(b"+")
                self.send(b"E16")
        elif isinstance(event, Interrupt):
            _log.debug("<- interrupt")
            if not self._waiting or not isinstance(self._waiting[-1], Interrupt):  # two at once are one
                self._waiting.append(event)
        else:
            _log.debug("<- %s", _shown(event.data))
            self._speaks = True
            if self.acknowledging:
                self._write(b"+")
            self._waiting.append(event)
            self._waiting_bytes += len(event.data)

    def _write(self, data: bytes) -> None:
        self._unsent += data
        self._flush()

    def _flush(self) -> None:
        while self._unsent and not self.closed:
            try:
                sent = self._socket.send(self._unsent)
            except (BlockingIOError, InterruptedError):
                if len(self._unsent) > _MOST_UNSENT:
                    self._lost("it does not read its replies")
                return
            except OSError as error:
                self._lost(str(error))
                return
            del self._unsent[:sent]

    def _lost(self, why: str) -> None:
        _log.info("%s: connection lost: %s", self.name, why)
        self.closed = True
        self._waiting.clear()
        self._waiting_bytes = 0
        self._unsent.clear()
        self._socket.close()


def _notice_silence(client: socket.socket) -> None:
    """Let TCP find out that the other computer has vanished: until then it would keep all other clients out."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (
        ("TCP_KEEPIDLE", _ASK_AFTER),
        ("TCP_KEEPINTVL", _ASK_EVERY),
        ("TCP_KEEPCNT", _ASK_TIMES),
        ("TCP_USER_TIMEOUT", 1000 * (_ASK_AFTER + _ASK_EVERY * _ASK_TIMES)),
    ):
        option = getattr(socket, name, None)  # not every system has all of them
        if option is not None:
            client.setsockopt(socket.IPPROTO_TCP, option, value)


def _shown(data: bytes) -> str:
    text = data[:_SHOWN].decode("latin-1").encode("unicode_escape").decode()
    return text if len(data) <= _SHOWN else f"{text}... ({len(data)} bytes)"
