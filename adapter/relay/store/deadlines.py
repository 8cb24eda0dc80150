"""What time alone brings to a delivery: it grows too old, or its acknowledgement is overdue."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import bindparam, select, text

from adapter.relay.message import DeliveryEvent, DeliveryState
from adapter.relay.store import deliveries, schema

if TYPE_CHECKING:
    from datetime import datetime

    from adapter.relay.store.book import Book

_D = schema.delivery.c
_now = bindparam("now", type_=schema.Moment)

_EXPIRED = select(_D.id).where(text(schema.OPEN), _D.expires_at <= _now).limit(bindparam("room"))
_DUE = select(_D.id, _D.state).where(text(schema.DUE), _D.due_at <= _now).limit(bindparam("room"))


def expire(book: Book, now: datetime, limit: int = 200) -> int:
    """Close what is too old, paused routes and withheld copies included. Returns how many."""
    if not book.ground.try_lock(book, "expire"):
        return 0
    rows = book.all(_EXPIRED, {"now": now, "room": limit})
    for row in rows:
        found = deliveries.find(book, row.id)
        if deliveries.has_step(found.state, DeliveryEvent.EXPIRED) and found.expires_at <= now:
            deliveries.move(book, found, DeliveryEvent.EXPIRED, at=now, action="close", reason="DL110")
    return len(rows)


def due(book: Book, now: datetime, limit: int = 200) -> tuple[list[str], list[str]]:
    """Return deliveries whose acknowledgement is overdue, and withheld ones whose consents changed."""
    if not book.ground.try_lock(book, "due"):
        return [], []
    rows = book.all(_DUE, {"now": now, "room": limit})
    awaiting = [row.id for row in rows if row.state == DeliveryState.AWAITING.value]
    return awaiting, [row.id for row in rows if row.state == DeliveryState.WITHHELD.value]
