"""When to try again, and what an HTTP status means for the message."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter.relay.retry import (
    LONGEST_PAUSE,
    Class,
    RetrySchedule,
    Route,
    after_failure,
    after_success,
    asked_wait,
    class_of_status,
    next_attempt,
    pause,
)

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
SCHEDULE = RetrySchedule()

STATUSES = {
    Class.TAKEN: (200, 201, 204),
    Class.RECEIVED: (202,),
    Class.TRANSIENT: (408, 425, 429, 500, 502, 503, 504, 599),
    Class.REFUSED: (400, 402, 406, 409, 411, 412, 413, 415, 422, 451),
    Class.ROUTE: (301, 302, 303, 307, 308, 401, 403, 404, 405, 407, 410, 421),
    Class.AMBIGUOUS: (100, 101, 199),
}


@pytest.mark.parametrize(
    ("status", "outcome"), [(status, outcome) for outcome, all_ in STATUSES.items() for status in all_]
)
def test_a_status_falls_into_its_class(status: int, outcome: Class) -> None:
    """The table of the relay, status by status."""
    assert class_of_status(status) is outcome


@given(st.integers(100, 999))
def test_every_status_has_a_class_and_only_2xx_is_success(status: int) -> None:
    """No status is without meaning, and none outside 2xx counts as taken."""
    taken = class_of_status(status) in (Class.TAKEN, Class.RECEIVED)
    assert taken == (200 <= status < 300)


def test_the_plain_schedule_grows_to_its_longest_wait() -> None:
    """5 s, 20 s, 80 s, 5 min, 21 min, 85 min, 5.7 h, then 6 h."""
    waits = [SCHEDULE.wait(attempt, 0.5).total_seconds() for attempt in range(1, 11)]
    assert waits == [5, 20, 80, 320, 1280, 5120, 20480, 21600, 21600, 21600]


@given(st.integers(1, 10_000), st.floats(0, 1, exclude_max=True))
def test_jitter_stays_within_a_fifth(attempt: int, draw: float) -> None:
    """However it is drawn, a wait is at most 20 % off."""
    plain = SCHEDULE.wait(attempt, 0.5)
    assert plain * 0.8 <= SCHEDULE.wait(attempt, draw) <= plain * 1.2


def test_the_schedule_is_spent_after_its_time() -> None:
    """What would be tried later than `give_up` after it was queued is not tried."""
    near_the_end = NOON + SCHEDULE.give_up - timedelta(hours=1)
    due = next_attempt(20, SCHEDULE, queued_at=NOON, now=near_the_end, draw=0.5)
    assert due is None


@given(
    st.integers(1, 50),
    st.floats(0, 1, exclude_max=True),
    st.one_of(st.none(), st.timedeltas(timedelta(0), timedelta(days=400))),
)
def test_the_next_attempt_lies_ahead_and_within_the_schedule(
    attempt: int, draw: float, asked: timedelta | None
) -> None:
    """Never in the past, never after giving up, never sooner than asked (up to an hour)."""
    due = next_attempt(attempt, SCHEDULE, queued_at=NOON, now=NOON, draw=draw, asked=asked)
    assert due is not None
    assert NOON < due <= NOON + SCHEDULE.give_up
    assert asked is None or due - NOON >= min(asked, timedelta(hours=1))


@pytest.mark.parametrize(
    ("header", "wait"),
    [
        (None, None),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("0", timedelta(0)),
        ("120", timedelta(seconds=120)),
        (" 7 ", timedelta(seconds=7)),
        ("99999999999999999999999", timedelta(hours=1)),
        ("Mon, 02 Mar 2026 12:10:00 GMT", timedelta(minutes=10)),
        ("Mon, 02 Mar 2026 11:00:00 GMT", timedelta(0)),
        ("Mon, 02 Mar 2026 99:00:00 GMT", None),
    ],
)
def test_retry_after_is_read_as_rfc_9110_writes_it(header: str | None, wait: timedelta | None) -> None:
    """Seconds or a date; nonsense is as if it were absent."""
    assert asked_wait(header, NOON) == wait


def led(*steps: str, every: timedelta = timedelta(seconds=1)) -> Route:
    """A route after attempts that got through (`+`), did not (`-`) or found the way wrong (`!`)."""
    route, now = Route(), NOON
    for step in "".join(steps):
        now += every
        if step == "+":
            route = after_success(route, now)
        else:
            route = after_failure(route, now, is_wrong_way=step == "!")
    return route


@pytest.mark.parametrize(
    ("steps", "opens"),
    [
        ("-" * 9, False),
        ("-" * 10, True),
        ("-" * 9 + "+" + "-" * 9, True),  # 18 of 19 in five minutes
        ("---++--+--", True),  # 7 of 10
        ("--++--+--+--", False),  # 8 of 12
        ("-" * 6 + "+++", False),  # too few to tell
        ("+" * 50 + "!", True),
    ],
)
def test_a_route_opens_by_failures_in_a_row_by_their_share_or_when_it_is_wrong(
    steps: str,
    opens: bool,
) -> None:
    """10 in a row; 70 % of at least 10 within 5 minutes; at once where the way itself is wrong."""
    assert (led(steps).pauses > 0) is opens


def test_failures_long_apart_are_not_one_window() -> None:
    """Seven of ten over ten hours are no outage."""
    assert led("---++--+--", every=timedelta(hours=1)).pauses == 0


def test_five_successes_in_a_row_close_a_route_that_was_open() -> None:
    """Until then it stays half-open, and one failure opens it again for twice as long."""
    assert led("!", "+" * 4).pauses == 1
    assert led("!", "+" * 5) == Route()
    again = led("!", "++++", "-", every=timedelta(minutes=1))
    assert again.paused_until == NOON + timedelta(minutes=6) + pause(1)


def test_what_was_on_the_wire_when_a_route_opened_does_not_prolong_its_rest() -> None:
    """Ten more failures during the rest count as the one outage they are."""
    assert led("!", "-" * 10).pauses == 1


def test_rests_double_up_to_the_longest() -> None:
    """30 s, 1, 2, 4, 8 and then 15 minutes."""
    minutes = [pause(earlier).total_seconds() / 60 for earlier in range(7)]
    assert minutes == [0.5, 1, 2, 4, 8, 15, 15]
    assert pause(10_000) == LONGEST_PAUSE
