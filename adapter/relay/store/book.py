"""One write transaction: the connection, what operations need beside it, and what is written at its end.

Written at the end, once for all operations of the group: what they did to lanes, which messages may be
settled, and the audit rows. Lanes and messages are what several nodes write to at the same time; locked last
and in one order, they never make two nodes wait for each other.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, insert, select

from adapter.relay import audit
from adapter.relay.message import AuditRecord
from adapter.relay.store import schema

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import Column, Connection
    from sqlalchemy.sql import ClauseElement
    from sqlalchemy.sql.dml import Insert, Update

    from adapter.relay.clock import Clock, Ids
    from adapter.relay.store.cipher import Envelope, Vault
    from adapter.relay.store.ground import Ground
    from adapter.relay.store.library import Library
    from adapter.relay.store.prepared import Row

ENGINE = "silta"
"""Actor of what the engine does by itself."""

NOTHING: Mapping[str, Any] = MappingProxyType({})

_ADD_AUDIT = insert(schema.audit)
_LAST_AUDIT = select(schema.audit).order_by(schema.audit.c.sequence.desc()).limit(1)
_ADD_KEY = insert(schema.content_key)
_ADD_PAYLOAD = insert(schema.payload)
_WRAPPED = select(schema.content_key.c.wrapped).where(schema.content_key.c.owner == bindparam("owner"))


_PLACES = {table: number for number, table in enumerate(schema.metadata.sorted_tables)}


def _place_of(statement: Insert) -> int:
    """Tables that others refer to come first."""
    return _PLACES[statement.table]  # type: ignore[index]


@dataclass(slots=True)
class LaneStep:
    """What the operations of a transaction did to one lane."""

    step: int = 0
    """How many more wait in it."""
    token: int | None = None
    """Token of the lease that is given back; None if none is."""


class Book:
    """What an operation writes with, from BEGIN to COMMIT; a new one for every transaction.

    Operations may be run again in another transaction when their group fails, so they change nothing but
    the database.
    """

    __slots__ = (
        "_changed",
        "_changes",
        "_last",
        "_later",
        "_library",
        "_marks",
        "_records",
        "_reserved",
        "asked_time",
        "clock",
        "cursor",
        "foreseen",
        "ground",
        "head",
        "ids",
        "known_parties",
        "lanes",
        "new_references",
        "node",
        "settling",
        "vault",
        "work",
    )

    def __init__(
        self,
        connection: Connection,
        library: Library,
        vault: Vault,
        clock: Clock,
        ids: Ids,
        head: audit.Head,
        ground: Ground,
        last: Callable[[Book], None],
        known_parties: frozenset[str] = frozenset(),
    ) -> None:
        self.cursor: Any = connection.connection.cursor()
        self._library = library
        self._last = last
        self.ground = ground
        self._records: list[AuditRecord] = []
        self._later: dict[Insert, list[Mapping[str, Any]]] = {}
        self._reserved: dict[Column[int], Iterator[int]] = {}
        self._changes: dict[tuple[Update, tuple[str, ...]], list[Mapping[str, Any]]] = {}
        self._changed: set[tuple[str, str]] = set()
        self._marks: set[tuple[str, ...]] = set()
        self.vault = vault
        self.clock = clock
        self.ids = ids
        self.head = head
        self.node = head.node
        self.work = False
        """True if something may now be due that was not before."""
        self.new_references = False
        """True if directory or agreements are others now."""
        self.asked_time: datetime | None = None
        """The database's time, once it was asked."""
        self.lanes: dict[str, LaneStep] = {}
        """What becomes of lanes at the end, by key."""
        self.settling: dict[str, datetime] = {}
        """Messages that may be settled at the end, with when."""
        self.known_parties = known_parties
        """Partners that are in the database already."""
        self.foreseen: dict[tuple[str, str], Row] = {}
        """Rows that were read for the operations to come in one go, by what they are for and key.

        None where it was looked for and is not there.

        An operation that uses one takes it out, and so does whoever changes what it tells.
        """

    def run(self, statement: ClauseElement, parameters: Mapping[str, Any] = NOTHING) -> int:
        """Execute one prebuilt statement; returns how many rows it touched."""
        self._catch_up()
        prepared = self._library.find(statement, tuple(parameters))
        self.cursor.execute(prepared.sql, prepared.bound(parameters))
        return int(self.cursor.rowcount)

    def run_all(self, statement: Insert | Update, parameters: Sequence[Mapping[str, Any]]) -> None:
        """Execute one prebuilt statement for each set of parameters; all name the same ones."""
        self._catch_up()
        self._run_each(statement, parameters)

    def _run_each(self, statement: Insert | Update, parameters: Sequence[Mapping[str, Any]]) -> None:
        if len(parameters) > 1 and self.ground.takes_columns:
            columns = self._library.find_for_many(statement, tuple(parameters[0]))
            self.cursor.execute(columns.sql, columns.bound(parameters))
        elif parameters:
            prepared = self._library.find(statement, tuple(parameters[0]))
            self.cursor.executemany(prepared.sql, [prepared.bound(each) for each in parameters])

    def later(self, statement: Insert, parameters: Mapping[str, Any]) -> None:
        """Insert a row before anything else is asked of the database than by `peek`.

        Rows of one statement go together, and what a row refers to goes before it. All rows of a statement
        name the same parameters.
        """
        self._later.setdefault(statement, []).append(parameters)

    def number(self, column: Column[int]) -> int:
        """Return the number that a new row of this transaction has in the column; no other has it."""
        reserved = self._reserved.get(column)
        found = None if reserved is None else next(reserved, None)
        if found is None:
            self.reserve(column, 1)
            found = next(self._reserved[column])
        return found

    def reserve(self, column: Column[int], count: int) -> None:
        """Ask in one go for as many numbers as `number` will be asked."""
        self._catch_up()  # rows that wait have numbers too
        self._reserved[column] = self.ground.numbers(self, column, count)

    def change(self, statement: Update, key: str, parameters: Mapping[str, Any]) -> None:
        """Update the row `key`, which is there, before anything else is asked of the database.

        Rows of one statement go together. Where one row is changed twice, the first change is written first.
        """
        place = (str(statement.table), key)
        if place in self._changed:
            self._catch_up()
        self._changed.add(place)
        self._changes.setdefault((statement, tuple(parameters)), []).append(parameters)

    def _catch_up(self) -> None:
        if self._later or self._changes:
            waiting, self._later = self._later, {}
            changes, self._changes = self._changes, {}
            self._marks, self._changed = set(), set()
            with self.ground.in_one_go(self):
                for statement in sorted(waiting, key=_place_of):
                    self._run_each(statement, waiting[statement])
                for (update, _), rows in changes.items():
                    self._run_each(update, rows)

    def mark(self, *about: str) -> None:
        """Say that rows which wait to be inserted are about this."""
        self._marks.add(about)

    def peek(
        self, statement: ClauseElement, parameters: Mapping[str, Any], *about: tuple[str, ...]
    ) -> list[Row]:
        """Return every row, without writing first what waits, unless some of that is about one of these."""
        if not self._marks.isdisjoint(about):
            self._catch_up()
        return self._asked(statement, parameters)

    def all(self, statement: ClauseElement, parameters: Mapping[str, Any] = NOTHING) -> list[Row]:
        """Return every row."""
        self._catch_up()
        return self._asked(statement, parameters)

    def _asked(self, statement: ClauseElement, parameters: Mapping[str, Any]) -> list[Row]:
        prepared = self._library.find(statement, tuple(parameters))
        self.cursor.execute(prepared.sql, prepared.bound(parameters))
        rows: list[Row] = prepared.rows(self.cursor)
        return rows

    def first(self, statement: ClauseElement, parameters: Mapping[str, Any] = NOTHING) -> Row | None:
        """Return the first row, or None."""
        rows = self.all(statement, parameters)
        return rows[0] if rows else None

    def scalar(self, statement: ClauseElement, parameters: Mapping[str, Any] = NOTHING) -> Any:  # noqa: ANN401
        """Return the first column of the only row."""
        return self.all(statement, parameters)[0][0]

    def note(
        self,
        action: str,
        object: str,
        outcome: str,
        *,
        at: datetime,
        actor: str = ENGINE,
        reason: str | None = None,
        **detail: str | int | None,
    ) -> None:
        """Leave an audit row, written before this transaction commits. Empty details are left out."""
        pairs = tuple([(name, str(value)) for name, value in detail.items() if value is not None])
        self.record(
            AuditRecord(
                at=at, actor=actor, action=action, object=object, outcome=outcome, reason=reason, detail=pairs
            )
        )

    def record(self, record: AuditRecord) -> None:
        """Leave an audit row that was made elsewhere."""
        self._records.append(record)

    def flush(self) -> None:
        """Write what is written at the end; the audit rows, linked to the chain, are the last."""
        self._last(self)
        self._catch_up()
        rows, self.head = audit.linked(self.head, self._records, self.vault.audit)
        self._records = []
        with self.ground.in_one_go(self):
            if self.work and self.ground.has_others:
                self.ground.announce(self)
            self._run_each(_ADD_AUDIT, rows)

    def seal_new(self, owner: str, parts: Mapping[str, bytes | None], at: datetime) -> None:
        """Keep the parts that are not None, under a fresh key of `owner`."""
        envelope, wrapped = self.vault.new_key(owner)
        self.later(_ADD_KEY, {"owner": owner, "wrapped": wrapped, "master": self.vault.name, "made_at": at})
        for part, clear in parts.items():
            if clear is not None:
                self.seal(envelope, part, clear)

    def seal_more(self, owner: str, part: str, clear: bytes) -> None:
        """Keep one more part under the owner's key; nothing if the key was destroyed."""
        row = self.first(_WRAPPED, {"owner": owner})
        if row is not None and row.wrapped is not None:
            self.seal(self.vault.envelope(owner, row.wrapped), part, clear)

    def seal(self, envelope: Envelope, part: str, clear: bytes) -> None:
        """Keep one part under a key that is there already."""
        self.later(
            _ADD_PAYLOAD,
            {"owner": envelope.owner, "part": part, "sealed": envelope.seal(part, clear)},
        )


def newest_head(connection: Connection, node: str) -> audit.Head:
    """Return the head of the node's chain as the database has it."""
    row = connection.execute(_LAST_AUDIT.where(schema.audit.c.node == node)).first()
    return audit.Head(node=node, sequence=row.sequence, hash=row.hash) if row else audit.first_head(node)
