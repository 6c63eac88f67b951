"""Gregorian calendar arithmetic that is total: a guest may set a clock to any digits."""

from __future__ import annotations

from rdbg.quick_dataclass import dataclass

DAY_S = 86400


@dataclass(frozen=True)
class CivilTime:
    """A moment in UTC.

    Args:
        year: full year.
        month: 1 to 12 when it comes from ``from_epoch``; anything is accepted by ``to_epoch``.
        day: of the month, from 1.
        hour, minute, second: from 0.
        weekday: 0 is Sunday.
    """

    year: int
    month: int
    day: int
    hour: int
    minute: int
    second: int
    weekday: int = 0


def to_epoch(time: CivilTime) -> int:
    """Seconds since 1970-01-01 00:00 UTC; days and times out of range carry over."""
    year, month = time.year, time.month
    if month < 3:  # the year starts in March, so that the leap day is its last
        month += 12
        year -= 1
    days = time.day + (153 * month - 457) // 5 + 365 * year + year // 4 - year // 100 + year // 400 - 719469
    return days * DAY_S + time.hour * 3600 + time.minute * 60 + time.second


def from_epoch(seconds: int) -> CivilTime:
    """The moment ``seconds`` after 1970-01-01 00:00 UTC (negative: before)."""
    days, rest = divmod(seconds, DAY_S)
    era, day_of_era = divmod(days + 719468, 146097)
    year_of_era = (day_of_era - day_of_era // 1460 + day_of_era // 36524 - day_of_era // 146096) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    shifted = (5 * day_of_year + 2) // 153
    month = shifted + 3 if shifted < 10 else shifted - 9
    return CivilTime(
        year=year_of_era + era * 400 + (month <= 2),
        month=month,
        day=day_of_year - (153 * shifted + 2) // 5 + 1,
        hour=rest // 3600,
        minute=rest // 60 % 60,
        second=rest % 60,
        weekday=(days + 4) % 7,
    )
