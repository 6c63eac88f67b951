"""Debian's kernel on the user network: DHCP, ping, HTTP in both directions, a port of the host that leads to the guest;
recorded, and replayed with nobody there."""

from __future__ import annotations

import base64
import hashlib
import http.server
import random
import re
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest
from pcapng import FileScanner
from pcapng.blocks import InterfaceDescription

from tests.cli.command import rdbg
from tests.conftest import LINUX
from tests.linux.conftest import APPEND
from tests.linux.console import Console
from tests.linux.fetch import BUSYBOX, KERNEL, MODULES
from tests.linux.initramfs import initramfs, load_order

pytestmark = [pytest.mark.real("linux-image-4kc-malta:mipsel", "libslirp0"), pytest.mark.timeout(900)]

CONTENT = random.Random(7).randbytes(300_000)
SUM = hashlib.md5(CONTENT).hexdigest()
_LEASE = """cat > /lease <<'X'
#!/bin/sh
[ $1 = bound ] && ifconfig $interface $ip netmask $subnet && echo "lease $ip router $router dns $dns"
X
chmod +x /lease
"""
SCRIPT = """ifconfig eth0 up
udhcpc -i eth0 -q -n -s /lease
ping -c 3 -A 10.0.2.2
wget -q -O /content http://10.0.2.2:{port}/content
echo "down $(md5sum < /content)"
uuencode -m /content content > /encoded
wget -q -O /dev/null --post-file=/encoded http://10.0.2.2:{port}/up
echo LISTENING
nc -l -p 23 > /came
echo "came $(cat /came)"
echo DONE
poweroff -f"""


class _Handler(http.server.BaseHTTPRequestHandler):
    uploads: list[bytes] = []

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(CONTENT)

    def do_POST(self) -> None:
        self.uploads.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *words: object) -> None:
        pass


@dataclass(frozen=True)
class Networked:
    """A recorded run.

    Args:
        path: its journal.
        console: what the guest printed.
        uploads: what it sent.
    """

    path: Path
    console: bytes
    uploads: list[bytes]


def _decoded(upload: bytes) -> bytes:
    """What uuencode -m made text of: its wget sends nothing behind a zero."""
    return base64.b64decode(b"".join(upload.splitlines()[1:-1]))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _told(port: int) -> None:
    """Say something to the guest, as soon as it listens."""
    while True:  # libslirp takes connections before the guest does
        with socket.create_connection(("127.0.0.1", port)) as peer:
            peer.sendall(b"hello from the host\n")
            peer.shutdown(socket.SHUT_WR)
            peer.settimeout(30)
            try:
                if peer.recv(1) == b"":
                    return
            except ConnectionResetError:
                pass  # it does not listen yet
        time.sleep(0.1)


@pytest.fixture(scope="module")
def networked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Networked]:
    """Boots with the board's own card, and uses it."""
    folder = tmp_path_factory.mktemp("network")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    script = _LEASE + SCRIPT.format(port=server.server_address[1])
    modules = load_order(LINUX / MODULES, ("pcnet32",))
    (folder / "initrd").write_bytes(initramfs(LINUX / BUSYBOX, script, modules=modules))
    port = _free_port()
    words = ["-kernel", str(LINUX / KERNEL), "-initrd", str(folder / "initrd"), "-append", APPEND, "-nographic"]
    words += ["-nic", f"user,hostfwd=tcp::{port}-:23", "-icount", "shift=4"]
    with Console(["record", "-o", str(folder / "run"), *words]) as console:
        console.wait_for(b"LISTENING")
        _told(port)
        assert console.finish() == 0
        yield Networked(folder / "run", console.seen, _Handler.uploads)
    server.shutdown()


def test_the_guest_uses_the_network(networked: Networked) -> None:
    said = networked.console.decode("latin-1")
    assert "lease 10.0.2.15 router 10.0.2.2 dns 10.0.2.3" in said
    assert "3 packets transmitted, 3 packets received" in said
    assert f"down {SUM}" in said and [_decoded(upload) for upload in networked.uploads] == [CONTENT]
    assert "came hello from the host" in said
    assert "PCnet/PCI II 79C970A at 0x" in said or "pcnet32" in said


def test_a_capture_has_what_came_and_what_went_with_icounts_to_go_to(networked: Networked, tmp_path: Path) -> None:
    """It is made by a replay with nobody there, which compares itself with the recording."""
    capture = tmp_path / "out.pcapng"
    done = rdbg("dump", networked.path, "--pcap", capture, timeout=600)
    assert done.returncode == 0 and b"state digests agree" in done.stderr, done.stderr
    with capture.open("rb") as file:
        section, interface, *packets = FileScanner(file)
    assert isinstance(interface, InterfaceDescription) and interface.options["if_name"] == "pcnet 0"
    counts = re.match(rb"(\d+) packets that came in and (\d+) that went out", done.stdout)
    assert counts is not None and sum(map(int, counts.groups())) == len(packets)
    comments = [str(packet.options["opt_comment"]) for packet in packets]
    icounts = [int(comment.rpartition("icount ")[2]) for comment in comments]
    assert icounts == sorted(icounts) and all(one.timestamp <= two.timestamp for one, two in pairwise(packets))
    discover = packets[next(at for at, packet in enumerate(packets) if b"\x63\x82\x53\x63" in packet.packet_data)]
    assert discover.options["epb_flags"].inout == "outbound" and "packet" not in discover.options["opt_comment"]
    received = b"".join(packet.packet_data for packet in packets)
    assert CONTENT[:1000] in received and b"hello from the host" in received
    journal = rdbg("dump", networked.path, timeout=120).stdout.decode()
    entered = [int(line.split()[1]) for line in journal.splitlines() if "packet" in line and not line.startswith("#")]
    incoming = [icount for icount, comment in zip(icounts, comments, strict=True) if comment.startswith("packet")]
    assert incoming == entered
