"""The one place where a delivery changes its state, with everything that follows from it.

`move` steps through the table of `message.advance` and keeps true, in the same transaction: how many wait in
the lane, when the lane's head is due, one delivery report for each end that is not
success, one case for each success, a message that is settled once nothing of it is live, and an audit row.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    and_,
    bindparam,
    case,
    exists,
    func,
    literal,
    literal_column,
    not_,
    null,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert  # what it adds, SQLite says in the same words

from adapter.errors import NotFound
from adapter.relay.case import WITHOUT_CASE, CaseState
from adapter.relay.message import (
    DELIVERY_TRANSITIONS,
    ENDED,
    LIVE,
    MESSAGE_TRANSITIONS,
    SUCCESS,
    TO_THE_SENDER,
    DeliveryEvent,
    DeliveryState,
    Kind,
    MessageEvent,
    MessageState,
)
from adapter.relay.store import schema
from adapter.relay.store.among import Among
from adapter.relay.store.book import ENGINE, LaneStep
from adapter.relay.store.cipher import owner_of
from adapter.relay.transitions import advance

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime
    from enum import StrEnum

    from sqlalchemy import ColumnElement

    from adapter.relay.message import NewDelivery
    from adapter.relay.store.book import Book
    from adapter.relay.store.prepared import Row

_D, _L, _M, _P = schema.delivery.c, schema.lane.c, schema.message.c, schema.party.c
_K = schema.content_key.c

REPORT_TIME_TO_LIVE = timedelta(days=5)

FOUND, CHECKED = "found", "checked"
"""Kinds of rows of deliveries that are foreseen: for `find`, and for the look before the socket."""


def _is_no_other(
    column: ColumnElement[str], kind: type[StrEnum], values: Collection[StrEnum]
) -> ColumnElement[bool]:
    """Say of a column that it holds one of the values, in words that no index serves.

    Where a row is found by its id already, an index by state would lead through the whole backlog, and a
    database that knows nothing of its tables yet takes it.
    """
    return and_(*(column != other.value for other in kind if other not in values))


_FIND = (
    select(
        schema.delivery,
        _M.sender,
        _M.subject,
        _M.meaning,
        _M.event,
        _M.cancels,
        _M.superseded_by,
        _M.forgotten_at,
        _K.wrapped,
    )
    .join(schema.message, _M.id == _D.message)
    .join(schema.content_key, _K.owner == literal(owner_of("")).concat(_D.message))
    .with_for_update(of=schema.delivery)
)
_FIND_ONE = _FIND.where(_D.id == bindparam("the_delivery"))
_FIND_SEVERAL = _FIND.where(Among(_D.id, "the_deliveries")).order_by(_D.number)
_CHANGE = update(schema.delivery).where(_D.id == bindparam("the_delivery"))
_ADD = insert(schema.delivery)

_head_due = (
    select(_D.due_at)
    .where(_D.lane == _L.key, _D.state == literal_column("'queued'"))
    .order_by(_D.number)
    .limit(1)
    .correlate(schema.lane)
    .scalar_subquery()
)
_STEP_LANE = (
    update(schema.lane)
    .where(_L.key == bindparam("the_lane"))
    .values(waiting=_L.waiting + bindparam("step"), ready_at=func.coalesce(_head_due, _L.ready_at))
)
_ends = _L.lease_token == bindparam("the_token")
_STEP_AND_RELEASE_LANE = _STEP_LANE.values(
    lease_until=case((_ends, null()), else_=_L.lease_until),
    lease_owner=case((_ends, null()), else_=_L.lease_owner),
)
_ENSURE_PARTY = insert(schema.party).on_conflict_do_nothing()
_ENSURE_LANE = insert(schema.lane).on_conflict_do_nothing()
_LOCK_LANES = select(_L.key).where(Among(_L.key, "lanes")).order_by(_L.key).with_for_update(key_share=True)
_LOCK_MESSAGES = select(_M.id).where(Among(_M.id, "messages")).order_by(_M.id).with_for_update(key_share=True)
_TAKES_REPORTS = select(_P.takes_reports).where(_P.key == bindparam("the_party"))
_ADD_CASE = insert(schema.case)
_EARLIER_CASE = (
    select(schema.case.c.state, schema.case.c.reply)
    .join(schema.message, _M.id == schema.case.c.message)
    .where(
        _M.id == bindparam("the_earlier"),
        _M.superseded_by == bindparam("the_message"),
        schema.case.c.recipient == bindparam("the_recipient"),
    )
    .order_by(schema.case.c.opened_at.desc())
    .limit(1)
)
_SETTLE = (
    update(schema.message)
    .where(
        Among(_M.id, "messages"),
        _is_no_other(_M.state, MessageState, {MessageState.ACCEPTED}),
        not_(
            exists().where(
                _D.message == _M.id,
                *(_D.kind != kind.value for kind in TO_THE_SENDER),
                _is_no_other(_D.state, DeliveryState, LIVE),
            )
        ),
    )
    .values(
        state=advance(MESSAGE_TRANSITIONS, MessageState.ACCEPTED, MessageEvent.ALL_ENDED).value,
        changed_at=bindparam("at", type_=schema.Moment),
    )
    .returning(_M.id)
)
_REOPEN = (
    update(schema.message)
    .where(_M.id == bindparam("the_message"), _M.state == MessageState.SETTLED.value)
    .values(
        state=advance(MESSAGE_TRANSITIONS, MessageState.SETTLED, MessageEvent.RESENT).value,
        changed_at=bindparam("at", type_=schema.Moment),
    )
)
_RECALL_OF = (
    select(_D.id)
    .where(
        _D.message == bindparam("the_message"),
        _D.recipient == bindparam("the_recipient"),
        _D.kind == Kind.CANCELLATION.value,
    )
    .limit(1)
)


REHEARSED = "DL153"
"""Of a copy that would have gone, but for the shadow: no end that the sender has to hear of."""
NO_END = -1
"""Round of what is told of a copy beside its ends."""
RECALLED = "DL123"
"""Of a copy that went to the wrong recipient and was taken back: nobody is shown it any more."""
RECALL = -2
"""Round in which it is told that a copy was taken back from the wrong recipient."""


def find(book: Book, delivery: str) -> Row:
    """Return the delivery with what its message and lane say.

    Raises NotFound ST121.
    """
    row = book.foreseen.pop((FOUND, delivery), None) or book.first(_FIND_ONE, {"the_delivery": delivery})
    if row is None:
        raise NotFound("ST121", params={"kind": "delivery"})
    return row


def foresee(book: Book, deliveries: Sequence[str]) -> None:
    """Read and lock in one go what `find` will be asked."""
    for row in book.all(_FIND_SEVERAL, {"the_deliveries": deliveries}):
        book.foreseen[FOUND, row.id] = row


def change(book: Book, delivery: str, values: Mapping[str, Any]) -> None:
    """Change columns of a delivery that was read and locked; what was foreseen of it holds no longer."""
    for kind in (FOUND, CHECKED):
        book.foreseen.pop((kind, delivery), None)
    book.change(_CHANGE, delivery, {"the_delivery": delivery, **values})


def add(book: Book, message: str, sender: str, new: NewDelivery, at: datetime) -> None:
    """Write a new delivery, and its lane and partner if they are new."""
    ensure_party(book, new.recipient)
    if new.lane not in book.lanes:
        book.later(_ENSURE_LANE, {"key": new.lane, "recipient": new.recipient, "ready_at": at})
    book.later(
        _ADD,
        {
            "id": new.id,
            "message": message,
            "recipient": new.recipient,
            "lane": new.lane,
            "kind": new.kind.value,
            "state": new.state.value,
            "level": new.level.value if new.level else None,
            "reason": new.reason,
            "basis": new.basis,
            "evidence": new.evidence,
            "bundle_id": new.bundle_id,
            "header_id": new.header_id,
            "created_at": at,
            "queued_at": at,
            "due_at": at if new.state is DeliveryState.QUEUED else None,
            "changed_at": at,
            "expires_at": new.expires_at,
        },
    )
    if new.state is DeliveryState.QUEUED:
        step_lane(book, new.lane, 1)
        book.work = True


def ensure_party(book: Book, key: str) -> None:
    """Write the partner if it is not there; the database is asked once for each."""
    if key not in book.known_parties:
        book.later(_ENSURE_PARTY, {"key": key})
        book.known_parties |= {key}


def step_lane(book: Book, lane: str, step: int, *, token: int | None = None) -> None:
    """Let `step` more wait in the lane, from the end of the transaction on; `token`: its lease ends."""
    kept = book.lanes.setdefault(lane, LaneStep())
    kept.step += step
    if token is not None:
        kept.token = token


def last(book: Book) -> None:
    """Write what the operations did to lanes, and settle messages of which nothing is live any more.

    A statement sees what was committed before it began; hence rows that other nodes write too are locked
    first, in one order, and counted then.
    """
    lanes = sorted(book.lanes.items())
    book.lanes = {}
    if book.ground.has_others and lanes:
        book.all(_LOCK_LANES, {"lanes": [key for key, _ in lanes]})
    stepping = [{"the_lane": key, "step": kept.step} for key, kept in lanes if kept.token is None]
    book.run_all(_STEP_LANE, stepping)
    released = [
        {"the_lane": key, "step": kept.step, "the_token": kept.token}
        for key, kept in lanes
        if kept.token is not None
    ]
    book.run_all(_STEP_AND_RELEASE_LANE, released)
    settling = sorted(book.settling.items())
    book.settling = {}
    if not settling:
        return
    messages = [message for message, _ in settling]
    if book.ground.has_others:
        book.all(_LOCK_MESSAGES, {"messages": messages})
    settled = {
        row.id for row in book.all(_SETTLE, {"messages": messages, "at": max(at for _, at in settling)})
    }
    for message, at in settling:
        if message in settled:
            book.note("settle", f"message/{message}", MessageState.SETTLED.value, at=at)


def move(
    book: Book,
    row: Row,
    *events: DeliveryEvent,
    at: datetime,
    action: str,
    actor: str = ENGINE,
    reason: str | None = None,
    release: bool = False,
    detail: dict[str, str | int | None] | None = None,
    **changes: object,
) -> DeliveryState:
    """Lead a delivery through `events` and keep everything true that hangs on its state.

    `row`: as `find` returns it, unchanged since. `release`: its lane's lease ends too. `changes`: further
    columns. Returns the new state. Raises Conflict DL101 where the table has no such step.
    """
    before = after = DeliveryState(row.state)
    for event in events:
        after = advance(DELIVERY_TRANSITIONS, after, event)
    ended = after in ENDED and after is not before
    # A copy that was recalled stays so, whatever its recipient says of it later.
    kept = RECALLED if row.reason == RECALLED else None
    values: dict[str, Any] = {"state": after.value, "reason": kept or reason, "changed_at": at, **changes}
    if after is DeliveryState.QUEUED:
        values.setdefault("due_at", at)
    else:
        values.setdefault("due_at", None)
    if ended:
        values["ends"] = row.ends + 1
    if release:
        values["token"] = None
    change(book, row.id, values)
    step = (after is DeliveryState.QUEUED) - (before is DeliveryState.QUEUED)
    if step or release:
        step_lane(book, row.lane, step, token=row.token if release else None)
    book.work = book.work or after is DeliveryState.QUEUED or release
    book.note(
        action,
        f"delivery/{row.id}",
        after.value,
        at=at,
        actor=actor,
        reason=reason,
        **{"message": row.message, "recipient": row.recipient, **(detail or {})},
    )
    if Kind(row.kind) not in TO_THE_SENDER:
        _follow(book, row, before, after, at=at, reason=reason)
    return after


def _follow(
    book: Book,
    row: Row,
    before: DeliveryState,
    after: DeliveryState,
    *,
    at: datetime,
    reason: str | None,
) -> None:
    """Do what a new state asks for beyond the delivery itself."""
    if after in LIVE:
        if before in ENDED:
            reopen(book, row.message, at)
        return
    if after is before:
        return
    if after in SUCCESS:
        is_answered_for = row.kind == Kind.NOTIFICATION.value and row.event not in WITHOUT_CASE
        if is_answered_for and row.reason != RECALLED:  # of the wrong recipient nobody waits for an answer
            _open_case(book, row, at)
    elif reason != REHEARSED:
        _report(book, row, after, at=at, reason=reason)
    settle(book, row.message, at)


def settle(book: Book, message: str, at: datetime) -> None:
    """Call an accepted message settled, at the end, if none of its deliveries is live then."""
    book.settling[message] = at


def _open_case(book: Book, row: Row, at: datetime) -> None:
    """Open the case of a copy that arrived; a correction goes on from what was answered before it."""
    earlier = None
    if row.cancels is not None:  # what it superseded is what it named
        given = {"the_earlier": row.cancels, "the_message": row.message, "the_recipient": row.recipient}
        earlier = book.first(_EARLIER_CASE, given)
    state = earlier.state if earlier is not None else CaseState.AWAITING_REPLY.value
    book.later(
        _ADD_CASE,
        {
            "id": row.id,
            "message": row.message,
            "recipient": row.recipient,
            "state": state,
            "opened_at": at,
            "changed_at": at,
            "reply": earlier.reply if earlier is not None else None,
        },
    )
    book.note("open-case", f"case/{row.id}", state, at=at, message=row.message)


def reopen(book: Book, message: str, at: datetime) -> None:
    """Call a settled message accepted again: something of it has to go."""
    book.run(_REOPEN, {"the_message": message, "at": at})


def tell(book: Book, row: Row, *, at: datetime, reason: str, round_: int = NO_END) -> None:
    """Tell the sender something of a copy that is no end of it; once for each copy and round."""
    _report(book, row, DeliveryState(row.state), at=at, reason=reason, round_=round_)


def _report(
    book: Book,
    row: Row,
    state: DeliveryState,
    *,
    at: datetime,
    reason: str | None,
    round_: int | None = None,
) -> None:
    """Queue the report of this end to the sender, if it takes reports; never one about a report."""
    taker = book.first(_TAKES_REPORTS, {"the_party": row.sender})
    if taker is None or not taker.takes_reports:
        return
    lane = f"report|{row.sender}|{row.message}"
    book.run(_ENSURE_LANE, {"key": lane, "recipient": row.sender, "ready_at": at})
    report = book.ids.new()
    book.run(
        _ADD,
        {
            "id": report,
            "message": row.message,
            "recipient": row.sender,
            "lane": lane,
            "kind": Kind.DELIVERY_REPORT.value,
            "state": DeliveryState.QUEUED.value,
            "bundle_id": book.ids.new(),
            "header_id": book.ids.new(),
            "created_at": at,
            "queued_at": at,
            "due_at": at,
            "changed_at": at,
            "expires_at": at + REPORT_TIME_TO_LIVE,
            "about": row.id,
            "about_round": row.ends + 1 if round_ is None else round_,
            "about_state": state.value,
            "about_reason": reason,
            "about_at": at,
        },
    )
    step_lane(book, lane, 1)
    book.work = True
    book.note(
        "report", f"delivery/{report}", DeliveryState.QUEUED.value, at=at, about=row.id, recipient=row.sender
    )


def is_recalled(book: Book, row: Row) -> bool:
    """Return True for a copy that was taken back from its recipient, wherever it has gone since."""
    if row.reason == RECALLED:
        return True
    if not row.reached:
        return False  # of what never left there is nothing to take back
    given = {"the_message": row.message, "the_recipient": row.recipient}
    return book.first(_RECALL_OF, given) is not None


def has_step(state: str, event: DeliveryEvent) -> bool:
    """Return True if the table leads from `state` by `event` anywhere."""
    return (DeliveryState(state), event) in DELIVERY_TRANSITIONS
