"""Dates and times of senders as FHIR writes them, with the precision they come in.

HL7 v2 (TS, DTM) and CDA (TS) write `YYYY[MM[DD[HH[MM[SS[.S..]]]]]][+ZZZZ]`; JSON senders write ISO 8601. A
date stays a date. A time without a zone takes the zone of the source; the hour that a clock change leaves out
or repeats is decided, and said. HL7 v2.5.1, 2.A.22; FHIR R4 datatypes, dateTime.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from adapter.errors import ConfigurationError

if TYPE_CHECKING:
    from datetime import tzinfo

_BARE = re.compile(
    r"(?P<year>\d{4})(?:(?P<month>\d{2})(?:(?P<day>\d{2})(?:(?P<hour>\d{2})(?:(?P<minute>\d{2})"
    r"(?:(?P<second>\d{2})(?P<fraction>\.\d{1,9})?)?)?)?)?)?(?P<zone>[+-]\d{2}:?\d{2}|Z)?",
    re.ASCII,
)
_ISO = re.compile(
    r"(?P<year>\d{4})(?:-(?P<month>\d{2})(?:-(?P<day>\d{2})(?:[T ](?P<hour>\d{2})(?::(?P<minute>\d{2})"
    r"(?::(?P<second>\d{2})(?P<fraction>\.\d{1,9})?)?)?)?)?)?(?P<zone>[+-]\d{2}:?\d{2}|Z)?",
    re.ASCII,
)

Note = Literal["MP331", "MP332", "MP333"]


class NotATime(ValueError):
    """The text is no date or time of any form read here."""


@cache
def zone_of(name: str | None) -> tzinfo:
    """Return the zone called `name`, UTC for None.

    Raises ConfigurationError (MP402) for a name the zone table does not have.
    """
    if name is None:
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ConfigurationError("MP402", params={"zone": name}) from None


def read(text: str, zone: tzinfo) -> tuple[str, Note | None]:
    """Return the FHIR dateTime, and a note if something had to be decided.

    MP331: the local time does not exist (spring), it is taken as read by a clock not yet put forward.
    MP332: the local time exists twice (autumn), the first of the two is taken.
    MP333: hours without minutes cannot be said in FHIR, the date alone is kept.

    Raises NotATime.
    """
    parts = _parts(text)
    year, month, day, hour, minute = (parts[key] for key in ("year", "month", "day", "hour", "minute"))
    if month is None:
        return year or "", None
    if day is None:
        return f"{year}-{month}", None
    date = f"{year}-{month}-{day}"
    if hour is None:
        return date, None
    if minute is None:
        return date, "MP333"
    # FHIR has no time without seconds; HL7 v2 has. Seconds that were not said are zero, as FHIR R4 advises.
    second, fraction = parts["second"] or "00", parts["fraction"] or ""
    clock = f"{date}T{hour}:{minute}:{second}{fraction}"
    if parts["zone"] is not None:
        return clock + _offset_text(parts["zone"]), None
    moment = datetime.fromisoformat(f"{date}T{hour}:{minute}:{min(int(second), 59):02}")
    offset, note = _offset(moment, zone)
    return clock + offset, note


def read_date(text: str) -> str:
    """Return the day as it is written, whatever the zone; shorter where only month or year is given.

    Raises NotATime.
    """
    parts = _parts(text)
    return "-".join(part for part in (parts["year"], parts["month"], parts["day"]) if part)


def read_instant(text: str, zone: tzinfo) -> tuple[str, Note | None]:
    """Return a FHIR instant: as `read`, and NotATime if it is less precise than minutes."""
    if _parts(text)["minute"] is None:
        raise NotATime
    return read(text, zone)


def as_hl7(text: str) -> str:
    """Return a date or time of any form read here as HL7 v2 and CDA write it, no more precise than it is.

    `2026-03-01T12:00:00+02:00` is `20260301120000+0200`. HL7 v2.5.1, 2.A.22 (DTM).

    Raises NotATime.
    """
    parts = _parts(text)
    names = ("year", "month", "day", "hour", "minute", "second", "fraction")
    written = "".join(parts[name] or "" for name in names)
    zone = parts["zone"]
    return written + ("+0000" if zone == "Z" else (zone or "").replace(":", ""))


def _parts(text: str) -> dict[str, str | None]:
    text = text.strip()
    match = _BARE.fullmatch(text) or _ISO.fullmatch(text)
    if match is None:
        raise NotATime
    parts = match.groupdict()
    try:
        datetime(
            int(parts["year"] or 1), int(parts["month"] or 1), int(parts["day"] or 1), int(parts["hour"] or
            0), int(parts["minute"] or 0), min(int(parts["second"] or 0), 59) if int(parts["second"] or 0) <
            61 else 99, tzinfo=UTC,
        )  # fmt: skip
    except ValueError:
        raise NotATime from None
    return parts


def _offset_text(zone: str) -> str:
    if zone == "Z":
        return "Z"
    return f"{zone[:3]}:{zone[-2:]}"


def _offset(moment: datetime, zone: tzinfo) -> tuple[str, Note | None]:
    """Return the offset in force at the local `moment`, and what had to be decided. PEP 495."""
    earlier = moment.replace(tzinfo=zone, fold=0)
    later = earlier.replace(fold=1)
    offset = earlier.utcoffset() or timedelta()
    note: Note | None = None
    if offset != later.utcoffset():
        is_gap = earlier.astimezone(UTC).astimezone(zone).replace(tzinfo=None) != moment
        note = "MP331" if is_gap else "MP332"
    minutes = int(offset.total_seconds()) // 60
    sign = "-" if minutes < 0 else "+"
    return f"{sign}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}", note
