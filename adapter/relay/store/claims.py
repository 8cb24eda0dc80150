"""Claiming: which deliveries this process may send now, under a lease that fences everybody else out.

The lane is what is claimed, not the delivery: one lane has one lease, so what stands behind its head waits,
and order within recipient and subject falls out by itself. Partners take turns, so that a recipient with a
long queue, or one that does not answer, leaves the others their share.

Fencing by token keeps a late worker from changing anything, but not from sending: that takes a second look
at the lease just before the socket (`delivery`).
"""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from itertools import chain, zip_longest
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    ColumnElement,
    and_,
    bindparam,
    exists,
    func,
    literal,
    literal_column,
    or_,
    select,
    update,
)

from adapter.errors import NotFound
from adapter.relay.message import (
    DELIVERY_TRANSITIONS,
    DeliveryEvent,
    DeliveryState,
    Kind,
    Level,
    Meaning,
    Mode,
)
from adapter.relay.retry import FAILURES_THAT_SLOW
from adapter.relay.store import deliveries, halted, leases, schema
from adapter.relay.store.among import Among
from adapter.relay.store.cipher import owner_of
from adapter.relay.store.freezing import MARK, OWNER, part_of
from adapter.relay.store.values import Claimed, Ended, Frozen
from adapter.relay.transitions import advance

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from adapter.relay.store.book import Book
    from adapter.relay.store.cipher import Envelope
    from adapter.relay.store.prepared import Row

NO_WINDOWS: Mapping[str, int] = MappingProxyType({})
LEASE = timedelta(seconds=60)
"""Longer than the total deadline of the wire and its margin (`delivery`)."""

_D, _L, _M, _P = schema.delivery.c, schema.lane.c, schema.message.c, schema.party.c
_C, _K, _Y = schema.consent.c, schema.content_key.c, schema.payload.c
_now = bindparam("now", type_=schema.Moment)

# A partial index is used only where its condition stands in the statement as text, not as a bound value.
_QUEUED: ColumnElement[str] = literal_column(f"'{DeliveryState.QUEUED.value}'")
_SENDING: ColumnElement[str] = literal_column(f"'{DeliveryState.SENDING.value}'")

