"""Copies of a cancelled replay that were under way as it was cancelled: they go back to where they wait."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, exists, select, update

from adapter.relay.message import DeliveryEvent, DeliveryState
from adapter.relay.replay import ItemState, ReplayState
from adapter.relay.store import deliveries, schema

if TYPE_CHECKING:
    from datetime import datetime

    from adapter.relay.store.book import Book
    from adapter.relay.store.prepared import Row
    from adapter.relay.store.values import Claimed

NOT_LEFT = "DL119"
AT_ONCE = timedelta(seconds=1)
"""A copy that was claimed longer ago than this is asked about once more before it is sent."""

_R, _I, _D = schema.replay.c, schema.replay_item.c, schema.delivery.c
_OF_A_CANCELLED = (
    (_R.state == ReplayState.CANCELLED.value),
    (_I.replay == _R.id),
    (_I.state == ItemState.QUEUED.value),
)
# What was queued anew since, alone or in another replay, has another `queued_at`: it is held back no more.
IS_HALTED = (
    exists()
    .where(*_OF_A_CANCELLED, _R.ended_at >= _D.queued_at, _I.delivery == _D.id, _I.at == _D.queued_at)
    .correlate(schema.delivery)
)
"""Of a delivery: the replay that queued it was cancelled."""
_ITEM = select(_I.replay, _I.number).where(
    *_OF_A_CANCELLED,
    _I.delivery == bindparam("the_delivery"),
    _I.at == bindparam("queued_at", type_=_I.at.type),
)
_END = update(schema.replay_item).where(
    _I.replay == bindparam("the_replay"), _I.number == bindparam("the_number")
)


def take_back(book: Book, row: Row, *events: DeliveryEvent, at: datetime, release: bool = False) -> bool:
    """Park a copy by `events` if the replay that queued it was cancelled; False if none was.

    `row`: as `deliveries.find` returns it. `release`: its lane is leased to us, and the lease ends.
    """
    item = book.first(_ITEM, {"the_delivery": row.id, "queued_at": row.queued_at})
    if item is None:
        return False
    was_only_frozen = row.reached == 1 and release
    deliveries.move(
        book,
        row,
        *events,
        at=at,
        action="take-back",
        reason=NOT_LEFT,
        release=release,
        detail={"replay": item.replay},
        reached=0 if was_only_frozen else row.reached,
    )
    given = {"state": ItemState.TAKEN_BACK.value, "reason": NOT_LEFT, "at": at}
    book.run(_END, {"the_replay": item.replay, "the_number": item.number, **given})
    return True


def give_back(book: Book, claimed: Claimed, at: datetime) -> bool:
    """End a claim whose copy is not on the wire yet, if its replay was cancelled; False if it may go."""
    row = deliveries.find(book, claimed.delivery)
    if row.token != claimed.token or row.state != DeliveryState.SENDING.value:
        return False
    steps = (DeliveryEvent.LEASE_EXPIRED, DeliveryEvent.ATTEMPTS_SPENT)
    return take_back(book, row, *steps, at=at, release=True)
