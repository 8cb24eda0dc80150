"""Cases: one for each copy that arrived, open until somebody has taken over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import bindparam, select, update

from adapter.errors import NotFound
from adapter.relay.case import CASE_TRANSITIONS, CaseEvent, CaseState
from adapter.relay.message import DeliveryEvent
from adapter.relay.store import deliveries, schema
from adapter.relay.transitions import advance

if TYPE_CHECKING:
    from datetime import datetime

    from adapter.relay.case import CaseStep
    from adapter.relay.store.book import Book
    from adapter.relay.store.prepared import Row

_C = schema.case.c

_FIND = select(schema.case).where(_C.id == bindparam("the_case")).with_for_update()
_CHANGE = update(schema.case).where(_C.id == bindparam("the_case"))
UNTIMED = select(schema.case).where(_C.state == CaseState.AWAITING_REPLY.value, _C.due_at.is_(None))
STANDS = schema.message.c.superseded_by.is_(None)
"""What was corrected or cancelled since is nobody's to answer: the newer copy has a case of its own."""
OVERDUE = (
    select(schema.case)
    .join(schema.message, schema.message.c.id == _C.message)
    .where(
        STANDS,
        _C.state == CaseState.AWAITING_REPLY.value,
        _C.overdue_at.is_(None),
        _C.due_at <= bindparam("at", type_=schema.Moment),
    )
    .order_by(_C.due_at)
)
REASON = "PN530"
"""Nobody has answered in time."""


def stands_as(book: Book, step: CaseStep) -> bool:
    """Return True if the case is still as it was when the step was decided; a recall has closed it."""
    row = book.first(_FIND, {"the_case": step.case})
    if row is not None:
        return CaseState(row.state) is step.seen
    return step.seen is None and deliveries.find(book, step.case).reason != deliveries.RECALLED


def move(book: Book, step: CaseStep, message: str, at: datetime) -> None:
    """Move a case by the reply that stands in `message`; a reply proves that the copy arrived.

    Raises NotFound (ST121) if the copy is in no state to have been answered.
    """
    row = book.first(_FIND, {"the_case": step.case})
    if row is None:
        told = deliveries.find(book, step.case)
        if deliveries.has_step(told.state, DeliveryEvent.OK):
            deliveries.move(book, told, DeliveryEvent.OK, at=at, action="settle", actor=told.recipient)
        row = book.first(_FIND, {"the_case": step.case})
    if row is None:
        raise NotFound("ST121", params={"kind": "case"})
    _advance(book, row, step.event, at=at, actor=row.recipient, reply=message)


def state_of(book: Book, case: str) -> CaseState | None:
    """Return where a case is; None where a copy has none."""
    row = book.first(_FIND, {"the_case": case})
    return CaseState(row.state) if row is not None else None


def close(book: Book, case: str, *, actor: str, reason: str, at: datetime) -> None:
    """A person calls the matter ended.

    Raises NotFound (ST121) if there is no such case, Conflict (DL101) if it is closed.
    """
    row = book.first(_FIND, {"the_case": case})
    if row is None:
        raise NotFound("ST121", params={"kind": "case"})
    _advance(book, row, CaseEvent.CLOSE, at=at, actor=actor, why=reason)


def _advance(
    book: Book,
    row: Row,
    event: CaseEvent,
    *,
    at: datetime,
    actor: str,
    reply: str | None = None,
    why: str | None = None,
) -> None:
    state = advance(CASE_TRANSITIONS, CaseState(row.state), event)
    book.run(
        _CHANGE,
        {"the_case": row.id, "state": state.value, "changed_at": at, "reply": reply or row.reply},
    )
    book.note(
        event.value,
        f"case/{row.id}",
        state.value,
        at=at,
        actor=actor,
        reason=why,
        message=row.message,
        by=reply,
    )


def give_time(book: Book, case: str, due_at: datetime) -> None:
    """Say by when an answer is expected."""
    book.run(_CHANGE, {"the_case": case, "due_at": due_at})


def tell_overdue(book: Book, case: str, at: datetime) -> bool:
    """Mark a case that nobody has answered in time, and tell the hospital; False if it was answered since."""
    row = book.first(_FIND, {"the_case": case})
    if row is None or row.state != CaseState.AWAITING_REPLY.value or row.overdue_at is not None:
        return False
    book.run(_CHANGE, {"the_case": case, "overdue_at": at})
    deliveries.tell(book, deliveries.find(book, case), at=at, reason=REASON)
    book.note("overdue", f"case/{case}", row.state, at=at, reason=REASON, message=row.message)
    return True