_READY_NOW = (
    _L.waiting > literal_column("0"),
    _L.lease_until.is_(None),
    _L.ready_at <= _now,
)
_PARTIES = select(_P.key, _P.failures, _P.pauses).where(
    ~exists().where(schema.hold.c.lifted_at.is_(None)),  # while a hold stands, nobody is sent to
    or_(_P.paused_until.is_(None), _P.paused_until <= _now),
    exists().where(_L.recipient == _P.key, *_READY_NOW),
)
_LEASED = (
    select(_L.recipient, _L.lease_owner, func.count().label("leases"))
    .where(_L.lease_until.is_not(None))
    .group_by(_L.recipient, _L.lease_owner)
)
_READY = (
    select(_L.key)
    .where(_L.recipient == bindparam("recipient"), *_READY_NOW)
    .order_by(_L.ready_at)
    .limit(bindparam("room"))
    .with_for_update(skip_locked=True, key_share=True)
)
_content, _copy = schema.payload.alias("content"), schema.payload.alias("copy")
_FULL = (
    select(
        schema.delivery,
        _M.sender,
        _M.source,
        _M.mode,
        _M.meaning,
        _M.event,
        _M.notification,
        _M.subject,
        _M.cancels,
        _M.superseded_by,
        _M.forgotten_at,
        _L.lease_token,
        _K.wrapped,
        _content.c.sealed.label("content"),
        _copy.c.sealed.label("copy"),
        MARK.label("consents"),
        halted.IS_HALTED.label("halted"),
    )
    .join(schema.message, _M.id == _D.message)
    .join(schema.lane, _L.key == _D.lane)
    .join(schema.content_key, _K.owner == OWNER)
    .outerjoin(_content, and_(_content.c.owner == OWNER, _content.c.part == literal("content")))
    .outerjoin(_copy, and_(_copy.c.owner == OWNER, _copy.c.part == literal("copy/").concat(_D.id)))
)
_first = (
    select(func.min(_D.number))
    .where(_D.lane == _L.key, _D.state == _QUEUED)
    .correlate(schema.lane)
    .scalar_subquery()
)
_HEADS = select(_first.label("number")).select_from(schema.lane).where(Among(_L.key, "lanes"))
_FULL_HEADS = _FULL.where(Among(_D.number, "numbers"), _D.state == _QUEUED).with_for_update(
    of=schema.delivery, skip_locked=True
)
_ONE = _FULL.where(_D.id == bindparam("the_delivery"))
_LEASE_LANES = (
    update(schema.lane)
    .where(Among(_L.key, "lanes"))
    .values(
        waiting=_L.waiting - 1,
        lease_token=_L.lease_token + 1,
        lease_owner=bindparam("owner"),
        lease_until=bindparam("until", type_=schema.Moment),
    )
)
_TAKE = (
    update(schema.delivery)
    .where(Among(_D.number, "numbers"))
    .values(
        token=select(_L.lease_token + 1).where(_L.key == _D.lane).scalar_subquery(),
        state=advance(DELIVERY_TRANSITIONS, DeliveryState.QUEUED, DeliveryEvent.CLAIMED).value,
        changed_at=_now,
        due_at=None,
    )
)
_ANSWER = (
    select(_K.wrapped, _Y.part, _Y.sealed)
    .join(schema.payload, _Y.owner == _K.owner)
    .where(_K.owner == bindparam("owner"))
)
_ABOUT = select(_D.recipient, _D.kind).where(_D.id == bindparam("the_delivery"))
_EARLIER = select(_D.bundle_id, _D.header_id, _D.reached, _D.reason).where(
    _D.message == bindparam("the_message"),
    _D.recipient == bindparam("recipient"),
    _D.kind == Kind.NOTIFICATION.value,
)
_CANCELLED_BEFORE = select(_M.cancels).where(_M.id == bindparam("the_message"))


def sealed_answer(delivery: str) -> str:
    """Return the name under which an answer that goes out later is sealed; its part is its media type."""
    return f"answer/{delivery}"


def claim(
    book: Book,
    now: datetime,
    limit: int,
    *,
    each: int = 16,
    windows: Mapping[str, int] = NO_WINDOWS,
    lease: timedelta = LEASE,
) -> list[Claimed]:
    """Lease up to `limit` free lanes that are due, and return their heads.

    `windows`: how many lanes of a partner this node may have at once; `each` for those not named.
    Leases that ended are taken back first. Heads that have expired, or were superseded or cancelled, are
    closed on the way and do not count. A partner that failed several times in a row gets one lane at a time.
    What is handed out counts the lease by this process's own time, from before it began.
    """
    leases.recover(book, now)
    deliveries.last(book)
    until = book.ground.lease_time(book, now) + lease
    heads = _sendable_heads(book, _lanes_in_turn(book, now, limit, each, windows), now)
    if heads:
        book.run(_TAKE, {"numbers": [head.number for head in heads], "now": now})
        lanes = [head.lane for head in heads]
        book.run(_LEASE_LANES, {"lanes": lanes, "owner": book.node, "until": until})
    return [_claimed(book, head, head.lease_token + 1, now + lease) for head in heads]


