"""A network interface of the host (tap)."""

from __future__ import annotations

import fcntl
import os
import select
import shutil
import socket
import struct
import subprocess

from rdbg.emu.device import LONGEST_FRAME
from rdbg.errors import RdbgError
from rdbg.host.waiting import Watched
from rdbg.netdev.netdev_spec import TapNet
from rdbg.netdev.network_backend import Deliver, NetworkBackend, is_frame

_DEVICE = "/dev/net/tun"
#: linux/if_tun.h
_TUNSETIFF, _IFF_TAP, _IFF_NO_PI = 0x400454CA, 0x0002, 0x1000
_NAME_MOST = 15
_AT_ONCE = 256
#: Where distributions put QEMU's program that makes taps for those who are not root.
HELPERS = ("/usr/lib/qemu/qemu-bridge-helper", "/usr/libexec/qemu-bridge-helper")
_HELPER_SECONDS = 30


class TapNetwork(NetworkBackend):
    """A `TapNet`.

    Args:
        spec: what was asked for.
        option: as typed, for messages.
        deliver: gets what comes.

    Raises:
        RdbgError: it cannot be made; mostly, since only root may.
    """

    def __init__(self, spec: TapNet, option: str, deliver: Deliver) -> None:
        super().__init__(deliver)
        self._spec = spec
        self._option = option
        self._failure = ""
        self.interface = spec.interface  #: its name
        if spec.descriptor is not None:
            self._handle = _checked(spec.descriptor, option)
        elif spec.bridge:
            self._handle = _helped(spec, option)
        else:
            self._handle = self._made()
            if spec.script:
                self._run(spec.script)
        os.set_blocking(self._handle, False)

    def send(self, frame: bytes) -> None:
        """Send a frame, or drop it."""
        if self._handle < 0:
            return
        try:
            os.write(self._handle, frame)
        except OSError:
            return  # its queue is full, or it is down: as on a wire

    def watched(self) -> Watched:
        """The interface."""
        return [] if self._handle < 0 else [(self._handle, select.POLLIN)]

    def poll(self) -> None:
        """Take what has come."""
        for _ in range(_AT_ONCE):
            if self._handle < 0:
                return
            try:
                frame = os.read(self._handle, LONGEST_FRAME)
            except BlockingIOError:
                return
            except OSError as error:
                self._failure = f"{self._option}: the interface is gone ({error.strerror})"
                self._shut()
                return
            if not frame:
                self._failure = f"{self._option}: the other end has gone; the guest's cable leads nowhere now"
                self._shut()
            elif is_frame(frame):
                self._deliver(frame)

    @property
    def failure(self) -> str:
        """That the interface has gone."""
        return self._failure

    def close(self) -> None:
        """Take the interface down."""
        if self._handle >= 0 and self._spec.down_script:
            self._run(self._spec.down_script)
        self._shut()

    def _shut(self) -> None:
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1

    def _made(self) -> int:
        name = os.fsencode(self._spec.interface)
        if len(name) > _NAME_MOST:
            raise RdbgError(
                f"{self._option}: ifname={self._spec.interface}: longer than {_NAME_MOST} bytes; shorten it"
            )
        handle = -1
        try:
            handle = os.open(_DEVICE, os.O_RDWR | os.O_CLOEXEC)
            request = struct.pack("16sH22x", name, _IFF_TAP | _IFF_NO_PI)
            made = fcntl.ioctl(handle, _TUNSETIFF, request)
        except OSError as error:
            if handle >= 0:
                os.close(handle)
            raise RdbgError(
                f"{self._option}: cannot make a network interface: {error.strerror}; only root may: run it "
                "with sudo, or make it before (ip tuntap add NAME mode tap user YOU), or use -netdev user"
            ) from error
        self.interface = made[:16].split(b"\0")[0].decode("utf-8", "replace")
        return handle

    def _run(self, script: str) -> None:
        try:
            done = subprocess.run([script, self.interface], stdin=subprocess.DEVNULL, check=False)
            if done.returncode == 0:
                return
            reason = f"ended with status {done.returncode}"
        except OSError as error:
            reason = error.strerror or str(error)
        if not self._failure and script == self._spec.script:
            self._shut()
            raise RdbgError(f"{self._option}: script={script}: {reason}; write script=no for none")


def _checked(descriptor: int, option: str) -> int:
    try:
        os.fstat(descriptor)
    except OSError as error:
        raise RdbgError(f"{option}: fd={descriptor}: {error.strerror}; name an open tap") from error
    return descriptor


def _helped(spec: TapNet, option: str) -> int:
    """A tap that the helper has made and put into the bridge; it hands its descriptor over a socket."""
    helper = spec.helper or next((path for path in HELPERS if os.path.exists(path)), HELPERS[0])
    if shutil.which(helper) is None:
        raise RdbgError(
            f"{option}: helper={helper} cannot be run; on Debian: apt install qemu-system-common, or use -netdev user"
        )
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    with ours, theirs:
        try:
            # The option's value may be more than a path: QEMU hands it to a shell. It is one program here.
            process = subprocess.Popen(
                [helper, f"--br={spec.bridge}", f"--fd={theirs.fileno()}"],
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
            )
        except OSError as error:
            raise RdbgError(f"{option}: helper={helper}: {error.strerror}; name a program that can be run") from error
        theirs.close()
        ours.settimeout(_HELPER_SECONDS)
        handles: list[int] = []
        try:
            _, handles, _, _ = socket.recv_fds(ours, 1, 1)
        except OSError:
            pass  # it ended, or took too long
        if not handles:
            process.kill()
        process.wait()
    if not handles:
        raise RdbgError(
            f"{option}: {helper} made no interface in bridge {spec.bridge}; see what it said above, and "
            "/etc/qemu/bridge.conf"
        )
    return handles[0]
