"""Dates and times: the moment of the evaluation, and the parts of a moment.

FHIRPath 2.0.0, "Current Date and Time Functions"; yearOf and its kin of 2.1.
"""

from __future__ import annotations

from decimal import Decimal
from functools import partial

from adapter.fhirpath.code import DECIMAL, INTEGER, Code, single
from adapter.fhirpath.functions.arguments import moment, of_input
from adapter.fhirpath.signature import Site, function
from adapter.fhirpath.temporal import Temporal

_DATE, _DATE_TIME, _TIME = (single(f"System.{name}") for name in ("Date", "DateTime", "Time"))


@function("now", is_pure=False)
def now(_site: Site) -> Code:
    """The moment of the evaluation, the same throughout one evaluation."""
    return Code(_DATE_TIME, one=lambda _this, run: run.now())


@function("today", is_pure=False)
def today(_site: Site) -> Code:
    """The day of the evaluation."""
    return Code(_DATE, one=lambda _this, run: _day(run.now()))


@function("timeOfDay", is_pure=False)
def time_of_day(_site: Site) -> Code:
    """The time of day of the evaluation."""
    return Code(_TIME, one=lambda _this, run: _clock(run.now()))


def _part_of_day(place: int, value: Temporal) -> int | None:
    parts = () if value.kind == "Time" else value.parts[:3]
    return parts[place] if place < len(parts) else None


def _part_of_clock(place: int, value: Temporal) -> int | None:
    parts = value.parts if value.kind == "Time" else value.parts[3:]
    return parts[place] if place < len(parts) else None


def _milliseconds(value: Temporal) -> int | None:
    return int(value.fraction[:3].ljust(3, "0")) if value.fraction else None


def _zone(value: Temporal) -> Decimal | None:
    return None if value.offset is None else Decimal(value.offset) / 60


def _day(value: Temporal) -> Temporal | None:
    return None if value.kind == "Time" else Temporal("Date", value.parts[:3])


def _clock(value: Temporal) -> Temporal | None:
    if value.kind == "Time":
        return value
    return Temporal("Time", value.parts[3:], value.fraction) if len(value.parts) > 3 else None


for _place, (_date, _time) in enumerate((("year", "hour"), ("month", "minute"), ("day", "second"))):
    of_input(f"{_date}Of", moment, INTEGER, partial(_part_of_day, _place))
    of_input(f"{_time}Of", moment, INTEGER, partial(_part_of_clock, _place))
of_input("millisecondOf", moment, INTEGER, _milliseconds)
of_input("timezoneOffsetOf", moment, DECIMAL, _zone)
of_input("dateOf", moment, _DATE, _day)
of_input("timeOf", moment, _TIME, _clock)
