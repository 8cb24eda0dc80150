"""Forgetting: content goes when its time has come, by destroying the key it is sealed under.

Rows without content stay: ids, states, times and the audit. Whatever copy of the database exists elsewhere
holds ciphertext only, and once its wrapped key is gone from there too, nobody can read it.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import (
    ColumnElement,
    String,
    and_,
    bindparam,
    cast,
    delete,
    exists,
    literal,
    not_,
    or_,
    select,
    text,
    update,
)

from adapter.relay.message import LIVE, DeliveryState, MessageState
from adapter.relay.store import schema
from adapter.relay.store.cipher import owner_of
from adapter.relay.store.outcomes import UNKNOWN_KEPT, body_of
from adapter.relay.store.values import Retention

if TYPE_CHECKING:
    from datetime import datetime

    from adapter.relay.store.book import Book

DEFAULT = Retention(
    not_applicable=timedelta(hours=24), delivered=timedelta(days=7), parked=timedelta(days=90)
)

_M, _D, _K, _Y = schema.message.c, schema.delivery.c, schema.content_key.c, schema.payload.c
_X = schema.conflicting_submission.c

_live = exists().where(_D.message == _M.id, text(schema.allowed("delivery.state", sorted(LIVE))))
_unhappy = exists().where(
    _D.message == _M.id,
    text(
        schema.allowed(
            "delivery.state", (DeliveryState.WITHHELD, DeliveryState.PARKED, DeliveryState.REFUSED)
        )
    ),
)


def _before(name: str, *conditions: ColumnElement[bool]) -> ColumnElement[bool]:
    return and_(_M.changed_at <= bindparam(name, type_=schema.Moment), *conditions)


_SPENT = (
    select(_M.id)
    .where(
        _M.forgotten_at.is_(None),
        not_(_live),
        or_(
            _before("not_applicable", _M.state == MessageState.NOT_APPLICABLE.value),
            _before("delivered", _M.state == MessageState.SETTLED.value, not_(_unhappy)),
            _before(
                "parked",
                or_(
                    text(
                        schema.allowed(
                            "message.state",
                            (MessageState.UNREADABLE, MessageState.INVALID, MessageState.CLOSED),
                        )
                    ),
                    and_(_M.state == MessageState.SETTLED.value, _unhappy),
                ),
            ),
        ),
    )
    .limit(bindparam("room"))
)
_SPENT_CONFLICTS = (
    select(_X.id)
    .join(schema.content_key, _K.owner == "conflict/" + _X.id)
    .where(_K.wrapped.is_not(None), _X.received_at <= bindparam("parked", type_=schema.Moment))
    .limit(bindparam("room"))
)
_ACKNOWLEDGEMENTS = (
    select(schema.acknowledgement.c.number)
    .join(schema.delivery, _D.id == schema.acknowledgement.c.delivery)
    .where(_D.message == bindparam("the_message"))
)
_A = schema.acknowledgement.c
_UNKNOWN = (
    select(_A.number)
    .join(schema.content_key, _K.owner == literal("acknowledgement/").concat(cast(_A.number, String)))
    .where(
        _A.delivery.is_(None),
        _A.received_at <= bindparam("unknown", type_=schema.Moment),
        _K.wrapped.is_not(None),
    )
    .limit(bindparam("room"))
)
"""Acknowledgements of what has not become known."""
_DROP_PAYLOADS = delete(schema.payload).where(_Y.owner == bindparam("the_owner"))
_DROP_KEY = (
    update(schema.content_key)
    .where(_K.owner == bindparam("the_owner"))
    .values(wrapped=None, destroyed_at=bindparam("at", type_=schema.Moment))
)
_MARK = (
    update(schema.message)
    .where(_M.id == bindparam("the_message"))
    .values(forgotten_at=bindparam("at", type_=schema.Moment))
)


def forget(book: Book, now: datetime, retention: Retention, limit: int = 100) -> int:
    """Destroy the keys of up to `limit` messages, conflicting submissions and unknown answers each.

    Returns how many.
    """
    if not book.ground.try_lock(book, "forget"):
        return 0
    given = {
        "not_applicable": now - retention.not_applicable,
        "delivered": now - retention.delivered,
        "parked": now - retention.parked,
        "room": limit,
    }
    spent = book.all(_SPENT, given)
    for row in spent:
        _destroy(book, owner_of(row.id), now)
        for ack in book.all(_ACKNOWLEDGEMENTS, {"the_message": row.id}):
            _destroy(book, body_of(ack.number), now)
        book.run(_MARK, {"the_message": row.id, "at": now})
        book.note("forget", f"message/{row.id}", "forgotten", at=now)
    conflicts = book.all(_SPENT_CONFLICTS, {"parked": given["parked"], "room": limit})
    for row in conflicts:
        _destroy(book, f"conflict/{row.id}", now)
        book.note("forget", f"conflict/{row.id}", "forgotten", at=now)
    unknown = book.all(_UNKNOWN, {"unknown": now - UNKNOWN_KEPT, "room": limit})
    for row in unknown:
        _destroy(book, body_of(row.number), now)
        book.note("forget", body_of(row.number), "forgotten", at=now)
    return len(spent) + len(conflicts) + len(unknown)


def _destroy(book: Book, owner: str, now: datetime) -> None:
    book.run(_DROP_PAYLOADS, {"the_owner": owner})
    book.run(_DROP_KEY, {"the_owner": owner, "at": now})
