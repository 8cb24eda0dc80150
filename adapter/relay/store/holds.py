"""The hold: while one stands, no lane is claimed, so nothing leaves; what comes in is taken in as ever.

A store that was restored does not know what was sent after it was copied, nor which consents were withdrawn.
So it sends nothing before a person has seen to that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import insert, select, update

from adapter.errors import Conflict
from adapter.relay.store import schema

if TYPE_CHECKING:
    from datetime import datetime

    from adapter.relay.store.book import Book

_H = schema.hold.c

STANDING = select(schema.hold).where(_H.lifted_at.is_(None)).order_by(_H.number).limit(1)
_ADD = insert(schema.hold)
_LIFT = update(schema.hold).where(_H.lifted_at.is_(None))
SHADOW = select(schema.shadow.c.since).limit(1)
_ANY_MESSAGE = select(schema.message.c.id).limit(1)
_BEGIN_SHADOW = insert(schema.shadow)
RESTORED = "restored from a copy of the store"
"""Why a copy holds."""


def stands(book: Book) -> bool:
    """Return True while nothing may leave."""
    return book.first(STANDING) is not None


def begin(book: Book, *, actor: str, reason: str, at: datetime) -> None:
    """Let nothing leave any more; one that stands already stays as it is."""
    if stands(book):
        return
    book.run(_ADD, {"began_at": at, "actor": actor, "reason": reason})
    book.note("hold", "deliveries", "held", at=at, actor=actor, reason=reason)


def begin_shadow(book: Book, at: datetime) -> None:
    """Mark the store as one whose messages are never sent. Raises Conflict (ST127) if it is a live one."""
    if book.first(SHADOW) is not None:
        return
    if book.first(_ANY_MESSAGE) is not None:
        raise Conflict("ST127")
    book.run(_BEGIN_SHADOW, {"since": at})
    book.note("shadow", "deliveries", "shadow", at=at)


def lift(book: Book, *, actor: str, reason: str, at: datetime) -> None:
    """Let what waits go. Raises Conflict (DL152) if nothing is held."""
    if not book.run(_LIFT, {"lifted_at": at, "lifted_by": actor}):
        raise Conflict("DL152")
    book.note("lift-hold", "deliveries", "lifted", at=at, actor=actor, reason=reason)
    book.work = True