def _lanes_in_turn(book: Book, now: datetime, limit: int, each: int, windows: Mapping[str, int]) -> list[str]:
    """Return the lanes to claim: each partner's first, then each one's second, and so on."""
    by_all: Counter[str] = Counter()
    by_us: Counter[str] = Counter()
    for row in book.all(_LEASED):
        by_all[row.recipient] += row.leases
        by_us[row.recipient] += row.leases * (row.lease_owner == book.node)
    ready = []
    for party in book.all(_PARTIES, {"now": now}):
        if party.pauses or party.failures >= FAILURES_THAT_SLOW:
            room = min(1 - by_all[party.key], limit)
        else:
            room = min(windows.get(party.key, each) - by_us[party.key], limit)
        if room > 0:
            rows = book.all(_READY, {"recipient": party.key, "now": now, "room": room})
            ready.append([row.key for row in rows])
    turns = chain.from_iterable(zip_longest(*ready))
    return [lane for lane in turns if lane is not None][:limit]


def _sendable_heads(book: Book, lanes: Sequence[str], now: datetime) -> list[Row]:
    """Return each lane's first delivery that may still go, locked; close those before it that may not.

    Those of a cancelled replay wait for a person again. A lane whose head somebody else is just changing is
    left for the next time.
    """
    sendable: dict[str, Row] = {}
    asked = lanes
    while asked:
        numbers = [row.number for row in book.all(_HEADS, {"lanes": asked}) if row.number is not None]
        asked = []
        for head in book.all(_FULL_HEADS, {"numbers": numbers}) if numbers else ():
            event, reason = _overtaken(book, head, now)
            if event is None and head.halted:
                found = deliveries.find(book, head.id)
                halted.take_back(book, found, DeliveryEvent.ATTEMPTS_SPENT, at=now)
                asked.append(head.lane)
            elif event is None:
                sendable[head.lane] = head
            else:
                found = deliveries.find(book, head.id)
                deliveries.move(book, found, event, at=now, action="close", reason=reason)
                asked.append(head.lane)
    return [sendable[lane] for lane in lanes if lane in sendable]


def _overtaken(book: Book, head: Row, now: datetime) -> tuple[DeliveryEvent | None, str | None]:
    """Return why a queued delivery must not go any more, or (None, None)."""
    if head.expires_at <= now:
        return DeliveryEvent.EXPIRED, "DL110"
    if head.kind == Kind.NOTIFICATION.value and head.superseded_by is not None:
        return DeliveryEvent.SUPERSEDED, "DL111"
    if head.kind == Kind.NOTIFICATION.value and deliveries.is_recalled(book, head):
        return DeliveryEvent.CANCELLED, deliveries.RECALLED
    if head.kind == Kind.CANCELLATION.value and not _got_anything(book, head):
        return DeliveryEvent.CANCELLED, "DL112"
    return None, None


def _got_anything(book: Book, head: Row) -> bool:
    """Return True if the recipient may hold a copy of what `head` cancels, or of what that superseded."""
    cancelled = _taken_back(head)
    while cancelled is not None:
        for row in book.all(_EARLIER, {"the_message": cancelled, "recipient": head.recipient}):
            if row.reached or row.reason == deliveries.REHEARSED:
                return True
        before = book.first(_CANCELLED_BEFORE, {"the_message": cancelled})
        cancelled = before.cancels if before else None
    return False


def _taken_back(head: Row) -> str | None:
    """Return the message that a cancellation takes back: what its sender cancels, or its own, recalled."""
    taken: str | None = head.cancels if head.meaning == Meaning.CANCEL.value else head.message
    return taken


def look(book: Book, delivery: str) -> Claimed:
    """Return a delivery as a claim would, without claiming it: its token opens nothing.

    Raises NotFound ST121.
    """
    row = book.first(_ONE, {"the_delivery": delivery})
    if row is None:
        raise NotFound("ST121", params={"kind": "delivery"})
    return _claimed(book, row, -1, row.changed_at)


