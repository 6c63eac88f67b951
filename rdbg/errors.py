"""The one exception for bad input: a line that names the thing, the place and the cure."""


class RdbgError(Exception):
    """A failure that the user can understand and mend.

    Args:
        message: one line, no trailing full stop, that names the thing, the place and the cure. A name in it that has
            line ends (it may be from a file that somebody crafted) is shown with blanks.
        exit_code: what the command line exits with: 1 for a failed run, 2 for wrong usage.
    """

    def __init__(self, message: str, exit_code: int = 1) -> None:
        super().__init__(" ".join(message.splitlines()))
        self.exit_code = exit_code


class UsageError(RdbgError):
    """A wrong option, value or command: exit code 2."""

    def __init__(self, message: str) -> None:
        super().__init__(message, exit_code=2)
