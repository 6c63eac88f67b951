"""Debian's kernel on a real tap with the host's kernel at its other end, in a network of its own that ends with the
process (which wants root): ping and HTTP from the guest, a connection to the guest; replayed with the tap gone."""

from __future__ import annotations

import http.server
import re
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.cli.command import rdbg
from tests.conftest import LINUX
from tests.linux.conftest import APPEND
from tests.linux.console import Console
from tests.linux.fetch import BUSYBOX, KERNEL, MODULES
from tests.linux.initramfs import initramfs, load_order
from tests.linux.test_networking import CONTENT, SUM

GUEST, HOST, PORT, LISTENS = "10.0.2.15", "10.0.2.2", 8000, 23
SCRIPT = f"""ifconfig eth0 {GUEST} up; sleep 3  # the driver sees the link a little later
ping -c 3 -A {HOST}
wget -q -O /content http://{HOST}:{PORT}/
echo "down $(md5sum < /content)"
nc -l -p {LISTENS} > /came
echo "came $(cat /came)"
poweroff -f"""

pytestmark = [pytest.mark.real("linux-image-4kc-malta:mipsel"), pytest.mark.timeout(900)]


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(CONTENT)


def _tell() -> None:
    """Say something to the guest, as soon as it listens."""
    while True:
        try:
            with socket.create_connection((GUEST, LISTENS), 1) as peer:
                peer.sendall(b"hello from the host\n")
                return
        except OSError:
            time.sleep(0.1)


def main(folder: Path) -> None:
    """The host of the guest, in the network that the guest's tap is in."""
    up = folder / "up"
    up.write_text(f'#!/bin/sh\nip addr add {HOST}/24 dev "$1" && ip link set "$1" up\n')
    up.chmod(0o755)
    server = http.server.ThreadingHTTPServer(("0.0.0.0", PORT), _Handler)
    for work in (server.serve_forever, _tell):
        threading.Thread(target=work, daemon=True).start()
    words = ["-kernel", str(LINUX / KERNEL), "-initrd", str(folder / "initrd"), "-append", APPEND, "-nographic"]
    words += ["-nic", f"tap,ifname=rdbg7,script={up},downscript=no,model=e1000", "-icount", "shift=4"]
    with Console(["record", "-o", str(folder / "run"), *words]) as console:
        code = console.finish()
        sys.stdout.buffer.write(console.seen)
        sys.exit(code)


def test_a_guest_on_a_tap_speaks_with_the_hosts_kernel(tmp_path: Path) -> None:
    modules = load_order(LINUX / MODULES, ("e1000",))
    (tmp_path / "initrd").write_bytes(initramfs(LINUX / BUSYBOX, SCRIPT, modules=modules))
    words = ["unshare", "-n", sys.executable, "-m", "tests.linux.nightly_tap", str(tmp_path)]
    done = subprocess.run(words, capture_output=True, timeout=600)
    said = done.stdout.decode("latin-1")
    assert done.returncode == 0, said[-3000:] + done.stderr.decode()
    assert re.search("3 packets transmitted, 3 packets received", said)
    assert f"down {SUM}" in said and "came hello from the host" in said
    for _ in range(3):
        replayed = rdbg("replay", tmp_path / "run", timeout=600)
        assert replayed.returncode == 0 and replayed.stdout == done.stdout, replayed.stderr


if __name__ == "__main__":
    main(Path(sys.argv[1]))