def _claimed(book: Book, head: Row, token: int, until: datetime) -> Claimed:
    kind = Kind(head.kind)
    content, frozen = (None, _answer(book, head)) if kind is Kind.ANSWER else _opened(book, head)
    bundle_id, header_id = _cancelled_copy(book, head)
    return Claimed(
        delivery=head.id,
        message=head.message,
        sender=head.sender,
        recipient=head.recipient,
        source=head.source,
        mode=Mode(head.mode),
        kind=kind,
        meaning=Meaning(head.meaning) if head.meaning else None,
        notification=head.notification,
        subject=head.subject,
        lane=head.lane,
        level=Level(head.level) if head.level else None,
        basis=head.basis,
        evidence=head.evidence,
        attempts=head.attempts,
        tries=head.tries,
        token=token,
        lease_until=until,
        bundle_id=head.envelope_id or head.bundle_id,
        header_id=head.header_id,
        queued_at=head.queued_at,
        expires_at=head.expires_at,
        content=content,
        frozen=frozen,
        reached=head.reached > 0,
        released=head.released_by is not None,
        consents_seen=head.consents,
        cancels=head.cancels,
        about=_about(book, head) if kind is Kind.DELIVERY_REPORT else None,
        original_bundle_id=bundle_id,
        original_header_id=header_id,
        event=head.event,
        reason=head.reason,
        taken=head.taken,
    )


def _opened(book: Book, head: Row) -> tuple[bytes | None, Frozen | None]:
    """Return the message's content, which a report has none of, and the frozen copy."""
    envelope = book.vault.envelope(owner_of(head.message), head.wrapped)
    is_report = head.kind == Kind.DELIVERY_REPORT.value
    content = None if is_report or head.content is None else envelope.open("content", head.content)
    return content, _frozen(envelope, head)


def _answer(book: Book, head: Row) -> Frozen | None:
    """Return the answer that was queued: its bytes were fixed then, and outlive the message's content."""
    owner = sealed_answer(head.id)
    row = book.first(_ANSWER, {"owner": owner})
    if row is None:
        return None
    body = book.vault.envelope(owner, row.wrapped).open(row.part, row.sealed)
    return Frozen(body=body, media_type=row.part, level=None)


def _frozen(envelope: Envelope, head: Row) -> Frozen | None:
    if head.frozen_type is None or head.copy is None:
        return None
    body = envelope.open(part_of(head.id), head.copy)
    level = Level(head.frozen_level) if head.frozen_level else None
    return Frozen(body=body, media_type=head.frozen_type, level=level)


def _about(book: Book, head: Row) -> Ended:
    told = book.first(_ABOUT, {"the_delivery": head.about})
    if told is None:  # the foreign key forbids it
        raise AssertionError(head.about)
    return Ended(
        delivery=head.about,
        recipient=told.recipient,
        kind=Kind(told.kind),
        state=DeliveryState(head.about_state),
        reason=head.about_reason,
        at=head.about_at,
    )


def _cancelled_copy(book: Book, head: Row) -> tuple[str | None, str | None]:
    """Return the ids of the newest copy that this recipient may hold of what is cancelled."""
    cancelled = _taken_back(head) if head.kind == Kind.CANCELLATION.value else None
    while cancelled is not None:
        for row in book.all(_EARLIER, {"the_message": cancelled, "recipient": head.recipient}):
            if row.reached:
                return row.bundle_id, row.header_id
        before = book.first(_CANCELLED_BEFORE, {"the_message": cancelled})
        cancelled = before.cancels if before else None
    return None, None


def give_back(
    book: Book,
    claimed: Claimed,
    *events: DeliveryEvent,
    at: datetime,
    action: str,
    reason: str | None,
    due_at: datetime | None = None,
) -> bool:
    """End a claim without an attempt: withheld, closed, or queued again. False if the lease was lost."""
    row = deliveries.find(book, claimed.delivery)
    if row.token != claimed.token:
        return False
    if row.state != DeliveryState.SENDING.value:
        deliveries.step_lane(book, row.lane, 0, token=row.token)
        return False
    changes: dict[str, Any] = {} if due_at is None else {"due_at": due_at}
    if row.reached == 1:  # frozen, but nothing left
        changes["reached"] = 0
    deliveries.move(book, row, *events, at=at, action=action, reason=reason, release=True, **changes)
    return True
