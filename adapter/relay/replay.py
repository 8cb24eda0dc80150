"""The replay: many copies that wait for a person, sent again together, under bounds and under four eyes.

One operator prepares it: which copies, why, and what is to be expected of it. Another one releases it. What
it holds is fixed when it is prepared, so nothing goes that nobody has seen counted. It goes on at so many a
minute, each partner's in the order in which they were made, and can be cancelled at any moment: what of it
has not left by then is taken back.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from adapter.relay.message import DeliveryState

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

LAPSES_AFTER = timedelta(hours=24)
"""A preview this old says nothing about today any more."""
BURST = timedelta(seconds=1)
"""Of how long a wait more than one may go at once: what a stop or a rest delayed is not made up for."""
MINUTE = timedelta(minutes=1)
WAITING_STATES = (DeliveryState.PARKED, DeliveryState.REFUSED)
"""Where a copy waits for a person to send it again."""


class ReplayState(StrEnum):
    """Where a replay is."""

    PREPARED = "prepared"
    RELEASED = "released"
    DONE = "done"
    CANCELLED = "cancelled"
    LAPSED = "lapsed"


class ReplayEvent(StrEnum):
    """What moves a replay from one state to the next."""

    RELEASE = "release"
    FINISH = "finish"
    CANCEL = "cancel"
    LAPSE = "lapse"


REPLAY_TRANSITIONS: dict[tuple[ReplayState, ReplayEvent], ReplayState] = {
    (ReplayState.PREPARED, ReplayEvent.RELEASE): ReplayState.RELEASED,
    (ReplayState.PREPARED, ReplayEvent.CANCEL): ReplayState.CANCELLED,
    (ReplayState.PREPARED, ReplayEvent.LAPSE): ReplayState.LAPSED,
    (ReplayState.RELEASED, ReplayEvent.FINISH): ReplayState.DONE,
    (ReplayState.RELEASED, ReplayEvent.CANCEL): ReplayState.CANCELLED,
    (ReplayState.DONE, ReplayEvent.CANCEL): ReplayState.CANCELLED,
}


class ItemState(StrEnum):
    """What became of one copy of a replay."""

    WAITING = "waiting"
    QUEUED = "queued"
    """It was queued again; what became of it then, the delivery says."""
    SKIPPED = "skipped"
    """It was left as it is, for a reason."""
    TAKEN_BACK = "taken-back"
    """It was queued again and had not left when the replay was cancelled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How much a replay of this deployment may be."""

    most: int = 500
    """Copies in one replay."""
    per_minute: int = 60
    """Copies queued again in a minute."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which copies an operator asks for; None leaves the question open."""

    recipient: str | None = None
    state: DeliveryState | None = None
    """One of `WAITING_STATES`."""
    reason: str | None = None
    """Why they wait: a code of the catalogue."""
    since: datetime | None = None
    """They came to wait at this moment or later."""
    until: datetime | None = None
    """They came to wait before this moment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One copy that is asked for, and what a send would be decided now."""

    delivery: str
    recipient: str
    created_at: datetime
    denied: str | None
    """Why it would not go now: a code. None if it would."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What a replay would do if it went now: no names, no content."""

    count: int
    left_out: int
    """More that match, beyond the bounds."""
    permitted: int
    denied: dict[str, int]
    """How many would not go, by the code that says why."""
    recipients: dict[str, int]
    oldest: datetime | None
    newest: datetime | None
    """When the first and the last of the copies were made."""


def preview_of(candidates: Sequence[Candidate], left_out: int = 0) -> Preview:
    """Count what the candidates are."""
    made = [each.created_at for each in candidates]
    denied = Counter(each.denied for each in candidates if each.denied is not None)
    return Preview(
        count=len(candidates),
        left_out=left_out,
        permitted=len(candidates) - denied.total(),
        denied=dict(sorted(denied.items())),
        recipients=dict(sorted(Counter(each.recipient for each in candidates).items())),
        oldest=min(made, default=None),
        newest=max(made, default=None),
    )


def after_next(next_at: datetime, now: datetime, per_minute: int) -> datetime:
    """Return when the next copy may be queued, once one was queued `now`."""
    return max(next_at, now - BURST) + MINUTE / per_minute
