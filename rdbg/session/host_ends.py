"""The host's ends of what a guest is connected to: serial ports, monitors, networks."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from rdbg.emu.endpoint import network_port
from rdbg.emu.machine import Machine
from rdbg.history.live_queue import LiveQueue
from rdbg.qmp.qmp_desk import QmpDesk
from rdbg.serial.ports import ControlEnd, SerialPorts
from rdbg.serial.serial_spec import SerialKind, SerialSpec
from rdbg.session.options import RunOptions
from rdbg.stub.guest_console import GuestConsole

if TYPE_CHECKING:
    from rdbg.netdev.networks import Networks

_DEFAULT_SERIAL = SerialSpec(SerialKind.STDIO, escape=True)


def serial_specs(options: RunOptions) -> tuple[SerialSpec, ...]:
    """One for each serial port that has a back end."""
    return options.serials or ((_DEFAULT_SERIAL,) if options.default_serial else ())


def open_serial_ports(
    options: RunOptions, semihosting: bool, console: GuestConsole | None, qmp: QmpDesk
) -> SerialPorts:
    """Open the back ends of serial ports, and all at which rdbg itself is spoken to.

    Args:
        options: what to open.
        semihosting: whether the guest may call the host, and so has a console of its own.
        console: of a GDB that has the terminal; None: the terminal is the guest's.
        qmp: who answers programs.

    Raises:
        RdbgError: one cannot be opened.
    """
    calls = options.semihosting.console or SerialSpec(SerialKind.STDERR) if semihosting else None
    # Nobody has asked for a serial port at the terminal: what is typed is for the console that was asked for.
    typed_first = not options.serials
    controls = [ControlEnd(end.spec, partial(qmp.open, pretty=end.pretty)) for end in options.qmps]
    return SerialPorts(
        serial_specs(options),
        console,
        options.listen_any,
        options.monitors,
        calls,
        typed_first,
        options.virtual_consoles,
        controls,
    )


def open_networks(options: RunOptions, machine: Machine, queue: LiveQueue, takes: Callable[[], bool]) -> Networks:
    """Open the back ends of networks.

    Args:
        options: what to open.
        machine: the guest's.
        queue: where its input waits.
        takes: whether the guest takes input now; what comes while it does not is dropped.

    Raises:
        RdbgError: one cannot be opened.
    """
    from rdbg.netdev.networks import Networks

    def receive(card: int, frame: bytes) -> None:
        if takes():
            queue.send_packet(card, frame)

    start = machine.spec.rtc_base * 1_000_000_000
    return Networks(
        options.network_plan,
        receive,
        lambda card: queue.waiting(network_port(card)),
        lambda: start + machine.virtual_ns,
    )
