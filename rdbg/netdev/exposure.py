"""What is open to other hosts is said."""

from __future__ import annotations

import ipaddress
import logging

from rdbg.net.tcp_address import TcpAddress


def tell_exposure(option: str, address: TcpAddress, log: logging.Logger) -> None:
    """Say so if a port of the host is open to others: that is as the user typed it, and worth a line."""
    try:
        local = ipaddress.ip_address(address.host.partition("%")[0]).is_loopback
    except ValueError:
        return
    if not local:
        log.warning("%s: other hosts can reach %s", option, address)
