"""Dates and times of senders by a pattern that the map gives: `dd/MM/yyyy`, `yyyyMMddHHmmssZ`.

What is not a code of the table stands for itself. A result is as precise as its text; a time without a zone
takes the zone of the source where it belongs to a day. Names of months and of zones are not read: which
language they are in nobody says. Mapping language guide, Date Time Transformation Details.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from functools import cache
from typing import TYPE_CHECKING

from adapter.mapping import moments
from adapter.mapping.moments import NotATime

if TYPE_CHECKING:
    from datetime import tzinfo

    from adapter.mapping.moments import Note

_CODES = {
    "yyyy": r"(?P<year>\d{4})", "yy": r"(?P<short>\d{2})",
    "MM": r"(?P<month>\d{2})", "M": r"(?P<month>\d{1,2})",
    "dd": r"(?P<day>\d{2})", "d": r"(?P<day>\d{1,2})",
    "HH": r"(?P<hour>\d{2})", "H": r"(?P<hour>\d{1,2})",
    "hh": r"(?P<twelve>\d{2})", "h": r"(?P<twelve>\d{1,2})",
    "mm": r"(?P<minute>\d{2})", "m": r"(?P<minute>\d{1,2})",
    "ss": r"(?P<second>\d{2})", "s": r"(?P<second>\d{1,2})",
    "a": r"(?P<half>[AaPp][Mm]?)",
    "Z": r"(?P<zone>Z|[+-]\d{2}:?\d{2})",
}  # fmt: skip
_RUN = re.compile(r"([A-Za-z])\1*|.", re.DOTALL)
_LITERAL = "T"
"""Letters that are no code and stand for themselves."""
_OFFSET = re.compile(r"Z|([+-])(\d{2}):?(\d{2})")


class UnknownPattern(ValueError):
    """The pattern has a code that is not read here; `args[0]` says which."""


def date_time(text: str, pattern: str, zone: tzinfo) -> tuple[str, Note | None]:
    """Return a FHIR dateTime, and a note where something had to be decided, as `moments.read` does.

    Raises NotATime, UnknownPattern.
    """
    parts = _parts(text, pattern)
    date = _date_of(parts)
    clock = _clock_of(parts)
    if clock is None or len(date) < len("0000-00-00"):
        return date, None
    return moments.read(f"{date}T{clock}{parts.get('zone') or ''}", zone)


def date(text: str, pattern: str) -> str:
    """Return a FHIR date, the day as it is written. Raises NotATime, UnknownPattern."""
    return _date_of(_parts(text, pattern))


def time(text: str, pattern: str) -> str:
    """Return a FHIR time. Raises NotATime, UnknownPattern."""
    clock = _clock_of(_parts(text, pattern))
    if clock is None:
        raise NotATime
    return clock


def from_unix(milliseconds: int, offset: str | None) -> datetime:
    """Return the moment so many milliseconds after 1970 began in UTC, seen at `offset`, `+02:00`.

    The guide says ticks; its editors mean milliseconds. Raises NotATime.
    """
    match = _OFFSET.fullmatch(offset or "Z")
    if match is None:
        raise NotATime
    minutes = int(match[2] or 0) * 60 + int(match[3] or 0)
    try:
        home = timezone(timedelta(minutes=-minutes if match[1] == "-" else minutes))
        return datetime(1970, 1, 1, tzinfo=UTC).astimezone(home) + timedelta(milliseconds=milliseconds)
    except (ValueError, OverflowError):
        raise NotATime from None


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    parts: list[str] = []
    for match in _RUN.finditer(pattern):
        code = match[0]
        if code in _CODES:
            parts.append(_CODES[code])
        elif set(code) == {"S"}:
            parts.append(rf"(?P<fraction>\d{{{len(code)}}})")
        elif code.isascii() and code.isalpha() and set(code) != {_LITERAL}:
            raise UnknownPattern(code)
        else:
            parts.append(re.escape(code))
    try:
        return re.compile("".join(parts), re.ASCII)
    except re.error:
        raise UnknownPattern(pattern) from None  # a code that stands twice


def _parts(text: str, pattern: str) -> dict[str, str | None]:
    match = _compiled(pattern).fullmatch(text.strip())
    if match is None:
        raise NotATime
    return match.groupdict()


def _date_of(parts: dict[str, str | None]) -> str:
    year, month, day = parts.get("year"), parts.get("month"), parts.get("day")
    if short := parts.get("short"):
        year = f"{'20' if int(short) < 50 else '19'}{short}"
    if year is None:
        raise NotATime
    written = f"{year}-{month:0>2}" if month else year
    return moments.read_date(f"{written}-{day:0>2}" if month and day else written)


def _clock_of(parts: dict[str, str | None]) -> str | None:
    """Return `hh:mm:ss` with its fraction; None where hours or minutes are not said."""
    hour, minute = parts.get("hour"), parts.get("minute")
    if twelve := parts.get("twelve"):
        half = (parts.get("half") or "").upper()[:1]
        if not half or not 1 <= int(twelve) <= 12:
            raise NotATime
        hour = str(int(twelve) % 12 + (12 if half == "P" else 0))
    if hour is None or minute is None:
        return None
    second, fraction = parts.get("second") or "0", parts.get("fraction")
    if int(hour) > 23 or int(minute) > 59 or int(second) > 60:
        raise NotATime
    return f"{hour:0>2}:{minute:0>2}:{second:0>2}{f'.{fraction}' if fraction else ''}"
