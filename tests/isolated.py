"""Code that may take its process down, in a process of its own with little memory."""

from __future__ import annotations

import os
import pickle
import resource
import signal
import sys
import traceback
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")

#: Bytes of address space that a child may take on top of what it begins with: each CPU takes 1 GiB for translated code,
#: and touches little of it.
ADDRESS_SPACE = 3 << 30
#: Bytes that a child may touch, on top of what it begins with: that of a process that has run many tests.
MEMORY = 1 << 30


def isolated(function: Callable[[], Result], seconds: int = 0) -> Result:
    """What ``function`` returns in a child process.

    Args:
        function: what to do; its result can be pickled.
        seconds: after which SIGALRM ends it; 0: never.

    Raises:
        AssertionError: the child died, took more than MEMORY, or ``function`` raised.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    ours, theirs = os.pipe()
    inherited = in_memory()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.close(ours)
            _limit_address_space()
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(seconds)
            with os.fdopen(theirs, "wb") as pipe:
                try:
                    pipe.write(pickle.dumps((True, function())))
                except BaseException:
                    pipe.write(pickle.dumps((False, traceback.format_exc())))
            code = 0
        finally:
            os._exit(code)
    os.close(theirs)
    with os.fdopen(ours, "rb") as pipe:
        said = pipe.read()
    _, status, used = os.wait4(child, 0)
    assert not os.WIFSIGNALED(status), f"killed by {signal.Signals(os.WTERMSIG(status)).name}"
    assert status == 0 and said, f"ended with exit code {os.WEXITSTATUS(status)}"
    taken = (used.ru_maxrss << 10) - inherited
    assert taken <= MEMORY, f"took {taken >> 20} MiB"
    worked, result = pickle.loads(said)
    assert worked, result
    return result  # type: ignore[no-any-return]


def _pages() -> list[int]:
    """Sizes of this process: of its address space, and of what is in memory."""
    with open("/proc/self/statm") as statm:
        return [int(field) for field in statm.read().split()[:2]]


def in_memory() -> int:
    """Bytes of this process that are in memory."""
    return _pages()[1] * resource.getpagesize()


def _limit_address_space() -> None:
    now = _pages()[0] * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now + ADDRESS_SPACE, resource.RLIM_INFINITY))
