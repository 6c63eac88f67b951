"""What ``-netdev`` asks for."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from rdbg.net.tcp_address import TcpAddress
from rdbg.quick_dataclass import dataclass
from rdbg.serial.serial_spec import SerialSpec

#: QEMU's numbers in a network of any prefix: router, name server, first guest; a server that has no address.
ROUTER, NAMESERVER, FIRST_GUEST, SERVER = 2, 3, 15, 0x204


def numbered(network: IPv4Network, number: int) -> IPv4Address:
    """The address of that number in a network."""
    return IPv4Address(int(network.network_address) | number & int(network.hostmask))


@dataclass(frozen=True)
class HostForward:
    """A port of the host that leads into the guest.

    Args:
        udp: else TCP.
        host: address of the host to listen at.
        host_port: port there; 0 takes a free one.
        guest: address of the guest; None: the first that its DHCP server gives.
        guest_port: port there.
    """

    udp: bool
    host: IPv4Address
    host_port: int
    guest: IPv4Address | None
    guest_port: int


@dataclass(frozen=True)
class GuestForward:
    """A port of the guest's network that leads to a program or a back end of the host.

    Args:
        address: in the guest's network.
        port: there.
        command: is started for each connection and talks by its standard input and output; empty: `target`.
        target: the back end that the connection leads to.
    """

    address: IPv4Address
    port: int
    command: str = ""
    target: SerialSpec | None = None


@dataclass(frozen=True)
class UserNet:
    """``user``: a network of its own behind a router that speaks to the host's network as a program does.

    Args:
        ipv4, ipv6: which of the two there are.
        restricted: nothing leads out of it but what is forwarded.
        network, router, dhcp_start, nameserver: addresses; what is None follows from the network, as in QEMU.
        network6, router6, nameserver6: the same of IPv6.
        hostname: the guest's name in the answer of the DHCP server.
        domain: its domain there; empty: none.
        search: where it looks for names.
        tftp: folder that its TFTP server shows; empty: there is none.
        tftp_server_name: name of the TFTP server in the answer of the DHCP server.
        bootfile: name of the file to boot in the answer of the DHCP server.
        host_forwards, guest_forwards: see there.
    """

    ipv4: bool = True
    ipv6: bool = True
    restricted: bool = False
    network: IPv4Network = IPv4Network("10.0.2.0/24")
    router: IPv4Address | None = None
    dhcp_start: IPv4Address | None = None
    nameserver: IPv4Address | None = None
    network6: IPv6Network = IPv6Network("fec0::/64")
    router6: IPv6Address | None = None
    nameserver6: IPv6Address | None = None
    hostname: str = ""
    domain: str = ""
    search: tuple[str, ...] = ()
    tftp: str = ""
    tftp_server_name: str = ""
    bootfile: str = ""
    host_forwards: tuple[HostForward, ...] = ()
    guest_forwards: tuple[GuestForward, ...] = ()


@dataclass(frozen=True)
class StreamNet:
    """``stream``, and ``socket`` with ``listen=`` or ``connect=``: frames one after another on a connection.

    Args:
        address: where to listen or to connect to; None: `path`.
        path: of a Unix socket.
        server: listen.
        reconnect: seconds after which a lost connection is made again; 0: it is not.
        descriptor: an open connection to use instead, or None.
    """

    address: TcpAddress | None = None
    path: str = ""
    server: bool = False
    reconnect: int = 0
    descriptor: int | None = None


@dataclass(frozen=True)
class DatagramNet:
    """``dgram``, and ``socket`` with ``udp=`` or ``mcast=``: a frame in each datagram.

    Args:
        remote: where frames go; a multicast address is joined.
        local: where they are taken, or for multicast: the interface's address; None: any.
        remote_path, local_path: the same as Unix sockets.
        descriptor: an open socket to use instead, or None.
    """

    remote: TcpAddress | None = None
    local: TcpAddress | None = None
    remote_path: str = ""
    local_path: str = ""
    descriptor: int | None = None


@dataclass(frozen=True)
class TapNet:
    """``tap``: a network interface of the host.

    Args:
        interface: its name; empty: the kernel chooses one.
        script: program that sets it up; empty: none is run.
        down_script: program that takes it down; empty: none is run.
        descriptor: an open one to use instead, or None.
        bridge: let the helper make it, as `BridgeNet`; empty: it is made here.
        helper: that program.
    """

    interface: str = ""
    script: str = ""
    down_script: str = ""
    descriptor: int | None = None
    bridge: str = ""
    helper: str = ""


@dataclass(frozen=True)
class HubPort:
    """``hubport``: a port of a hub.

    Args:
        hub: its number.
        netdev: id of a back end that is plugged into this port; empty: a card may be.
    """

    hub: int
    netdev: str = ""


NetdevKind = UserNet | StreamNet | DatagramNet | TapNet | HubPort
