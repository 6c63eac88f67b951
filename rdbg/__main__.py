"""The program: `rdbg`, and `python -m rdbg`. It imports nothing of rdbg before a Ctrl-C can end it quietly."""

import signal
import sys


def main() -> int:
    """Run the command line of this process and give the exit code."""
    # While the rest loads, Ctrl-C ends the process as it does other programs; Python would print where it was.
    waits_for_it = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if waits_for_it:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from rdbg.cli import main as command_line

    if waits_for_it:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    return command_line.main()


if __name__ == "__main__":
    sys.exit(main())
