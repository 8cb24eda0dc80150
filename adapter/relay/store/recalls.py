"""Recalls: a copy that went to the wrong recipient is taken back from that one alone.

The copy keeps what became of it; what says that it was recalled is its reason and, behind it in its lane, a
cancellation that hangs on the same message. A copy that goes back into the queue later is closed there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter.errors import Conflict
from adapter.relay.case import CaseState
from adapter.relay.message import DeliveryEvent, Kind
from adapter.relay.store import cases, deliveries, offers
from adapter.relay.store.deliveries import RECALLED

if TYPE_CHECKING:
    from datetime import datetime

    from adapter.relay.message import NewDelivery
    from adapter.relay.store.book import Book
    from adapter.relay.store.prepared import Row


def recall(
    book: Book, delivery: str, new: NewDelivery, *, actor: str, reason: str, at: datetime
) -> str | None:
    """Write down the incident, stop the copy, queue its cancellation and tell the sender.

    Returns the id of the cancellation; None where nothing had left, and where the content that it would name
    the person from is forgotten.

    Raises NotFound ST121; Conflict DL124 for what is no copy of a notification, is recalled already, has
    ended without leaving, or is just leaving.
    """
    row = deliveries.find(book, delivery)
    steps = _steps(row)
    has_left = row.reached > 0
    if row.kind != Kind.NOTIFICATION.value or deliveries.is_recalled(book, row) or not (has_left or steps):
        raise Conflict("DL124", params={"state": row.state})
    told = new.id if has_left and row.forgotten_at is None else None
    book.note(
        "recall",
        f"delivery/{row.id}",
        "recalled" if has_left else "stopped",
        at=at,
        actor=actor,
        reason=RECALLED,
        message=row.message,
        recipient=row.recipient,
        why=reason,
        by=told,
    )
    if steps:
        deliveries.move(book, row, *steps, at=at, action="close", actor=actor, reason=RECALLED)
    else:
        deliveries.change(book, row.id, {"reason": RECALLED})
        deliveries.tell(book, row, at=at, reason=RECALLED, round_=deliveries.RECALL)
    _end_case(book, row.id, actor=actor, at=at)
    if told is not None:
        deliveries.reopen(book, row.message, at)
        deliveries.add(book, row.message, row.sender, new, at)
    return told


def _steps(row: Row) -> tuple[DeliveryEvent, ...]:
    """Return the steps that close a copy; empty for one that is on the wire, waits for an answer or ended."""
    if offers.is_unopened(row.state, row.reached):
        return DeliveryEvent.TAKEN_BACK, DeliveryEvent.CANCELLED
    event = DeliveryEvent.CANCELLED
    return (event,) if deliveries.has_step(row.state, event) else ()


def _end_case(book: Book, case: str, *, actor: str, at: datetime) -> None:
    """Nobody waits for an answer of the wrong recipient."""
    state = cases.state_of(book, case)
    if state is not None and state is not CaseState.CLOSED:
        cases.close(book, case, actor=actor, reason=RECALLED, at=at)
