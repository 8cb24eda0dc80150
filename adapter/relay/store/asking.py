"""Questions to the last committed state, by query-only connections."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, select
from sqlalchemy.exc import SQLAlchemyError

from adapter.errors import NotFound
from adapter.relay.store import schema
from adapter.relay.store.library import library_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Select

    from adapter.relay.store.cipher import Vault
    from adapter.relay.store.ground import Ground
    from adapter.relay.store.prepared import Row

_K, _Y = schema.content_key.c, schema.payload.c
_PAYLOAD = (
    select(_K.wrapped, _Y.sealed)
    .join(schema.payload, _Y.owner == _K.owner)
    .where(_K.owner == bindparam("owner"), _Y.part == bindparam("part"), _K.wrapped.is_not(None))
)


class Asking:
    """Asks the database; blocks nobody and is blocked by nobody."""

    def __init__(self, ground: Ground, vault: Vault) -> None:
        self._ground = ground
        self._engine = ground.reading
        self._library = library_of(ground.reading.dialect)
        self._vault = vault

    def rows(self, statement: Select[Any], parameters: Mapping[str, Any] | None = None) -> Sequence[Row]:
        """Return every row of one statement, as named tuples.

        A statement with `parameters` is one that stands in the code: it is compiled once. One without may
        have been put together for this question. Asked once more where the connection was lost.

        Raises StoreError ST111 if the database cannot answer, ST116 if it is not there.
        """
        try:
            try:
                return self._asked(statement, parameters)
            except Exception as exc:
                if not self._ground.is_lost(exc):
                    raise
                self._engine.dispose()
                return self._asked(statement, parameters)
        except (SQLAlchemyError, self._engine.dialect.loaded_dbapi.Error) as exc:
            raise self._ground.unread(exc) from None

    def _asked(self, statement: Select[Any], parameters: Mapping[str, Any] | None) -> Sequence[Row]:
        if parameters is not None:
            return self._prebuilt(statement, parameters)
        with self._engine.connect() as connection:
            return connection.execute(statement).all()

    def _prebuilt(self, statement: Select[Any], parameters: Mapping[str, Any]) -> list[Row]:
        prepared = self._library.find(statement, tuple(parameters))
        connection = self._engine.raw_connection()
        try:
            cursor = connection.cursor()
            cursor.execute(prepared.sql, prepared.bound(parameters))
            return prepared.rows(cursor)
        finally:
            connection.close()

    def one(self, kind: str, statement: Select[Any], parameters: Mapping[str, Any]) -> Row:
        """Return the only row. Raises NotFound ST121."""
        found = self.rows(statement, parameters)
        if not found:
            raise NotFound("ST121", params={"kind": kind})
        return found[0]

    def opened(self, owner: str, part: str) -> bytes | None:
        """Return the clear bytes, or None if there are none or they were forgotten."""
        found = self.rows(_PAYLOAD, {"owner": owner, "part": part})
        if not found:
            return None
        return self._vault.envelope(owner, found[0].wrapped).open(part, found[0].sealed)
