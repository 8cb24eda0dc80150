"""Dates and times as FHIRPath knows them: values that may stop at any precision.

`@2014` is not the first of January 2014; it is a year, and comparing it with a day of that year gives
neither true nor false. A value here is the parts that were written, the digits of its fraction, and its
offset if it has one. FHIRPath 2.0.0, "Date/Time Arithmetic", "Equality", "Comparison"; R4 date, dateTime,
instant, time.
"""

from __future__ import annotations

import re
from calendar import monthrange
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from decimal import Decimal

Kind = Literal["Date", "DateTime", "Time"]

_DATE = r"(\d{4})(?:-(\d\d)(?:-(\d\d))?)?"
_TIME = r"(\d\d)(?::(\d\d)(?::(\d\d)(?:\.(\d+))?)?)?"
_MOMENT = re.compile(rf"{_DATE}(?:(T)(?:{_TIME})?(Z|[+-]\d\d:\d\d)?)?", re.ASCII)
_CLOCK = re.compile(_TIME, re.ASCII)

_HIGHEST = (9999, 12, 31, 23, 59, 59)
_LOWEST = (0, 1, 1, 0, 0, 0)
_SECONDS_PLACE = 5
_SECONDS_PER = {"week": 604_800, "day": 86_400, "hour": 3_600, "minute": 60, "second": 1}
_EARLIEST_OFFSET, _LATEST_OFFSET = 14 * 60, -12 * 60
"""The places on earth where a day begins first and last: an unknown offset lies between."""

DIGITS = {"Date": (4, 6, 8), "DateTime": (4, 6, 8, 10, 12, 14, 17), "Time": (2, 4, 6, 9)}
"""The precisions a value may have, as counts of digits."""


# Not frozen: that would make each one three times as slow to create. Nothing changes one.
@dataclass(slots=True, unsafe_hash=True)
class Temporal:
    """A date, a date with time, or a time of day.

    `parts` runs from year (or hour, for a time) down to the second, as far as is known. `fraction` is the
    digits after the second's point, empty for none. `offset` is minutes east of UTC.
    """

    kind: Kind
    parts: tuple[int, ...]
    fraction: str = ""
    offset: int | None = None

    def __str__(self) -> str:
        """Write it as FHIR and FHIRPath do, without the leading `@` or `T`."""
        if self.kind == "Time":
            return self._clock(self.parts)
        year, *rest = self.parts
        text = "-".join([f"{year:04d}", *(f"{part:02d}" for part in rest[:2])])
        if len(self.parts) > 3:
            text += "T" + self._clock(self.parts[3:])
        if self.offset is not None:
            text += _offset_text(self.offset)
        return text

    def _clock(self, parts: tuple[int, ...]) -> str:
        text = ":".join(f"{part:02d}" for part in parts)
        return f"{text}.{self.fraction}" if self.fraction else text

    @property
    def digits(self) -> int:
        """Its precision, counted in digits: 4 for a year, 17 for milliseconds. FHIRPath precision()."""
        known = len(self.parts) - 1
        return DIGITS[self.kind][known] + (3 if self.fraction else 0)


def _offset_text(offset: int) -> str:
    if offset == 0:
        return "Z"
    hours, minutes = divmod(abs(offset), 60)
    return f"{'-' if offset < 0 else '+'}{hours:02d}:{minutes:02d}"


def parse_moment(text: str) -> Temporal | None:
    """Read a FHIR date, dateTime or instant, or a FHIRPath one; None if it is not a real one.

    A text with a `T`, even with nothing after it, is a DateTime.
    """
    if len(text) == 10 and text[4] == text[7] == "-" and text.isascii():
        whole_day = _day(text)
        if whole_day is not None:
            return whole_day
    match = _MOMENT.fullmatch(text)
    if match is None:
        return None
    year, month, day, has_time, hour, minute, second, fraction, zone = match.groups()
    parts = tuple(int(part) for part in (year, month, day, hour, minute, second) if part is not None)
    if hour is not None and day is None:
        return None
    if not _is_real(parts):
        return None
    offset = None if zone is None else _offset(zone)
    if zone is not None and (offset is None or hour is None):
        return None
    return Temporal("DateTime" if has_time else "Date", parts, fraction or "", offset)


def _day(text: str) -> Temporal | None:
    """Read the form most dates have, without a pattern."""
    year, month, day = text[:4], text[5:7], text[8:]
    if not (year.isdigit() and month.isdigit() and day.isdigit()):
        return None
    parts = (int(year), int(month), int(day))
    return Temporal("Date", parts) if _is_real(parts) else None


def parse_time(text: str) -> Temporal | None:
    """Read a FHIR time, or a FHIRPath one without its `T`; None if it is not a real one."""
    match = _CLOCK.fullmatch(text)
    if match is None:
        return None
    parts = tuple(int(part) for part in match.groups()[:3] if part is not None)
    if not _is_clock(parts):
        return None
    return Temporal("Time", parts, match[4] or "")


