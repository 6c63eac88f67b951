"""The host's clock, as far as recordings can tell of it."""

from __future__ import annotations

import time

#: The last second that dates can be written for: the end of the year 9999.
LAST_SECOND = 253_402_300_799


def host_seconds() -> int:
    """Seconds since 1970-01-01 UTC; the nearest that there is where the clock stands before that or after 9999."""
    return min(max(int(time.time()), 0), LAST_SECOND)
