"""Every statement of one kind of engine, compiled when it is first used, then known to the whole process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from adapter.relay.store.columns import Columns
from adapter.relay.store.prepared import Prepared

if TYPE_CHECKING:
    from sqlalchemy import Insert, Update
    from sqlalchemy.engine import Dialect
    from sqlalchemy.sql import ClauseElement


_SHELF: dict[tuple[Any, ...], Library] = {}


def library_of(dialect: Dialect) -> Library:
    """Return the statements of engines like this one: same database, same driver, same version."""
    kind = (dialect.name, dialect.driver, dialect.server_version_info)
    return _SHELF.setdefault(kind, Library(dialect))


class Library:
    """The statements of one kind of engine, by what they say and the parameters they are given."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._known: dict[tuple[Any, ...], Prepared] = {}
        self._of_many: dict[tuple[Any, ...], Columns] = {}

    def find(self, statement: ClauseElement, keys: tuple[str, ...]) -> Prepared:
        """Return the statement for these parameters."""
        place = (statement, keys)
        known = self._known.get(place)
        if known is None:
            known = self._known[place] = Prepared(statement, self._dialect, keys)
        return known

    def find_for_many(self, statement: Insert | Update, keys: tuple[str, ...]) -> Columns:
        """Return the same statement for as many rows as are given."""
        place = (statement, keys)
        known = self._of_many.get(place)
        if known is None:
            known = self._of_many[place] = Columns(statement, self._dialect, keys)
        return known