def _offset(zone: str) -> int | None:
    if zone == "Z":
        return 0
    hours, minutes = int(zone[1:3]), int(zone[4:6])
    if hours > 14 or minutes > 59:
        return None
    return (hours * 60 + minutes) * (-1 if zone[0] == "-" else 1)


def _is_clock(parts: tuple[int, ...]) -> bool:
    return all(part <= top for part, top in zip(parts, (23, 59, 59), strict=False))


def _is_real(parts: tuple[int, ...]) -> bool:
    if len(parts) > 1 and not 1 <= parts[1] <= 12:
        return False
    if len(parts) == 3 and 1 <= parts[2] <= 28:
        return True
    if len(parts) > 2 and not 1 <= parts[2] <= _days(parts[0], parts[1]):
        return False
    return _is_clock(parts[3:])


def _days(year: int, month: int) -> int:
    return monthrange(year or 4, month)[1]


def is_valid(kind: str, text: str) -> bool:
    """True if a literal's text, without its marks, names a real date or time."""
    return (parse_time(text) if kind == "time" else parse_moment(text)) is not None


def from_datetime(moment: datetime) -> Temporal:
    """Make a DateTime to the millisecond of `moment`, which must know its zone."""
    delta = moment.utcoffset() or timedelta()
    return Temporal(
        "DateTime",
        (moment.year, moment.month, moment.day, moment.hour, moment.minute, moment.second),
        f"{moment.microsecond // 1000:03d}",
        int(delta.total_seconds() // 60),
    )


def _shifted(value: Temporal, offset: int) -> Temporal:
    """The same instant as read in UTC, taking `offset` as its own; parts not known stay unknown."""
    if offset == 0:
        return value
    parts = value.parts
    year, month, day, hour = parts[:4]
    minute = parts[4] if len(parts) > 4 else 0
    try:
        moved = datetime(year, month, day, hour, minute) - timedelta(minutes=offset)  # noqa: DTZ001
    except (OverflowError, ValueError):
        return value
    turned = (moved.year, moved.month, moved.day, moved.hour, moved.minute, *parts[5:])
    return Temporal("DateTime", turned[: len(parts)], value.fraction, 0)


def in_utc(value: Temporal) -> Temporal:
    """The same instant with the offset of UTC; unchanged if it has no offset or no time."""
    if value.offset is None or len(value.parts) < 4:
        return value
    return _shifted(value, value.offset)


def compare(left: Temporal, right: Temporal) -> int | None:
    """Order two values: negative, zero or positive; None where their precision leaves it open.

    A time of day cannot be compared with a date: the caller sees to that. If one alone has an offset, the
    answer is given only if it is the same for every offset on earth.
    """
    if left.offset == right.offset or len(left.parts) < 4 or len(right.parts) < 4:
        return _ordered(left, right)
    if left.offset is not None and right.offset is not None:
        return _ordered(_shifted(left, left.offset), _shifted(right, right.offset))
    if left.offset is None:
        known = _shifted(right, right.offset or 0)
        early, late = (_ordered(_shifted(left, at), known) for at in (_EARLIEST_OFFSET, _LATEST_OFFSET))
    else:
        known = _shifted(left, left.offset)
        early, late = (_ordered(known, _shifted(right, at)) for at in (_EARLIEST_OFFSET, _LATEST_OFFSET))
    return early if early == late and early != 0 else None


def _ordered(left: Temporal, right: Temporal) -> int | None:
    one, other = left.parts, right.parts
    known = min(len(one), len(other))
    if one[:known] != other[:known]:
        return -1 if one[:known] < other[:known] else 1
    if len(one) != len(other):
        return None
    # Seconds and their fraction are one decimal, so 30 and 30.0 are the same precision.
    one_fraction, other_fraction = left.fraction.rstrip("0"), right.fraction.rstrip("0")
    if one_fraction == other_fraction:
        return 0
    return -1 if one_fraction < other_fraction else 1


def is_equivalent(left: Temporal, right: Temporal) -> bool:
    """True if both are the same instant to the same precision. FHIRPath `~`."""
    if (left.kind == "Time") != (right.kind == "Time"):
        return False
    return compare(left, right) == 0


def add(value: Temporal, amount: Decimal, unit: str) -> Temporal | None:
    """Move `value` by `amount` of a calendar `unit` (singular).

    A unit finer than the value's precision counts only as far as it fills whole units of that precision.
    Decimals count for seconds alone. None if the result leaves the years 1 to 9999.
    FHIRPath 2.0.0, "Date/Time Arithmetic".
    """
    if unit == "millisecond":
        amount, unit = amount / 1000, "second"
    if value.kind == "Time":
        return _add_to_time(value, amount, unit)
    try:
        if unit in ("year", "month"):
            return _add_months(value, int(amount) * (12 if unit == "year" else 1))
        return _add_seconds(value, amount, unit)
    except (OverflowError, ValueError):
        return None


def _whole(amount: int, size: int) -> int:
    """How many whole `size` there are in `amount`, counted towards zero."""
    count = abs(amount) // size
    return count if amount >= 0 else -count


def _add_months(value: Temporal, months: int) -> Temporal | None:
    parts = value.parts
    if len(parts) == 1:
        year = parts[0] + _whole(months, 12)
        return _with(value, (year,)) if 1 <= year <= 9999 else None
    year, month = divmod(parts[0] * 12 + parts[1] - 1 + months, 12)
    if not 1 <= year <= 9999:
        return None
    if len(parts) == 2:
        return _with(value, (year, month + 1))
    return _with(value, (year, month + 1, min(parts[2], _days(year, month + 1)), *parts[3:]))


def _add_seconds(value: Temporal, amount: Decimal, unit: str) -> Temporal | None:
    parts = value.parts
    if unit != "second":
        amount = amount.to_integral_value("ROUND_DOWN")
    micros = int(amount * _SECONDS_PER[unit] * 1_000_000)
    if len(parts) < 3:
        days = _whole(micros, 86_400_000_000)
        return _add_months(value, _whole(days, 365) * 12 if len(parts) == 1 else _whole(days, 30))
    if len(parts) < 6:
        whole = {3: 86_400, 4: 3_600, 5: 60}[len(parts)] * 1_000_000
        micros = _whole(micros, whole) * whole
    year, month, day, hour, minute, second = (*parts, 0, 0, 0)[:6]
    fraction = int(value.fraction.ljust(6, "0")[:6] or 0)
    moved = datetime(year, month, day, hour, minute, second, fraction)  # noqa: DTZ001
    moved += timedelta(microseconds=micros)
    turned = (moved.year, moved.month, moved.day, moved.hour, moved.minute, moved.second)
    return _with(value, turned[: len(parts)], _fraction(value, moved.microsecond))


def _fraction(value: Temporal, micros: int) -> str:
    """The digits of the new fraction: as many as there were, more if it needs them."""
    if len(value.parts) < 6 and value.kind != "Time":
        return ""
    digits = f"{micros:06d}"
    needed = len(digits.rstrip("0"))
    if needed > len(value.fraction):
        return digits[: 3 if needed <= 3 else 6]
    return digits[: len(value.fraction)].ljust(len(value.fraction), "0")


def _add_to_time(value: Temporal, amount: Decimal, unit: str) -> Temporal | None:
    """Move a time of day, past midnight if need be."""
    if unit not in ("hour", "minute", "second"):
        return value if unit in ("day", "week") else None
    if unit != "second":
        amount = amount.to_integral_value("ROUND_DOWN")
    whole = {1: 3_600, 2: 60, 3: 1}[len(value.parts)]
    micros = int(amount * _SECONDS_PER[unit] * 1_000_000)
    if whole > 1:
        micros = _whole(micros, whole * 1_000_000) * whole * 1_000_000
    hour, minute, second = (*value.parts, 0, 0)[:3]
    start = ((hour * 60 + minute) * 60 + second) * 1_000_000 + int(value.fraction.ljust(6, "0")[:6] or 0)
    seconds, rest = divmod((start + micros) % 86_400_000_000, 1_000_000)
    turned = (seconds // 3_600, seconds // 60 % 60, seconds % 60)[: len(value.parts)]
    fraction = _fraction(value, rest) if len(value.parts) == 3 else ""
    return Temporal("Time", turned, fraction)


def _with(value: Temporal, parts: tuple[int, ...], fraction: str | None = None) -> Temporal:
    return Temporal(value.kind, parts, value.fraction if fraction is None else fraction, value.offset)


def boundary(value: Temporal, digits: int | None, *, high: bool) -> Temporal | None:
    """Give the first or last value that `value` may stand for, to `digits` digits.

    None if a value of this kind cannot have that precision. A DateTime without an offset gets the one that
    makes it earliest or latest. FHIRPath lowBoundary(), highBoundary().
    """
    allowed = DIGITS[value.kind]
    wanted = allowed[-1] if digits is None else digits
    if wanted not in allowed:
        return None
    place = allowed.index(wanted)
    base = 3 if value.kind == "Time" else 0
    count = min(place + 1, 3 if value.kind != "DateTime" else 6)
    parts = list(value.parts[:count])
    edge = _HIGHEST if high else _LOWEST
    while len(parts) < count:
        at = len(parts) + base
        last_of_month = at == 2 and high
        parts.append(_days(parts[0], parts[1]) if last_of_month else edge[at])
    fraction = ""
    if wanted == allowed[-1] and value.kind != "Date":
        known = value.fraction if len(value.parts) + base > _SECONDS_PLACE else ""
        fraction = known[:3].ljust(3, "9" if high else "0")
    offset = value.offset
    if value.kind == "DateTime" and count > 3 and offset is None:
        offset = _LATEST_OFFSET if high else _EARLIEST_OFFSET
    return Temporal(value.kind, tuple(parts), fraction, offset if count > 3 else None)
