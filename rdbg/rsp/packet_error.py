"""What can be wrong with bytes from a client."""


class FramingError(Exception):
    """Bytes that are not a packet."""


class PacketError(Exception):
    """A packet that cannot be obeyed.

    Args:
        message: one line that says why.
        code: the number in ``E NN``, an errno where one fits.
    """

    def __init__(self, message: str, code: int = 0x16) -> None:
        super().__init__(message)
        self.code = code


EFAULT = 0x0E
