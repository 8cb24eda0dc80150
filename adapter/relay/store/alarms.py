"""Alarms that stand, so that each is told once whatever node looks, and is known after a restart."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, delete, exists, func, insert, not_, select, text, update

from adapter.relay import alarm
from adapter.relay.alarm import Facts, Notice, Phase, Told
from adapter.relay.case import CaseState
from adapter.relay.message import DeliveryState, Kind, MessageState
from adapter.relay.store import cases, holds, schema
from adapter.relay.store.room import Room

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from adapter.relay.alarm import Alarm, Limits
    from adapter.relay.store.book import Book
    from adapter.relay.store.reading import Reader

_A, _D, _M, _P, _C = schema.alarm.c, schema.delivery.c, schema.message.c, schema.party.c, schema.case.c

STANDING = select(schema.alarm).order_by(_A.began_at, _A.code, _A.about)
_ADD = insert(schema.alarm)
_THIS = (_A.code == bindparam("the_code"), _A.about == bindparam("the_about"))
_TELL = update(schema.alarm).where(*_THIS)
_END = delete(schema.alarm).where(*_THIS)

A_DAY = timedelta(hours=24)
A_WEEK = timedelta(days=7)

_STUCK = (
    select(_D.kind, func.count().label("how_many"))
    .where(_D.state.in_([DeliveryState.PARKED.value, DeliveryState.REFUSED.value]))
    .group_by(_D.kind)
)
_CONTRADICTED = select(func.count().label("how_many")).where(
    schema.acknowledgement.c.verdict == "contradicting",
    schema.acknowledgement.c.received_at > bindparam("since", type_=schema.Moment),
)
_OLDEST = (
    select(_D.recipient, func.min(_D.queued_at).label("since"))
    .where(_D.state == DeliveryState.QUEUED.value)
    .group_by(_D.recipient)
)
_RESTING = select(_P.key, _P.pause_reason).where(_P.paused_until > bindparam("now", type_=schema.Moment))
_UNROUTED = select(func.min(_M.received_at).label("since")).where(
    _M.state == MessageState.NEEDS_ROUTING.value
)
_LATER = schema.message.alias("later")
_UNMATCHED = select(func.min(_M.received_at).label("since")).where(
    text(schema.UNMATCHED),
    _M.received_at > bindparam("since", type_=schema.Moment),
    not_(
        exists().where(
            _LATER.c.sender == _M.sender,
            _LATER.c.notification == _M.notification,
            _LATER.c.number > _M.number,
        )
    ),
)
_OVERDUE = (
    select(func.count().label("how_many"))
    .select_from(schema.case)
    .join(schema.message, _M.id == _C.message)
    .where(cases.STANDS, _C.state == CaseState.AWAITING_REPLY.value, _C.overdue_at.is_not(None))
)


def facts(reader: Reader, now: datetime, room: Room, audit_fault: str | None) -> Facts:
    """Return what alarms are raised by."""
    stuck = {row.kind: row.how_many for row in reader.rows(_STUCK)}
    return Facts(
        waiting_for_person=sum(stuck.values()),
        cancellations_stuck=stuck.get(Kind.CANCELLATION.value, 0),
        contradicted=reader.rows(_CONTRADICTED, {"since": now - A_DAY})[0].how_many,
        oldest_queued={row.recipient: row.since for row in reader.rows(_OLDEST)},
        resting={row.key: row.pause_reason or "DL103" for row in reader.rows(_RESTING, {"now": now})},
        unrouted_since=reader.rows(_UNROUTED, {})[0].since,
        unmatched_since=reader.rows(_UNMATCHED, {"since": now - A_WEEK})[0].since,
        overdue=reader.rows(_OVERDUE, {})[0].how_many,
        is_disk_low=room is Room.LOW,
        is_disk_full=room is Room.NONE,
        is_held=bool(reader.rows(holds.STANDING, {})),
        audit_fault=audit_fault,
        **_feed(reader),
    )


def _feed(reader: Reader) -> dict[str, Any]:
    state = reader.directory_feed()
    if state is None or (state.answered_at is None and state.failures == 0):
        return {}
    return {
        "directory_stale_at": state.stale_at,
        "directory_failures": state.failures,
        "directory_code": state.code,
    }


def due(book: Book, alarms: Sequence[Alarm], now: datetime, limits: Limits) -> list[Notice]:
    """Keep which alarms stand, and return what this node is to tell; another one then does not."""
    if not book.ground.try_lock(book, "alarm"):
        return []
    known = {
        (row.code, row.about): Told(began_at=row.began_at, told_at=row.told_at) for row in book.all(STANDING)
    }
    to_tell = alarm.notices(alarms, known, now, limits)
    stand = {each.key for each in alarms}
    for code, about in known.keys() - stand:
        book.run(_END, {"the_code": code, "the_about": about})
    for code, about in stand - known.keys():
        book.run(_ADD, {"code": code, "about": about, "began_at": now})
    for notice in to_tell:
        if notice.phase is not Phase.OVER:
            book.run(_TELL, {"the_code": notice.key[0], "the_about": notice.key[1], "told_at": now})
        code, about = notice.key
        book.note("alarm", "deployment", notice.phase.value, at=now, reason=code, about=about or None)
    return to_tell


def untold(book: Book, notice: Notice) -> None:
    """Nobody could be told: it is told at the next look."""
    book.run(_TELL, {"the_code": notice.key[0], "the_about": notice.key[1], "told_at": None})
