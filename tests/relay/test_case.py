"""Working days, and by when somebody has to have answered."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter.relay import working_days
from adapter.relay.case import CASE_TRANSITIONS, CaseState, Patience, due

HELSINKI = ZoneInfo("Europe/Helsinki")


@pytest.mark.parametrize(
    ("year", "sunday"),
    [
        (2024, date(2024, 3, 31)),
        (2025, date(2025, 4, 20)),
        (2026, date(2026, 4, 5)),
        (2038, date(2038, 4, 25)),
    ],
)
def test_easter_is_where_the_calendar_has_it(year: int, sunday: date) -> None:
    """2038 has the latest Easter of the century."""
    assert working_days.easter(year) == sunday


def test_the_year_2026_has_its_holidays() -> None:
    """All days of the almanac on which offices are closed, weekends among them."""
    assert sorted(working_days.holidays(2026)) == [
        date(2026, 1, 1),
        date(2026, 1, 6),
        date(2026, 4, 3),
        date(2026, 4, 6),
        date(2026, 5, 1),
        date(2026, 5, 14),
        date(2026, 6, 19),
        date(2026, 6, 20),
        date(2026, 10, 31),
        date(2026, 12, 6),
        date(2026, 12, 24),
        date(2026, 12, 25),
        date(2026, 12, 26),
    ]


@given(st.dates(date(2000, 1, 1), date(2090, 1, 1)), st.integers(1, 30))
def test_forth_and_back_is_the_same_day(day: date, count: int) -> None:
    """From a working day, so many days on and as many back lead to it again."""
    start = working_days.after(day, 1)

    assert working_days.before(working_days.after(start, count), count) == start


@given(st.dates(date(2000, 1, 1), date(2090, 1, 1)), st.integers(1, 30))
def test_so_many_working_days_lie_between(day: date, count: int) -> None:
    """Counted one by one, as one would on a calendar."""
    end = working_days.after(day, count)
    days = [day + timedelta(days=step) for step in range(1, (end - day).days + 1)]

    assert sum(map(working_days.is_one, days)) == count


@pytest.mark.parametrize(
    ("opened", "last_day", "last_moment"),
    [
        # Thursday: the second working day is Monday.
        ("2026-03-05T09:00:00+02:00", None, date(2026, 3, 9)),
        # Maundy Thursday: Good Friday, the weekend and Easter Monday do not count.
        ("2026-04-02T12:00:00+03:00", None, date(2026, 4, 8)),
        # In the evening of UTC it is already the next day in Helsinki.
        ("2026-03-05T22:30:00+00:00", None, date(2026, 3, 10)),
        # A long sick leave does not shorten the time.
        ("2026-03-05T09:00:00+02:00", date(2026, 3, 31), date(2026, 3, 9)),
        # Three working days before a leave that ends on Wednesday have passed already: one day is left.
        ("2026-03-05T09:00:00+02:00", date(2026, 3, 11), date(2026, 3, 6)),
        # A leave that is over gives one day too.
        ("2026-03-05T09:00:00+02:00", date(2026, 3, 4), date(2026, 3, 6)),
    ],
)
def test_a_case_is_due_at_the_end_of_a_working_day(
    opened: str, last_day: date | None, last_moment: date
) -> None:
    """Two working days, or three before the leave ends; never less than one."""
    found = due(datetime.fromisoformat(opened), last_day, Patience(), HELSINKI)

    assert found == datetime.combine(last_moment + timedelta(days=1), datetime.min.time(), HELSINKI)
    assert (found - timedelta(seconds=1)).astimezone(UTC) > datetime.fromisoformat(opened)


def test_every_case_can_be_closed() -> None:
    """No state but the last is without an end."""
    ends = {state for (state, _), after in CASE_TRANSITIONS.items() if after is CaseState.CLOSED}

    assert ends == set(CaseState) - {CaseState.CLOSED}
