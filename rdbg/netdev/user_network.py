"""The user network: a router of its own that speaks to the host's network as any program does, by libslirp."""

from __future__ import annotations

import logging
import os
import select
import sys
import time
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Any

from rdbg.errors import RdbgError
from rdbg.host.waiting import Watched, happened_within
from rdbg.netdev.guest_forward import GuestForwardTarget
from rdbg.netdev.netdev_spec import FIRST_GUEST, NAMESERVER, ROUTER, GuestForward, HostForward, UserNet, numbered
from rdbg.netdev.network_backend import Deliver, NetworkBackend, is_frame
from rdbg.netdev.slirp_library import (
    CONFIG_VERSION,
    POLL_ERR,
    POLL_HUP,
    POLL_IN,
    POLL_OUT,
    POLL_PRI,
    SlirpLibrary,
)

_log = logging.getLogger("rdbg.network")

_EVENTS = (
    (POLL_IN, select.POLLIN),
    (POLL_OUT, select.POLLOUT),
    (POLL_PRI, select.POLLPRI),
    (POLL_ERR, select.POLLERR),
    (POLL_HUP, select.POLLHUP),
)


@dataclass(eq=False)
class _Timer:
    """One of the library's timers: what to call, and when in host time (ms); None: it is off."""

    callback: Any
    argument: Any
    due: int | None = None


def _now_ms() -> int:
    return time.monotonic_ns() // 1_000_000


