"""Ids of client assertions that were used: each works once, on any node, and after a restart too."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import bindparam, delete, insert, select

from adapter.relay.store import schema

if TYPE_CHECKING:
    from datetime import datetime

    from adapter.relay.store.book import Book

_A = schema.assertion.c

_KNOWN = select(_A.id).where(_A.client == bindparam("client"), _A.id == bindparam("id"))
_ADD = insert(schema.assertion)
_FORGET = delete(schema.assertion).where(_A.until < bindparam("now", type_=schema.Moment))


def remember(book: Book, client: str, id: str, until: datetime) -> bool:
    """Keep an id until then; False if it is known. What has run out is let go on the way."""
    if book.first(_KNOWN, {"client": client, "id": id}) is not None:
        return False
    book.run(_FORGET, {"now": book.clock.now()})
    book.run(_ADD, {"client": client, "id": id, "until": until})
    return True
