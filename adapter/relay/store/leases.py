"""Leases that nobody can be sending under any more: their lanes are taken back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import ColumnElement, bindparam, literal_column, select

from adapter.relay.message import DeliveryEvent, DeliveryState
from adapter.relay.store import deliveries, process, schema

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from adapter.relay.store.book import Book
    from adapter.relay.store.prepared import Row

_D, _L = schema.delivery.c, schema.lane.c
_now = bindparam("now", type_=schema.Moment)
_SENDING: ColumnElement[str] = literal_column(f"'{DeliveryState.SENDING.value}'")

_LEASES = select(_L.key, _L.lease_token, _L.lease_owner).where(_L.lease_until.is_not(None))
_EXPIRED_LEASES = _LEASES.where(_L.lease_until <= _now)
_NODES = select(schema.node.c.name, schema.node.c.process)
_IN_LANE = select(_D.id).where(_D.lane == bindparam("the_lane"), _D.state == _SENDING)


def recover(book: Book, now: datetime, *, everything: bool = False) -> int:
    """Take back the leases that ended, or all of them when no other process can be alive.

    What was being sent goes back into the queue as perhaps received. Returns how many.
    """
    deliveries.last(book)
    if everything:
        return _take_back(book, book.all(_LEASES), now)
    return _take_back(book, book.all(_EXPIRED_LEASES, {"now": book.ground.lease_time(book, now)}), now)


def recover_own(book: Book, now: datetime) -> int:
    """Take back what this node's name has leased: the process that did is dead, and this one is new."""
    return _take_back(book, [row for row in book.all(_LEASES) if row.lease_owner == book.node], now)


def recover_dead(book: Book, now: datetime) -> int:
    """Take back the leases of nodes whose process is proven to be gone. Returns how many."""
    leases = [row for row in book.all(_LEASES) if row.lease_owner != book.node]
    if not leases:
        return 0
    dead = {row.name for row in book.all(_NODES) if process.is_dead(row.process)}
    return _take_back(book, [row for row in leases if row.lease_owner in dead], now)


def _take_back(book: Book, lanes: Sequence[Row], now: datetime) -> int:
    taken_back = 0
    for lane in lanes:
        deliveries.step_lane(book, lane.key, 0, token=lane.lease_token)
        for each in book.all(_IN_LANE, {"the_lane": lane.key}):
            row = deliveries.find(book, each.id)
            if row.state != DeliveryState.SENDING.value or row.token != lane.lease_token:
                continue  # it has come back meanwhile
            deliveries.move(
                book,
                row,
                DeliveryEvent.LEASE_EXPIRED,
                at=now,
                action="recover",
                reason="DL102",
                release=True,
                reached=2 if row.reached else 0,
            )
            taken_back += 1
    return taken_back
