"""Alarms: what a person must hear of without looking. Which stand, and when to tell of one again.

An alarm is a code of the catalogue and what it is about: a partner, or the whole deployment. It is told once
when it begins, again each day while it lasts, and once when it is over. It holds counts, times and ids of
organisations; nothing of a message or a person.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from adapter.outcome import Issue

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

Key = tuple[str, str]
"""Code, and what it is about: the key of an organisation, or an empty text."""


class Phase(StrEnum):
    """Where an alarm is when it is told of."""

    BEGUN = "begun"
    LASTS = "lasts"
    OVER = "over"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """From when on something is an alarm."""

    queue_age: timedelta = timedelta(minutes=5)
    """A copy waits longer than this to be sent."""
    routing_age: timedelta = timedelta(hours=4)
    """A message waits longer than this for a person to name its recipient."""
    cancel_age: timedelta = timedelta(hours=24)
    """A cancellation waits longer than this for the notification that it takes back."""
    remind: timedelta = timedelta(hours=24)
    """An alarm that lasts is told of again after this."""
    audit_every: timedelta = timedelta(hours=24)
    """How often the whole trail is verified."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the store says at one moment."""

    waiting_for_person: int = 0
    """Copies parked or refused."""
    cancellations_stuck: int = 0
    """Of these, cancellations of something that was sent."""
    contradicted: int = 0
    """Acknowledgements of the last day that contradict what was acknowledged first."""
    oldest_queued: Mapping[str, datetime] = field(default_factory=dict)
    """Since when the oldest copy for a partner is queued, by the partner's key."""
    resting: Mapping[str, str] = field(default_factory=dict)
    """Why a route rests, by the partner's key: a code of the catalogue."""
    unrouted_since: datetime | None = None
    """Since when the oldest message without a recipient waits."""
    unmatched_since: datetime | None = None
    """Since when the oldest cancellation of the last week waits for the notification that it takes back."""
    overdue: int = 0
    """Cases nobody has answered in time."""
    is_disk_low: bool = False
    is_disk_full: bool = False
    """So full that nothing more is taken in."""
    is_held: bool = False
    directory_failures: int = 0
    """How often in a row the server of the directory did not answer as it should."""
    directory_code: str | None = None
    """Why it did not, the last time."""
    directory_stale_at: datetime | None = None
    """From when on nothing is routed by what it said; None if it never answered."""
    audit_fault: str | None = None
    """Node and number of the first row of the trail that does not fit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """One alarm that stands."""

    key: Key
    issue: Issue


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """When an alarm began, and when it was last told of; None if nobody could be told yet."""

    began_at: datetime
    told_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """What is to be told of one alarm."""

    key: Key
    phase: Phase
    began_at: datetime
    issue: Issue


FAILURES = 3
"""So many looks at another server's directory may fail before it is an alarm."""


def standing(facts: Facts, now: datetime, limits: Limits) -> list[Alarm]:
    """Return the alarms that the facts raise."""
    found: list[Alarm] = []

    def stand(code: str, about: str = "", **params: str | int | None) -> None:
        found.append(Alarm(key=(code, about), issue=Issue(code, params=params)))

    if facts.audit_fault is not None:
        stand("AL101", row=facts.audit_fault)
    if facts.is_disk_full:
        stand("AL102")
    elif facts.is_disk_low:
        stand("AL103")
    for partner, reason in facts.resting.items():
        stand("AL104", partner, partner=partner, reason=reason)
    if not facts.is_held:
        for partner, since in facts.oldest_queued.items():
            if now - since > limits.queue_age:
                stand("AL105", partner, partner=partner, minutes=int((now - since) / timedelta(minutes=1)))
    if facts.cancellations_stuck:
        stand("AL106", count=facts.cancellations_stuck)
    if facts.contradicted:
        stand("AL114", count=facts.contradicted)
    if facts.waiting_for_person:
        stand("AL107", count=facts.waiting_for_person)
    if facts.unrouted_since is not None and now - facts.unrouted_since > limits.routing_age:
        stand("AL108", hours=int((now - facts.unrouted_since) / timedelta(hours=1)))
    if facts.unmatched_since is not None and now - facts.unmatched_since > limits.cancel_age:
        stand("AL115", hours=int((now - facts.unmatched_since) / timedelta(hours=1)))
    if facts.overdue:
        stand("AL109", count=facts.overdue)
    if facts.is_held:
        stand("AL110")
    if facts.directory_stale_at is not None and now >= facts.directory_stale_at:
        stand("AL113", why=facts.directory_code or "-")
    elif facts.directory_failures >= FAILURES:
        stand("AL112", count=facts.directory_failures, why=facts.directory_code or "-")
    return found


def notices(
    alarms: Iterable[Alarm], known: Mapping[Key, Told], now: datetime, limits: Limits
) -> list[Notice]:
    """Return what is to be told now. `known`: the alarms that stood before."""
    found = []
    by_key = {alarm.key: alarm for alarm in alarms}
    for key, alarm in by_key.items():
        told = known.get(key)
        if told is None or told.told_at is None:
            began = now if told is None else told.began_at
            found.append(Notice(key=key, phase=Phase.BEGUN, began_at=began, issue=alarm.issue))
        elif now - told.told_at >= limits.remind:
            found.append(Notice(key=key, phase=Phase.LASTS, began_at=told.began_at, issue=alarm.issue))
    for key, told in known.items():
        if key not in by_key and told.told_at is not None:
            over = Issue("AL111", params={"alarm": key[0]})
            found.append(Notice(key=key, phase=Phase.OVER, began_at=told.began_at, issue=over))
    return found
