"""Finnish working days: Monday to Friday, but for public holidays.

The movable ones follow Easter and the Saturdays of midsummer and All Saints. Christmas Eve and Midsummer Eve
are no public holidays by law, but offices are closed by custom and collective agreements, so that nobody can
be expected to answer. Independence Day: act 388/1937; church holidays: Church Order.
"""

from __future__ import annotations

from datetime import date, timedelta
from functools import lru_cache

_DAY = timedelta(days=1)
SATURDAY = 5


def easter(year: int) -> date:
    """Return Easter Sunday of a Gregorian year. Meeus, Astronomical Algorithms, chapter 8."""
    a, b, c = year % 19, year // 100, year % 100
    d, e = divmod(b, 4)
    g = (8 * b + 13) // 25
    h = (19 * a + b - d - g + 15) % 30
    i, k = divmod(c, 4)
    m = (32 + 2 * e + 2 * i - h - k) % 7
    n = (a + 11 * h + 22 * m) // 451
    month, day = divmod(h + m - 7 * n + 114, 31)
    return date(year, month, day + 1)


@lru_cache(maxsize=64)
def holidays(year: int) -> frozenset[date]:
    """Return the days of a year on which offices are closed, weekends aside."""
    sunday = easter(year)
    midsummer = _saturday_from(date(year, 6, 20))
    return frozenset(
        {
            date(year, 1, 1),
            date(year, 1, 6),
            sunday - 2 * _DAY,
            sunday + _DAY,
            date(year, 5, 1),
            sunday + 39 * _DAY,
            midsummer - _DAY,
            midsummer,
            _saturday_from(date(year, 10, 31)),
            date(year, 12, 6),
            date(year, 12, 24),
            date(year, 12, 25),
            date(year, 12, 26),
        }
    )


def _saturday_from(day: date) -> date:
    return day + (SATURDAY - day.weekday()) % 7 * _DAY


def is_one(day: date) -> bool:
    """Return True if `day` is a working day."""
    return day.weekday() < SATURDAY and day not in holidays(day.year)


def after(day: date, count: int) -> date:
    """Return the working day that is `count` working days after `day`; the day itself does not count."""
    return _walk(day, count, _DAY)


def before(day: date, count: int) -> date:
    """Return the working day that is `count` working days before `day`; the day itself does not count."""
    return _walk(day, count, -_DAY)


def _walk(day: date, count: int, step: timedelta) -> date:
    while count:
        day += step
        count -= is_one(day)
    return day
