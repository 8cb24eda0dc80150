"""Directory and agreements: what decisions read, in versions that are never overwritten."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, func, insert, select, update

from adapter.relay.store import schema

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


def replace(book: Book, table: Table, texts: Mapping[str, str], at: datetime) -> int:
    """Make `texts` what is in force; what is missing ends. Returns how many changed."""
    current = {row.name: row for row in book.all(_NEWEST[table.name])}
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


def _next_version(
    book: Book, table: Table, row: Row | None, name: str, text: str, at: datetime, *, ended: bool
) -> None:
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
