"""Heads of the other nodes' chains, sealed into this one's: who cuts one chain has to rewrite them all."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, func, select

from adapter.relay.audit import Head
from adapter.relay.store import schema

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from adapter.relay.audit import AuditRow
    from adapter.relay.store.book import Book

EVERY = timedelta(minutes=10)

ACTION = "seal"
_U = schema.audit.c
_newest = select(_U.node, func.max(_U.sequence).label("sequence")).group_by(_U.node).subquery()
_HEADS = (
    select(_U.node, _U.sequence, _U.hash)
    .join(_newest, (_U.node == _newest.c.node) & (_U.sequence == _newest.c.sequence))
    .where(_U.node != bindparam("me"))
    .order_by(_U.node)
)
_LAST = (
    select(_U.detail)
    .where(_U.object == bindparam("the_object"), _U.node == bindparam("me"))
    .order_by(_U.sequence.desc())
    .limit(1)
)
SEALED = select(schema.audit).where(_U.action == ACTION).order_by(_U.node, _U.sequence)


def seal(book: Book, at: datetime) -> int:
    """Write down the heads that moved since they were sealed here. Returns how many."""
    sealed = 0
    for row in book.all(_HEADS, {"me": book.node}):
        last = book.first(_LAST, {"the_object": f"node/{row.node}", "me": book.node})
        if last is not None and row.hash in last.detail:
            continue
        book.note(ACTION, f"node/{row.node}", "sealed", at=at, sequence=row.sequence, hash=row.hash)
        sealed += 1
    return sealed


def heads(rows: Iterable[AuditRow], node: str) -> list[Head]:
    """Return the heads of `node` that these rows have sealed."""
    pairs = [dict(row.pairs) for row in rows if row.object == f"node/{node}"]
    return [Head(node=node, sequence=int(pair["sequence"]), hash=pair["hash"]) for pair in pairs]
