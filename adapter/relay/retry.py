"""What an attempt's end means, and when to try again.

A status or a fault of the wire falls into one `Class`. Only `TRANSIENT`, `UNSENT` and `AMBIGUOUS` lead to a
repeat, and a repeat carries the same bytes. `ROUTE` is a fault of the way, not of the message: the partner's
lanes pause, nobody's attempts are spent, and one alarm is raised.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import StrEnum


class Class(StrEnum):
    """What one attempt came to."""

    TAKEN = "taken"
    """Received and processable: 200, 204 and their like."""
    RECEIVED = "received"
    """202: received, an acknowledgement follows."""
    TRANSIENT = "transient"
    """The recipient answered that it cannot now."""
    UNSENT = "unsent"
    """Nothing left this machine."""
    AMBIGUOUS = "ambiguous"
    """It was sent, or part of it, and no answer came."""
    REFUSED = "refused"
    """The recipient will not take this message."""
    ROUTE = "route"
    """The way to the recipient is wrong: address, certificate, credentials."""


_TRANSIENT = frozenset({408, 425, 429})
_ROUTE = frozenset({401, 403, 404, 405, 407, 410, 421, 511})


def class_of_status(status: int) -> Class:
    """Say what an HTTP status means for the message.

    A redirect is a fault of the route: nobody but the configuration decides where a patient's data goes.
    FHIR R4 messaging, `$process-message`: 4xx is of no use to resend unchanged, 5xx may be resent.
    """
    if status == 202:
        return Class.RECEIVED
    if 200 <= status < 300:
        return Class.TAKEN
    if status in _ROUTE or 300 <= status < 400:
        return Class.ROUTE
    if status in _TRANSIENT or status >= 500:
        return Class.TRANSIENT
    if 400 <= status < 500:
        return Class.REFUSED
    return Class.AMBIGUOUS


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrySchedule:
    """How long to wait between attempts, and when to stop: `[retry]` of the settings."""

    first: timedelta = timedelta(seconds=5)
    longest: timedelta = timedelta(hours=6)
    give_up: timedelta = timedelta(days=5)
    """Counted from when the delivery was queued."""
    growth: int = 4
    jitter: float = 0.2
    """Share of a wait by which it may be shorter or longer, so that partners are not hit all at once."""

    def wait(self, attempt: int, draw: float) -> timedelta:
        """Return the wait after the `attempt`-th attempt (from 1). `draw`: random, 0 up to 1."""
        steps = min(attempt - 1, 20)  # beyond that any schedule has reached its longest wait
        plain = min(self.first * float(self.growth**steps), self.longest)
        return plain * (1 + self.jitter * (2 * draw - 1))


LONGEST_ASKED = timedelta(hours=1)
"""What a partner's Retry-After may ask of us at most."""


def next_attempt(
    attempt: int,
    schedule: RetrySchedule,
    *,
    queued_at: datetime,
    now: datetime,
    draw: float,
    asked: timedelta | None = None,
) -> datetime | None:
    """Return when to try again after the `attempt`-th attempt, or None once the schedule is spent.

    `asked` is the partner's Retry-After: never sooner than that, but it may ask for an hour at most.
    """
    wait = schedule.wait(attempt, draw)
    if asked is not None:
        wait = max(wait, min(asked, LONGEST_ASKED))
    due = now + wait
    return due if due <= queued_at + schedule.give_up else None


def asked_wait(header: str | None, now: datetime) -> timedelta | None:
    """Read a Retry-After header; None if absent or nonsense. RFC 9110, 10.2.3: seconds or an HTTP date."""
    if header is None:
        return None
    text = header.strip()
    if text.isascii() and text.isdigit():
        return min(timedelta(seconds=int(text[:9])), LONGEST_ASKED)
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return None
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    return max(at - now, timedelta(0))


FIRST_PAUSE = timedelta(seconds=30)
LONGEST_PAUSE = timedelta(minutes=15)
FAILURES_THAT_PAUSE = 10
"""Failed attempts in a row, over all messages of a partner, after which its route pauses."""
FAILURES_THAT_SLOW = 3
"""After as many in a row only one message at a time probes the partner."""


WINDOW = timedelta(minutes=5)
TRIES_THAT_TELL = 10
SHARE_THAT_PAUSES = 0.7
"""So large a share of at least so many attempts within the window pauses the route too."""
SUCCESSES_THAT_CLOSE = 5
"""In a row, one message at a time, until a route that had paused is trusted again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """What is known of the way to a partner: a circuit breaker, kept in the store.

    Closed while `pauses` is 0. Open until `paused_until`; nothing is claimed then, so no attempt is spent and
    nothing dropped. Half-open after that: one message at a time probes it.
    """

    failures: int = 0
    """In a row."""
    pauses: int = 0
    """Since it was last closed."""
    successes: int = 0
    """In a row since it opened."""
    paused_until: datetime | None = None
    window_at: datetime | None = None
    """When the window began: with the first failure in it."""
    window_tries: int = 0
    window_failures: int = 0

    @property
    def is_untroubled(self) -> bool:
        """Return True if nothing speaks against it."""
        return self == UNTROUBLED


UNTROUBLED = Route()


def after_success(route: Route, now: datetime) -> Route:
    """Return the route after an attempt that the partner answered, whatever it said of the message."""
    if route.pauses:
        successes = route.successes + 1
        if successes >= SUCCESSES_THAT_CLOSE:
            return UNTROUBLED
        return replace(route, failures=0, successes=successes, paused_until=None)
    if route.window_at is None or now - route.window_at > WINDOW:
        return UNTROUBLED
    return replace(route, failures=0, window_tries=route.window_tries + 1)


def after_failure(route: Route, now: datetime, *, is_wrong_way: bool) -> Route:
    """Return the route after an attempt that did not get through; `pauses` counts up if it opens by that."""
    fresh = route.window_at is not None and now - route.window_at <= WINDOW
    counted = replace(
        route,
        failures=route.failures + 1,
        successes=0,
        window_at=route.window_at if fresh else now,
        window_tries=route.window_tries + 1 if fresh else 1,
        window_failures=route.window_failures + 1 if fresh else 1,
    )
    is_resting = route.paused_until is not None and route.paused_until > now
    opens = (
        is_wrong_way
        or route.pauses > 0
        or counted.failures >= FAILURES_THAT_PAUSE
        or (
            counted.window_tries >= TRIES_THAT_TELL
            and counted.window_failures >= SHARE_THAT_PAUSES * counted.window_tries
        )
    )
    if is_resting or not opens:
        return counted
    return replace(counted, pauses=route.pauses + 1, paused_until=now + pause(route.pauses))


def pause(pauses: int) -> timedelta:
    """Return how long a route rests after `pauses` earlier rests in a row without a success."""
    return min(FIRST_PAUSE * (1 << min(pauses, 10)), LONGEST_PAUSE)
