"""Changing the master key: what it wrapped is wrapped anew, and what it gave besides goes on.

Hashes of persons, fingerprints and the audit chain are made with keys of the first master. Nobody can make
them anew, because what they are of is not kept; so these keys stand wrapped among the content keys from the
first change on. NIST SP 800-57 part 1, section 5.3 (cryptoperiods).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import bindparam, insert, select, update
from sqlalchemy.exc import SQLAlchemyError

from adapter.errors import StoreError
from adapter.relay.store import schema
from adapter.relay.store.cipher import Vault
from adapter.relay.store.ground import NODES

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Connection

    from adapter.relay.store.book import Book
    from adapter.relay.store.ground import Ground

_PAGE = 1000
_K, _N = schema.content_key.c, schema.node.c
_MASTER = select(_N.master).order_by(_N.started_at).limit(1)
_HEIRLOOMS = select(_K.owner, _K.wrapped).where(_K.owner.in_(Vault.HEIRLOOMS))
_WRAPPED = (
    select(_K.owner, _K.wrapped)
    .where(_K.wrapped.is_not(None), _K.owner > bindparam("after"))
    .order_by(_K.owner)
    .limit(bindparam("page"))
)
_WRAP = (
    update(schema.content_key)
    .where(_K.owner == bindparam("the_owner"))
    .values(wrapped=bindparam("wrapped"), master=bindparam("master"))
)
_KNOWN = select(_K.owner).where(_K.owner == bindparam("owner"))
_KEEP = insert(schema.content_key)
_RENAME = update(schema.node).values(master=bindparam("master"))


def vault_of(ground: Ground, master: bytes) -> Vault:
    """Return the vault that opens a store.

    Raises StoreError ST103 if the store was made with another master key; ConfigurationError ST105.
    """
    vault = Vault(master)
    try:
        with ground.reading.connect() as connection:
            check(connection, vault)
            heirlooms = {row.owner: row.wrapped for row in connection.execute(_HEIRLOOMS)}
    except SQLAlchemyError as exc:
        raise ground.unread(exc) from None
    vault.inherit(heirlooms)
    return vault


def check(connection: Connection, vault: Vault) -> None:
    """Raise StoreError ST103 if the store was made with another master key."""
    made_with = connection.execute(_MASTER).scalar()
    if made_with not in (None, vault.name):
        raise StoreError("ST103")


def rotate(book: Book, heir: Vault, *, actor: str, reason: str, at: datetime) -> int:
    """Wrap every key for another master; returns how many. No other node may live (StoreError ST139)."""
    if not book.ground.try_lock(book, NODES):
        raise StoreError("ST139")
    count, after = 0, ""
    while page := book.all(_WRAPPED, {"after": after, "page": _PAGE}):
        book.run_all(
            _WRAP,
            [
                {
                    "the_owner": row.owner,
                    "wrapped": heir.wrapped(row.owner, book.vault.unwrapped(row.owner, row.wrapped)),
                    "master": heir.name,
                }
                for row in page
            ],
        )
        count, after = count + len(page), page[-1].owner
    for owner, wrapped in heir.heirlooms().items():
        if book.first(_KNOWN, {"owner": owner}) is None:
            book.run(_KEEP, {"owner": owner, "wrapped": wrapped, "master": heir.name, "made_at": at})
    book.run(_RENAME, {"master": heir.name})
    book.note(
        "rotate-key", "store", "rotated", at=at, actor=actor, reason=reason, keys=count, master=heir.name
    )
    return count
