"""Offers: copies that wait on the reply form until a person of the recipient opens them.

Nothing of an offer has left. What takes it back (other consents, a correction, a cancellation) and what opens
it write to the same row, so that only one of them comes first; and the audit row stands, with the copy, in
the transaction that an opening commits before anything is shown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, bindparam, delete, func, insert, or_, select, update
from sqlalchemy.dialects.postgresql import (
    insert as insert_or_not,
)  # what it adds, SQLite says in the same words

from adapter.relay.message import TO_THE_SENDER, DeliveryEvent, DeliveryState, Kind
from adapter.relay.store import deliveries, freezing, holds, schema
from adapter.relay.store.values import OfferNotice, Opening, Written

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime, timedelta

    from adapter.relay.message import Level
    from adapter.relay.store.book import Book
    from adapter.relay.store.values import Claimed, Frozen

_D, _M, _C = schema.delivery.c, schema.message.c, schema.case.c
_F, _N = schema.form_reply.c, schema.offer_notice.c

UNOPENED = "DL131"
"""Nobody opened it in time; it can still be opened."""
_ENDED_UNOPENED = ("DL110", "DL111", "DL114", deliveries.RECALLED)
"""Expired, corrected, cancelled, recalled: shown for a while, without content."""

_is_for_people = and_(*(_D.kind != kind.value for kind in TO_THE_SENDER))
"""What a sender is told is told on its page, or goes to its system: it is no copy to open."""
_waits = and_(_D.state == DeliveryState.AWAITING.value, _D.reached == 0)
_stuck = and_(_D.state == DeliveryState.PARKED.value, _D.reason == UNOPENED)
_newer = schema.message.alias("newer")
SHOWN = (
    select(
        _D.number,
        _D.id,
        _D.message,
        _D.recipient,
        _D.kind,
        _D.state,
        _D.reason,
        _D.reached,
        _D.created_at,
        _D.changed_at,
        _M.sender,
        _M.event,
        _M.meaning,
        _M.notification,
        _M.cancels,
        _M.superseded_by,
        _newer.c.meaning.label("newer_meaning"),
        _M.forgotten_at,
        _C.state.label("case_state"),
        _C.due_at.label("reply_due"),
    )
    .join(schema.message, _M.id == _D.message)
    .outerjoin(_newer, _newer.c.id == _M.superseded_by)
    .outerjoin(schema.case, _C.id == _D.id)
    .where(
        _is_for_people,
        or_(
            _D.reached > 0,
            _waits,
            _stuck,
            and_(_D.state == DeliveryState.CLOSED.value, _D.reason.in_(_ENDED_UNOPENED)),
        ),
    )
    .order_by(_D.number.desc())
)
_OF_SUBJECT = (
    select(_D.id)
    .join(schema.message, _M.id == _D.message)
    .where(_M.subject == bindparam("subject"), _waits, _is_for_people)
)
_TO_TELL = (
    select(
        _D.recipient,
        func.count().label("waiting"),
        func.max(_D.number).label("newest"),
        func.min(_D.changed_at).label("since"),
    )
    .where(or_(_waits, _stuck), _is_for_people)
    .group_by(_D.recipient)
)
_TOLD = select(schema.offer_notice)
_TELL = update(schema.offer_notice).where(_N.partner == bindparam("the_partner"))
_TELL_FIRST = insert(schema.offer_notice)
_UNTELL = delete(schema.offer_notice).where(_N.partner == bindparam("the_partner"))
_BEGIN_REPLY = insert_or_not(schema.form_reply).on_conflict_do_nothing()
_REPLY = select(schema.form_reply).where(_F.id == bindparam("the_form"))
_END_REPLY = update(schema.form_reply).where(_F.id == bindparam("the_form"))
REPLIES = (
    select(schema.form_reply, _M.extra)
    .join(schema.message, _M.id == _F.message)
    .where(_F.delivery == bindparam("delivery"))
    .order_by(_F.sent_at.desc())
)
"""What was answered to a delivery and taken in."""
BACK = (
    select(_D.state, _D.reason)
    .where(_D.message == bindparam("message"), _D.kind == Kind.FEEDBACK.value)
    .limit(1)
)
"""How far a reply has come on its way back."""


def place(
    book: Book,
    claimed: Claimed,
    *,
    level: Level | None,
    basis: str | None,
    due_at: datetime,
    at: datetime,
) -> bool:
    """Offer a claimed copy on the reply form until `due_at`. False if the lease was lost.

    A delivery report is shown beside the reply it tells of and opened by nobody: it counts as delivered.
    """
    row = deliveries.find(book, claimed.delivery)
    if row.token != claimed.token or row.state != DeliveryState.SENDING.value:
        return False
    is_report = claimed.kind in TO_THE_SENDER
    deliveries.move(
        book,
        row,
        DeliveryEvent.SENT_UNACKNOWLEDGED if is_report else DeliveryEvent.SENT,
        at=at,
        action="offer",
        release=True,
        detail={"level": level.value if level else None, "basis": basis},
        due_at=None if is_report else due_at,
        level=level.value if level else None,
        basis=basis,
    )
    return True


def take_back(book: Book, delivery: str, *, at: datetime, reason: str | None = None) -> None:
    """Take an offer back into the queue, where it is decided on anew; one that somebody opened stays."""
    row = deliveries.find(book, delivery)
    if is_unopened(row.state, row.reached):
        deliveries.move(book, row, DeliveryEvent.TAKEN_BACK, at=at, action="take-back", reason=reason)


def take_back_of(book: Book, subject: str, at: datetime) -> None:
    """Take back what is offered about a person: the consents it was decided by have changed."""
    for row in book.all(_OF_SUBJECT, {"subject": subject}):
        take_back(book, row.id, at=at)


def is_unopened(state: str, reached: int) -> bool:
    """Return True for a copy that waits to be opened: whatever else awaits has been sent."""
    return state == DeliveryState.AWAITING.value and not reached


def may_open(state: str, reason: str | None) -> bool:
    """Return True for a copy that waits, that waited too long, or that somebody has opened before."""
    if reason == deliveries.RECALLED:
        return False
    is_late = state == DeliveryState.PARKED.value and reason == UNOPENED
    return is_late or state in (DeliveryState.AWAITING.value, DeliveryState.ACKNOWLEDGED.value)


def open_(
    book: Book,
    offered: Claimed,
    *,
    person: str,
    copy: Frozen,
    basis: str | None,
    seen: int,
    at: datetime,
    detail: Sequence[tuple[str, str]] = (),
) -> tuple[Opening, int]:
    """Write down that a person is shown this copy now; the first time it acknowledges the delivery.

    `offered`: as `claims.look` gave it; the decision to show `copy` was made on it. `seen`: mark of the
    consents that decision was made on. Returns whether it may be shown, and the mark of the consents now.
    """
    if holds.stands(book):
        return Opening.HELD, seen
    freezing.foresee(book, [offered])
    checked = book.foreseen.pop((deliveries.CHECKED, offered.delivery), None)
    row = deliveries.find(book, offered.delivery)
    if checked is None or checked.wrapped is None or not may_open(row.state, row.reason):
        return Opening.GONE, seen
    if row.kind == Kind.NOTIFICATION.value and row.superseded_by is not None:
        return Opening.GONE, seen
    mark = int(checked.consents)
    if mark != seen:
        return Opening.ASK_AGAIN, mark
    if copy is not offered.frozen:
        freezing.keep_copy(book, offered, copy, checked.wrapped, had_one=row.frozen_type is not None)
    book.note(
        "disclose",
        f"delivery/{row.id}",
        DeliveryState.ACKNOWLEDGED.value,
        at=at,
        actor=person,
        message=row.message,
        recipient=row.recipient,
        basis=basis,
        consents=mark or None,
        content=freezing.content_of(book, offered, copy),
        **dict(detail),
    )
    kept: dict[str, Any] = {
        "reached": 2,
        "basis": basis,
        "level": copy.level.value if copy.level else None,
        "frozen_type": copy.media_type,
        "frozen_level": copy.level.value if copy.level else None,
    }
    if row.state == DeliveryState.ACKNOWLEDGED.value:
        deliveries.change(book, row.id, kept)
    else:
        deliveries.move(
            book,
            row,
            DeliveryEvent.OK,
            at=at,
            action="acknowledge",
            actor=person,
            detail={"code": "opened"},
            sent_at=at,
            acknowledged_at=at,
            **kept,
        )
    return Opening.SHOWN, mark


def to_tell(book: Book, now: datetime, remind: timedelta, partners: Sequence[str]) -> list[OfferNotice]:
    """Return to which of the partners it is to be told now that something waits, and keep that it was.

    A partner is told when something newer waits than it was told of, and again after `remind`.
    """
    if not book.ground.try_lock(book, "offer-notice") or holds.stands(book):
        return []
    told = {row.partner: row for row in book.all(_TOLD)}
    due = []
    for row in (each for each in book.all(_TO_TELL) if each.recipient in partners):
        before = told.pop(row.recipient, None)
        if before is not None and row.newest <= before.newest and now - before.told_at < remind:
            continue
        values = {"newest": row.newest, "told_at": now}
        if before is None:
            book.run(_TELL_FIRST, {"partner": row.recipient, **values})
        else:
            book.run(_TELL, {"the_partner": row.recipient, **values})
        book.note("notify", f"partner/{row.recipient}", "told", at=now, waiting=row.waiting)
        due.append(OfferNotice(partner=row.recipient, waiting=row.waiting, since=row.since))
    for partner in told:  # nothing waits for it any more
        book.run(_UNTELL, {"the_partner": partner})
    return due


def untold(book: Book, partner: str) -> None:
    """It could not be told: it is at the next look."""
    book.run(_UNTELL, {"the_partner": partner})


def begin_reply(book: Book, form: str, delivery: str, *, person: str, digest: str, at: datetime) -> Written:
    """Keep that a filled form was sent, or find that it was before: the same form is one reply."""
    known = book.first(_REPLY, {"the_form": form})
    if known is not None:
        is_same = (known.delivery, known.person, known.digest) == (delivery, person, digest)
        return Written(sent_at=known.sent_at, is_same=is_same)
    values = {"id": form, "delivery": delivery, "person": person, "digest": digest, "sent_at": at}
    book.run(_BEGIN_REPLY, values)
    book.note("answer", f"delivery/{delivery}", "written", at=at, actor=person, form=form)
    return Written(sent_at=at, is_same=True)


def end_reply(book: Book, form: str, message: str) -> None:
    """Keep which message a filled form became."""
    book.run(_END_REPLY, {"the_form": form, "message": message})
