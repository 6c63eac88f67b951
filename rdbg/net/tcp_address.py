"""Where a server listens, or a client connects to."""

from __future__ import annotations

from rdbg.errors import UsageError
from rdbg.quick_dataclass import dataclass

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class TcpAddress:
    """A TCP address.

    Args:
        host: name or address.
        port: its number.

    Raises:
        UsageError: no host can have that name.
    """

    host: str
    port: int

    def __post_init__(self) -> None:
        try:
            self.host.encode("idna")  # as the socket module will
        except UnicodeError as error:
            raise UsageError(
                f"{self}: no host can have that name; write one, or an address such as {LOOPBACK}"
            ) from error

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"
