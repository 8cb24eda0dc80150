"""Directory and agreements: what decisions read, in versions that are never overwritten."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, delete, func, insert, select, update

from adapter.relay.directory import FEED_PREFIX
from adapter.relay.store import schema
from adapter.relay.store.values import FeedState

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from sqlalchemy import Select, Table

    from adapter.relay.store.book import Book
    from adapter.relay.store.prepared import Row

_ADD = {table.name: insert(table) for table in (schema.directory, schema.agreement)}
_RETIRE = {
    table.name: update(table).where(table.c.number == bindparam("the_number")).values(newest=False)
    for table in (schema.directory, schema.agreement)
}

VERSION = select(
    func.coalesce(select(func.max(schema.directory.c.number)).scalar_subquery(), 0)
    + func.coalesce(select(func.max(schema.agreement.c.number)).scalar_subquery(), 0)
)
"""Grows with every change of either."""


def newest(table: Table) -> Select[Any]:
    """Return the statement for what is in force now."""
    return select(table).where(table.c.newest.is_(True), table.c.ended.is_(False)).order_by(table.c.name)


_NEWEST = {
    table.name: select(table).where(table.c.newest.is_(True))
    for table in (schema.directory, schema.agreement)
}


def replace(book: Book, table: Table, texts: Mapping[str, str], at: datetime, *, polled: bool = False) -> int:
    """Make `texts` what is in force; what is missing ends. Returns how many changed.

    `polled`: of what another server's directory holds; else of what the files hold.
    """
    current = {row.name: row for row in book.all(_NEWEST[table.name]) if is_polled(row.name) is polled}
    changed = 0
    for name, text in texts.items():
        row = current.get(name)
        if row is None or row.ended or row.body != text:
            _next_version(book, table, row, name, text, at, ended=False)
            changed += 1
    for name, row in current.items():
        if name not in texts and not row.ended:
            _next_version(book, table, row, name, row.body, at, ended=True)
            changed += 1
    return changed


def is_polled(name: str) -> bool:
    """Return True if a resource of that name came from another server's directory."""
    return name.partition("/")[2].startswith(FEED_PREFIX)


_FEED = schema.directory_feed.c
FEED = select(schema.directory_feed).where(_FEED.address == bindparam("the_address"))
FEEDS = select(schema.directory_feed)
_ADD_FEED = insert(schema.directory_feed)
_CHANGE_FEED = update(schema.directory_feed).where(_FEED.address == bindparam("the_address"))
_END_OTHERS = delete(schema.directory_feed).where(_FEED.address != bindparam("the_address"))

CLAIM = timedelta(minutes=15)
"""How long one node may take over a look before another one may look as well."""


def state_of(row: Row) -> FeedState:
    """Return the state that a row holds."""
    return FeedState(
        address=row.address,
        asked_at=row.asked_at,
        answered_at=row.answered_at,
        whole_at=row.whole_at,
        stale_at=row.stale_at,
        since=row.since,
        failures=row.failures,
        code=row.code,
    )


def keep_feed(book: Book, address: str | None, at: datetime) -> None:
    """Let `address` be the one server whose directory is kept; what any other said ends."""
    others = [row for row in book.all(FEEDS) if row.address != address]
    if others:
        book.run(_END_OTHERS, {"the_address": address or ""})
        replace(book, schema.directory, {}, at, polled=True)
    if address is not None and book.first(FEED, {"the_address": address}) is None:
        book.run(_ADD_FEED, {"address": address, "failures": 0})


def claim_feed(book: Book, address: str, seen: datetime | None, now: datetime) -> bool:
    """Let this node ask the server; False if another one does, or has since `seen`."""
    book.ground.lock(book, "directory-feed")
    row = book.first(FEED, {"the_address": address})
    is_taken = row is None or (row.claimed_until is not None and row.claimed_until > now)
    if row is None or is_taken or row.asked_at != seen:
        return False
    book.run(_CHANGE_FEED, {"the_address": address, "claimed_until": now + CLAIM, "asked_at": now})
    return True


def take_feed(book: Book, state: FeedState, texts: Mapping[str, str], at: datetime) -> int:
    """Keep what the server said, and when to ask again. Returns how many resources changed.

    `at`: when the claim was taken. What comes after another node has asked is older than what that one keeps.
    """
    if not _is_asking(book, state.address, at):
        return 0
    changed = replace(book, schema.directory, texts, at, polled=True)
    kept = {name: getattr(state, name) for name in ("answered_at", "whole_at", "stale_at", "since")}
    values = {**kept, "failures": 0, "code": None, "claimed_until": None}
    book.run(_CHANGE_FEED, {"the_address": state.address, **values})
    return changed


def _is_asking(book: Book, address: str, at: datetime) -> bool:
    """Return True if nobody has claimed the server since it was claimed `at`."""
    book.ground.lock(book, "directory-feed")
    row = book.first(FEED, {"the_address": address})
    return row is not None and row.asked_at == at


def fail_feed(book: Book, address: str, code: str, at: datetime) -> None:
    """Keep that the server did not answer as it should; what it said before stays."""
    if not _is_asking(book, address, at):
        return
    row = book.first(FEED, {"the_address": address})
    failures = row.failures + 1 if row is not None else 1
    values = {"failures": failures, "code": code, "claimed_until": None}
    book.run(_CHANGE_FEED, {"the_address": address, **values})
    if failures == 1:
        book.note("poll", "directory", "failed", at=at, reason=code)


def _next_version(
    book: Book, table: Table, row: Row | None, name: str, text: str, at: datetime, *, ended: bool
) -> None:
    book.new_references = True
    if row is not None:
        book.run(_RETIRE[table.name], {"the_number": row.number})
    version = row.version + 1 if row is not None else 1
    book.run(
        _ADD[table.name],
        {
            "name": name,
            "version": version,
            "body": text,
            "received_at": at,
            "newest": True,
            "ended": ended,
        },
    )
    state = "ended" if ended else "in-force"
    book.note("import", f"{table.name}/{name}", state, at=at, version=version)
