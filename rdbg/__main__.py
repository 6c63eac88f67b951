"""The program: `rdbg`, and `python -m rdbg`. It imports nothing of rdbg before a Ctrl-C can end it quietly."""

import gc
import signal
import sys


def main() -> int:
    """Run the command line of this process and give the exit code."""
    # While the rest loads, Ctrl-C ends the process as it does other programs; Python would print where it was.
    waits_for_it = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if waits_for_it:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    # What is loaded stays: to look for garbage meanwhile, or in it later, when a user waits, would find none.
    gc.disable()
    from rdbg.cli import main as command_line

    gc.freeze()
    gc.enable()
    if waits_for_it:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    return command_line.main()


if __name__ == "__main__":
    sys.exit(main())