class UserNetwork(NetworkBackend):
    """A `UserNet`. Its timers run in host time: it is outside of the machine.

    Args:
        spec: what was asked for.
        option: as typed, for messages.
        deliver: gets what it sends.
        library: libslirp.

    Raises:
        RdbgError: a port is in use, an address makes no sense, or there is no such folder.
    """

    def __init__(self, spec: UserNet, option: str, deliver: Deliver, library: SlirpLibrary) -> None:
        super().__init__(deliver)
        self._ffi, self._lib = library.ffi, library.lib
        self._timers: dict[Any, _Timer] = {}  # by the handle that the library has
        self._targets: list[GuestForwardTarget] = []
        self._polled: list[tuple[int, int]] = []
        self._happened: dict[int, int] = {}
        self._timeout = 0.0
        self._slirp = self._ffi.NULL
        self._kept: list[Any] = []  # what the library points at
        if spec.tftp and not os.path.isdir(spec.tftp):
            raise RdbgError(f"{option}: tftp={spec.tftp} is no folder; name the one whose files the guest may load")
        self._slirp = self._lib.slirp_new(self._config(spec), self._callbacks(), self._ffi.NULL)
        if self._slirp == self._ffi.NULL:
            raise RdbgError(f"{option}: libslirp refuses it; check the addresses")
        try:
            for port in spec.host_forwards:
                self._forward_host(port, option)
            for server in spec.guest_forwards:
                self._forward_guest(server, option)
        except BaseException:
            self.close()
            raise

    def send(self, frame: bytes) -> None:
        """Take a frame of the guest; answers that the router gives itself are delivered at once."""
        if self._slirp != self._ffi.NULL and is_frame(frame):
            self._lib.slirp_input(self._slirp, self._ffi.from_buffer("uint8_t[]", frame), len(frame))

    def watched(self) -> Watched:
        """The sockets of all connections."""
        if self._slirp == self._ffi.NULL:
            return []
        self._polled = []
        timeout = self._ffi.new("uint32_t *", 0xFFFF_FFFF)
        self._lib.slirp_pollfds_fill(self._slirp, timeout, self._add_poll, self._ffi.NULL)
        self._timeout = timeout[0] / 1000
        return [*self._polled, *(entry for target in self._targets for entry in target.watched())]

    def patience(self, seconds: float) -> float:
        """Until the next timer is due; asked after `watched`."""
        due = [timer.due for timer in self._timers.values() if timer.due is not None]
        until = (min(due) - _now_ms()) / 1000 if due else seconds
        return max(0.0, min(seconds, self._timeout, until))

    def poll(self) -> None:
        """Move bytes between the guest's connections and the host's."""
        if self._slirp == self._ffi.NULL:
            return
        self._happened = happened_within(0, self.watched())
        self._lib.slirp_pollfds_poll(self._slirp, 0, self._get_events, self._ffi.NULL)
        for target in self._targets:
            target.poll(self._happened)
        now = _now_ms()
        for timer in list(self._timers.values()):
            if timer.due is not None and timer.due <= now:
                timer.due = None
                timer.callback(timer.argument)

    def close(self) -> None:
        """End all connections."""
        slirp, self._slirp = self._slirp, self._ffi.NULL
        if slirp != self._ffi.NULL:
            self._lib.slirp_cleanup(slirp)
        for target in self._targets:
            target.close()

    # --- setting up ----------------------------------------------------------------------------
    def _config(self, spec: UserNet) -> Any:
        network = spec.network
        config = self._new("SlirpConfig *")
        config.version = CONFIG_VERSION
        config.restricted = spec.restricted
        config.in_enabled = spec.ipv4
        config.vnetwork.s_addr = _wire(network.network_address)
        config.vnetmask.s_addr = _wire(network.netmask)
        config.vhost.s_addr = _wire(spec.router or numbered(network, ROUTER))
        config.vdhcp_start.s_addr = _wire(spec.dhcp_start or numbered(network, FIRST_GUEST))
        config.vnameserver.s_addr = _wire(spec.nameserver or numbered(network, NAMESERVER))
        config.in6_enabled = spec.ipv6
        prefix = spec.network6.network_address
        config.vprefix_addr6.s6_addr = prefix.packed
        config.vprefix_len = spec.network6.prefixlen
        config.vhost6.s6_addr = (spec.router6 or IPv6Address(int(prefix) | ROUTER)).packed
        config.vnameserver6.s6_addr = (spec.nameserver6 or IPv6Address(int(prefix) | NAMESERVER)).packed
        config.vhostname = self._text(spec.hostname)
        config.tftp_server_name = self._text(spec.tftp_server_name)
        config.tftp_path = self._text(spec.tftp)
        config.bootfile = self._text(spec.bootfile)
        config.vdomainname = self._text(spec.domain)
        if spec.search:
            names = [self._text(name) for name in spec.search]
            config.vdnssearch = self._new("const char *[]", [*names, self._ffi.NULL])
        return config

    def _callbacks(self) -> Any:
        """Functions that the library calls. None of them may raise: an error in them is told and goes no further."""
        ffi = self._ffi
        callbacks = self._new("SlirpCb *")

        def function(kind: str, target: Any, error: Any = None) -> Any:
            made = ffi.callback(kind, target, **({} if error is None else {"error": error}))
            self._kept.append(made)
            return made

        callbacks.send_packet = function("ptrdiff_t(const void *, size_t, void *)", self._packet, -1)
        callbacks.guest_error = function("void(const char *, void *)", self._guest_error)
        callbacks.clock_get_ns = function("int64_t(void *)", lambda opaque: time.monotonic_ns(), 0)
        callbacks.timer_new = function("void *(SlirpTimerCb, void *, void *)", self._timer_new, ffi.NULL)
        callbacks.timer_free = function("void(void *, void *)", self._timer_free)
        callbacks.timer_mod = function("void(void *, int64_t, void *)", self._timer_set)
        callbacks.register_poll_fd = function("void(int, void *)", lambda handle, opaque: None)
        callbacks.unregister_poll_fd = function("void(int, void *)", lambda handle, opaque: None)
        callbacks.notify = function("void(void *)", lambda opaque: None)
        self._add_poll = function("SlirpAddPollCb", self._note_poll, -1)
        self._get_events = function("SlirpGetREventsCb", self._events_of, 0)
        return callbacks

    def _forward_host(self, forward: HostForward, option: str) -> None:
        host = self._ffi.new("struct in_addr *", {"s_addr": _wire(forward.host)})
        guest = self._ffi.new("struct in_addr *", {"s_addr": _wire(forward.guest or IPv4Address(0))})
        self._ffi.errno = 0
        failed = self._lib.slirp_add_hostfwd(
            self._slirp, forward.udp, host[0], forward.host_port, guest[0], forward.guest_port
        )
        if failed:
            where = f"{'udp' if forward.udp else 'tcp'}:{forward.host}:{forward.host_port}"
            raise RdbgError(
                f"{option}: hostfwd: cannot listen at {where}: {os.strerror(self._ffi.errno)}; choose another port"
            )

    def _forward_guest(self, forward: GuestForward, option: str) -> None:
        address = self._new("struct in_addr *", {"s_addr": _wire(forward.address)})
        if forward.command:
            failed = self._lib.slirp_add_exec(self._slirp, self._text(forward.command), address, forward.port)
        else:
            assert forward.target is not None
            target = GuestForwardTarget(forward.target, self._ffi, self._lib, self._slirp, address, forward.port)
            self._targets.append(target)
            failed = self._lib.slirp_add_guestfwd(self._slirp, target.callback, self._ffi.NULL, address, forward.port)
        if failed:
            raise RdbgError(
                f"{option}: guestfwd: {forward.address}:{forward.port} cannot be led to; choose another address or port"
            )

    def _new(self, kind: str, *values: Any) -> Any:
        made = self._ffi.new(kind, *values)
        self._kept.append(made)
        return made

    def _text(self, words: str) -> Any:
        return self._new("char[]", os.fsencode(words)) if words else self._ffi.NULL

    # --- what the library calls ----------------------------------------------------------------
    def _packet(self, data: Any, length: int, opaque: Any) -> int:
        frame = bytes(self._ffi.buffer(data, length))
        if is_frame(frame):
            self._deliver(frame)
        return length

    def _guest_error(self, message: Any, opaque: Any) -> None:
        _log.info("user network: %s", self._ffi.string(message).decode("utf-8", "replace").strip())

    def _timer_new(self, callback: Any, argument: Any, opaque: Any) -> Any:
        timer = _Timer(callback, argument)
        handle = self._ffi.new_handle(timer)
        self._timers[handle] = timer
        return handle

    def _timer_free(self, handle: Any, opaque: Any) -> None:
        self._timers.pop(handle, None)

    def _timer_set(self, handle: Any, due: int, opaque: Any) -> None:
        self._timers[handle].due = due

    def _note_poll(self, handle: int, events: int, opaque: Any) -> int:
        self._polled.append((handle, sum(ours for theirs, ours in _EVENTS if events & theirs)))
        return len(self._polled) - 1

    def _events_of(self, index: int, opaque: Any) -> int:
        if not 0 <= index < len(self._polled):
            return 0
        happened = self._happened.get(self._polled[index][0], 0)
        return sum(theirs for theirs, ours in _EVENTS if happened & ours)


def _wire(address: IPv4Address) -> int:
    """An address as it lies in memory, in network byte order."""
    return int.from_bytes(address.packed, sys.byteorder)
