"""The case: from a technical acknowledgement to somebody who has taken over.

A receiver that answered `ok` has the bytes; nobody has yet said who continues the sick leave. The case stays
open until they do.
"""

from __future__ import annotations

from enum import StrEnum


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
    AGREE = "agree"
    RETURN = "return"
    CLOSE = "close"


CASE_TRANSITIONS: dict[tuple[CaseState, CaseEvent], CaseState] = {
    (CaseState.AWAITING_REPLY, CaseEvent.ACCEPT): CaseState.ACCEPTED,
    (CaseState.AWAITING_REPLY, CaseEvent.NOT_OUR_CLIENT): CaseState.NOT_OURS,
    (CaseState.AWAITING_REPLY, CaseEvent.NO_CAPACITY): CaseState.NO_CAPACITY,
    (CaseState.AWAITING_REPLY, CaseEvent.WRONG_PERSON): CaseState.WRONG_PERSON,
    (CaseState.ACCEPTED, CaseEvent.AGREE): CaseState.AGREED,
    (CaseState.AGREED, CaseEvent.RETURN): CaseState.RETURNED,
    (CaseState.RETURNED, CaseEvent.CLOSE): CaseState.CLOSED,
}
