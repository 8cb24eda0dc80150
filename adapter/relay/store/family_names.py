"""Family names as keyed hashes: whether a person came by another one than before."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import bindparam, insert, select

from adapter.relay.store import schema

if TYPE_CHECKING:
    from datetime import datetime

    from adapter.relay.store.book import Book

_N = schema.family_name.c

NEWEST = select(_N.family).where(_N.subject == bindparam("subject")).order_by(_N.number.desc()).limit(1)
ANOTHER_SINCE = (
    select(_N.number)
    .where(_N.subject == bindparam("subject"), _N.is_another.is_(True), _N.received_at >= bindparam("since"))
    .limit(1)
)
_ADD = insert(schema.family_name)


def note(book: Book, subject: str, family: str, message: str, at: datetime) -> None:
    """Keep the name if it is not the one known; another one than before is marked."""
    rows = book.peek(NEWEST, {"subject": subject}, ("family-name", subject))
    if not rows or rows[0].family != family:
        book.mark("family-name", subject)
        book.later(
            _ADD,
            {
                "subject": subject,
                "family": family,
                "message": message,
                "received_at": at,
                "is_another": bool(rows),
            },
        )
