"""Replays: what they hold, and each of their steps under the lock of its row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, func, insert, or_, select, update

from adapter.errors import Conflict, NotFound, NotPermitted
from adapter.relay.message import DeliveryEvent, DeliveryState
from adapter.relay.replay import (
    LAPSES_AFTER,
    REPLAY_TRANSITIONS,
    WAITING_STATES,
    ItemState,
    ReplayEvent,
    ReplayState,
    after_next,
)
from adapter.relay.store import deliveries, outcomes, schema
from adapter.relay.store.book import ENGINE
from adapter.relay.store.values import DueItem
from adapter.relay.transitions import advance

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from sqlalchemy import Select

    from adapter.relay.replay import Wanted
    from adapter.relay.store.book import Book
    from adapter.relay.store.prepared import Row
    from adapter.relay.store.values import ReplayRow

_R, _I, _D = schema.replay.c, schema.replay_item.c, schema.delivery.c
_M, _P = schema.message.c, schema.party.c
_now = bindparam("now", type_=schema.Moment)

_ADD = insert(schema.replay)
_ADD_ITEM = insert(schema.replay_item)
ONE = select(schema.replay).where(_R.id == bindparam("the_replay"))
_ALONE = ONE.with_for_update()
_CHANGE = update(schema.replay).where(_R.id == bindparam("the_replay"))
_CHANGE_ITEM = update(schema.replay_item).where(
    _I.replay == bindparam("the_replay"), _I.number == bindparam("the_number")
)
_ITEM = select(schema.replay_item).where(
    _I.replay == bindparam("the_replay"), _I.number == bindparam("the_number")
)
ITEMS = select(schema.replay_item).where(_I.replay == bindparam("the_replay")).order_by(_I.number)
COUNTS = (
    select(_I.replay, _I.state, _I.reason, func.count().label("how_many"))
    .group_by(_I.replay, _I.state, _I.reason)
    .order_by(_I.replay, _I.state, _I.reason)
)
_LAPSED = select(_R.id).where(_R.state == ReplayState.PREPARED.value, _R.lapses_at <= _now)
_RUNNING = select(schema.replay).where(_R.state == ReplayState.RELEASED.value, _R.next_at <= _now)
_NEXT = (
    select(_I.number, _I.delivery, _M.forgotten_at)
    .join(schema.delivery, _D.id == _I.delivery)
    .join(schema.message, _M.id == _D.message)
    .join(schema.party, _P.key == _D.recipient)
    .where(
        _I.replay == bindparam("the_replay"),
        _I.state == ItemState.WAITING.value,
        or_(_P.paused_until.is_(None), _P.paused_until <= _now),
    )
    .order_by(_I.number)
    .limit(bindparam("room"))
)
_QUEUED = select(_I.number, _I.delivery, _I.at).where(
    _I.replay == bindparam("the_replay"), _I.state == ItemState.QUEUED.value
)
_LEFT = select(func.count()).where(_I.replay == bindparam("the_replay"), _I.state == ItemState.WAITING.value)


def matching(wanted: Wanted) -> Select[Any]:
    """Return the statement of the copies that are asked for and can be sent again, in their order."""
    states = (wanted.state,) if wanted.state is not None else WAITING_STATES
    statement = (
        select(_D.id, _D.recipient, _D.created_at)
        .join(schema.message, _M.id == _D.message)
        .where(_D.state.in_([state.value for state in states]), _M.forgotten_at.is_(None))
        .order_by(_D.number)
    )
    if wanted.recipient is not None:
        statement = statement.where(_D.recipient == wanted.recipient)
    if wanted.reason is not None:
        statement = statement.where(_D.reason == wanted.reason)
    if wanted.since is not None:
        statement = statement.where(_D.changed_at >= wanted.since)
    if wanted.until is not None:
        statement = statement.where(_D.changed_at < wanted.until)
    return statement


def add(book: Book, new: ReplayRow, held: Sequence[str]) -> None:
    """Write a prepared replay and the deliveries it holds, in their order."""
    book.run(
        _ADD,
        {
            "id": new.id,
            "state": ReplayState.PREPARED.value,
            "wanted": new.wanted,
            "preview": new.preview,
            "reason": new.reason,
            "per_minute": new.per_minute,
            "prepared_by": new.prepared_by,
            "prepared_at": new.prepared_at,
            "lapses_at": new.prepared_at + LAPSES_AFTER,
        },
    )
    book.run_all(
        _ADD_ITEM,
        [
            {"replay": new.id, "number": number, "delivery": delivery, "state": ItemState.WAITING.value}
            for number, delivery in enumerate(held, 1)
        ],
    )
    book.note(
        "prepare-replay",
        f"replay/{new.id}",
        ReplayState.PREPARED.value,
        at=new.prepared_at,
        actor=new.prepared_by,
        reason=new.reason,
        copies=len(held),
        wanted=new.wanted,
    )


def release(book: Book, replay: str, *, actor: str, reason: str, at: datetime) -> None:
    """Let a prepared replay begin; whoever prepared it is not who releases it.

    Raises NotFound (ST121), NotPermitted (AC119), Conflict (DL101).
    """
    row = _found(book, replay)
    if row.state == ReplayState.PREPARED.value and row.lapses_at <= at:
        raise Conflict("DL151")
    state = advance(REPLAY_TRANSITIONS, ReplayState(row.state), ReplayEvent.RELEASE)
    if row.prepared_by == actor:
        raise NotPermitted("AC119")
    given = {"state": state.value, "released_by": actor, "released_at": at, "next_at": at}
    book.run(_CHANGE, {"the_replay": replay, **given})
    _note(book, replay, "release-replay", state, at, actor, reason)
    book.work = True


def cancel(book: Book, replay: str, *, actor: str, reason: str, at: datetime) -> None:
    """End a replay and take back what of it is queued and has not left.

    Raises NotFound (ST121); Conflict (DL101) if it has ended, or if all of it was queued and nothing of that
    is under way any more.
    """
    row = _found(book, replay)
    state = advance(REPLAY_TRANSITIONS, ReplayState(row.state), ReplayEvent.CANCEL)
    under_way = list(_under_way(book, replay))
    if row.state == ReplayState.DONE.value and not under_way:
        raise Conflict("DL101", params={"state": row.state, "event": ReplayEvent.CANCEL.value})
    book.run(_CHANGE, {"the_replay": replay, "state": state.value, "ended_by": actor, "ended_at": at})
    _note(book, replay, "cancel-replay", state, at, actor, reason)
    for number, found in under_way:
        if found.state == DeliveryState.QUEUED.value:
            event = DeliveryEvent.ATTEMPTS_SPENT
            deliveries.move(
                book,
                found,
                event,
                at=at,
                action="take-back",
                actor=actor,
                reason="DL119",
                detail={"replay": replay},
            )
            _end_item(book, replay, number, ItemState.TAKEN_BACK, at, "DL119")


def _under_way(book: Book, replay: str) -> Iterator[tuple[int, Row]]:
    """Yield number and delivery of each copy that waits or is being sent as this replay has queued it."""
    for item in book.all(_QUEUED, {"the_replay": replay}):
        found = deliveries.find(book, item.delivery)
        states = (DeliveryState.QUEUED.value, DeliveryState.SENDING.value)
        if found.state in states and found.queued_at == item.at:
            yield item.number, found


def lapse(book: Book, at: datetime) -> None:
    """End what was prepared and not released in time."""
    for each in book.all(_LAPSED, {"now": at}):
        row = _found(book, each.id)
        if row.state == ReplayState.PREPARED.value:
            state = advance(REPLAY_TRANSITIONS, ReplayState(row.state), ReplayEvent.LAPSE)
            book.run(_CHANGE, {"the_replay": row.id, "state": state.value, "ended_at": at})
            _note(book, row.id, "lapse-replay", state, at, ENGINE, None)


def due(book: Book, now: datetime, room: int = 32) -> list[DueItem]:
    """Return what of the released replays may be queued now; partners whose route rests wait."""
    if not book.ground.try_lock(book, "replay"):
        return []
    lapse(book, now)
    found = []
    for replay in book.all(_RUNNING, {"now": now}):
        rows = book.all(_NEXT, {"the_replay": replay.id, "now": now, "room": room})
        found += [
            DueItem(
                replay=replay.id,
                number=row.number,
                delivery=row.delivery,
                is_forgotten=row.forgotten_at is not None,
            )
            for row in rows
        ]
    return found


def take(book: Book, replay: str, number: int, *, denied: str | None, at: datetime) -> bool:
    """Queue one copy of a released replay again, or leave it for what `denied` says.

    False if the replay has no more to do now: cancelled meanwhile, or its pace is used up.
    """
    row = _found(book, replay)
    if row.state != ReplayState.RELEASED.value or row.next_at > at:
        return False
    item = book.first(_ITEM, {"the_replay": replay, "the_number": number})
    if item is None or item.state != ItemState.WAITING.value:
        return True  # another node has done it
    reason = denied or _hindrance(book, item.delivery)
    if reason is None:
        outcomes.resend(book, item.delivery, actor=row.released_by, reason=row.reason, at=at, replay=replay)
        after = after_next(row.next_at, at, row.per_minute)
        book.run(_CHANGE, {"the_replay": replay, "next_at": after})
        _end_item(book, replay, number, ItemState.QUEUED, at, None)
    else:
        _end_item(book, replay, number, ItemState.SKIPPED, at, reason)
        skipped = f"delivery/{item.delivery}"
        book.note("skip", skipped, ItemState.SKIPPED.value, at=at, reason=reason, replay=replay)
    _finish(book, row, at)
    return True


def _hindrance(book: Book, delivery: str) -> str | None:
    """Return why a copy cannot be sent again any more: it moved on (DL101), it was forgotten (ST123)."""
    found = deliveries.find(book, delivery)
    if not deliveries.has_step(found.state, DeliveryEvent.RESENT):
        return "DL101"
    return "ST123" if found.forgotten_at is not None else None


def _finish(book: Book, replay: Row, at: datetime) -> None:
    """Call a replay done once nothing of it waits."""
    if not book.scalar(_LEFT, {"the_replay": replay.id}):
        state = advance(REPLAY_TRANSITIONS, ReplayState.RELEASED, ReplayEvent.FINISH)
        book.run(_CHANGE, {"the_replay": replay.id, "state": state.value, "ended_at": at})
        _note(book, replay.id, "finish-replay", state, at, ENGINE, None)


def _end_item(
    book: Book, replay: str, number: int, state: ItemState, at: datetime, reason: str | None
) -> None:
    given = {"state": state.value, "reason": reason, "at": at}
    book.run(_CHANGE_ITEM, {"the_replay": replay, "the_number": number, **given})


def _found(book: Book, replay: str) -> Row:
    row = book.first(_ALONE, {"the_replay": replay})
    if row is None:
        raise NotFound("ST121", params={"kind": "replay"})
    return row


def _note(
    book: Book, replay: str, action: str, state: ReplayState, at: datetime, actor: str, reason: str | None
) -> None:
    book.note(action, f"replay/{replay}", state.value, at=at, actor=actor, reason=reason)
