"""The case: from a technical acknowledgement to somebody who has taken over.

A receiver that answered `ok` has the bytes; nobody has yet said who continues the sick leave. The case stays
open until they do. An answer may say more than the next step at once: an agreement accepts too, and a return
to work may be told without an agreement before it. A review may be agreed anew, a return may grow from a part
to the whole.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from adapter.relay import working_days
from adapter.relay.event import ASSESSMENT, CLIENT_PLAN

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo


WITHOUT_CASE = frozenset({ASSESSMENT, CLIENT_PLAN})
"""Events that ask nobody to take over: who works on a plan answers by its next version."""


class CaseState(StrEnum):
    """How far the receiving side has come."""

    AWAITING_REPLY = "awaiting-reply"
    ACCEPTED = "accepted"
    NOT_OURS = "not-ours"
    NO_CAPACITY = "no-capacity"
    WRONG_PERSON = "wrong-person"
    AGREED = "agreed"
    RETURNED = "returned"
    CLOSED = "closed"


class CaseEvent(StrEnum):
    """A business reply, or the end of the matter."""

    ACCEPT = "accept"
    NOT_OUR_CLIENT = "not-our-client"
    NO_CAPACITY = "no-capacity"
    WRONG_PERSON = "wrong-person"
    CONTACTED = "contacted"
    AGREE = "agree"
    RETURN = "return"
    CLOSE = "close"


_WAITS, _TAKEN, _AGREED, _BACK = (
    CaseState.AWAITING_REPLY,
    CaseState.ACCEPTED,
    CaseState.AGREED,
    CaseState.RETURNED,
)
_E = CaseEvent

CASE_TRANSITIONS: dict[tuple[CaseState, CaseEvent], CaseState] = {
    (_WAITS, _E.ACCEPT): _TAKEN,
    (_WAITS, _E.NOT_OUR_CLIENT): CaseState.NOT_OURS,
    (_WAITS, _E.NO_CAPACITY): CaseState.NO_CAPACITY,
    (_WAITS, _E.WRONG_PERSON): CaseState.WRONG_PERSON,
    (_WAITS, _E.CONTACTED): _TAKEN,
    (_WAITS, _E.AGREE): _AGREED,
    (_WAITS, _E.RETURN): _BACK,
    (_WAITS, _E.CLOSE): CaseState.CLOSED,
    (_TAKEN, _E.CONTACTED): _TAKEN,
    (_TAKEN, _E.AGREE): _AGREED,
    (_TAKEN, _E.RETURN): _BACK,
    (_TAKEN, _E.WRONG_PERSON): CaseState.WRONG_PERSON,
    (_TAKEN, _E.CLOSE): CaseState.CLOSED,
    (_AGREED, _E.CONTACTED): _AGREED,
    (_AGREED, _E.AGREE): _AGREED,
    (_AGREED, _E.RETURN): _BACK,
    (_AGREED, _E.CLOSE): CaseState.CLOSED,
    (_BACK, _E.RETURN): _BACK,
    (_BACK, _E.CLOSE): CaseState.CLOSED,
    (CaseState.NOT_OURS, _E.ACCEPT): _TAKEN,
    (CaseState.NOT_OURS, _E.CLOSE): CaseState.CLOSED,
    (CaseState.NO_CAPACITY, _E.ACCEPT): _TAKEN,
    (CaseState.NO_CAPACITY, _E.CLOSE): CaseState.CLOSED,
    (CaseState.WRONG_PERSON, _E.CLOSE): CaseState.CLOSED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseStep:
    """What a business reply does to its case, as it was decided on."""

    case: str
    """Id of the delivery that the reply answers; its case has the same."""
    seen: CaseState | None
    """State when it was decided; None if the case was not open yet."""
    event: CaseEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long an answer may take before somebody has to look after it."""

    reply_within: int = 2
    """Working days after the recipient got the notification."""
    before_leave_ends: int = 3
    """Working days before the last day of the sick leave, whichever comes first."""


def due(opened_at: datetime, last_day: date | None, patience: Patience, zone: ZoneInfo) -> datetime:
    """Return the moment from which a case without an answer is overdue.

    The end of the working day that is so many working days after the opening, or the same before the sick
    leave ends, whichever is first; never before one working day has passed. `last_day`: of the sick leave,
    None where there is none.
    """
    opened = opened_at.astimezone(zone).date()
    day = working_days.after(opened, patience.reply_within)
    if last_day is not None:
        earliest = working_days.after(opened, 1)
        day = min(day, max(earliest, working_days.before(last_day, patience.before_leave_ends)))
    return datetime.combine(day + timedelta(days=1), time(), zone)
