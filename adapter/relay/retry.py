"""What an attempt's end means, and when to try again.

A status or a fault of the wire falls into one `Class`. Only `TRANSIENT`, `UNSENT` and `AMBIGUOUS` lead to a
repeat, and a repeat carries the same bytes. `ROUTE` is a fault of the way, not of the message: the partner's
lanes pause, nobody's attempts are spent, and one alarm is raised.
"""

from __future__ import annotations

from dataclasses import dataclass
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


def pause(pauses: int) -> timedelta:
    """Return how long a route rests after `pauses` earlier rests in a row without a success."""
    return min(FIRST_PAUSE * (1 << min(pauses, 10)), LONGEST_PAUSE)
